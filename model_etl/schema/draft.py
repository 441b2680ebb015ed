"""Draft the JSON Schema of records from a sample of them, for a person to edit.

The types are rules. What else was seen in the sample is not: it stands under `x-sample` (missing share, range,
categories), which validates nothing, since tomorrow's records may go beyond it. A person who knows a bound moves it out
of there.
"""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from model_etl.records.dialect import DecimalSeparator
from model_etl.records.times import FIRST_DAY, parse_date

SAMPLE = "x-sample"
"""The key of what was seen in the sample: of the records, and of each field."""
ZONED = "x-time-zone"
"""The key that says of a `date-time` whether its values have an offset from UTC; RFC 3339, and so JSON Schema, knows
none without."""

_MOST_CATEGORIES = 20
_MOST_OTHERS = 5
_LEAST_SHARE_OF_NUMBERS = 0.9
_MOST_DIGITS = 20
_BEYOND = 2**63
"""The least integer that 64 bits do not hold."""
_SIGNIFICANT_DIGITS = 3
_NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_COMMA_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*),[0-9]+(?:[eE][-+]?[0-9]+)?")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]+)?)?"
_DATE_TIME = re.compile(rf"{_DATE.pattern}[ T]{_CLOCK}(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?")

Values: TypeAlias = Sequence[Any]
Sample: TypeAlias = Mapping[str, Values] | Iterable[Mapping[str, Any]]


def draft_schema(
    sample: Sample,
    *,
    texts: bool = False,
    null_texts: Collection[str] = ("",),
    decimal: DecimalSeparator | None = None,
    title: str = "Record",
) -> dict[str, Any]:
    """Draft the JSON Schema of records that are like those of a sample.

    A field that no record lacks is required, and one that some record lacks or has null for may be null.

    Args:
        sample: the records, or the values of each column by its name, all of one length. None and NaN are missing.
        texts: whether each value is the text of a cell, as in CSV, so that numbers and booleans are recognised too.
        null_texts: the texts of cells that mean no value.
        decimal: the character before the decimals of numbers in cells; None for a point.
        title: the title of the schema.

    Raises:
        ValueError: if the sample has no records, or no record has a field.
    """
    columns, count = _columns(sample)
    if not count or not columns:
        raise ValueError("there are no records to draft a schema from" if not count else "the records have no fields")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    schema |= _object(columns, count, _Cells(frozenset(null_texts), comma=decimal == ",") if texts else None)
    return {**schema, SAMPLE: {"records": count}}


def types_of(declared: Mapping[str, Any]) -> set[str]:
    """Return the types of a drafted field, without null."""
    types = declared["type"]
    return {types} if isinstance(types, str) else {*types} - {"null"}


class _Cells(NamedTuple):
    """How the cells of a table of text are written.

    Attributes:
        nulls: the texts that mean no value.
        comma: whether numbers have a comma before their decimals.
    """

    nulls: Collection[str]
    comma: bool

    def is_number(self, text: str) -> bool:
        """Return whether a run reads a cell as a number."""
        if not self.comma:
            return _NUMBER.fullmatch(text) is not None
        return _INTEGER.fullmatch(text) is not None or _COMMA_NUMBER.fullmatch(text) is not None


def _columns(sample: Sample) -> tuple[dict[str, list[Any]], int]:
    """Return the values of each field, of the records that have it, and the number of records."""
    if isinstance(sample, Mapping):
        lengths = {len(values) for values in sample.values()}
        if len(lengths) > 1:
            raise ValueError("the columns have different lengths")
        return {str(name): list(values) for name, values in sample.items()}, max(lengths, default=0)
    columns: dict[str, list[Any]] = {}
    count = 0
    for record in sample:
        count += 1
        for name, value in record.items():
            columns.setdefault(name, []).append(value)
    return columns, count


def _object(columns: Mapping[str, Values], count: int, cells: _Cells | None = None) -> dict[str, Any]:
    properties = {name: _field(values, count, cells) for name, values in columns.items()}
    required = [name for name, declared in properties.items() if not declared.get(SAMPLE, {}).get("missing")]
    return {"type": "object", "properties": properties, "required": required}


def _field(values: Values, count: int, cells: _Cells | None = None) -> dict[str, Any]:
    """Return the declaration of one field.

    Args:
        values: of the records that have it.
        count: the number of records.
        cells: how the cells are written whose texts the values are; None if they are values.
    """
    present = [plain for value in values if (plain := _plain(value)) is not None]
    if cells:
        present = [value for value in present if not (isinstance(value, str) and value in cells.nulls)]
    if not present:
        return {"type": ["string", "null"], SAMPLE: {"missing": 1.0}}
    declared = _of_texts(present, cells) if _all(present, str) else _of_values(present)
    if len(present) == count:
        return declared
    types = declared.get("type", [])
    if types:
        declared["type"] = [*([types] if isinstance(types, str) else types), "null"]
    seen = {"missing": _share(count - len(present), count)} | declared.pop(SAMPLE, {})
    return {**declared, SAMPLE: seen}


