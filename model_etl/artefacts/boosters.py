"""What boosters have in common: columns of numbers, and classes that are numbers from 0."""

from __future__ import annotations

from typing import Any

from model_etl.artefacts.predictor import Column


def columns_of_booster(names: list[str] | None, count: int) -> list[Column]:
    """Return the columns of a booster, which takes missing values in each.

    Args:
        names: of its features, or None if it does not know them.
        count: of its features.
    """
    return [Column(name, "number", nullable=True) for name in names or [f"x{number}" for number in range(count)]]


def classes_of(raw: Any) -> tuple[Any, Any]:
    """Return the class of each record as a number, and the probability of each class.

    Args:
        raw: what the booster answers: for two classes the probabilities of 1, for more a column for each.
    """
    import numpy as np  # noqa: PLC0415  the library of the booster has imported it

    if raw.ndim == 1:
        return (raw > 0.5).astype("int64"), np.stack([1 - raw, raw], axis=1)  # noqa: PLR2004
    return raw.argmax(axis=1), raw
