"""Settings of a run: options, where they come from, and what they mean."""
