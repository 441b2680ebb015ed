"""CSV and TSV: a first row of names, then one record a row (RFC 4180; TSV is the same with tabs).

The model's schema gives cells their types; nothing is guessed. A cell of a number field keeps its digits as they are, a
cell of a field that the schema does not know is text. An empty cell means no value, except in required text fields.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import BinaryIO, NamedTuple

from typing_extensions import override

from model_etl.errors import DataError, RecordError
from model_etl.formats.base import BatchBuilder, Format, Writer, utf8_error
from model_etl.formats.csv_cells import Cells
from model_etl.formats.csv_writer import DelimitedWriter
from model_etl.formats.line_blocks import line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Source
from model_etl.records.lazy_sequences import LineBlock, LineOffsets
from model_etl.schema.fields import Field

MAX_CELL_CHARS = 64 * 1024 * 1024
"""The longest cell that is read, so that a quote that is never closed does not fill the memory."""

_Blocks = Iterator[tuple[int, bytes]]
"""Blocks of whole lines with their offsets, as `line_blocks` yields them."""


class _Row(NamedTuple):
    """A row that is not blank.

    Attributes:
        offset: its offset in the block that it starts in, in bytes.
        text: its exact text without the line end.
        cells: its cells, or the error if it is not a valid row.
        size: its bytes with the line end.
    """

    offset: int
    text: bytes
    cells: Sequence[str] | RecordError
    size: int

    def valid_cells(self) -> Sequence[str]:
        """Return the cells.

        Raises:
            RecordError: if the row is not valid, or not UTF-8.
        """
        if isinstance(self.cells, RecordError):
            raise self.cells
        if not self.text.isascii() and (error := utf8_error(self.text)):
            raise error
        return self.cells


class Delimited(Format):
    """Rows of cells.

    Attributes:
        delimiter: the character between two cells.
    """

    compressible = True
    delimiter: str

    @override
    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        blocks = line_blocks(file, source, divisor=4)  # JSON has a name before each value
        for start, block in blocks:  # until the header is found; the inner loop takes the other blocks
            lines = _RowLines(block, blocks)
            header = next(self._parse(lines), None)
            if header is None:
                continue  # blank lines
            names = _column_names(header, source)
            cells = Cells(names, fields, self.delimiter)
            builder = BatchBuilder(Source(source.name, source.identity, source.format, header.text, names))
            remaining = lines.remaining()
            rest = () if remaining is None else ((start + header.offset + header.size, remaining),)
            for offset, rows in chain(rest, blocks):
                batch = _verbatim_batch(rows, offset, cells, builder)
                yield from [batch] if batch is not None else self._row_batches(rows, offset, cells, builder, blocks)

    def _row_batches(
        self, block: bytes, offset: int, cells: Cells, builder: BatchBuilder, following: _Blocks
    ) -> Iterator[Batch]:
        """Yield the batches of a block whose rows are parsed one by one."""
        for row in self._parse(_RowLines(block, following), cells.width):
            try:
                builder.add(offset + row.offset, row.text, cells.document(row.valid_cells()))
            except RecordError as exc:
                builder.reject(offset + row.offset, row.text, exc)
            if builder.full:
                yield from builder.take()
        yield from builder.take()

    @override
    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        headers = list(self._parse(_RowLines(header, iter(()))))
        width = len(headers[0].valid_cells()) if headers else 0
        rows = list(self._parse(_RowLines(text, iter(())), width))
        for parsed, name in ((headers, "header"), (rows, "text")):
            if len(parsed) != 1:
                raise RecordError("parse", "InvalidRow", f"the {name} has {len(parsed)} rows, expected one")
        return Cells(headers[0].valid_cells(), fields, self.delimiter).document(rows[0].valid_cells())

    @override
    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        return DelimitedWriter(file, layout, self.name, self.delimiter)

    def _parse(self, lines: _RowLines, width: int = 0) -> Iterator[_Row]:
        """Yield the rows that are not blank.

        Args:
            lines: their lines.
            width: the number of columns; 0 if the first row determines it.
        """
        csv.field_size_limit(MAX_CELL_CHARS)
        lines_of_row = lines.lines_of_row
        offset = 0
        reader = csv.reader(lines.read(), delimiter=self.delimiter, strict=True)
        while True:
            cells: Sequence[str] | RecordError
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                cells = RecordError("parse", "InvalidRow", f"not a valid row: {exc}")
            raw = lines_of_row[0] if len(lines_of_row) == 1 else b"".join(lines_of_row)
            lines_of_row.clear()
            text = raw.removesuffix(b"\n").removesuffix(b"\r")
            # Blanks are a value where there is but one column, and nothing elsewhere.
            if text if width == 1 else text.strip(b" \t\r" if self.delimiter != "\t" else b" \r"):
                width = width or len(cells) if not isinstance(cells, RecordError) else width
                yield _Row(offset, text, cells, len(raw))
            offset += len(raw)


def _verbatim_batch(block: bytes, offset: int, cells: Cells, builder: BatchBuilder) -> Batch | None:
    """Return the batch of a block that `Cells.documents` can convert at once, or None."""
    ends_in_cr_lf = block.endswith(b"\r")
    lines = block[:-1].replace(b"\r\n", b"\n") if ends_in_cr_lf else block
    if ends_in_cr_lf and len(block) - len(lines) != lines.count(b"\n") + 1:
        return None  # the line ends differ
    documents = cells.documents(lines)
    if documents is None:
        return None
    count, texts = len(documents), LineBlock(lines, len(documents))
    positions = range(builder.position + 1, builder.position + count + 1)
    builder.position += count
    offsets = LineOffsets(offset, texts, 2 if ends_in_cr_lf else 1)
    return Batch(builder.source, positions, offsets, texts, documents)


def _column_names(header: _Row, source: Source) -> Sequence[str]:
    """Return the cells of the first row, checked."""
    names = header.cells
    remedy = "The first row must name the columns, each once."
    if isinstance(names, RecordError) or utf8_error(header.text):
        raise DataError(f"cannot read {source.name}: its first row is not a valid row of UTF-8 text", remedy)
    for index, name in enumerate(names):
        if not name:
            raise DataError(f"cannot read {source.name}: its first row has a column without a name", remedy)
        if name in names[:index]:
            raise DataError(f"cannot read {source.name}: its first row names the column {name!r} twice", remedy)
    return names


class _RowLines:
    """The lines of a block; a quoted cell that spans blocks pulls in as many further blocks as it needs.

    Args:
        block: whole lines.
        following: the blocks after it.

    Attributes:
        lines_of_row: the lines read so far of the row that is being read; its reader clears them.
    """

    def __init__(self, block: bytes, following: _Blocks) -> None:
        self._lines = iter(block.split(b"\n"))
        self._following = following
        self.lines_of_row: list[bytes] = []

    def read(self) -> Iterator[str]:
        """Yield the lines with their ends."""
        while True:
            for line in self._lines:
                self.lines_of_row.append(line + b"\n")
                yield self.lines_of_row[-1].decode("utf-8", "surrogateescape")
            block = next(self._following, None) if self.lines_of_row else None
            if block is None:
                return
            self._lines = iter(block[1].split(b"\n"))

    def remaining(self) -> bytes | None:
        """Return the lines that were not read, or None if there are none."""
        lines = list(self._lines)
        return b"\n".join(lines) if lines else None


class Csv(Delimited):
    """Cells with commas between them."""

    name = "csv"
    suffixes = (".csv",)
    media_type = "text/csv"
    delimiter = ","


class Tsv(Delimited):
    """Cells with tabs between them."""

    name = "tsv"
    suffixes = (".tsv",)
    media_type = "text/tab-separated-values"
    delimiter = "\t"


CSV = Csv()
TSV = Tsv()
