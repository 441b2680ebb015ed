"""Values of Arrow as values of JSON: exact, of one form for each type, and for every value (see docs/formats.md).

A value that a text format cannot hold has a text here too, so that a column which nobody reads costs no record. Whether
it may be read or published is what `problem` finds out.
"""

from __future__ import annotations

import base64
import itertools
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from model_etl.records.arrow_texts import json_of_array, json_of_objects
from model_etl.records.times import (
    FIRST_DAY,
    LAST_DAY,
    UNITS,
    date_text,
    duration_text,
    time_text,
    timestamp_text,
)
from model_etl.schema.fields import Field
from model_etl.schema.schema_parts import SchemaPart

types = pa.types
DAY_SECONDS = 86_400
UNREAD = SchemaPart(bytes_in_json="base64")
"""The schema part of columns that are not fields of the model: their bytes are base64."""


def part_of_column(field: Field | None) -> SchemaPart:
    """Return what the model accepts in a column; `UNREAD` if the column is not a field of the model."""
    if field is None:
        return UNREAD
    return field.schema_part or SchemaPart()


def bytes_form(part: SchemaPart) -> str:
    """Return how bytes of a schema part are written to JSON: "utf8", "base64" or "hex"."""
    return next((p.bytes_in_json for p in part.all() if p.bytes_in_json != "utf8"), "utf8")


def member_of(part: SchemaPart, name: str) -> SchemaPart:
    """Return the schema part of a member of a struct; nothing below an unread column is read."""
    return part if part is UNREAD else part.member(name) or SchemaPart()


def item_of(part: SchemaPart) -> SchemaPart:
    """Return the schema part of an item of a list, or of a key or value of a map."""
    return part if part is UNREAD else part.item() or SchemaPart()


def json_values(array: pa.Array, part: SchemaPart) -> list[Any]:
    """Return the values of a column as msgspec writes them to JSON.

    Args:
        array: the column; its offsets must be valid, its text may not be.
        part: what the model accepts in it.
    """
    convert = next((convert for applies, convert in _CONVERTERS if applies(array.type)), None)
    return array.to_pylist() if convert is None else convert(array, part)


def json_texts(array: pa.Array, part: SchemaPart) -> pa.Array:
    """Return the values of a column as JSON, in an array of text; null is `null`.

    Args:
        array: the column; its offsets must be valid, its text may not be.
        part: what the model accepts in it.
    """
    arrow_type = array.type
    if types.is_dictionary(arrow_type) and len(array.dictionary):
        return json_texts(array.dictionary, part).take(array.indices).fill_null("null")
    if types.is_integer(arrow_type) or types.is_boolean(arrow_type):
        return json_of_array(array)
    if (texts := plain_texts(array)) is not None or (texts := _texts_of_times(array)) is not None:
        return json_of_array(texts)
    return json_of_objects(json_values(array, part))


def plain_texts(array: pa.Array) -> pa.Array | None:
    """Return a column of text as one with offsets of 32 bits; None if it is not text, or not valid, or too large."""
    if not (types.is_string(array.type) or types.is_large_string(array.type)) or not is_utf8(array):
        return None
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        return None


def is_utf8(column: pa.Array) -> bool:
    """Return whether a column of text holds no invalid bytes."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def is_extension(arrow_type: pa.DataType) -> bool:
    """Return whether a type is one of an extension of Arrow, such as UUID."""
    return isinstance(arrow_type, pa.BaseExtensionType)


def is_binary(arrow_type: pa.DataType) -> bool:
    """Return whether a type holds bytes, of any size or layout."""
    return "binary" in str(arrow_type) and not types.is_nested(arrow_type) and not types.is_dictionary(arrow_type)


def is_text(arrow_type: pa.DataType) -> bool:
    """Return whether a type holds text, of any size or layout."""
    return types.is_string(arrow_type) or types.is_large_string(arrow_type) or str(arrow_type) == "string_view"


def _or_null(convert: Callable[[Any], Any], array: pa.Array) -> list[Any]:
    return [None if value is None else convert(value) for value in array.to_pylist()]


def _utf8(value: bytes) -> Any:
    """Return bytes as text, or as an object where they are not text, which neither a model nor `retry` accepts."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": _base64(value)}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_BYTES: Mapping[str, Callable[[bytes], Any]] = {
    "utf8": _utf8,
    "base64": _base64,
    "hex": bytes.hex,
}


def _texts(array: pa.Array) -> list[Any]:
    try:
        return array.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return _or_null(_BYTES["utf8"], as_binary(array))


def as_binary(array: pa.Array) -> pa.Array:
    """Return a column of text as bytes, without a look at them."""
    if types.is_large_string(array.type):
        return array.view(pa.large_binary())
    return array.view(pa.binary() if types.is_string(array.type) else pa.binary_view())


def _floats(array: pa.Array) -> list[Any]:
    values: list[Any] = array.to_pylist()
    if pc.all(pc.is_finite(array), min_count=0).as_py():
        return list(map(float, values)) if types.is_float16(array.type) and None not in values else values
    return [None if value is None else _float_text(float(value)) for value in values]


def _float_text(value: float) -> float | str:
    if value != value:  # noqa: PLR0124  NaN
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, value)


def _temporal_values(array: pa.Array) -> list[Any]:
    if (texts := _texts_of_times(array)) is not None:
        return texts.to_pylist()  # type: ignore[no-any-return]
    text = _temporal_text(array.type)
    return [None if value is None else text(value) for value in integers(array).to_pylist()]


