"""What a sweep is: its plan, its folder, and who works at it."""
