"""The step, the loop, the state, checkpoints, and the run that puts them together."""
