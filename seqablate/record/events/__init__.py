"""The TensorBoard event file of a run: a view of its record."""
