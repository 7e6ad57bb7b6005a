"""Intervals, tests and power: numbers in, numbers out. scipy is imported only by the functions that need it."""
