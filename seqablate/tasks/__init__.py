"""Tasks: one file per kind, and what they share; ``task=NAME`` is ``NAME.py``, and a YAML of that name."""
