"""Columns of Arrow from JSON: the reverse of `parquet_documents`; a value that does not fit its column is refused."""

from __future__ import annotations

import base64
import decimal
import json
import re
import struct
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa

from model_etl.formats.parquet_documents import UNREAD, bytes_form, is_binary, is_extension, is_text, item_of, member_of
from model_etl.records.times import parse_date, parse_duration, parse_time, parse_timestamp
from model_etl.schema.schema_parts import SchemaPart

CONVERSION_ERRORS = (pa.ArrowException, ValueError, TypeError, OverflowError)
"""The errors of `column_of_json`, and of Arrow when it infers a type."""

MAX_COLUMNS = 100_000
"""The most columns of a file: Arrow takes about 10 KB of memory and 50 microseconds for each."""

_Test = Callable[[Any], bool]
_Converter = Callable[[Any], Any]


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


def as_nullable(field: pa.Field) -> pa.Field:
    """Return a column as it is published: null is one of its values, because a later record may lack it."""
    return pa.field(field.name, _with_fields(field.type, as_nullable), metadata=field.metadata)


def _as_stored(field: pa.Field) -> pa.Field:
    """Return a column in which types of extensions are those that they are stored as."""
    arrow_type = field.type.storage_type if is_extension(field.type) else field.type
    return field.with_type(_with_fields(arrow_type, _as_stored))


def _with_fields(arrow_type: pa.DataType, convert: Callable[[pa.Field], pa.Field]) -> pa.DataType:
    """Return a nested type with other members or items; any other type as it is."""
    if pa.types.is_struct(arrow_type):
        return pa.struct([convert(field) for field in arrow_type])
    if pa.types.is_list(arrow_type):
        return pa.list_(convert(arrow_type.value_field))
    if pa.types.is_large_list(arrow_type):
        return pa.large_list(convert(arrow_type.value_field))
    if pa.types.is_fixed_size_list(arrow_type):
        return pa.list_(convert(arrow_type.value_field), arrow_type.list_size)
    return arrow_type


def column_of_json(texts: Sequence[bytes | None], arrow_type: pa.DataType, part: SchemaPart = UNREAD) -> pa.Array:
    """Build a column from JSON values: the reverse of reading rows as JSON.

    Args:
        texts: the JSON of each value, or None for null.
        arrow_type: the type of the column.
        part: what the model accepts in it, which decides the text of bytes.

    Raises:
        pyarrow.ArrowException, OverflowError, TypeError, ValueError: if a value does not fit the type.
    """
    if isinstance(arrow_type, pa.BaseExtensionType):
        restore = _restorer(arrow_type, part)
        storage = pa.array(list(map(restore, _values(texts))), arrow_type.storage_type)
        return pa.ExtensionArray.from_storage(arrow_type, storage)
    build = next(build for applies, build in _COLUMN_BUILDERS if applies(arrow_type))
    return build(texts, arrow_type, part)


def _decimal_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, _: SchemaPart) -> pa.Array:
    return pa.array([None if t is None else decimal.Decimal(t.decode().strip('"')) for t in texts], arrow_type)


def _nested_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, part: SchemaPart) -> pa.Array:
    restore = _restorer(arrow_type, part)  # json keeps all digits of decimals, msgspec does not
    values = [restore(None if t is None else json.loads(t, parse_float=decimal.Decimal)) for t in texts]
    stored = _with_fields(arrow_type, _as_stored)
    column = pa.array(values, stored)
    return column if stored == arrow_type else column.cast(arrow_type)


def _date_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, part: SchemaPart) -> pa.Array:
    values = _values(texts)
    if all(value is None or (isinstance(value, str) and value[:1] not in ("+", "-")) for value in values):
        try:
            return pa.array(values, pa.string()).cast(arrow_type)
        except pa.ArrowException:
            pass  # the one that follows knows more texts, and says which does not fit
    return pa.array(list(map(_restorer(arrow_type, part), values)), arrow_type)


def _dictionary_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, part: SchemaPart) -> pa.Array:
    return column_of_json(texts, arrow_type.value_type, part).dictionary_encode().cast(arrow_type)


def _restored_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, part: SchemaPart) -> pa.Array:
    return pa.array(list(map(_restorer(arrow_type, part), _values(texts))), arrow_type)


def _integer_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, part: SchemaPart) -> pa.Array:
    values = _values(texts)
    if float in set(map(type, values)):  # 9007199254740993.0 as a float is another number
        values = [None if text is None else json.loads(text, parse_float=decimal.Decimal) for text in texts]
        return pa.array(list(map(_restorer(arrow_type, part), values)), arrow_type)
    return pa.array(values, arrow_type)


def _float_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, part: SchemaPart) -> pa.Array:
    values = _values(texts)
    if pa.types.is_float64(arrow_type) and set(map(type, values)) <= {float, type(None)}:
        return pa.array(values, arrow_type)
    return pa.array(list(map(_restorer(arrow_type, part), values)), arrow_type)


def _simple_column(texts: Sequence[bytes | None], arrow_type: pa.DataType, _: SchemaPart) -> pa.Array:
    return pa.array(_values(texts), arrow_type)


def _values(texts: Sequence[bytes | None]) -> list[Any]:
    return [None if t is None else msgspec.json.decode(t) for t in texts]


_DOES_NOT_FIT = "a value does not fit the column's type"


def _is_date(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_date(arrow_type) or pa.types.is_timestamp(arrow_type))


def _always(_: pa.DataType) -> bool:
    return True


