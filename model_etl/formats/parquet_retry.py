"""Rejected rows of Parquet, scored again from their JSON, which has lost the types of the columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from model_etl.errors import RecordError
from model_etl.records.batch import Source
from model_etl.records.strict_json import parse_object
from model_etl.schema.fields import Field
from model_etl.schema.schema_parts import SchemaPart

FINER = "a part of a microsecond, which the model's type cannot hold"
BEYOND_YEARS = 'a date outside of the years 1 to 9999 ("infinity" in some databases)'
_BEYOND_YEARS = re.compile(r"[+-][0-9]{4,12}-[0-9]{2}-[0-9]{2}(?: [0-9:.]+Z?)?|0000-[0-9]{2}-[0-9]{2}(?: [0-9:.]+Z?)?")
_FINER_TIME = re.compile(r"\.[0-9]{6}[0-9]*[1-9]")


def check_times(document: bytes, fields: Mapping[str, Field]) -> None:
    """Check that no time of a record is finer than the model's type, which would cut it off.

    Raises:
        RecordError: if one is, as when the row was read from its file.
    """
    for name, value in parse_object(document).items():
        field = fields.get(name)
        if field is not None and field.schema_part is not None and _is_finer(value, field.schema_part):
            raise RecordError("parse", "NotText", f"{name} has {FINER}")


def check_dates(document: bytes, source: Source) -> None:
    """Check that no published field has a date beyond the years 1 to 9999, unless the outputs can hold it.

    Raises:
        RecordError: if one has, as when the row was read from its file.
    """
    if source.any_year or source.published == ():
        return
    for name, value in parse_object(document).items():
        if source.publishes(name) and _is_beyond(value):
            raise RecordError("parse", "NotText", f"{name} has {BEYOND_YEARS}")


def _is_beyond(value: Any) -> bool:
    if isinstance(value, str):
        return _BEYOND_YEARS.fullmatch(value) is not None
    if isinstance(value, dict):
        value = list(value.values())
    return isinstance(value, list) and any(map(_is_beyond, value))


def _is_finer(value: Any, part: SchemaPart | None) -> bool:
    if part is None:
        return False
    if isinstance(value, str):
        return part.accepts_times and bool(_FINER_TIME.search(value))
    if isinstance(value, dict):
        return any(_is_finer(item, part.member(name)) for name, item in value.items())
    return isinstance(value, list) and any(_is_finer(item, part.item(index)) for index, item in enumerate(value))
