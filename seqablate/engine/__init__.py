"""Recurrences, and the exact gradient of every timestep. Tensors only; README.md has the derivations."""
