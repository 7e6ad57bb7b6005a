"""Clipping strategies: ``clip=NAME`` is ``NAME.py``, and a YAML of that name."""
