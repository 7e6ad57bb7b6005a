"""Sweeps: which runs there are, and what starts them."""
