"""Arrow tables as the numbers that boosters and ONNX read."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def numbers(table: Any, dtype: str = "float64") -> Any:
    """Return the columns of a table as an array of numpy with two dimensions; what is missing is NaN.

    Args:
        table: of pyarrow, with columns of numbers and booleans.
        dtype: of the array.

    Raises:
        ValueError: if a float does not hold an integer exactly.
    """
    import numpy as np  # noqa: PLC0415  the library of the artefact has imported it

    matrix = np.empty((table.num_rows, table.num_columns), dtype)
    for number, column in enumerate(table.columns):
        matrix[:, number] = column_of_numbers(column)
    return matrix


def column_of_numbers(column: Any) -> Any:
    """Return a column as an array of float64; what is missing is NaN."""
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.int8())
    return pc.cast(column, pa.float64()).to_numpy()
