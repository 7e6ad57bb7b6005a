"""What a probe does in place of a module's forward, one file for each kind of module."""
