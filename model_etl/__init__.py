"""Batch scoring on one machine: a reader, a model, business rules, a prediction log and a writer in one graph."""

__version__ = "0.1.0"
