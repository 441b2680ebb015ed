"""Records as Arrow arrays, one for each field, of the types that the schema gives them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from operator import attrgetter
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_etl.columns.column_records import ArrowColumns, ColumnRecords
from model_etl.columns.column_types import ColumnKind, ColumnType
from model_etl.schema.columns import Table

_ARROW_TYPES: dict[ColumnKind, pa.DataType] = {
    "float": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
    "text": pa.string(),
    "bytes": pa.binary(),
    "date": pa.date32(),
    "datetime": pa.timestamp("us"),
    "aware datetime": pa.timestamp("us", "UTC"),
    "timedelta": pa.duration("us"),
    "time": pa.time64("us"),
}


def arrow_type(column: ColumnType) -> pa.DataType | None:
    """Return the Arrow type of a column, or None for Python objects."""
    return _ARROW_TYPES.get(column.kind)


def arrow_columns(records: Sequence[Any], columns: Sequence[ColumnType]) -> ArrowColumns:
    """Return records as Arrow arrays.

    Args:
        records: objects with the fields as attributes, a `Table`, or `ColumnRecords`.
        columns: the columns of their schema.

    Raises:
        ValueError: if a value does not fit the type of its column; the message names the field.
    """
    if isinstance(records, ColumnRecords):
        return records.columns
    tables = records.columns if isinstance(records, Table) else None
    arrays: dict[str, Any] = {}
    for column in columns:
        values = _values(tables[column.name]) if tables is not None else list(map(attrgetter(column.name), records))
        arrays[column.name] = values if column.kind == "object" else array_of(values, column)
    return arrays


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return values


def array_of(values: list[Any], column: ColumnType) -> Any:
    """Return the values of a field as the array of its column, which is not one of objects.

    Raises:
        ValueError: if a value does not fit the type of the column; the message names the field.
    """
    if column.wrapped:
        values = list(map(_plain, values))
    if column.kind == "datetime" and any(v is not None and v.tzinfo is not None for v in values):
        raise ValueError(
            f"{column.name} has a time zone, and the column of a plain datetime has none: declare it as"
            " pydantic.AwareDatetime"
        )
    try:
        array = pa.array(values, _ARROW_TYPES[column.kind])
    except (ValueError, TypeError, NotImplementedError, OverflowError) as exc:
        raise ValueError(f"{column.name} does not fit its column of {column.kind}: {exc}") from exc
    if array.null_count and not column.nullable:
        raise ValueError(f"{column.name} is None, which the input schema does not allow")
    return array


def replaced(array: pa.Array, indexes: Any, values: pa.Array) -> pa.Array:
    """Return an array with other values at some indexes, which are in ascending order."""
    mask = np.zeros(len(array), bool)
    mask[indexes] = True
    if not pa.types.is_duration(array.type):
        return pc.replace_with_mask(array, pa.array(mask), values)
    numbers = pc.replace_with_mask(array.view(pa.int64()), pa.array(mask), values.view(pa.int64()))
    return numbers.view(array.type)


def _plain(value: Any) -> Any:
    """Return the value of a member of an enumeration, and the text of a UUID."""
    value = value.value if isinstance(value, Enum) else value
    return str(value) if isinstance(value, UUID) else value
