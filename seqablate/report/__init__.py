"""What a run shows on the terminal: live, or as plain lines, or nothing."""
