"""Models and decorators of ml_base."""
# ruff: noqa: D102  the base classes describe their methods

from __future__ import annotations

from typing import Any

from ml_base import MLModel, MLModelDecorator
from pydantic import BaseModel, create_model

CALLS: list[str] = []


class Product(BaseModel):
    x: float
    rate: float = 2.0


class Answer(BaseModel):
    y: float


class Alone(MLModel):
    """Predicts one record at a time."""

    display_name = "Product"
    qualified_name = "product"
    description = "Multiplies."
    version = "1"
    input_schema = Product
    output_schema = Answer

    def __init__(self) -> None:
        pass

    def predict(self, data: Any) -> Any:
        CALLS.append("model.predict")
        if data.x < 0:
            raise ValueError("x is negative")
        return Answer(y=data.x * data.rate)


class Batches(Alone):
    def predict_batch(self, records: Any) -> Any:
        CALLS.append("model.predict_batch")
        return [self.predict(record).model_dump() for record in records]


class Columns(Alone):
    def predict_columns(self, columns: Any) -> Any:
        CALLS.append("model.predict_columns")
        return {"y": columns["x"] * columns["rate"]}


class Frames(Alone):
    def predict_frame(self, frame: Any) -> Any:
        CALLS.append("model.predict_frame")
        return (frame["x"] * frame["rate"]).to_frame("y")


class PlusOne(MLModelDecorator):
    """Has predict alone."""

    def predict(self, data: Any) -> Any:
        return Answer(y=self._model.predict(data=data).y + self._configuration.get("by", 1))


class Doubled(MLModelDecorator):
    """Has predict and predict_batch."""

    def predict(self, data: Any) -> Any:
        return Answer(y=2 * self._model.predict(data=data).y)

    def predict_batch(self, records: Any) -> Any:
        CALLS.append("doubled.predict_batch")
        return [
            {"y": 2 * (output["y"] if isinstance(output, dict) else output.y)}
            for output in self._model.predict_batch(records)
        ]


class WholeFrames(Doubled):
    """Has predict_frame too, which only counts around a model that has it."""

    def predict_frame(self, frame: Any) -> Any:
        CALLS.append("whole.predict_frame")
        return self._model.predict_frame(frame) * 2


class Renamed(MLModelDecorator):
    """Changes no prediction."""

    @property
    def qualified_name(self) -> str:
        return "renamed"


class Rate(MLModelDecorator):
    """Takes the rate from its configuration, so that records have none."""

    def __init__(self, rate: float, password: str = "") -> None:
        super().__init__(rate=rate, password=password)

    @property
    def input_schema(self) -> Any:
        return create_model("WithoutRate", x=(float, ...))

    def predict(self, data: Any) -> Any:
        return self._model.predict(data=Product(x=data.x, rate=self._configuration["rate"]))
