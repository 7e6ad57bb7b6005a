"""Pictures of arrays: no file formats, no runs, no torch. matplotlib is imported when something is drawn."""
