"""What the cells of CSV and TSV mean: JSON, typed by the model's schema and never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from operator import methodcaller

import msgspec

from model_etl.errors import RecordError
from model_etl.formats.line_blocks import is_plain
from model_etl.records.lazy_sequences import LineBlock
from model_etl.schema.fields import Field

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NUMBERS = msgspec.json.Decoder(list[float])
_ABSENT = ""
_ESCAPED = {*range(32), *b'"\\'} - {*b"\n"}
"""What has to be quoted in a row or escaped in JSON, but for what stands between rows."""


class Cells:
    """Makes JSON of rows: for each column one small function, chosen once by the model's schema.

    Args:
        names: of the columns.
        fields: the model's input fields.
        delimiter: what stands between two cells.

    Attributes:
        width: how many columns there are.
    """

    def __init__(self, names: Sequence[str], fields: Mapping[str, Field], delimiter: str) -> None:
        self.width = len(names)
        self._columns = [(encode_basestring(name) + ":", _converter(fields.get(name))) for name in names]
        self._delimiter = delimiter.encode()
        self._not_plain = bytes(_ESCAPED - set(self._delimiter))
        self._fields = [fields.get(name) for name in names]
        self._frame = self._around([encode_basestring(name) for name in names])

    def _around(self, names: Sequence[str]) -> list[bytes]:
        """Give what stands before each cell of a plain row, and after the last."""
        ends = [b"" if field and field.kind != "text" else b'"' for field in self._fields]
        befores = [b",%b:" % name.encode() for name in names]
        before = [end + b + start for end, b, start in zip([b"", *ends[:-1]], befores, ends, strict=True)]
        return [b"{" + before[0][1:], *before[1:], ends[-1] + b"}\n"]

    def documents(self, block: bytes) -> LineBlock | None:
        """Make the documents of a block of plain rows at once.

        Args:
            block: rows with line feeds between them.

        Returns:
            What `document` would make of each; None if that is not sure: where there are quotes or control characters,
            a blank or ragged row, or a cell that is empty or no value of its column's kind.
        """
        if not is_plain(block) or len(block.translate(None, self._not_plain)) < len(block):
            return None
        lines = block.split(b"\n")
        if not all(lines) or set(map(methodcaller("count", self._delimiter), lines)) != {self.width - 1}:
            return None
        cells = block.replace(b"\n", self._delimiter).split(self._delimiter)
        step = 2 * self.width + 1
        pieces = [b""] * (step * len(lines))
        for place, before in enumerate(self._frame):
            pieces[2 * place :: step] = [before] * len(lines)
        for place, field in enumerate(self._fields):
            column = cells[place :: self.width]
            if field and not _is_simple(column, field):
                return None
            pieces[2 * place + 1 :: step] = column
        return LineBlock(b"".join(pieces)[:-1], len(lines))

    def document(self, row: Sequence[str]) -> bytes:
        """Make the document of a row.

        Raises:
            RecordError: if the row has more or fewer cells than there are columns.
        """
        if len(row) != self.width:
            raise RecordError("parse", "InvalidRow", f"the row has {len(row)} cells, the first row names {self.width}")
        parts = []
        for cell, (name, convert) in zip(row, self._columns, strict=True):
            value = convert(cell)
            if value != _ABSENT:
                parts.append(name + value)
        return ("{" + ",".join(parts) + "}").encode()


def _is_simple(column: Sequence[bytes], field: Field) -> bool:
    """Tell whether each cell goes into JSON as it stands."""
    if field.kind == "text":
        return (field.required and not field.nullable) or all(column)
    if field.kind == "boolean":
        return set(column) <= {b"true", b"false"}
    if field.kind == "json":
        return False
    together = b",".join(column)
    try:
        return b" " not in together and len(_NUMBERS.decode(b"[%b]" % together)) == len(column)
    except ValueError:
        return False


def _converter(field: Field | None) -> Callable[[str], str]:
    if field is None:
        return encode_basestring
    empty = _ABSENT
    if field.required and field.nullable:
        empty = "null"
    elif field.required and field.kind == "text":
        empty = '""'

    def text(cell: str) -> str:
        return encode_basestring(cell) if cell else empty

    def number(cell: str) -> str:
        # What is no JSON number goes on as text, for the schema to judge.
        return cell if _NUMBER.fullmatch(cell) else text(cell)

    def boolean(cell: str) -> str:
        return cell if cell in ("true", "false") else text(cell)

    def nested(cell: str) -> str:
        try:
            msgspec.json.decode(cell)
        except (ValueError, RecursionError):
            return text(cell)
        return cell.replace("\n", " ").replace("\r", " ")

    return {"text": text, "number": number, "integer": number, "boolean": boolean, "json": nested}[field.kind]
