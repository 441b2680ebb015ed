"""pandas frames of Arrow columns. Each column has the type that `read_csv` of the installed pandas would give it.

pandas is imported when a model needs a frame of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from model_etl.columns.column_records import ArrowColumns
from model_etl.columns.column_types import ColumnType

_LARGEST_EXACT = 2**53
_NULLABLE = {"float": "Float64", "int": "Int64", "bool": "boolean", "text": "string"}


def pandas_frame(arrays: ArrowColumns, columns: Sequence[ColumnType], *, nullable: bool) -> Any:
    """Return a pandas frame with the index 0 to n-1, which shares no memory with the arrays.

    Args:
        arrays: the columns.
        columns: their types.
        nullable: whether numbers, booleans and texts have the nullable types of pandas, where missing is `pd.NA`.

    Raises:
        ValueError: if a value has no exact counterpart in its column; the message names the field.
    """
    import pandas as pd  # noqa: PLC0415

    build = _nullable_column if nullable else _column
    return pd.DataFrame({column.name: build(arrays[column.name], column) for column in columns})


def _column(array: Any, column: ColumnType) -> Any:
    """Return one column; missing numbers are NaN, missing texts as read_csv gives them."""
    if column.kind == "text":
        return _texts(array)
    if column.kind in ("date", "datetime", "aware datetime", "timedelta"):
        return _times(array, column)
    if column.kind == "bool" and column.nullable:
        return _objects(array.to_pylist(), missing=float("nan"))
    if column.kind in ("float", "int", "bool"):
        if column.kind == "int" and column.nullable:
            array = _as_floats(array, column)
        return array.to_numpy(zero_copy_only=False)
    return _objects(array if isinstance(array, list) else array.to_pylist())


def _nullable_column(array: Any, column: ColumnType) -> Any:
    import pandas as pd  # noqa: PLC0415

    if column.kind not in _NULLABLE:
        return _column(array, column)
    return pd.array([], dtype=_NULLABLE[column.kind]).dtype.__from_arrow__(array)


def _as_floats(array: Any, column: ColumnType) -> Any:
    if len(array) > array.null_count:
        bounds = pc.min_max(array).as_py()
        if max(-bounds["min"], bounds["max"]) > _LARGEST_EXACT:
            raise ValueError(
                f"{column.name} is beyond 2**53, and an optional integer of a pandas frame is a float, which does not"
                ' hold it exactly: use frame = "pandas_nullable", or make the field required'
            )
    return pc.cast(array, pa.float64())


def _texts(array: Any) -> Any:
    import pandas as pd  # noqa: PLC0415

    dtype = _text_dtype()
    if dtype.kind == "O" and not hasattr(dtype, "na_value"):  # object
        return _objects(array.to_pylist(), missing=float("nan"))
    if not len(array):
        return pd.array([], dtype=dtype)
    return dtype.__from_arrow__(array)


def _times(array: Any, column: ColumnType) -> Any:
    import pandas as pd  # noqa: PLC0415

    unit = _time_unit()
    zone = "UTC" if column.kind == "aware datetime" else None
    arrow_type = pa.duration(unit) if column.kind == "timedelta" else pa.timestamp(unit, zone)
    try:
        values = pc.cast(array, arrow_type).cast(pa.int64())
    except pa.ArrowInvalid as exc:
        raise ValueError(f"{column.name} is beyond the times that pandas holds in units of {unit}") from exc
    code = "m8" if column.kind == "timedelta" else "M8"
    # The least integer of 64 bits is NaT.
    times = values.fill_null(-(2**63)).to_numpy(zero_copy_only=False).view(f"{code}[{unit}]")
    return pd.Series(times).dt.tz_localize("UTC") if column.kind == "aware datetime" else times


def _objects(values: list[Any], missing: Any = None) -> Any:
    """Return a column of objects; pandas would look for a type of its own in an array of them."""
    import pandas as pd  # noqa: PLC0415

    return pd.Series([missing if value is None else value for value in values], dtype=object)


@cache
def _time_unit() -> str:
    """Return the unit of the dates that the installed pandas reads: "ns" up to pandas 2, then "us"."""
    import pandas as pd  # noqa: PLC0415

    unit: str = pd.to_datetime(pd.Series(["2000-01-01"])).to_numpy().dtype.name.partition("[")[2].rstrip("]")
    return unit


def _text_dtype() -> Any:
    """Return the type of texts that the installed pandas reads: object up to pandas 2, then `str`."""
    import pandas as pd  # noqa: PLC0415

    return pd.Series(["text"]).dtype
