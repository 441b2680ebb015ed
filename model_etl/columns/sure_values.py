"""What Arrow decides about a column exactly as the schema does: values that are surely accepted, and the others.

A rule accepts a value only if the schema surely accepts it with the same value. Arrow reads more as numbers and dates
than JSON and pydantic do, so cells are matched with a pattern before they are cast.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_etl.columns.column_types import ColumnType
from model_etl.records.text_forms import are_decimals, are_integers, have_length

if TYPE_CHECKING:
    from model_etl.columns.source_columns import SourceColumn

    Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

types = pa.types
_Core: TypeAlias = Mapping[str, Any]
_Decided: TypeAlias = "tuple[Any, Mask | None]"

_NUMBER = r"^(?:0|-?[1-9][0-9]*|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))$"  # -0 is 0
_SHORT_INTEGER = r"^-?(?:0|[1-9][0-9]{0,17})$"  # of 64 bits
_DATE = r"^(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])$"
_TIME = _DATE[:-1] + r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?$"
_PATTERNS = {"float": _NUMBER, "int": _SHORT_INTEGER, "date": _DATE, "datetime": _TIME}
_FORMS: dict[str, Callable[[pa.Array], bool]] = {
    "float": are_decimals,
    "int": partial(are_integers, most_digits=18),
}
_LATE_DAY = r"^.{8}(?:29|30|31)"
"""A day that not every month has."""
_LARGEST_EXACT = 2**53
_REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "ge": pc.less,
    "gt": pc.less_equal,
    "le": pc.greater,
    "lt": pc.greater_equal,
}
"""The comparisons that find the values beyond a bound."""
_KEYS: dict[str, frozenset[str]] = {
    "float": frozenset({*_REFUSED, "allow_inf_nan"}),
    "int": frozenset(_REFUSED),
    "bool": frozenset(),
    "str": frozenset({"min_length", "max_length"}),
    "literal": frozenset({"expected"}),
    "date": frozenset({"microseconds_precision"}),
    "datetime": frozenset({"microseconds_precision"}),
}
"""The rules of each type of core schema that are known here."""
_CELL_TYPES = {"float": "number", "int": "integer", "bool": "boolean"}


@dataclass(frozen=True)
class SureValues:
    """The rules of a field that Arrow can check.

    Attributes:
        kind: the type of its core schema.
        type: the Arrow type of its values.
        bounds: its bounds by the names of pydantic.
        lengths: the least and the most characters of a text.
        expected: the values of a literal.
        finite: whether a number must be finite.
    """

    kind: str
    type: pa.DataType
    bounds: Mapping[str, Any] = field(default_factory=dict)
    lengths: tuple[int | None, int | None] = (None, None)
    expected: tuple[str, ...] = ()
    finite: bool = False

    @classmethod
    def of(cls, core: _Core, column: ColumnType) -> SureValues | None:
        """Return the rules of a field, or None if it has others."""
        from model_etl.columns.arrow_columns import arrow_type  # noqa: PLC0415

        while core["type"] in ("default", "nullable"):
            if not set(core) <= {"type", "metadata", "schema", "default", "default_factory", "copy_default"}:
                return None
            core = core["schema"]
        kind, arrow = core["type"], arrow_type(column)
        keys = _KEYS.get(kind)
        if keys is None or arrow is None or not set(core) <= {"type", "metadata", *keys}:
            return None
        if kind == "literal" and not all(type(value) is str for value in core["expected"]):
            return None
        if kind == "datetime" and column.kind != "datetime":
            return None
        bounds = {name: core[name] for name in _REFUSED if core.get(name) is not None}
        number = (int, float) if kind == "float" else (int,)
        if not all(type(bound) in number and abs(bound) < _LARGEST_EXACT for bound in bounds.values()):
            return None
        lengths = (core.get("min_length"), core.get("max_length"))
        finite = bool(bounds) or core.get("allow_inf_nan") is False
        return cls(kind, arrow, bounds, lengths, tuple(core.get("expected", ())), finite)


def sure_values(rules: SureValues, source: SourceColumn) -> _Decided | None:
    """Return the values of a column, null where they are not sure, and which of those that are given are not sure.

    Returns:
        None for the mask if all are sure; None instead of both if nothing is known of such a column.
    """
    if source.cell_type is not None:
        if source.cell_type != _CELL_TYPES.get(rules.kind, "text"):
            return None
        decided = _of_cells(rules, source.values)
    else:
        decided = _of_typed(rules, source.values)
    if decided is None:
        return None
    values, unsure = decided
    for wrong in _wrong_values(rules, values):
        unsure = _either(unsure, wrong)
    return values, unsure


def _of_cells(rules: SureValues, cells: pa.Array) -> _Decided | None:
    if rules.kind in ("str", "literal"):
        return cells, None
    if rules.kind == "bool":
        sure = pc.is_in(cells, pa.array(["true", "false"]))
        return pc.equal(_only(cells, sure), "true"), _others(sure, cells)
    if rules.kind == "date" and have_length(cells, len("2026-01-31")):
        with contextlib.suppress(pa.ArrowInvalid):
            values = pc.cast(cells, rules.type)  # of texts of this length, Arrow reads only dates as pydantic does
            if _in_years(values):
                return values, None
    is_sure = _FORMS.get(rules.kind)
    unsure = None
    if is_sure is None or not is_sure(cells):
        unsure = _others(pc.match_substring_regex(cells, _PATTERNS[rules.kind]), cells)
    try:
        values = pc.cast(_without(cells, unsure), rules.type)
    except pa.ArrowInvalid:  # such as February 30
        if rules.kind not in ("date", "datetime"):
            return None
        unsure = _either(unsure, _where(pc.match_substring_regex(cells, _LATE_DAY)))
        values = pc.cast(_without(cells, unsure), rules.type)
    if rules.kind == "float":
        unsure = _either(unsure, _where(pc.is_inf(values)))  # 1e999
    return values, unsure


def _of_typed(rules: SureValues, column: pa.Array) -> _Decided | None:
    """Return the values of a column of a file that has types."""
    kind = column.type
    if rules.kind == "float":
        if types.is_float64(kind) or types.is_float32(kind) or (types.is_integer(kind) and not types.is_uint64(kind)):
            values = pc.cast(column, rules.type, safe=False)
            return values, _where(pc.invert(pc.is_finite(values))) if rules.finite else None
        return None
    if rules.kind == "int":
        return _integers(rules, column)
    if rules.kind in ("str", "literal"):
        if types.is_dictionary(kind) and types.is_string(kind.value_type):
            column = column.dictionary_decode()
        return _texts(column)
    if rules.kind in ("date", "datetime") and (texts := _texts(column)) is not None:
        return _of_cells(rules, texts[0])
    if rules.kind == "date" and _is_local_time(kind):
        return _days_of(column)
    exact = {"bool": types.is_boolean, "date": types.is_date32, "datetime": _is_local_time}[rules.kind]
    if not exact(kind):
        return None
    try:
        values = pc.cast(column, rules.type)
    except pa.ArrowInvalid:
        return None  # parts of a microsecond
    return (values, None) if _in_years(values) else None


def _days_of(times: pa.Array) -> _Decided | None:
    """Return the dates of times of midnight, as pandas writes dates."""
    days = pc.cast(times, pa.date32(), safe=False)
    sure = pc.equal(pc.cast(days, times.type), times)
    return (_only(days, sure), _others(sure, times)) if _in_years(days) else None


def _integers(rules: SureValues, column: pa.Array) -> _Decided | None:
    kind = column.type
    if types.is_integer(kind) and not types.is_uint64(kind):
        return pc.cast(column, rules.type), None
    if not (types.is_float64(kind) or types.is_float32(kind)):
        return None
    sure = pc.and_(pc.less(pc.abs(column), float(_LARGEST_EXACT)), pc.equal(pc.floor(column), column))
    return pc.cast(_only(column, sure), rules.type), _others(sure, column)


def _texts(column: pa.Array) -> _Decided | None:
    if not (types.is_string(column.type) or types.is_large_string(column.type)):
        return None
    try:
        column.validate(full=True)  # UTF-8
        return pc.cast(column, pa.string()), None
    except pa.ArrowInvalid:
        return None


def _is_local_time(kind: pa.DataType) -> bool:
    return types.is_timestamp(kind) and kind.tz is None


def _in_years(values: pa.Array) -> bool:
    """Return whether dates are of the years 1 to 9999."""
    if types.is_boolean(values.type) or len(values) == values.null_count:
        return True
    ends = pc.min_max(values.view(pa.int32() if types.is_date32(values.type) else pa.int64())).as_py()
    day = 1 if types.is_date32(values.type) else 86_400_000_000
    return bool(-719_162 * day <= ends["min"] and ends["max"] < 2_932_897 * day)


def _wrong_values(rules: SureValues, values: pa.Array) -> list[Mask | None]:
    """Return the values that are beyond a bound, or not those of a literal."""
    found = [_where(_REFUSED[name](values, pa.scalar(bound, values.type))) for name, bound in rules.bounds.items()]
    least, most = rules.lengths
    if least is not None or most is not None:
        lengths = pc.utf8_length(values)
        found += [_where(pc.less(lengths, least))] if least is not None else []
        found += [_where(pc.greater(lengths, most))] if most is not None else []
    if rules.expected:
        found.append(_others(pc.is_in(values, pa.array(rules.expected)), values))
    return found


def _without(values: pa.Array, unsure: Mask | None) -> pa.Array:
    """Return values with nulls where they are not sure."""
    return values if unsure is None else pc.if_else(pa.array(unsure), None, values)


def _only(values: pa.Array, sure: pa.Array) -> pa.Array:
    """Return values with nulls where they are not sure."""
    return values if pc.all(sure, min_count=0).as_py() else pc.if_else(sure, values, None)


def _where(mask: pa.Array) -> Mask | None:
    """Return where a mask is true; None if nowhere."""
    return np.asarray(mask.fill_null(False)) if pc.any(mask, min_count=0).as_py() else None


def _others(sure: pa.Array, given: pa.Array) -> Mask | None:
    """Return where there is a value that is not sure; None if nowhere."""
    if not sure.null_count and pc.all(sure, min_count=0).as_py():
        return None
    return _where(pc.and_(pc.invert(sure.fill_null(False)), given.is_valid()))


def _either(one: Mask | None, other: Mask | None) -> Mask | None:
    return other if one is None else one if other is None else one | other
