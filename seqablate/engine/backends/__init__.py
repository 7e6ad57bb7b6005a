"""What runs a recurrence: one file for each way, all held equal by tests."""
