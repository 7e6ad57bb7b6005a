"""Tasks that ask for what was read earlier, over a wait or among distractors."""
