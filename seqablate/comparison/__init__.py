"""Comparing recorded runs. Reads run folders only; imports no torch."""
