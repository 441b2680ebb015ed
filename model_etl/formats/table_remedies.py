"""Which option of tables cures a failure: what the first row, or the first rejects, of a table look like."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from model_etl.errors import RecordError
from model_etl.records.batch import Rejection
from model_etl.records.strict_json import parse_object
from model_etl.schema.fields import Field

SEPARATORS = {";": "semicolons", "|": "bars", "\t": "tabs", ",": "commas"}
"""The usual characters between cells, with their names."""
TABLES = ("csv", "tsv", "quoted_tsv")
"""The names of the formats that the options are for."""

_NULLS = frozenset({
    "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "NULL", "Null", "null", "(null)", "None", "none", "nil", "NIL", "nan",
    "-nan", "NaT", "-", "--", "?", ".", "..", "\\N", "missing", "MISSING", "unknown", "#NULL!", "#VALUE!",
})  # fmt: skip
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]*(?:[eE][-+]?[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+(?:[eE][-+]?[0-9]+)?")
_C1_CONTROLS = bytes(range(0x80, 0xA0))
"""Characters in cp1252 and hardly ever in latin-1, where they are control characters."""


def remedy_for_encoding(text: bytes) -> str:
    """Return what to do with a text that is not UTF-8."""
    name = "cp1252" if len(text.translate(None, _C1_CONTROLS)) < len(text) else "latin-1"
    return f"If it was written in another encoding, name it, such as --encoding {name}."


def remedy_for_names(text: bytes, cells: Sequence[str], fields: Iterable[str]) -> str:
    """Return what to do with a first row that does not name the columns, or not as it should; empty if nothing helps.

    Args:
        text: the row.
        cells: its cells; empty if it is not valid.
        fields: the names of the model's fields.
    """
    try:
        row = text.decode()
    except UnicodeDecodeError:
        return remedy_for_encoding(text)
    known = set(fields)
    if len(cells) <= 1 and (separator := likely_separator(row, known)):
        return f"Use --delimiter {shown_delimiter(separator)}."
    if known.isdisjoint(cells) and any(map(_NUMBER.fullmatch, cells)):
        return "If the first row is a record, use --no_header."
    return ""


def likely_separator(row: str, fields: Collection[str]) -> str | None:
    """Return the character that divides a row into names of fields or into numbers, or None.

    Args:
        row: a row that is a single cell, or is not valid.
        fields: the names of the model's fields.
    """
    for separator in SEPARATORS:
        if separator in row and not set(fields).isdisjoint(split_names(row, separator)):
            return separator
    numbers = (s for s in ";|\t" if s in row and all(map(_NUMBER.fullmatch, split_names(row, s)[:1])))
    return next(numbers, None)


def has_decimal_commas(row: str) -> bool:
    """Return whether a row is of numbers with decimal commas between other separators."""
    cells = (cell for separator in ";|\t" if separator in row for cell in split_names(row, separator))
    return any(map(_DECIMAL_COMMA.fullmatch, cells))


def split_names(row: str, separator: str) -> list[str]:
    """Return the names between separators, without their quotes."""
    return [part.strip().strip('"') for part in row.split(separator)]


def shown_delimiter(delimiter: str) -> str:
    """Return a delimiter as it is written on a command line."""
    return {"\t": "'\\t'", ",": ","}.get(delimiter, f"'{delimiter}'")


def remedy_for_rejects(rejections: Iterable[Rejection], fields: Mapping[str, Field]) -> str:
    """Return the options that probably cure rejects of tables of text, as a sentence; empty if none does.

    Args:
        rejections: the first rejects of a run.
        fields: the model's input fields by name.
    """
    other_texts: list[bytes] = []
    nulls: dict[str, None] = {}
    has_commas = False
    for rejection in rejections:
        if rejection.source.format not in TABLES:
            continue
        if rejection.type_name == "InvalidUTF8":
            other_texts.append(rejection.text)
        elif rejection.stage == "input_schema" and rejection.document is not None:
            for cell in _refused_cells(rejection, fields):
                if cell in _NULLS:
                    nulls.setdefault(cell)
                has_commas = has_commas or _DECIMAL_COMMA.fullmatch(cell) is not None
    remedies = [remedy_for_encoding(b"".join(other_texts))] if other_texts else []
    if has_commas:
        remedies.append("If numbers have a comma before their decimals, use --decimal ','.")
    if nulls:
        remedies.append(f"If {' and '.join(nulls)} means no value, use --null_values {_quoted(','.join(nulls))}.")
    return " ".join(remedies)


def _refused_cells(rejection: Rejection, fields: Mapping[str, Field]) -> Iterable[str]:
    """Return the texts where a model has no texts, and those of fields that the message of a reject names."""
    try:
        values = parse_object(rejection.document or b"")
    except RecordError:
        return []
    texts = ((name, value) for name, value in values.items() if isinstance(value, str) and name in fields)
    return [text for name, text in texts if fields[name].type != "text" or name in rejection.message]


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[\w,./-]+", text) else f"'{text}'"
