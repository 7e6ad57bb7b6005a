"""Recurrent models: stacks of recurrences with one readout."""
