"""CSV and TSV: a first row of names, then one record a row (RFC 4180; TSV is the same with tabs).

The model's schema gives cells their types; nothing is guessed. A cell of a number field keeps its digits as they are, a
cell of a field that the schema does not know is text. An empty cell means no value, except in required text fields.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import BinaryIO, NamedTuple

from typing_extensions import override

from model_etl.errors import DataError, RecordError
from model_etl.formats.base import BatchBuilder, Format, LongText, Writer, utf8_error
from model_etl.formats.csv_cells import Cells
from model_etl.formats.csv_writer import DelimitedWriter
from model_etl.formats.line_blocks import LongLine, line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import MOST_RECORD_BYTES, Batch, Source
from model_etl.records.lazy_sequences import LineBlock, LineOffsets
from model_etl.schema.fields import Field

_NEVER_CLOSED = "unexpected end of data"
"""What Python's csv module says of a quoted cell that the file ends in."""


class _LongRow(Exception):
    """A row of several lines is longer than a record may be."""


class _Block(NamedTuple):
    """A block of whole lines.

    Attributes:
        offset: its offset in the file, in bytes.
        text: its lines, without the end of the last one.
        line: the number of its first line in the file, from 1.
    """

    offset: int
    text: bytes
    line: int


class _Row(NamedTuple):
    """A row that is not blank.

    Attributes:
        offset: its offset in the block that it starts in, in bytes.
        text: its exact text without the line end.
        cells: its cells, or the error if it is not a valid row.
        size: its bytes with the line end.
        lines_before: how many lines of the block precede it.
        line_count: how many lines it takes.
    """

    offset: int
    text: bytes
    cells: Sequence[str] | RecordError
    size: int
    lines_before: int
    line_count: int

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
        blocks = _numbered_blocks(line_blocks(file, source, divisor=4))  # JSON has a name before each value
        for block in blocks:  # until the header is found; the inner loop takes the other blocks
            lines = _RowLines(block.text, blocks, source.max_record_size)
            try:
                header = None if isinstance(block.text, LongLine) else next(self._parse(lines), None)
            except _LongRow:
                raise _long_rows(source, 0) from None
            if isinstance(block.text, LongLine) or (header and len(header.text) > source.max_record_size):
                raise _long_rows(source, 0)
            if header is None:
                continue  # blank lines
            names = _column_names(header, source)
            cells = Cells(names, fields, self.delimiter)
            builder = BatchBuilder(dataclasses.replace(source, header=header.text, columns=names))
            remaining = lines.remaining()
            offset, line = block.offset + header.offset + header.size, header.lines_before + header.line_count
            rest = () if remaining is None else (_Block(offset, remaining, block.line + line),)
            for rows in chain(rest, blocks):
                may_be_long = len(rows.text) > source.max_record_size or isinstance(rows.text, LongLine)
                batch = None if may_be_long else _verbatim_batch(rows.text, rows.offset, cells, builder)
                yield from [batch] if batch is not None else self._row_batches(rows, cells, builder, blocks)

    def _row_batches(
        self, block: _Block, cells: Cells, builder: BatchBuilder, following: Iterator[_Block]
    ) -> Iterator[Batch]:
        """Yield the batches of a block whose rows are parsed one by one.

        Raises:
            DataError: if a quoted cell is never closed, so that it holds all rows after its own, or if a row of several
                lines is longer than a record may be.
        """
        try:
            yield from self._rows_of(block, cells, builder, following)
        except _LongRow:
            raise _long_rows(builder.source, builder.position + 1) from None

    def _rows_of(
        self, block: _Block, cells: Cells, builder: BatchBuilder, following: Iterator[_Block]
    ) -> Iterator[Batch]:
        longest = builder.source.max_record_size
        if isinstance(block.text, LongLine):
            if block.text.quotes % 2:  # its last cell goes on in the next line
                raise _LongRow
            builder.reject_long(block.offset, LongText(block.text, block.text.size))
            yield from builder.take()
            return
        for row in self._parse(_RowLines(block.text, following, longest), cells.width):
            if len(row.text) > longest:
                builder.reject_long(block.offset + row.offset, row.text)
                continue
            try:
                builder.add(block.offset + row.offset, row.text, cells.document(row.valid_cells()))
            except RecordError as exc:
                if row.line_count > 1 and exc.message.endswith(_NEVER_CLOSED):
                    raise _quote_never_closed(builder.source, block.line + row.lines_before, row) from exc
                builder.reject(block.offset + row.offset, row.text, exc)
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
        csv.field_size_limit(lines.longest)
        lines_of_row = lines.lines_of_row
        offset = lines_before = 0
        reader = csv.reader(lines.read(), delimiter=self.delimiter, strict=True)
        while True:
            cells: Sequence[str] | RecordError
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                cells = RecordError("parse", "InvalidRow", f"not a valid row: {exc}")
            line_count = len(lines_of_row)
            raw = lines_of_row[0] if line_count == 1 else b"".join(lines_of_row)
            lines_of_row.clear()
            text = raw.removesuffix(b"\n").removesuffix(b"\r")
            # Blanks are a value where there is but one column, and nothing elsewhere.
            if text if width == 1 else text.strip(b" \t\r" if self.delimiter != "\t" else b" \r"):
                width = width or len(cells) if not isinstance(cells, RecordError) else width
                yield _Row(offset, text, cells, len(raw), lines_before, line_count)
            offset += len(raw)
            lines_before += line_count


