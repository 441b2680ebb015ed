"""Records as Arrow arrays, one for each field, of the types that the schema gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any, TypeAlias
from uuid import UUID

import pyarrow as pa

from model_etl.columns.column_types import ColumnKind, ColumnType
from model_etl.schema.columns import Table

ArrowColumns: TypeAlias = Mapping[str, Any]
"""Arrow arrays by the names of fields; a list of Python objects where the kind of column is "object"."""

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
        records: objects with the fields as attributes, or a `Table`.
        columns: the columns of their schema.

    Raises:
        ValueError: if a value does not fit the type of its column; the message names the field.
    """
    tables = records.columns if isinstance(records, Table) else None
    arrays: dict[str, Any] = {}
    for column in columns:
        values = _values(tables[column.name]) if tables is not None else list(map(attrgetter(column.name), records))
        arrays[column.name] = values if column.kind == "object" else _array(values, column)
    return arrays


def _values(column: Any) -> list[Any]:
    values: list[Any] = column.tolist() if hasattr(column, "tolist") else list(column)
    return values


def _array(values: list[Any], column: ColumnType) -> Any:
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


def _plain(value: Any) -> Any:
    """Return the value of a member of an enumeration, and the text of a UUID."""
    value = value.value if isinstance(value, Enum) else value
    return str(value) if isinstance(value, UUID) else value