_COLUMN_BUILDERS: tuple[tuple[_Test, Callable[[Sequence[bytes | None], pa.DataType, SchemaPart], pa.Array]], ...] = (
    (pa.types.is_integer, _integer_column),
    (pa.types.is_floating, _float_column),
    (is_text, _simple_column),
    (pa.types.is_decimal, _decimal_column),
    (pa.types.is_nested, _nested_column),
    (_is_date, _date_column),
    (pa.types.is_temporal, _restored_column),
    (pa.types.is_dictionary, _dictionary_column),
    (is_binary, _restored_column),
    (_always, _simple_column),
)
"""The function that builds a column of a type: the first whose test is true."""


def _restorer(arrow_type: pa.DataType, part: SchemaPart) -> _Converter:
    """Return the function that turns a decoded JSON value, or None, into the Python object that Arrow expects."""
    restore = next(build for applies, build in _RESTORERS if applies(arrow_type))(arrow_type, part)
    return lambda value: None if value is None else restore(value)


def _struct_restorer(arrow_type: pa.DataType, part: SchemaPart) -> _Converter:
    members = {field.name: _restorer(field.type, member_of(part, field.name)) for field in arrow_type}

    def restore(value: Any) -> dict[str, Any]:
        _require_type(value, dict, arrow_type)
        if not value.keys() <= members.keys():
            extra = next(name for name in value if name not in members)
            raise ValueError(f"a value has a field {extra!r} that the values before lack")
        return {name: members[name](item) for name, item in value.items()}

    return restore


def _map_restorer(arrow_type: pa.DataType, part: SchemaPart) -> _Converter:
    restore_key = _restorer(arrow_type.key_type, item_of(part))
    restore_item = _restorer(arrow_type.item_type, item_of(part))

    def restore(value: Any) -> list[tuple[Any, Any]]:
        pairs = value.items() if isinstance(value, dict) else value
        _require_type(value, (list, dict), arrow_type)
        return [(restore_key(key), restore_item(item)) for key, item in pairs]

    return restore


def _list_restorer(arrow_type: pa.DataType, part: SchemaPart) -> _Converter:
    restore_item = _restorer(arrow_type.value_type, item_of(part))

    def restore(value: Any) -> list[Any]:
        _require_type(value, list, arrow_type)
        return list(map(restore_item, value))

    return restore


def _integer_restorer(_arrow_type: pa.DataType, _part: SchemaPart) -> _Converter:
    def restore(value: Any) -> int:
        if isinstance(value, (bool, str)) or value != int(value):  # Arrow would change 0.5 to 0
            raise TypeError(_DOES_NOT_FIT)
        return int(value)

    return restore


def _float_restorer(arrow_type: pa.DataType, _: SchemaPart) -> _Converter:
    narrow = {16: "e", 32: "f"}.get(arrow_type.bit_width)

    def restore(value: Any) -> float:
        if isinstance(value, str) and _NOT_FINITE.fullmatch(value):
            return float(value)
        if isinstance(value, (bool, str)) or (type(value) is int and float(value) != value):
            raise TypeError(_DOES_NOT_FIT)
        number = float(value)
        if narrow and struct.unpack(narrow, struct.pack(narrow, number))[0] != number:  # Arrow would round it
            raise TypeError(_DOES_NOT_FIT)
        return number

    return restore


_NOT_FINITE = re.compile("[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
"""The texts without digits that pydantic takes for floats."""


def _require_type(value: Any, python_type: type | tuple[type, ...], arrow_type: pa.DataType) -> None:
    if not isinstance(value, python_type):
        raise TypeError(f"Expected {arrow_type}, got {type(value).__name__}")


def _bytes_restorer(_: pa.DataType, part: SchemaPart) -> _Converter:
    restorers: Mapping[str, _Converter] = {
        "utf8": str.encode,
        "hex": bytes.fromhex,
        "base64": partial(base64.b64decode, validate=True),
    }
    return restorers[bytes_form(part)]


def _date_restorer(arrow_type: pa.DataType, _: SchemaPart) -> _Converter:
    if pa.types.is_date32(arrow_type):
        return parse_date
    return lambda text: parse_timestamp(text, "ms")


def _extension_restorer(arrow_type: pa.DataType, part: SchemaPart) -> _Converter:
    if arrow_type.extension_name == "arrow.uuid":
        return lambda text: uuid.UUID(text).bytes
    if arrow_type.extension_name == "arrow.bool8":
        return _bool8
    return _restorer(arrow_type.storage_type, part)


def _bool8(value: Any) -> int:
    if not isinstance(value, bool):
        raise TypeError(_DOES_NOT_FIT)
    return int(value)


def _timestamp_restorer(arrow_type: pa.DataType, _: SchemaPart) -> _Converter:
    return partial(parse_timestamp, unit=arrow_type.unit, zone=arrow_type.tz is not None)


_RESTORERS: tuple[tuple[_Test, Callable[[pa.DataType, SchemaPart], _Converter]], ...] = (
    (is_extension, _extension_restorer),
    (pa.types.is_struct, _struct_restorer),
    (pa.types.is_map, _map_restorer),
    (pa.types.is_dictionary, lambda arrow_type, part: _restorer(arrow_type.value_type, part)),
    (pa.types.is_nested, _list_restorer),
    (is_binary, _bytes_restorer),
    (
        pa.types.is_timestamp,
        lambda arrow_type, _: partial(parse_timestamp, unit=arrow_type.unit, zone=arrow_type.tz is not None),
    ),
    (pa.types.is_date, _date_restorer),
    (pa.types.is_time, lambda arrow_type, _: partial(parse_time, unit=arrow_type.unit)),
    (pa.types.is_duration, lambda arrow_type, _: partial(parse_duration, unit=arrow_type.unit)),
    (pa.types.is_integer, _integer_restorer),
    (pa.types.is_floating, _float_restorer),
    (_always, lambda _arrow_type, _part: lambda value: value),
)
"""The function that builds the restorer of a type: the first whose test is true."""
