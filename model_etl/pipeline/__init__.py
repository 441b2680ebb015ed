"""The steps of a run as nodes of a Bonobo graph; only this package, `graphs` and `services` know Bonobo or fs."""
