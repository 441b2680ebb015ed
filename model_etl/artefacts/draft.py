"""A JSON Schema of records, drafted from a sample of them, for a person to edit.

Types, and which fields may be missing, are what the sample has. Shares of missing values, ranges and values are notes
(`x-missing`, `x-range`, `x-values`) and check nothing: tomorrow's records may have others.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

_SHOWN_VALUES = 20
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_LEADING_ZERO = re.compile(r"[-+]?0\d")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?")
_INT64 = 2**63
_FORMATS = {"date": "date", "datetime": "date-time", "datetime-local": "date-time-local"}


class SchemaDraft:
    """Drafts the schema of records that are added one by one.

    Args:
        texts: whether all values are texts, as in CSV, so that numbers have to be recognised.

    Attributes:
        count: number of records.
    """

    def __init__(self, *, texts: bool = False) -> None:
        self._texts = texts
        self._fields: dict[str, _Field] = {}
        self.count = 0

    def add(self, document: bytes) -> None:
        """Add a record, a JSON object."""
        record: Mapping[str, Any] = msgspec.json.decode(document)
        self.count += 1
        for name, value in record.items():
            self._fields.setdefault(name, _Field()).add(value, texts=self._texts)

    @property
    def nested(self) -> Sequence[str]:
        """The names of the fields with lists and objects, which have no column and are left out."""
        return [name for name, field in self._fields.items() if "nested" in field.types]

    def json_schema(self) -> dict[str, Any]:
        """Return the schema."""
        fields = {name: field for name, field in self._fields.items() if "nested" not in field.types}
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {name: field.declaration(self.count) for name, field in fields.items()},
            "required": [name for name, field in fields.items() if field.present == self.count],
        }

    def text(self) -> str:
        """Return the schema with a line for each field, which is easy to edit."""
        schema = self.json_schema()
        lines = [f"    {_json(name)}: {_json(value)}" for name, value in schema.pop("properties").items()]
        rest = {name: _json(value) for name, value in schema.items()}
        properties = ",\n".join(lines)
        return (
            f'{{\n  "$schema": {rest["$schema"]},\n  "type": "object",\n  "properties": {{\n{properties}\n  }},\n'
            f'  "required": {rest["required"]}\n}}\n'
        )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Field:
    """What the sample has of one field.

    Attributes:
        types: of its values.
        present: how many records have a value.
    """

    def __init__(self) -> None:
        self.types: set[str] = set()
        self.present = 0
        self._values: set[Any] = set()
        self._low = math.inf
        self._high = -math.inf

    def add(self, value: Any, *, texts: bool) -> None:
        """Add a value of a record."""
        if value is None or (texts and value == ""):
            return
        self.present += 1
        found = _type_of(value, texts=texts)
        self.types.add(found)
        if found in ("integer", "number"):
            number = float(value) if found == "number" else int(value)
            self._low, self._high = min(self._low, number), max(self._high, number)
        if found != "nested" and len(self._values) <= _SHOWN_VALUES:
            self._values.add(value)

    def _type(self) -> str:
        if self.types == {"integer", "number"}:
            return "number"
        if self.types == {"date", "datetime-local"}:
            return "datetime-local"
        return next(iter(self.types)) if len(self.types) == 1 else "string"

    def declaration(self, count: int) -> dict[str, Any]:
        """Return the JSON Schema of the field.

        Args:
            count: number of records.
        """
        found = self._type()
        name = "string" if found in _FORMATS else found
        missing = count - self.present
        declaration: dict[str, Any] = {"type": [name, "null"] if missing else name}
        if found in _FORMATS:
            declaration["format"] = _FORMATS[found]
        if missing:
            declaration["x-missing"] = max(round(missing / count, 4), 0.0001)
        if found in ("integer", "number"):
            declaration["x-range"] = [self._low, self._high]
        elif found in _FORMATS and self._values and len(self._values) <= _SHOWN_VALUES:
            declaration["x-range"] = [min(self._values), max(self._values)]
        elif found == "string" and 0 < len(self._values) <= _SHOWN_VALUES:
            declaration["x-values"] = sorted(map(str, self._values))
        return declaration


def _type_of(value: Any, *, texts: bool) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -_INT64 <= value < _INT64 else "number"
    if isinstance(value, float):
        return "number"
    return _type_of_text(value, texts=texts) if isinstance(value, str) else "nested"


def _type_of_text(text: str, *, texts: bool) -> str:
    if texts:
        if text in ("true", "false"):
            return "boolean"
        if _INTEGER.fullmatch(text):
            return "integer"
        if _NUMBER.fullmatch(text) and not _LEADING_ZERO.match(text) and math.isfinite(float(text)):
            return "number"
    if _DATE.fullmatch(text) and _is_time(text):
        return "date"
    if (match := _TIME.fullmatch(text)) and _is_time(text.replace("Z", "+00:00")):
        return "datetime" if match[3] else "datetime-local"
    return "string"


def _is_time(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
