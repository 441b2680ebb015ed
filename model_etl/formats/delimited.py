"""CSV and TSV: a first row of names, then one record a row (RFC 4180; for TSV the same with tabs).

Cells are typed by the model's schema and never guessed: a cell of a number field goes on with its digits as they stand,
a cell of a field that the schema does not know stays text. An empty cell is no value, but for required text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring
from typing import BinaryIO

import msgspec

from model_etl.errors import ConfigurationError, DataError, RecordError
from model_etl.formats.base import BatchBuilder, Writer, check_start, column_names, utf8_error
from model_etl.layout import Layout
from model_etl.records import Batch, Source
from model_etl.schema_fields import Field

CELL_BYTES = 64 * 1024 * 1024
"""The longest cell that is read; a quote that never closes is found out here, not at the end of memory."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_ABSENT = ""


class Delimited:
    """Rows of cells.

    Args:
        name: of the format.
        delimiter: what stands between two cells.
    """

    compressible = True

    def __init__(self, name: str, delimiter: str) -> None:
        self.name = name
        self.suffixes = (f".{name}",)
        self.delimiter = delimiter
        self.media_type = "text/csv" if name == "csv" else "text/tab-separated-values"

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """See `Format.read`."""
        rows = self._rows(file, source)
        first = next(rows, None)
        if first is None:
            return
        header, names = first[1], self._names(first, source)
        cells = _Cells(names, fields)
        builder = BatchBuilder(Source(source.name, source.identity, source.format, header, names))
        for offset, text, row in rows:
            try:
                builder.add(offset, text, cells.document(_checked(row, text)))
            except RecordError as exc:
                builder.reject(offset, text, exc)
            if builder.full:
                yield from builder.take()
        yield from builder.take()

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        """See `Format.document`."""
        first = list(self._parse(io.BytesIO(header)))
        columns = len(_checked(first[0][2], header)) if first else 0
        rows = list(self._parse(io.BytesIO(text), columns))
        for found, what in ((first, "header"), (rows, "text")):
            if len(found) != 1:
                raise RecordError("parse", "InvalidRow", f"{len(found)} rows in the {what} where one is expected")
        return _Cells(_checked(first[0][2], header), fields).document(_checked(rows[0][2], text))

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """See `Format.writer`."""
        return _DelimitedWriter(file, layout, self)

    def _rows(self, file: BinaryIO, source: Source) -> Iterator[tuple[int, bytes, Sequence[str] | RecordError]]:
        start = file.read(4)
        skipped = check_start(start, source)
        rest = io.BufferedReader(_Prefixed(start[skipped:], file), 1 << 20)
        for offset, text, row in self._parse(rest):
            yield skipped + offset, text, row

    def _parse(self, file: BinaryIO, columns: int = 0) -> Iterator[tuple[int, bytes, Sequence[str] | RecordError]]:
        """Yield the offset, the exact text and the cells of each row that is not blank.

        Args:
            file: without a byte-order mark.
            columns: how many there are; 0 if the first row tells.
        """
        csv.field_size_limit(CELL_BYTES)
        taken: list[bytes] = []

        def lines() -> Iterator[str]:
            for line in file:
                taken.append(line)
                yield line.decode("utf-8", "surrogateescape")

        offset = 0
        reader = csv.reader(lines(), delimiter=self.delimiter, strict=True)
        while True:
            row: Sequence[str] | RecordError
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                row = RecordError("parse", "InvalidRow", f"not a valid row: {exc}")
            raw = taken[0] if len(taken) == 1 else b"".join(taken)
            taken.clear()
            text = raw.removesuffix(b"\n").removesuffix(b"\r")
            # Blanks are a value where there is but one column, and nothing elsewhere.
            if text if columns == 1 else text.strip(b" \t\r" if self.delimiter != "\t" else b" \r"):
                columns = columns or len(row) if not isinstance(row, RecordError) else columns
                yield offset, text, row
            offset += len(raw)

    def _names(self, first: tuple[int, bytes, Sequence[str] | RecordError], source: Source) -> Sequence[str]:
        _, text, names = first
        remedy = "The first row must name the columns, each once."
        if isinstance(names, RecordError) or utf8_error(text):
            raise DataError(f"cannot read {source.name}: its first row is no valid row of UTF-8 text", remedy)
        wrong = [name for i, name in enumerate(names) if not name or name in names[:i]]
        if wrong:
            why = f"names the column {wrong[0]!r} twice" if wrong[0] else "has a column without a name"
            raise DataError(f"cannot read {source.name}: its first row {why}", remedy)
        return names


