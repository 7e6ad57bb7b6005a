"""Launchers that place the workers of a sweep on other machines: Slurm and Ray."""
