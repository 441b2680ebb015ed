"""The types of Arrow and of JSON: which values JSON can hold, and how a column is built from JSON again."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

CONVERSION_ERRORS = (pa.ArrowException, ValueError, TypeError, OverflowError)
"""The errors of `column_of_json`, and of Arrow when it infers a type."""

_Test = Callable[[Any], bool]
_Converter = Callable[[Any], Any]


def is_text_in_json(arrow_type: pa.DataType) -> bool:
    """Return whether values of a type are written to JSON as text, as Arrow formats them: dates and times."""
    return bool(pa.types.is_temporal(arrow_type)) and not pa.types.is_duration(arrow_type)


def with_json_types(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with dates and times as text."""
    columns = [c.cast(pa.string()) if is_text_in_json(c.type) else c for c in rows.columns]
    return pa.RecordBatch.from_arrays(columns, names=rows.schema.names)


def has_python_type(arrow_type: pa.DataType, python_type: type) -> bool:
    """Return whether all values of an Arrow type, read from their JSON, are valid values of a Python type.

    Args:
        arrow_type: the type of a column.
        python_type: float, int, bool or str.
    """
    types = pa.types
    integer = types.is_integer(arrow_type) and not types.is_uint64(arrow_type)
    if python_type is float:
        return bool(integer or types.is_float32(arrow_type) or types.is_float64(arrow_type))
    if python_type is int:
        return bool(integer)
    return bool(types.is_boolean(arrow_type) if python_type is bool else types.is_string(arrow_type))


def column_of_json(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    """Build a column from JSON values: the reverse of reading rows as JSON.

    Args:
        texts: the JSON of each value, or None for null.
        arrow_type: the type of the column.

    Raises:
        pyarrow.ArrowException, OverflowError, TypeError, ValueError: if a value does not fit the type.
    """
    build = next(build for applies, build in _COLUMN_BUILDERS if applies(arrow_type))
    return build(texts, arrow_type)


def _decimal_column(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    return pa.array([None if t is None else decimal.Decimal(t.decode().strip('"')) for t in texts], arrow_type)


def _nested_column(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    restore = _restorer(arrow_type)  # json keeps all digits of decimals, msgspec does not
    return pa.array(
        [restore(None if t is None else json.loads(t, parse_float=decimal.Decimal)) for t in texts], arrow_type
    )


def _time_column(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    """Arrow parses timestamps, but not times."""
    timestamps = [None if v is None else f"1970-01-01 {v}" for v in _values(texts)]
    return pa.array(timestamps, pa.string()).cast(pa.timestamp(arrow_type.unit)).cast(arrow_type)


def _date_column(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    return pa.array(_values(texts), pa.string()).cast(arrow_type)


def _dictionary_column(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    return pa.array(_values(texts), arrow_type.value_type).dictionary_encode().cast(arrow_type)


def _restored_column(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    return pa.array(list(map(_restorer(arrow_type), _values(texts))), arrow_type)


def _simple_column(texts: Sequence[bytes | None], arrow_type: pa.DataType) -> pa.Array:
    values = _values(texts)
    if not all(map(_number_test(arrow_type), values)):
        raise TypeError(_DOES_NOT_FIT)
    return pa.array(values, arrow_type)


def _values(texts: Sequence[bytes | None]) -> list[Any]:
    return [None if t is None else msgspec.json.decode(t) for t in texts]


_DOES_NOT_FIT = "a value does not fit the column's type"


def _number_test(arrow_type: pa.DataType) -> _Test:
    """Return a test that refuses values which Arrow would change silently: true to 1, 0.5 to 0."""
    if pa.types.is_integer(arrow_type):
        return lambda value: not isinstance(value, (float, decimal.Decimal)) or value == int(value)
    if pa.types.is_floating(arrow_type):
        return lambda value: not isinstance(value, (bool, str)) and (type(value) is not int or float(value) == value)
    return lambda _: True


def _is_binary(arrow_type: pa.DataType) -> bool:
    return "binary" in str(arrow_type)  # of any size or layout


def _always(_: pa.DataType) -> bool:
    return True


_COLUMN_BUILDERS: tuple[tuple[_Test, Callable[[Sequence[bytes | None], pa.DataType], pa.Array]], ...] = (
    (pa.types.is_decimal, _decimal_column),
    (pa.types.is_nested, _nested_column),
    (pa.types.is_time, _time_column),
    (is_text_in_json, _date_column),
    (pa.types.is_dictionary, _dictionary_column),
    (pa.types.is_duration, _restored_column),
    (_is_binary, _restored_column),
    (_always, _simple_column),
)
"""The function that builds a column of a type: the first whose test is true."""


def _restorer(arrow_type: pa.DataType) -> _Converter:
    """Return the function that turns a decoded JSON value, or None, into the Python object that Arrow expects."""
    restore = next(build for applies, build in _RESTORERS if applies(arrow_type))(arrow_type)
    return lambda value: None if value is None else restore(value)


def _struct_restorer(arrow_type: pa.DataType) -> _Converter:
    members = {field.name: _restorer(field.type) for field in arrow_type}

    def restore(value: Any) -> dict[str, Any]:
        _require_type(value, dict, arrow_type)
        if not value.keys() <= members.keys():
            extra = next(name for name in value if name not in members)
            raise ValueError(f"a value has a field {extra!r} that the values before lack")
        return {name: members[name](item) for name, item in value.items()}

    return restore


def _map_restorer(arrow_type: pa.DataType) -> _Converter:
    restore_key, restore_item = _restorer(arrow_type.key_type), _restorer(arrow_type.item_type)

    def restore(value: Any) -> list[tuple[Any, Any]]:
        _require_type(value, list, arrow_type)
        return [(restore_key(key), restore_item(item)) for key, item in value]

    return restore


def _list_restorer(arrow_type: pa.DataType) -> _Converter:
    restore_item = _restorer(arrow_type.value_type)

    def restore(value: Any) -> list[Any]:
        _require_type(value, list, arrow_type)
        return list(map(restore_item, value))

    return restore


def _number_restorer(arrow_type: pa.DataType) -> _Converter:
    fits = _number_test(arrow_type)
    convert: _Converter = float if pa.types.is_floating(arrow_type) else lambda value: value

    def restore(value: Any) -> Any:
        if not fits(value):
            raise TypeError(_DOES_NOT_FIT)
        return convert(value)

    return restore


def _require_type(value: Any, python_type: type, arrow_type: pa.DataType) -> None:
    if not isinstance(value, python_type):
        raise TypeError(f"Expected {arrow_type}, got {type(value).__name__}")


def _text_restorer(python_type: type) -> Callable[[pa.DataType], _Converter]:
    return lambda _: lambda value: msgspec.convert(value, python_type)


_RESTORERS: tuple[tuple[_Test, Callable[[pa.DataType], _Converter]], ...] = (
    (pa.types.is_struct, _struct_restorer),
    (pa.types.is_map, _map_restorer),
    (pa.types.is_nested, _list_restorer),
    (_is_binary, lambda _: base64.b64decode),
    (pa.types.is_timestamp, _text_restorer(datetime.datetime)),
    (pa.types.is_date, _text_restorer(datetime.date)),
    (pa.types.is_time, _text_restorer(datetime.time)),
    (pa.types.is_duration, _text_restorer(datetime.timedelta)),
    (_always, _number_restorer),
)
"""The function that builds the restorer of a type: the first whose test is true."""
