"""Evidence of a run: the prediction log and the run report."""
