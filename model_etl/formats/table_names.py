"""Whether a table is one that the model can score: at least one of its columns must be a field of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from model_etl.errors import DataError
from model_etl.formats.table_remedies import (
    SEPARATORS,
    has_decimal_commas,
    likely_separator,
    shown_delimiter,
    split_names,
)
from model_etl.records.batch import Source
from model_etl.schema.fields import Field, Fields

_SHOWN_NAMES = 5
_SHOWN_CHARS = 40
_READ_AS = {"\t": "tsv", ",": "csv"}
_NO_LETTER = re.compile(r"[^\w]|_")
_NUMBER = re.compile(r"[-+]?[0-9.,]+(?:[eE][-+]?[0-9]+)?")


def check_table_names(names: Sequence[str], fields: Mapping[str, Field], source: Source, header: bytes = b"") -> None:
    """Check that a column is a field of the model.

    A model all of whose fields are optional would otherwise predict the same for each record.

    Args:
        names: the names of the columns.
        fields: the model's input fields by name. Nothing is checked if it does not declare them, or reads others too.
        source: the table, for the error.
        header: the text of its first row, if it has one.

    Raises:
        DataError: if no column is.
    """
    if not isinstance(fields, Fields) or not fields or fields.others == "read" or not fields.keys().isdisjoint(names):
        return
    reason, remedy = _likely_cause(names, fields, source, header.decode("utf-8", "replace"))
    raise DataError(
        f"cannot read {source.name} as {source.format}: none of its columns ({_shown(names)}) is a field of the model"
        f" ({_shown(fields)}){reason}",
        remedy or "Check that it is the right file, and that its first row names the columns.",
    )


def first_duplicate(names: Iterable[str]) -> str | None:
    """Return the first name that another one repeats, or None; in time that grows with their number alone."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def lookalike(names: Iterable[str], fields: Iterable[str]) -> tuple[str, str] | None:
    """Return the first name that is a field's but for capitals, blanks and punctuation, with that field; or None."""
    simple = {_simplified(field): field for field in fields}
    return next(((name, simple[_simplified(name)]) for name in names if _simplified(name) in simple), None)


def _likely_cause(names: Sequence[str], fields: Fields, source: Source, header: str) -> tuple[str, str]:
    """Return the rest of the sentence and the remedy, both empty if no cause is likely."""
    row = names[0] if len(names) == 1 else header
    separator = likely_separator(row, fields) if len(names) == 1 or has_decimal_commas(row) else None
    if separator and split_names(row, separator) != list(names):
        read_as = _READ_AS.get(separator)
        remedy = f"Use --input_format {read_as}." if read_as else f"Use --delimiter {shown_delimiter(separator)}."
        return f". Its cells have {SEPARATORS[separator]} between them", remedy
    if source.format == "tsv" and not fields.keys().isdisjoint(name.strip('"') for name in names):
        return ". Its names have quotes around them", "Use --tsv_quotes."
    if found := lookalike(names, fields):
        return f". It has {found[0]!r}, not {found[1]!r}", "Rename its columns, or give the model's fields aliases."
    if header and any(map(_NUMBER.fullmatch, names)):
        return ". Its first row looks like a record", "Use --no_header, or give it a first row that names the columns."
    return "", ""


def _simplified(name: str) -> str:
    return _NO_LETTER.sub("", name).casefold()


def _shown(names: Iterable[str]) -> str:
    listed = [name if len(name) <= _SHOWN_CHARS else f"{name[:_SHOWN_CHARS]}..." for name in names]
    shown = ", ".join(map(repr, listed[:_SHOWN_NAMES]))
    return f"{shown} and {len(listed) - _SHOWN_NAMES} more" if len(listed) > _SHOWN_NAMES else shown
