"""Arms of runs: pooled over seeds, compared in pairs, and written as tables."""
