"""Staging files, and publishing all of a run's files or none."""
