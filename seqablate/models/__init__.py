"""Models by family: ``model=NAME`` is the file ``NAME.py`` of its family, and a YAML of that name."""
