"""Records in batches, with their text, their position in the input and their outcome."""

from model_etl.records.batch import source_identity

__all__ = ["source_identity"]
