"""Values of a Parquet file that text and the model's types cannot hold: each is a reject, if its column is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from model_etl.errors import RecordError
from model_etl.formats.parquet_documents import (
    UNREAD,
    as_binary,
    bytes_form,
    in_range,
    integers,
    is_binary,
    is_text,
    item_of,
    json_values,
    member_of,
    remainder,
)
from model_etl.formats.parquet_retry import BEYOND_YEARS, FINER
from model_etl.records.times import timestamp_text
from model_etl.schema.schema_parts import SchemaPart

types = pa.types
_NS_PER_MICROSECOND = 1000
_ABOUT_VALUES = ("UTF8", "acceptable range", "whole number of days", "does not fit in precision")
"""What Arrow says of single values, as opposed to a column whose layout is damaged."""


def find_problems(rows: pa.RecordBatch, needed: Mapping[str, SchemaPart], *, any_year: bool) -> dict[int, RecordError]:
    """Return the rows that have a value which cannot be read or published.

    Args:
        rows: the rows.
        needed: the columns that are read or published, with what the model accepts in them.
        any_year: whether columns that the model does not read may hold dates of any year.

    Returns:
        The reason for each row, by its index.

    Raises:
        pyarrow.ArrowInvalid: if a column is damaged.
    """
    problems: dict[int, RecordError] = {}
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        is_valid = _is_valid(column)
        part = needed.get(name)
        if part is None or (is_valid and not _needs_care(column.type, part)):
            continue
        free = any_year and part is UNREAD
        if free and is_valid:
            continue
        for index, reason in _rows_with_problem(column, part, 0, any_year=free):
            problems.setdefault(index, RecordError("parse", "NotText", f"{name} has {reason}"))
    return problems


def find_finer_times(rows: pa.RecordBatch, finer: pa.RecordBatch) -> dict[int, dict[str, Any]]:
    """Return the rows whose INT96 times have a fraction of a microsecond.

    Args:
        rows: the rows, with such columns in microseconds.
        finer: those columns in nanoseconds; where these overflow, the difference of both is exact all the same.

    Returns:
        The JSON value with all digits by column, for each row by its index.
    """
    found: dict[int, dict[str, Any]] = {}
    for name, column in zip(finer.schema.names, finer.columns, strict=True):
        coarse = rows.column(rows.schema.get_field_index(name))
        for index in _finer_rows(coarse, column, 0):
            found.setdefault(index, {})[name] = _finer_value(coarse.slice(index, 1), column.slice(index, 1))
    return found


def _finer_rows(coarse: pa.Array, fine: pa.Array, start: int) -> Iterator[int]:
    """Yield the rows that differ, halving the column until each is alone."""
    if not _differs(coarse, fine):
        return
    if len(coarse) == 1:
        yield start
        return
    middle = len(coarse) // 2
    yield from _finer_rows(coarse.slice(0, middle), fine.slice(0, middle), start)
    yield from _finer_rows(coarse.slice(middle), fine.slice(middle), start + middle)


def _differs(coarse: pa.Array, fine: pa.Array) -> bool:
    if coarse.type == fine.type:
        return False
    if types.is_timestamp(fine.type):
        return bool(pc.any(pc.not_equal(_rest(coarse, fine), 0), min_count=0).as_py())
    pairs = zip(_parts(coarse, UNREAD), _parts(fine, UNREAD), strict=True)
    return any(_differs(left, right) for (left, _), (right, _) in pairs)


def _rest(coarse: pa.Array, fine: pa.Array) -> pa.Array:
    return pc.subtract(integers(fine), pc.multiply(integers(coarse), _NS_PER_MICROSECOND))


def _finer_value(coarse: pa.Array, fine: pa.Array) -> Any:
    if types.is_timestamp(fine.type):
        exact = integers(coarse)[0].as_py() * _NS_PER_MICROSECOND + _rest(coarse, fine)[0].as_py()
        return timestamp_text(exact, "ns")
    return json_values(fine, UNREAD)[0]


def _is_valid(column: pa.Array) -> bool:
    """Return whether all values of a column are of their type: text that is UTF-8, times of one day.

    Raises:
        pyarrow.ArrowInvalid: if the column is damaged in another way.
    """
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as exc:
        if not any(words in str(exc) for words in _ABOUT_VALUES):
            raise
        column.validate()
        return False
    return True


def _rows_with_problem(column: pa.Array, part: SchemaPart, start: int, *, any_year: bool) -> Iterator[tuple[int, str]]:
    """Yield the rows with a problem, halving the column until each is alone: mostly there are none, or few."""
    reason = _problem(column, part, any_year=any_year)
    if reason is None:
        return
    if len(column) == 1:
        yield start, reason
        return
    middle = len(column) // 2
    yield from _rows_with_problem(column.slice(0, middle), part, start, any_year=any_year)
    yield from _rows_with_problem(column.slice(middle), part, start + middle, any_year=any_year)


def _problem(array: pa.Array, part: SchemaPart, *, any_year: bool) -> str | None:
    """Return why a column that is read or published has a value that text cannot hold, or None.

    Args:
        array: the column.
        part: what the model accepts in it.
        any_year: whether it may hold dates of any year.
    """
    arrow_type = array.type
    if types.is_temporal(arrow_type):
        return _time_problem(array, part, any_year=any_year)
    if is_binary(arrow_type) and bytes_form(part) == "utf8" and part is not UNREAD:
        return None if _is_utf8(array) else _NOT_UTF8
    if is_text(arrow_type):
        return None if _is_utf8(as_binary(array)) else _NOT_UTF8
    if isinstance(arrow_type, pa.BaseExtensionType):
        return None if arrow_type.extension_name == "arrow.uuid" else _problem(array.storage, part, any_year=any_year)
    parts = _parts(array, part)
    return next(filter(None, (_problem(*pair, any_year=any_year) for pair in parts)), None)


def _parts(array: pa.Array, part: SchemaPart) -> list[tuple[pa.Array, SchemaPart]]:
    """Return the columns that a nested column consists of, without the values of rows that are null."""
    arrow_type = array.type
    if types.is_dictionary(arrow_type):
        return [(array.dictionary.take(pc.unique(array.indices.drop_null())), part)]
    if types.is_struct(arrow_type):
        return [(m, member_of(part, f.name)) for m, f in zip(array.flatten(), arrow_type, strict=True)]
    if types.is_map(arrow_type):
        offsets = array.offsets
        first, count = offsets[0].as_py(), offsets[-1].as_py() - offsets[0].as_py()
        return [(values.slice(first, count), item_of(part)) for values in (array.keys, array.items)]
    if types.is_nested(arrow_type):
        return [(array.flatten(), item_of(part))]
    return []


_NOT_UTF8 = "bytes that are not UTF-8 text"


def _time_problem(array: pa.Array, part: SchemaPart, *, any_year: bool) -> str | None:
    arrow_type = array.type
    if not any_year and not in_range(array):
        if types.is_time(arrow_type):
            return "a time outside of the day"
        return BEYOND_YEARS
    unit = getattr(arrow_type, "unit", "")
    if unit == "ns" and part.accepts_times:
        rest = remainder(integers(array), _NS_PER_MICROSECOND)
        if pc.any(pc.not_equal(rest, 0), min_count=0).as_py():
            return FINER
    return None


def _is_utf8(array: pa.Array) -> bool:
    try:
        if types.is_fixed_size_binary(array.type):
            array = array.cast(pa.binary())
        array.cast(pa.large_string() if types.is_large_binary(array.type) else pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def _needs_care(arrow_type: pa.DataType, part: SchemaPart) -> bool:
    """Return whether values of a type can be a `problem` although they are valid: bytes as text, and times."""
    if isinstance(arrow_type, pa.BaseExtensionType):
        return arrow_type.extension_name != "arrow.uuid" and _needs_care(arrow_type.storage_type, part)
    if types.is_nested(arrow_type) or types.is_dictionary(arrow_type):
        return True
    return bool(types.is_temporal(arrow_type)) or (
        is_binary(arrow_type) and part is not UNREAD and bytes_form(part) == "utf8"
    )
