"""Lengths of the training sequences: ``curriculum=NAME`` is ``NAME.py``, and a YAML of that name."""
