"""A run from its settings to its published files, and the check that tries a run without publishing."""
