"""A model that predicts data frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from model_etl.frames.answers import table_of_answer
from model_etl.frames.frame_builder import FrameBuilder
from model_etl.schema.columns import Table


class FrameModel:
    """Asks a model for the predictions of records as a frame.

    Args:
        instance: a model with `predict_frame`, and with `frame` if it wants another frame than that of pandas.

    Raises:
        ValueError: if its `frame` is unknown, or cannot hold a field of its input schema.
        ImportError: if the library of the frame is not installed.
    """

    def __init__(self, instance: Any) -> None:
        self._predict = instance.predict_frame
        self._builder = FrameBuilder(instance.input_schema, getattr(instance, "frame", "pandas"))

    def predict(self, records: Sequence[Any], fields: Sequence[str]) -> Table:
        """Return the outputs of decoded records; exceptions of the model propagate.

        Args:
            records: the decoded records, at least one.
            fields: the names of the output fields.
        """
        return table_of_answer(self._predict(self._builder.of_records(records)), len(records), fields)