def _texts_of_times(array: pa.Array) -> pa.Array | None:
    """Return the texts of dates and times; None if they are not such, or Arrow has other texts for some."""
    if not types.is_temporal(array.type) or types.is_duration(array.type) or not in_range(array):
        return None
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        return None  # a zone that is not in the database of time zones


def _temporal_text(arrow_type: pa.DataType) -> Callable[[int], str]:
    if types.is_date32(arrow_type):
        return date_text
    if types.is_date64(arrow_type):
        return _date64_text
    if types.is_timestamp(arrow_type):
        return partial(timestamp_text, unit=arrow_type.unit, utc=arrow_type.tz is not None)
    return partial(duration_text if types.is_duration(arrow_type) else time_text, unit=arrow_type.unit)


def _date64_text(milliseconds: int) -> str:
    days, rest = divmod(milliseconds, DAY_SECONDS * UNITS["ms"])
    return timestamp_text(milliseconds, "ms") if rest else date_text(days)


def integers(array: pa.Array) -> pa.Array:
    """Return the whole numbers that dates, times or durations are stored as."""
    return array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())  # noqa: PLR2004


def in_range(array: pa.Array) -> bool:
    """Return whether dates are of the years 1 to 9999 in every zone, and times of one day."""
    arrow_type = array.type
    if types.is_duration(arrow_type):
        return True
    ends = pc.min_max(integers(array)).as_py()
    if ends["min"] is None:
        return True
    if types.is_time(arrow_type):
        first, last = 0, DAY_SECONDS * UNITS[arrow_type.unit] - 1
    else:
        day = (
            1
            if types.is_date32(arrow_type)
            else DAY_SECONDS * UNITS["ms" if types.is_date64(arrow_type) else arrow_type.unit]
        )
        margin = 1 if types.is_timestamp(arrow_type) and arrow_type.tz not in (None, "UTC", "Z", "+00:00") else 0
        first, last = (FIRST_DAY + margin) * day, (LAST_DAY + 1 - margin) * day - 1
        if types.is_date64(arrow_type) and pc.any(pc.not_equal(remainder(integers(array), day), 0)).as_py():
            return False
    return bool(first <= ends["min"] and ends["max"] <= last)


def remainder(numbers: pa.Array, divisor: int) -> pa.Array:
    """Return what truncating division leaves; zero where a number is a multiple."""
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, divisor), divisor))


def _extension_values(array: pa.ExtensionArray, part: SchemaPart) -> list[Any]:
    name = array.type.extension_name
    if name == "arrow.uuid":
        return [None if value is None else str(uuid.UUID(bytes=value)) for value in array.storage.to_pylist()]
    if name == "arrow.bool8":
        return _or_null(bool, array.storage)
    return json_values(array.storage, part)


def _struct_values(array: pa.StructArray, part: SchemaPart) -> list[Any]:
    names = [field.name for field in array.type]
    members = [json_values(array.field(i), member_of(part, name)) for i, name in enumerate(names)]
    rows = zip(*members, strict=True) if members else iter([()] * len(array))
    make: Callable[[Any], Any] = dict if len(set(names)) == len(names) else list  # an object has each name once
    return [make(zip(names, r, strict=True)) if v else None for v, r in zip(_valid(array), rows, strict=True)]


def _map_values(array: pa.MapArray, part: SchemaPart) -> list[Any]:
    offsets = array.offsets.to_pylist()
    first, count = offsets[0], offsets[-1] - offsets[0]
    keys = json_values(array.keys.slice(first, count), item_of(part))
    items = json_values(array.items.slice(first, count), item_of(part))
    pairs = [[key, item] for key, item in zip(keys, items, strict=True)]
    ends = itertools.pairwise(offsets)
    rows = [pairs[a - first : b - first] if v else None for v, (a, b) in zip(_valid(array), ends, strict=True)]
    if is_text(array.type.key_type) and any(p.has_any_names for p in part.all()):
        return [None if row is None else _as_object(row) for row in rows]
    return rows


def _as_object(pairs: list[list[Any]]) -> Any:
    """Return a map as the object that a model's field takes; a key that comes twice leaves it as it is."""
    made = dict(pairs)
    return made if len(made) == len(pairs) else pairs


def _list_values(array: pa.Array, part: SchemaPart) -> list[Any]:
    items = json_values(array.flatten(), item_of(part))
    values: list[Any] = []
    end = 0
    for length in pc.list_value_length(array).to_pylist():
        start, end = end, end + (length or 0)
        values.append(None if length is None else items[start:end])
    return values


def _valid(array: pa.Array) -> list[bool]:
    return array.is_valid().to_pylist()  # type: ignore[no-any-return]


def _dictionary_values(array: pa.DictionaryArray, part: SchemaPart) -> list[Any]:
    values = json_values(array.dictionary, part)
    return [None if index is None else values[index] for index in array.indices.to_pylist()]


def _decimal_values(array: pa.Array, _: SchemaPart) -> list[Any]:
    return _or_null(lambda value: msgspec.Raw(format(value, "f").encode()), array)


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any, SchemaPart], list[Any]]], ...] = (
    (is_extension, _extension_values),
    (is_binary, lambda array, part: _or_null(_BYTES[bytes_form(part)], array)),
    (is_text, lambda array, _: _texts(array)),
    (types.is_floating, lambda array, _: _floats(array)),
    (types.is_decimal, _decimal_values),
    (types.is_temporal, lambda array, _: _temporal_values(array)),
    (types.is_dictionary, _dictionary_values),
    (types.is_struct, _struct_values),
    (types.is_map, _map_values),
    (types.is_nested, _list_values),
)
"""The function that converts a column of a type: the first whose test is true; all else is JSON already."""
