"""Numbers of JSON with all their digits, for pydantic classes, which read every fraction through a float.

A number that becomes a Decimal is given as text, as CSV gives it; a whole number that is written like a fraction
(9007199254740993.0) is given without its point.
"""

from __future__ import annotations

import decimal
import json
import re
from typing import Any

import msgspec

from model_etl.errors import RecordError
from model_etl.schema.schema_parts import SchemaPart, schema_part_of

_FRACTION = re.compile(rb"[0-9][.eE]")
_LONG_FRACTION = re.compile(rb"[0-9.]{17}|[0-9][eE]")
_ENCODE = msgspec.json.Encoder().encode


class ExactNumbers:
    """Rewrites the numbers of records that pydantic would change.

    Args:
        part: what the class accepts.
    """

    def __init__(self, part: SchemaPart) -> None:
        self._part = part
        self._suspicious = (_FRACTION if part.holds("decimal") else _LONG_FRACTION).search

    @classmethod
    def of(cls, schema: Any) -> ExactNumbers | None:
        """Return what rewrites the records of a pydantic class, or None if it has neither Decimals nor integers."""
        part = schema_part_of(schema)
        return cls(part) if part.holds("decimal", "int") else None

    def apply(self, document: bytes) -> bytes:
        """Return a record in which no number loses a digit.

        Args:
            document: a JSON object.

        Raises:
            RecordError: if a number fits several types, of which the one that pydantic takes would lose digits.
        """
        if not self._suspicious(document):
            return document
        try:
            value = json.loads(document, parse_float=_Fraction)
            return _ENCODE(_rewritten(value, self._part))
        except (ValueError, RecursionError):  # lone surrogates, or very deep: for the schema to refuse
            return document

    def apply_to_values(self, array: bytes, name: str) -> bytes:
        """Return the values of a field of many records, a JSON array, in which no number loses a digit.

        Args:
            array: the values.
            name: the name of the field in records.

        Raises:
            RecordError: as `apply` does.
        """
        if not self._suspicious(array):
            return array
        part = self._part.member(name)
        try:
            values = json.loads(array, parse_float=_Fraction)
            return _ENCODE([_rewritten(value, part) for value in values])
        except (ValueError, RecursionError):  # as in `apply`
            return array


class _Fraction(str):
    """The text of a number that is written with a point or an exponent."""

    __slots__ = ()


def _rewritten(value: Any, part: SchemaPart | None) -> Any:
    if isinstance(value, _Fraction):
        return _rewritten_number(value, part) if part is not None else msgspec.Raw(value.encode())
    if isinstance(value, dict):
        return {name: _rewritten(item, part and part.member(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [_rewritten(item, part and part.item(index)) for index, item in enumerate(value)]
    return value


def _rewritten_number(text: _Fraction, part: SchemaPart) -> Any:
    number_as_read = msgspec.Raw(text.encode())
    if part.accepts("float", "any"):
        return number_as_read  # the nearest float is what it means there
    try:
        number = decimal.Decimal(text)
    except decimal.InvalidOperation:  # its exponent is beyond those of Decimals
        return _as_text(text, part)
    as_float = float(text)
    if part.accepts("decimal"):
        is_exact = decimal.Decimal(repr(as_float)) == number
        if is_exact and (part.accepts("int") or any(p.validated for p in part.all())):
            return number_as_read
        return number_as_read if is_exact and part.accepts("str") else _as_text(text, part)
    if part.accepts("int") and as_float.is_integer() and number != int(as_float):
        if number != number.to_integral_value():
            return _as_text(text, part)  # refused as what it is, not taken for the whole number beside it
        return number_as_read if "e" in text.lower() else int(number)  # an exponent is the way to write a float
    return number_as_read


def _as_text(text: _Fraction, part: SchemaPart) -> str:
    if part.accepts("str"):
        raise RecordError("input_schema", "LostDigits", "a number has more digits than a float holds: write it as text")
    return str(text)
