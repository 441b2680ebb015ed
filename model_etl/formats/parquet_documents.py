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
from model_etl.schema.places import Place

types = pa.types
DAY_SECONDS = 86_400
UNREAD = Place(bytes_in_json="base64")
"""The place of columns that are not fields of the model: their bytes are base64."""


def place_of_column(field: Field | None) -> Place:
    """Return what the model accepts in a column; `UNREAD` if the column is not a field of the model."""
    if field is None:
        return UNREAD
    return field.place or Place()


def bytes_form(place: Place) -> str:
    """Return how bytes at a place are written to JSON: "utf8", "base64" or "hex"."""
    return next((p.bytes_in_json for p in place.all() if p.bytes_in_json != "utf8"), "utf8")


def member_of(place: Place, name: str) -> Place:
    """Return the place of a member of a struct; below a column that nobody reads, nobody reads anything."""
    return place if place is UNREAD else place.member(name) or Place()


def item_of(place: Place) -> Place:
    """Return the place of an item of a list, or of a key or value of a map."""
    return place if place is UNREAD else place.item() or Place()


def json_values(array: pa.Array, place: Place) -> list[Any]:
    """Return the values of a column as msgspec writes them to JSON.

    Args:
        array: the column; its offsets must be valid, its text may not be.
        place: what the model accepts in it.
    """
    convert = next((convert for applies, convert in _CONVERTERS if applies(array.type)), None)
    return array.to_pylist() if convert is None else convert(array, place)


def json_texts(array: pa.Array, place: Place) -> pa.Array:
    """Return the values of a column as JSON, in an array of text; null is `null`.

    Args:
        array: the column; its offsets must be valid, its text may not be.
        place: what the model accepts in it.
    """
    kind = array.type
    if types.is_dictionary(kind) and len(array.dictionary):
        return json_texts(array.dictionary, place).take(array.indices).fill_null("null")
    if types.is_integer(kind) or types.is_boolean(kind) or (types.is_string(kind) and is_utf8(array)):
        return json_of_array(array)
    if types.is_date32(kind) and in_range(array):
        return json_of_array(array.cast(pa.string()))
    return json_of_objects(json_values(array, place))


def is_utf8(column: pa.Array) -> bool:
    """Return whether a column of text holds no invalid bytes."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def is_extension(kind: pa.DataType) -> bool:
    """Return whether a type is one of an extension of Arrow, such as UUID."""
    return isinstance(kind, pa.BaseExtensionType)


def is_binary(kind: pa.DataType) -> bool:
    """Return whether a type holds bytes, of any size or layout."""
    return "binary" in str(kind) and not types.is_nested(kind) and not types.is_dictionary(kind)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a type holds text, of any size or layout."""
    return types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view"


def _or_null(convert: Callable[[Any], Any], array: pa.Array) -> list[Any]:
    return [None if value is None else convert(value) for value in array.to_pylist()]


def _utf8(value: bytes) -> Any:
    """Return bytes as text, or as an object where they are no text: no model and no `retry` takes that for text."""
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
    if not types.is_duration(array.type) and in_range(array):
        try:
            return array.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
        except pa.ArrowInvalid:
            pass  # a zone that is not in the database of time zones
    text = _temporal_text(array.type)
    return [None if value is None else text(value) for value in integers(array).to_pylist()]


def _temporal_text(kind: pa.DataType) -> Callable[[int], str]:
    if types.is_date32(kind):
        return date_text
    if types.is_date64(kind):
        return _date64_text
    if types.is_timestamp(kind):
        return partial(timestamp_text, unit=kind.unit, utc=kind.tz is not None)
    return partial(duration_text if types.is_duration(kind) else time_text, unit=kind.unit)


def _date64_text(milliseconds: int) -> str:
    days, rest = divmod(milliseconds, DAY_SECONDS * UNITS["ms"])
    return timestamp_text(milliseconds, "ms") if rest else date_text(days)


def integers(array: pa.Array) -> pa.Array:
    """Return the whole numbers that dates, times or durations are stored as."""
    return array.view(pa.int32() if array.type.bit_width == 32 else pa.int64())  # noqa: PLR2004


