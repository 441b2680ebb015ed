"""Compare two files of predictions: the same keys in their order, and numbers that differ by rounding only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CLOSE = 1e-12
"""The most that two numbers differ, for numbers up to 1: BLAS may sum in another order in batches of other sizes."""


def read(path: Path) -> Any:
    """Return the predictions in a file of CSV, Parquet or JSON Lines as a frame."""
    import pandas as pd  # noqa: PLC0415

    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        return pd.read_json(path, lines=True, precise_float=True)
    return pd.read_csv(path, float_precision="round_trip")


def difference(one: Any, other: Any) -> str:
    """Return in what two frames of predictions differ; empty if they do not."""
    import numpy as np  # noqa: PLC0415

    if list(one.columns) != list(other.columns):
        return f"the columns {', '.join(one.columns)} and {', '.join(other.columns)}"
    if len(one) != len(other):
        return f"{len(one):,} and {len(other):,} records"
    for name in one.columns:
        left, right = one[name].to_numpy(), other[name].to_numpy()
        if left.dtype.kind == "f":
            same = np.isclose(left, right, rtol=0, atol=CLOSE * max(1.0, float(np.abs(right).max(initial=0))))
        else:
            same = left == right
        if not same.all():
            row = int((~same).argmax())
            return f"{name} of row {row + 1:,}: {left[row]!r} and {right[row]!r}"
    return ""
