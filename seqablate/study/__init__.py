"""Studies: from a claim in a file to a verdict."""
