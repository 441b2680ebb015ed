"""The original's import: `from model_etl.model_node import MLModelTransformer`."""

from model_etl.scoring.model_step import MLModelTransformer

__all__ = ["MLModelTransformer"]
