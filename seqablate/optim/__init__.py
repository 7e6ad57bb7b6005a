"""Optimizers with torch.optim's argument names: ``optim=NAME`` is ``NAME.py``, and a YAML of that name."""
