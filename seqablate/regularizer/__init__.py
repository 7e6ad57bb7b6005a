"""Penalties that are added to the training loss: ``regularizer=NAME`` is ``NAME.py``, and a YAML of that name."""
