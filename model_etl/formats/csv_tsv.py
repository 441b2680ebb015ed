"""CSV and TSV: a first row of names, then one record a row (RFC 4180; for TSV the same with tabs).

Cells are typed by the model's schema and never guessed: a cell of a number field goes on with its digits as they stand,
a cell of a field that the schema does not know stays text. An empty cell is no value, but for required text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import BinaryIO

import msgspec

from model_etl.errors import ConfigurationError, DataError, RecordError
from model_etl.formats.base import BatchBuilder, Writer, column_names, utf8_error
from model_etl.formats.csv_cells import Cells
from model_etl.formats.line_blocks import line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Source
from model_etl.records.lazy_sequences import LineBlock, LineOffsets
from model_etl.schema.fields import Field

CELL_BYTES = 64 * 1024 * 1024
"""The longest cell that is read; a quote that never closes is found out here, not at the end of memory."""

_Row = tuple[int, bytes, Sequence[str] | RecordError, int]
"""Offset, exact text and cells of a row, and how many bytes it took with its end."""


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
        blocks = line_blocks(file, source, part=4)  # JSON has a name before each value
        for start, block in blocks:  # all but the first are taken below
            stretch = _Stretch(block, blocks)
            first = next(self._parse(stretch), None)
            if first is None:
                continue  # blank lines
            names = self._names(first, source)
            cells = Cells(names, fields, self.delimiter)
            builder = BatchBuilder(Source(source.name, source.identity, source.format, first[1], names))
            rest = stretch.rest()
            left = () if rest is None else ((start + first[0] + first[3], rest),)
            for offset, rows in chain(left, blocks):
                yield from self._batches(rows, offset, cells, builder, blocks)

    def _batches(
        self, block: bytes, offset: int, cells: Cells, builder: BatchBuilder, following: Iterator[tuple[int, bytes]]
    ) -> Iterator[Batch]:
        gap = 2 if block.endswith(b"\r") else 1  # if not all lines end alike, they are not plain
        plain = block[:-1].replace(b"\r\n", b"\n") if gap > 1 else block
        if (len(block) - len(plain) == (plain.count(b"\n") + 1) * (gap - 1)) and (documents := cells.documents(plain)):
            count, texts = len(documents), LineBlock(plain, len(documents))
            positions = range(builder.position + 1, builder.position + count + 1)
            builder.position += count
            yield Batch(builder.source, positions, LineOffsets(offset, texts, gap), texts, documents)
            return
        for at, text, row, _ in self._parse(_Stretch(block, following), cells.width):
            try:
                builder.add(offset + at, text, cells.document(_checked(row, text)))
            except RecordError as exc:
                builder.reject(offset + at, text, exc)
            if builder.full:
                yield from builder.take()
        yield from builder.take()

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        """See `Format.document`."""
        first = list(self._parse(_Stretch(header, iter(()))))
        columns = len(_checked(first[0][2], header)) if first else 0
        rows = list(self._parse(_Stretch(text, iter(())), columns))
        for found, what in ((first, "header"), (rows, "text")):
            if len(found) != 1:
                raise RecordError("parse", "InvalidRow", f"{len(found)} rows in the {what} where one is expected")
        return Cells(_checked(first[0][2], header), fields, self.delimiter).document(_checked(rows[0][2], text))

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """See `Format.writer`."""
        return _DelimitedWriter(file, layout, self)

    def _parse(self, stretch: _Stretch, columns: int = 0) -> Iterator[_Row]:
        """Yield the rows that are not blank.

        Args:
            stretch: their lines.
            columns: how many there are; 0 if the first row tells.
        """
        csv.field_size_limit(CELL_BYTES)
        taken = stretch.taken
        offset = 0
        reader = csv.reader(stretch.lines(), delimiter=self.delimiter, strict=True)
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
                yield offset, text, row, len(raw)
            offset += len(raw)

    def _names(self, first: _Row, source: Source) -> Sequence[str]:
        _, text, names, _ = first
        remedy = "The first row must name the columns, each once."
        if isinstance(names, RecordError) or utf8_error(text):
            raise DataError(f"cannot read {source.name}: its first row is no valid row of UTF-8 text", remedy)
        wrong = [name for i, name in enumerate(names) if not name or name in names[:i]]
        if wrong:
            why = f"names the column {wrong[0]!r} twice" if wrong[0] else "has a column without a name"
            raise DataError(f"cannot read {source.name}: its first row {why}", remedy)
        return names


class _Stretch:
    """Lines of a block, and of as many more blocks as the last row needs that begins in it.

    Args:
        block: whole lines.
        following: the blocks after it, with their offsets.
    """

    def __init__(self, block: bytes, following: Iterator[tuple[int, bytes]]) -> None:
        self._left = iter(block.split(b"\n"))
        self._following = following
        self.taken: list[bytes] = []  # by the row that is being read

    def lines(self) -> Iterator[str]:
        """Yield the lines with their ends."""
        while True:
            for line in self._left:
                self.taken.append(line + b"\n")
                yield self.taken[-1].decode("utf-8", "surrogateescape")
            block = next(self._following, None) if self.taken else None
            if block is None:
                return
            self._left = iter(block[1].split(b"\n"))

    def rest(self) -> bytes | None:
        """Give the lines that are left, or None if none is."""
        left = list(self._left)
        return b"\n".join(left) if left else None


def _checked(row: Sequence[str] | RecordError, text: bytes) -> Sequence[str]:
    if isinstance(row, RecordError):
        raise row
    if not text.isascii() and (error := utf8_error(text)):
        raise error
    return row


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
