"""`from model_etl.execution import ReliableStrategy`: the execution strategy for graphs that are run by hand."""

from model_etl.pipeline.strategy import ReliableStrategy

__all__ = ["ReliableStrategy"]
