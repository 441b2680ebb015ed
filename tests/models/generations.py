"""Models of both generations, and one that is of neither."""

from __future__ import annotations

from typing import Any

from ml_base import MLModel
from ml_model_abc import MLModel as OlderMLModel
from ml_model_abc import MLModelSchemaValidationException
from pydantic import BaseModel
from schema import And, Schema, SchemaError


class Older(OlderMLModel):
    """The older generation, as its articles write it: it validates in predict and wraps the schema's exception."""

    display_name = "Older"
    qualified_name = "older"
    description = "Doubles a number."
    major_version = 2
    minor_version = 7
    input_schema = Schema({"x": And(float, lambda x: x >= 0)}, ignore_extra_keys=True)
    output_schema = Schema({"y": float})

    def predict(self, data: dict[str, Any]) -> dict[str, Any]:
        """Double it."""
        try:
            self.input_schema.validate(data)
        except SchemaError as exc:
            raise MLModelSchemaValidationException(f"Failed to validate input data: {exc}") from exc
        return {"y": data["x"] * 2}


class X(BaseModel):
    """A number."""

    x: float


class Y(BaseModel):
    """A number."""

    y: float


class OneByOne(MLModel):
    """The present generation without predict_batch."""

    display_name = "One by one"
    qualified_name = "one_by_one"
    description = "Doubles a number."
    version = "1.2.3"
    input_schema = X
    output_schema = Y

    def __init__(self) -> None:
        pass

    def predict(self, data: X) -> Y:
        """Double it."""
        assert isinstance(data, X)
        return Y(y=data.x * 2)


class Duck:
    """No MLModel, but with its attributes."""

    display_name = "Duck"
    qualified_name = "duck"
    description = "Doubles a number."
    version = 3
    input_schema = X
    output_schema = Y

    def predict(self, data: X) -> dict[str, float]:
        """Double it."""
        return {"y": data.x * 2}

    def predict_batch(self, records: list[Any]) -> list[dict[str, float]]:
        """Double them; a batch with a negative number fails as a whole, and one with a 13 loses an output."""
        if any(r.x < 0 for r in records):
            raise ArithmeticError("negative")
        return [{"y": r.x * 2} for r in records if r.x != 13]


class Fast(Duck):
    """A model that exposes what it computed on the way."""

    qualified_name = "fast"

    def predict_batch_with_internals(self, records: list[Any]) -> tuple[list[Any], list[Any]]:
        """Double them, and say what by."""
        return self.predict_batch(records), [{"factor": 2, "x": r.x} for r in records]
