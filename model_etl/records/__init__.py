"""Records in batches, and what is known of each: its text, its place in the input, its outcome."""

from model_etl.records.batch import source_identity

__all__ = ["source_identity"]
