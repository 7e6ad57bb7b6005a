"""Deep nets without recurrences: depth instead of time."""