def _plain(value: Any) -> Any:
    """Return a value as one of Python's own, or None if it is missing: NaN, NaT and NA are."""
    if isinstance(value, (str, Mapping, list, tuple)):
        return value
    if callable(item := getattr(value, "item", None)) and not getattr(value, "ndim", 0):
        value = item()  # a scalar of numpy
    try:
        return None if value is None or value != value else value  # noqa: PLR0124  NaN is not itself
    except TypeError:  # the truth of pandas.NA is not known
        return None


def _all(values: Values, *kinds: type) -> bool:
    return all(isinstance(value, kinds) for value in values)


def _share(part: int, whole: int) -> float:
    """Return a share that is 0 or 1 only if it is exactly that."""
    share = part / whole
    digits = _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(min(share, 1 - share))) if 0 < part < whole else 0
    return round(share, digits)


def _of_texts(values: Sequence[str], cells: _Cells | None) -> dict[str, Any]:
    if cells and {value.lower() for value in values} <= {"true", "false"}:
        return {"type": "boolean"}
    if cells and (declared := _of_number_cells(values, cells)):
        return declared
    if all(map(_is_date, values)):
        return {"type": "string", "format": "date", SAMPLE: _range(values)}
    zones = {_zone(value) for value in values}
    if None not in zones and len(zones) == 1:
        return {"type": "string", "format": "date-time", ZONED: zones.pop(), SAMPLE: _range(values)}
    return {"type": "string", SAMPLE: _text_facts(values, cells)}


def _of_number_cells(values: Sequence[str], cells: _Cells) -> dict[str, Any] | None:
    """Return the declaration of cells that are all numbers, or None; a leading zero shows that they are codes."""
    if any(map(_LEADING_ZERO.match, values)) or not all(map(cells.is_number, values)):
        return None
    if all(map(_INTEGER.fullmatch, values)):
        integers = [int(value) if len(value) <= _MOST_DIGITS else _BEYOND for value in values]
        # Longer ones are keys, in which no digit may be lost.
        return {"type": "integer", SAMPLE: _range(integers)} if max(map(abs, integers)) < _BEYOND else None
    floats = [float(value.replace(",", ".")) for value in values]
    return {"type": "number", SAMPLE: _range(floats)} if all(map(math.isfinite, floats)) else None


def _text_facts(values: Sequence[str], cells: _Cells | None) -> dict[str, Any]:
    distinct = dict.fromkeys(values)
    facts: dict[str, Any] = {"longest": max(map(len, values))}
    # Texts that differ nearly everywhere are names, addresses or keys of people, which do not belong into a schema.
    if len(distinct) <= _MOST_CATEGORIES and 2 * len(distinct) <= len(values):
        facts = {"categories": sorted(distinct)}
    others = [value for value in values if not cells.is_number(value)] if cells else []
    if others and len(others) <= (1 - _LEAST_SHARE_OF_NUMBERS) * len(values):
        facts["not_numbers"] = list(dict.fromkeys(others))[:_MOST_OTHERS]
    return facts


def _of_values(values: Values) -> dict[str, Any]:
    """Return the declaration of values that are not all texts."""
    if _all(values, Mapping):
        columns, count = _columns(values)
        return _object(columns, count)
    if _all(values, list, tuple):
        items = [item for value in values for item in value]
        return {"type": "array", "items": _item(items), SAMPLE: {"longest": max(map(len, values))}}
    if _all(values, datetime.datetime):
        zones = {value.tzinfo is not None for value in values}
        if len(zones) == 1:
            return {"type": "string", "format": "date-time", ZONED: zones.pop(), SAMPLE: _range(values)}
    elif _all(values, datetime.date):
        return {"type": "string", "format": "date", SAMPLE: _range(values)}
    types = sorted({_json_type(value) for value in values})
    if types == ["integer", "number"]:
        types = ["number"]
    declared: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    return {**declared, SAMPLE: _range(values)} if types[0] in ("integer", "number") and len(types) == 1 else declared


def _item(items: Values) -> dict[str, Any]:
    declared = _field(items, len(items)) if items else {}
    declared.pop(SAMPLE, None)
    return declared


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, numbers.Integral):
        return "integer"
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        return "number"
    if isinstance(value, Mapping):
        return "object"
    return "array" if isinstance(value, (list, tuple)) else "string"


def _range(values: Values) -> dict[str, Any]:
    bounds = {"minimum": _json_value(min(values)), "maximum": _json_value(max(values))}
    return {name: value for name, value in bounds.items() if not (isinstance(value, float) and math.isinf(value))}


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return float(value) if isinstance(value, decimal.Decimal) else value


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _is_of_the_calendar(text)


def _zone(text: str) -> bool | None:
    """Return whether a date and time has an offset from UTC, or None if the text is not a date and time."""
    found = _DATE_TIME.fullmatch(text)
    return found[1] is not None if found and _is_of_the_calendar(text[:10]) else None


def _is_of_the_calendar(date: str) -> bool:
    try:
        return parse_date(date) >= FIRST_DAY
    except ValueError:
        return False
