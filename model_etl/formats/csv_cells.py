"""The cells of CSV and TSV as JSON: their types come from the model's schema and are never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from operator import methodcaller

import msgspec

from model_etl.columns.source_columns import Missing
from model_etl.errors import RecordError
from model_etl.formats.csv_dialect import cell_converter, is_null
from model_etl.formats.line_blocks import is_utf8_without_cr
from model_etl.records.dialect import PLAIN, Dialect
from model_etl.records.lazy_sequences import LineBlock
from model_etl.schema.fields import Field

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NUMBERS = msgspec.json.Decoder(list[float])
_ABSENT = ""
_EMPTY_CELLS: dict[Missing, str] = {"null": "null", "text": '""', "absent": _ABSENT}
_SPECIAL = {*range(32), *b'"\\'} - {*b"\n"}
"""The bytes that have to be quoted in a row or escaped in JSON, but for the line feed between rows."""


class Cells:
    """Converts rows of cells to JSON documents, with one small function a column, chosen once by the model's schema.

    Args:
        names: the names of the columns.
        fields: the model's input fields by name.
        delimiter: the character between two cells.
        quotes: whether a cell may have quotes around it.
        dialect: how cells are written.

    Attributes:
        width: the number of columns.
    """

    def __init__(
        self,
        names: Sequence[str],
        fields: Mapping[str, Field],
        delimiter: str,
        *,
        quotes: bool = True,
        dialect: Dialect = PLAIN,
    ) -> None:
        self.width = len(names)
        self._columns = [
            (encode_basestring(name) + ":", cell_converter(converter(field), name, field, dialect, _ABSENT))
            for name, field in zip(names, map(fields.get, names), strict=True)
        ]
        self._dialect = dialect
        self._delimiter = delimiter.encode()
        self._quotes = quotes
        self._special = bytes(_SPECIAL - set(self._delimiter) - (set() if quotes else set(b'"\\')))
        self._fields = [fields.get(name) for name in names]
        self._json_around_cells = self._surrounding_json([encode_basestring(name) for name in names])

    def _surrounding_json(self, names: Sequence[str]) -> list[bytes]:
        """Return the JSON before each cell of a row that needs no escapes, and after the last cell."""
        quotes = [b"" if field and field.type != "text" else b'"' for field in self._fields]
        keys = [b",%b:" % name.encode() for name in names]
        before = [end + key + start for end, key, start in zip([b"", *quotes[:-1]], keys, quotes, strict=True)]
        return [b"{" + before[0][1:], *before[1:], quotes[-1] + b"}\n"]

    def documents(self, block: bytes) -> LineBlock | None:
        """Convert a block of rows at once.

        Args:
            block: rows with line feeds between them.

        Returns:
            The same documents as `document` builds of each row, or None if a row needs a closer look: if there are
            quotes or control characters, a blank or ragged row, or a cell that is not a JSON value of its column's
            type as it stands.
        """
        if self._dialect.reads_cells or not is_utf8_without_cr(block):
            return None
        if len(block.translate(None, self._special)) < len(block):
            return None
        if not self._quotes:
            block = block.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        lines = block.split(b"\n")
        if not all(lines) or set(map(methodcaller("count", self._delimiter), lines)) != {self.width - 1}:
            return None
        cells = block.replace(b"\n", self._delimiter).split(self._delimiter)
        step = 2 * self.width + 1
        pieces = [b""] * (step * len(lines))
        for index, json_before in enumerate(self._json_around_cells):
            pieces[2 * index :: step] = [json_before] * len(lines)
        for index, field in enumerate(self._fields):
            column = cells[index :: self.width]
            if field and not _all_verbatim(column, field):
                return None
            pieces[2 * index + 1 :: step] = column
        return LineBlock(b"".join(pieces)[:-1], len(lines))

    def fit(self, row: Sequence[str]) -> bool:
        """Return whether a row has all columns, and numbers and booleans where the model has them, at least one."""
        if len(row) != self.width:
            return False
        comma = self._dialect.decimal == ","
        typed = [
            (cell.replace(",", ".") if comma else cell, field.type)
            for cell, field in zip(row, self._fields, strict=True)
            if field and not is_null(cell, self._dialect)
        ]
        typed = [(cell, kind) for cell, kind in typed if kind not in ("text", "json")]
        return bool(typed) and all(
            cell in ("true", "false") if kind == "boolean" else _NUMBER.fullmatch(cell) for cell, kind in typed
        )

    def document(self, row: Sequence[str]) -> bytes:
        """Convert one row.

        Raises:
            RecordError: if the number of its cells is not the number of columns.
        """
        if len(row) != self.width:
            raise RecordError("parse", "InvalidRow", f"the row has {len(row)} cells, the first row names {self.width}")
        parts = []
        for cell, (name, convert) in zip(row, self._columns, strict=True):
            value = convert(cell)
            if value != _ABSENT:
                parts.append(name + value)
        return ("{" + ",".join(parts) + "}").encode()


def _all_verbatim(column: Sequence[bytes], field: Field) -> bool:
    """Return whether each cell of a column is copied into JSON unchanged."""
    if field.type == "text":
        return (field.required and not field.nullable) or all(column)
    if field.type == "boolean":
        return set(column) <= {b"true", b"false"}
    if field.type == "json":
        return False
    joined = b",".join(column)
    try:
        return b" " not in joined and len(_NUMBERS.decode(b"[%b]" % joined)) == len(column)
    except ValueError:
        return False


def missing_cell(field: Field) -> Missing:
    """Return what an empty cell of a field is in JSON: null, an empty text, or no member at all."""
    if field.required and field.nullable:
        return "null"
    return "text" if field.required and field.type == "text" else "absent"


def converter(field: Field | None) -> Callable[[str], str]:
    """Return the function that converts a cell of a field to JSON, or to `_ABSENT`."""
    if field is None:
        return encode_basestring
    empty = _EMPTY_CELLS[missing_cell(field)]

    def text(cell: str) -> str:
        return encode_basestring(cell) if cell else empty

    def number(cell: str) -> str:
        # A cell that is not a JSON number is passed on as text, for the schema to refuse.
        return cell if _NUMBER.fullmatch(cell) else text(cell)

    def boolean(cell: str) -> str:
        return cell if cell in ("true", "false") else text(cell)

    def nested(cell: str) -> str:
        try:
            msgspec.json.decode(cell, type=msgspec.Raw)
        except (ValueError, RecursionError):
            return text(cell)
        return cell.replace("\n", " ").replace("\r", " ")

    return {"text": text, "number": number, "integer": number, "boolean": boolean, "json": nested}[field.type]
