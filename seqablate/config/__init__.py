"""Config: types, composition, validation, digest, registration of variants. Imports no torch."""