def in_range(array: pa.Array) -> bool:
    """Return whether dates are of the years 1 to 9999 in every zone, and times of one day."""
    kind = array.type
    if types.is_duration(kind):
        return True
    ends = pc.min_max(integers(array)).as_py()
    if ends["min"] is None:
        return True
    if types.is_time(kind):
        first, last = 0, DAY_SECONDS * UNITS[kind.unit] - 1
    else:
        day = 1 if types.is_date32(kind) else DAY_SECONDS * UNITS["ms" if types.is_date64(kind) else kind.unit]
        margin = 1 if types.is_timestamp(kind) and kind.tz not in (None, "UTC", "Z", "+00:00") else 0
        first, last = (FIRST_DAY + margin) * day, (LAST_DAY + 1 - margin) * day - 1
        if types.is_date64(kind) and pc.any(pc.not_equal(remainder(integers(array), day), 0)).as_py():
            return False
    return bool(first <= ends["min"] and ends["max"] <= last)


def remainder(numbers: pa.Array, divisor: int) -> pa.Array:
    """Return what truncating division leaves; zero where a number is a multiple."""
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, divisor), divisor))


def _extension_values(array: pa.ExtensionArray, place: Place) -> list[Any]:
    name = array.type.extension_name
    if name == "arrow.uuid":
        return [None if value is None else str(uuid.UUID(bytes=value)) for value in array.storage.to_pylist()]
    if name == "arrow.bool8":
        return _or_null(bool, array.storage)
    return json_values(array.storage, place)


def _struct_values(array: pa.StructArray, place: Place) -> list[Any]:
    names = [field.name for field in array.type]
    members = [json_values(array.field(i), member_of(place, name)) for i, name in enumerate(names)]
    rows = zip(*members, strict=True) if members else iter([()] * len(array))
    make: Callable[[Any], Any] = dict if len(set(names)) == len(names) else list  # an object has each name once
    return [make(zip(names, r, strict=True)) if v else None for v, r in zip(_valid(array), rows, strict=True)]


def _map_values(array: pa.MapArray, place: Place) -> list[Any]:
    offsets = array.offsets.to_pylist()
    first, count = offsets[0], offsets[-1] - offsets[0]
    keys = json_values(array.keys.slice(first, count), item_of(place))
    items = json_values(array.items.slice(first, count), item_of(place))
    pairs = [[key, item] for key, item in zip(keys, items, strict=True)]
    ends = itertools.pairwise(offsets)
    rows = [pairs[a - first : b - first] if v else None for v, (a, b) in zip(_valid(array), ends, strict=True)]
    if is_text(array.type.key_type) and any(p.has_any_names for p in place.all()):
        return [None if row is None else _as_object(row) for row in rows]
    return rows


def _as_object(pairs: list[list[Any]]) -> Any:
    """Return a map as the object that a model's field takes; a key that comes twice leaves it as it is."""
    made = dict(pairs)
    return made if len(made) == len(pairs) else pairs


def _list_values(array: pa.Array, place: Place) -> list[Any]:
    items = json_values(array.flatten(), item_of(place))
    values: list[Any] = []
    end = 0
    for length in pc.list_value_length(array).to_pylist():
        start, end = end, end + (length or 0)
        values.append(None if length is None else items[start:end])
    return values


def _valid(array: pa.Array) -> list[bool]:
    return array.is_valid().to_pylist()  # type: ignore[no-any-return]


def _dictionary_values(array: pa.DictionaryArray, place: Place) -> list[Any]:
    values = json_values(array.dictionary, place)
    return [None if index is None else values[index] for index in array.indices.to_pylist()]


def _decimal_values(array: pa.Array, _: Place) -> list[Any]:
    return _or_null(lambda value: msgspec.Raw(format(value, "f").encode()), array)


_CONVERTERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[Any, Place], list[Any]]], ...] = (
    (is_extension, _extension_values),
    (is_binary, lambda array, place: _or_null(_BYTES[bytes_form(place)], array)),
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