def _numbered_blocks(blocks: Iterable[tuple[int, bytes]]) -> Iterator[_Block]:
    """Yield the blocks with the numbers of their first lines."""
    line = 1
    for offset, text in blocks:
        yield _Block(offset, text, line)
        line += text.count(b"\n") + 1


def _quote_never_closed(source: Source, line: int, row: _Row) -> DataError:
    """Return the error for a row whose quoted cell takes the rest of the file.

    Args:
        source: the file.
        line: the number of the row's first line.
        row: the row.
    """
    opened = line + _line_of_open_quote(row.text)
    return DataError(
        f"cannot read {source.name} from line {opened:,} on: a quote that opens there is never closed, so the"
        f" {line + row.line_count - opened - 1:,} lines after it are a part of its cell",
        "Correct that line: a quote inside a quoted cell is doubled.",
    )


def _long_rows(source: Source, position: int) -> DataError:
    """Return the error for a row that is too long, after which the next row cannot be found.

    Args:
        source: the file.
        position: the row's number; 0 for the first row, which has the names.
    """
    row = f"record {position}, a row of several lines," if position else "its first row"
    return DataError(
        f"cannot read {source.name}: {row} is longer than the {source.max_record_size:,} bytes of --max_record_size",
        "Correct its quotes, if it is not meant to be so long; otherwise give a larger --max_record_size.",
    )


def _line_of_open_quote(text: bytes) -> int:
    """Return how many line ends of a row precede the quote with which its open cell begins."""
    start = end = len(text)
    while (end - start) % 2 == 0:  # quotes in pairs are inside the cell
        end = text.rfind(b'"', 0, start) + 1
        start = len(text[:end].rstrip(b'"'))
    return text.count(b"\n", 0, start)


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
        longest: the most bytes of a row.

    Attributes:
        lines_of_row: the lines read so far of the row that is being read; its reader clears them.
    """

    def __init__(self, block: bytes, following: Iterator[_Block], longest: int = MOST_RECORD_BYTES) -> None:
        self._lines = iter(block.split(b"\n"))
        self._following = following
        self.longest = longest
        self.lines_of_row: list[bytes] = []

    def read(self) -> Iterator[str]:
        """Yield the lines with their ends.

        Raises:
            _LongRow: if a row of several lines is longer than `longest`.
        """
        size = 0
        while True:
            for line in self._lines:
                size = size + len(line) + 1 if self.lines_of_row else len(line)
                if self.lines_of_row and (size > self.longest or isinstance(line, LongLine)):
                    raise _LongRow
                self.lines_of_row.append(line + b"\n")
                yield self.lines_of_row[-1].decode("utf-8", "surrogateescape")
            block = next(self._following, None) if self.lines_of_row else None
            if block is None:
                return
            self._lines = iter([block.text] if isinstance(block.text, LongLine) else block.text.split(b"\n"))

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
