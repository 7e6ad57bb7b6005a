"""Learning-rate schedules: ``schedule=NAME`` is ``NAME.py``, and a YAML of that name."""