class _Prefixed(io.RawIOBase):
    """A file with some bytes put back before it."""

    def __init__(self, prefix: bytes, file: BinaryIO) -> None:
        self._prefix = prefix
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._prefix[: len(buffer)] or self._file.read(len(buffer))
        self._prefix = self._prefix[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _checked(row: Sequence[str] | RecordError, text: bytes) -> Sequence[str]:
    if isinstance(row, RecordError):
        raise row
    if not text.isascii() and (error := utf8_error(text)):
        raise error
    return row


class _Cells:
    """Makes JSON of a row's cells: for each column one small function, chosen once by the model's schema."""

    def __init__(self, names: Sequence[str], fields: Mapping[str, Field]) -> None:
        self._names = names
        self._columns = [(encode_basestring(name) + ":", _converter(fields.get(name))) for name in names]

    def document(self, row: Sequence[str]) -> bytes:
        if len(row) != len(self._names):
            raise RecordError(
                "parse", "InvalidRow", f"the row has {len(row)} cells, the first row names {len(self._names)}"
            )
        parts = []
        for cell, (name, convert) in zip(row, self._columns, strict=True):
            value = convert(cell)
            if value != _ABSENT:
                parts.append(name + value)
        return ("{" + ",".join(parts) + "}").encode()


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


class _DelimitedWriter:
    def __init__(self, file: BinaryIO, layout: Layout, form: Delimited) -> None:
        self._file = file
        self._layout = layout
        self._form = form
        self._columns: list[str] | None = None
        self._spliced: bytes | None = None  # the header of rows that are carried over as they stand
        self._started = False

    def write(self, batch: Batch) -> None:
        if not len(batch):
            return
        if not self._started and self._layout.join and batch.source.format == self._form.name:
            self._spliced = batch.source.header
        # Rows of the same format are carried over as they stand; only the prediction's cells are made.
        spliced = self._spliced is not None
        if spliced and (batch.source.format != self._form.name or batch.source.header != self._spliced):
            raise ConfigurationError(
                f"record {batch.positions[0]} of {batch.source.name} has other columns than the records before",
                "Write JSON Lines, or choose the columns with --keep.",
            )
        documents = self._layout.documents(batch)
        rows = [msgspec.json.decode(d, type=dict[str, msgspec.Raw]) for d in (batch.outputs if spliced else documents)]
        if not self._started:
            self._columns = (
                list(self._layout.outputs or rows[0]) if spliced else column_names(self._layout, rows[0], batch.source)
            )
            self._start(self._spliced or b"", self._columns)
        assert self._columns is not None
        lines = self._lines(rows, self._columns, batch)
        if spliced:
            delimiter = self._form.delimiter.encode()
            lines = [text + delimiter + line for text, line in zip(batch.texts, lines, strict=True)]
        self._file.write(b"".join(lines))

    def _lines(self, rows: Sequence[Mapping[str, msgspec.Raw]], columns: list[str], batch: Batch) -> list[bytes]:
        known = set(columns)
        table = []
        for index, row in enumerate(rows):
            if not known.issuperset(row):
                extra = next(name for name in row if name not in known)
                raise ConfigurationError(
                    f"record {batch.positions[index]} of {batch.source.name} has a field {extra!r} that the first"
                    f" record has not: a {self._form.name.upper()} file has the same columns in every row",
                    "Write JSON Lines, or choose the columns with --keep.",
                )
            table.append([_cell(row.get(name)) for name in columns])
        return self._encoded(table)

    def _encoded(self, table: Sequence[Sequence[str]]) -> list[bytes]:
        lines = _Lines()
        csv.writer(lines, delimiter=self._form.delimiter, lineterminator="\r\n").writerows(table)
        return lines.taken

    def _start(self, left: bytes, columns: Sequence[str]) -> None:
        self._started = True
        names = self._encoded([columns])[0]
        self._file.write(left + self._form.delimiter.encode() + names if left else names)

    def finish(self) -> None:
        if not self._started:  # an empty file still names what it would hold
            self._start(b"", [*self._layout.keep, *self._layout.outputs])


class _Lines:
    """Takes the rows that csv.writer makes, one call a row. It quotes only the line ends that it writes itself."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def write(self, line: str) -> None:
        self.taken.append(line.removesuffix("\r\n").encode() + b"\n")


def _cell(value: msgspec.Raw | None) -> str:
    text = bytes(value) if value is not None else b"null"
    if text == b"null":
        return ""
    if text.startswith(b'"'):
        string: str = msgspec.json.decode(text)
        return string
    return text.decode()


CSV = Delimited("csv", ",")
TSV = Delimited("tsv", "\t")
