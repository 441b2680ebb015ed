"""The same model with and without `predict_columns`, and ones whose columns are wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from ml_base import MLModel
from pydantic import BaseModel, Field


class Parcel(BaseModel):
    """A record with a field of every kind that has an array of its own, and one that has not."""

    weight: float = Field(gt=0, le=1000)
    count: int = Field(ge=0)
    fragile: bool
    city: str
    size: Literal["S", "L"] = Field(alias="sïze")


class Price(BaseModel):
    """What a parcel costs."""

    price: float
    label: str
    insured: bool


class ByRecord(MLModel):
    """Prices parcels one by one; 13 of anything is more than it can count."""

    display_name = "Prices"
    qualified_name = "prices"
    description = "Prices parcels."
    version = "1.0.0"
    input_schema = Parcel
    output_schema = Price

    def __init__(self) -> None:
        pass

    def predict(self, data: Any) -> dict[str, Any]:
        """Price one parcel."""
        if data.count == 13:
            raise ArithmeticError("13")
        return {
            "price": data.weight * data.count,
            "label": f"{data.city}-{data.size}",
            "insured": data.fragile and data.count > 1,
        }


class ByColumn(ByRecord):
    """The same, of columns."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Price many parcels."""
        kinds = {name: column.dtype.kind for name, column in columns.items()}
        assert kinds == {"weight": "f", "count": "i", "fragile": "b", "city": "O", "size": "O"}
        if (columns["count"] == 13).any():
            raise ArithmeticError("13")
        return {
            "price": columns["weight"] * columns["count"],
            "label": [f"{city}-{size}" for city, size in zip(columns["city"], columns["size"], strict=True)],
            "insured": columns["fragile"] & (columns["count"] > 1),
        }


class Flower(BaseModel):
    """Numbers only."""

    length: float
    width: float = 2.0


class Species(BaseModel):
    """A name, and nothing else."""

    species: Literal["setosa", "virginica"]


class Classifier(ByRecord):
    """Gives each flower one of a few names; to a flower as wide as 9 one that there is not."""

    input_schema = Flower
    output_schema = Species

    def predict(self, data: Any) -> dict[str, Any]:
        """Name one flower."""
        return {"species": "unknown" if data.width == 9 else "setosa" if data.length < 3 else "virginica"}


class ClassifierByColumn(Classifier):
    """The same, of columns."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Name many flowers."""
        names = np.where(columns["length"] < 3, "setosa", "virginica")
        return {"species": np.where(columns["width"] == 9, "unknown", names).astype(object)}


class TooFew(Classifier):
    """Loses an output of a large batch."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Name many flowers, but one."""
        return {"species": ["setosa"] * (len(columns["length"]) - 1)}


class NoMapping(Classifier):
    """Gives no columns."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> Any:
        """Name many flowers, without a column's name."""
        return ["setosa"] * len(columns["length"])


class SameButNot(ByRecord):
    """Its outputs are equal in Python, but not in JSON."""

    class AnyValue(BaseModel):
        """Any value."""

        value: Any

    input_schema = Flower
    output_schema = AnyValue

    def predict(self, data: Any) -> dict[str, Any]:
        """Give one value."""
        return {"value": [True, 1, 1.0, 0.0, -0.0, "1"][int(data.length) % 6]}


class SameButNotByColumn(SameButNot):
    """The same, of columns."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Give many values."""
        return {"value": [[True, 1, 1.0, 0.0, -0.0, "1"][int(x) % 6] for x in columns["length"]]}


class Zeros(SameButNot):
    """Gives 0.0 and -0.0."""

    def predict(self, data: Any) -> dict[str, Any]:
        """Give one value."""
        return {"value": 0.0 if data.length < 3 else -0.0}


class ZerosByColumn(Zeros):
    """The same, of columns."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Give many values."""
        return {"value": np.where(columns["length"] < 3, 0.0, -0.0)}


class Explaining(ClassifierByColumn):
    """Tells why, of records, when a log asks."""

    def predict_batch_with_internals(self, records: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Name many flowers, and tell how long each is."""
        return [self.predict(record) for record in records], [{"length": record.length} for record in records]


class ChangesItsInput(Classifier):
    """Works in the arrays that it gets."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Name many flowers, after making them smaller."""
        columns["length"][:] /= 10
        return {"species": np.where(columns["length"] < 3, "setosa", "virginica")}


class NoColumn(Classifier):
    """Gives a text that is as long as the batch."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Name many flowers in one word."""
        return {"species": "s" * len(columns["length"])}


class OneValue(Classifier):
    """Gives one value for all."""

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Name all flowers at once."""
        return {"species": np.array(len(columns["length"]))}
