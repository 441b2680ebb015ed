"""CSV and TSV: a first row of names, then one record a row.

CSV is that of RFC 4180. A cell of TSV has no quotes around it: a quote is a part of its text, and it cannot hold a tab
or a line end (https://www.iana.org/assignments/media-types/text/tab-separated-values). TSV with quotes is a format of
its own.

The model's schema gives cells their types; nothing is guessed. A cell of a number field keeps its digits as they are, a
cell of a field that the schema does not know is text. An empty cell means no value, except in required text fields.
"""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import BinaryIO, Literal, NamedTuple

from typing_extensions import override

from model_etl.errors import DataError, RecordError
from model_etl.formats.base import BatchBuilder, Format, Writer, utf8_error
from model_etl.formats.csv_blocks import ConvertedBlock, convert_block
from model_etl.formats.csv_cells import Cells
from model_etl.formats.csv_damage import (
    has_rows_between_returns,
    hides_rows,
    holds_rows,
    quote_not_closed,
    rows_in_a_cell,
)
from model_etl.formats.csv_writer import DelimitedWriter
from model_etl.formats.file_signatures import START_BYTES, json_kind, wrong_kind
from model_etl.formats.line_blocks import carriage_returns, line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.formats.table_names import check_table_names, first_duplicate
from model_etl.records.batch import Batch, Source
from model_etl.records.lazy_sequences import LineBlock, LineOffsets
from model_etl.schema.fields import Field

MAX_CELL_CHARS = 16 * 1024 * 1024
"""The longest cell that is read, so that a quote that is never closed does not fill the memory."""

_NEVER_CLOSED = "unexpected end of data"
_TOO_LONG = "field larger than field limit"
_CARRIAGE_RETURN = "new-line character seen in unquoted field"
"""What Python's csv module says of a quoted cell that the file ends in, of a cell that is too long, and of a carriage
return outside of quotes."""


_LAST_CELLS: dict[str, tuple[bytes, Mapping[str, Field], Cells]] = {}
"""The last header that `document` got, by format, with the fields and the converter of its rows."""


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
        problem: what the csv module says of a row that is not valid; otherwise empty.
    """

    offset: int
    text: bytes
    cells: Sequence[str] | RecordError
    size: int
    lines_before: int
    line_count: int
    problem: str = ""

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
        quotes: whether a cell may have quotes around it.
    """

    compressible = True
    delimiter: str
    quotes = True

    @override
    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        blocks = _numbered_blocks(line_blocks(file, source, divisor=4))  # JSON has a name before each value
        for block in blocks:  # until the header is found; the inner loop takes the other blocks
            if kind := json_kind(block.text[:START_BYTES]):
                raise wrong_kind(source, kind)
            lines = _RowLines(block.text, blocks)
            header = next(self._parse(lines), None)
            if header is None:
                continue  # blank lines
            names = self._column_names(header, block, source)
            check_table_names(names, fields, source, header.text)
            cells = Cells(names, fields, self.delimiter, quotes=self.quotes)
            builder = BatchBuilder(dataclasses.replace(source, header=header.text, columns=names))
            remaining = lines.remaining()
            offset, line = block.offset + header.offset + header.size, header.lines_before + header.line_count
            rest = () if remaining is None else (_Block(offset, remaining, block.line + line),)
            for rows in chain(rest, blocks):
                batch = _verbatim_batch(rows.text, rows.offset, cells, builder)
                if batch is None and (
                    converted := convert_block(rows.text, names, fields, self.delimiter, quotes=self.quotes)
                ):
                    batch = _converted_batch(converted, rows.offset, builder)
                yield from [batch] if batch is not None else self._row_batches(rows, cells, builder, blocks)
            if not builder.position:
                yield builder.empty_batch()

    def _row_batches(
        self, block: _Block, cells: Cells, builder: BatchBuilder, following: Iterator[_Block]
    ) -> Iterator[Batch]:
        """Yield the batches of a block whose rows are parsed one by one.

        Raises:
            DataError: if a row is likely to be many rows.
        """
        for row in self._parse(_RowLines(block.text, following), cells.width):
            try:
                document = cells.document(row.valid_cells())
                if row.line_count > 1 and holds_rows(row.text, self._cells_of_line, cells.fit):
                    raise rows_in_a_cell(
                        builder.source, row.text, block.line + row.lines_before, block.offset + row.offset
                    )
                builder.add(block.offset + row.offset, row.text, document)
            except RecordError as exc:
                self._require_one_row(row, block, builder.source, cells.width)
                builder.reject(block.offset + row.offset, row.text, exc)
            if builder.full:
                yield from builder.take()
        yield from builder.take()

    def _require_one_row(self, row: _Row, block: _Block, source: Source, width: int) -> None:
        """Check that a row which is not valid is likely to be one, so that it can be rejected without losing others.

        Raises:
            DataError: if it is not.
        """
        line, offset = block.line + row.lines_before, block.offset + row.offset
        if row.line_count > 1 and row.problem.startswith((_NEVER_CLOSED, _TOO_LONG)):
            reason = (
                "is never closed, so that the {lines} lines after it are a part of its cell"
                if row.problem.startswith(_NEVER_CLOSED)
                else f"is not closed within {MAX_CELL_CHARS >> 20} MiB"
            )
            raise quote_not_closed(source, row.text, line, offset, reason)
        if row.line_count > 1 and hides_rows(row.text, self._cells_of_line, width):
            raise rows_in_a_cell(source, row.text, line, offset)
        if row.problem.startswith(_CARRIAGE_RETURN) and has_rows_between_returns(row.text, self._cells_of_line, width):
            raise carriage_returns(source, offset)

    def _cells_of_line(self, line: bytes) -> Sequence[str] | None:
        """Return the cells of a line that is a row by itself, or None if it is not valid."""
        rows = list(self._parse(_RowLines(line, iter(()))))
        return None if len(rows) != 1 or isinstance(rows[0].cells, RecordError) else rows[0].cells

    def _column_names(self, header: _Row, block: _Block, source: Source) -> Sequence[str]:
        """Return the cells of the first row, checked."""
        names = header.cells
        remedy = "The first row must name the columns, each once."
        if isinstance(names, RecordError) or utf8_error(header.text):
            if header.problem.startswith(_CARRIAGE_RETURN):
                raise carriage_returns(source, block.offset + header.offset)
            if header.line_count > 1 or header.problem.startswith(_NEVER_CLOSED):
                self._require_one_row(header, block, source, 0)
            raise DataError(f"cannot read {source.name}: its first row is not a valid row of UTF-8 text", remedy)
        if not all(names):
            raise DataError(f"cannot read {source.name}: its first row has a column without a name", remedy)
        if (name := first_duplicate(names)) is not None:
            raise DataError(f"cannot read {source.name}: its first row names the column {name!r} twice", remedy)
        return names

    @override
    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        cells = self._cells_of(header, fields)
        return cells.document(self._only_row(text, "text", cells.width))

    def _cells_of(self, header: bytes, fields: Mapping[str, Field]) -> Cells:
        """Return the converter of the last header, or a new one: rejects follow each other with the same header."""
        last = _LAST_CELLS.get(self.name)
        if last is None or last[0] != header or last[1] is not fields:
            cells = Cells(self._only_row(header, "header"), fields, self.delimiter, quotes=self.quotes)
            _LAST_CELLS[self.name] = last = header, fields, cells
        return last[2]

    def _only_row(self, text: bytes, name: str, width: int = 0) -> Sequence[str]:
        rows = list(self._parse(_RowLines(text, iter(())), width))
        if len(rows) != 1:
            raise RecordError("parse", "InvalidRow", f"the {name} has {len(rows)} rows, expected one")
        return rows[0].valid_cells()

    @override
    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        return DelimitedWriter(file, layout, self.name, self.delimiter, quotes=self.quotes)

    def _parse(self, lines: _RowLines, width: int = 0) -> Iterator[_Row]:
        """Yield the rows that are not blank.

        Args:
            lines: their lines.
            width: the number of columns; 0 if the first row determines it.
        """
        csv.field_size_limit(MAX_CELL_CHARS)
        offset = lines_before = 0
        # Without quotes, csv takes them for a part of the text.
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quotes else csv.QUOTE_NONE
        reader = csv.reader(lines.read(), delimiter=self.delimiter, strict=True, quoting=quoting)
        while True:
            cells: Sequence[str] | RecordError
            problem = ""
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as exc:
                problem = str(exc)
                cells = RecordError("parse", "InvalidRow", f"not a valid row: {problem}")
            raw, line_count = lines.take_row()
            text = raw.removesuffix(b"\n").removesuffix(b"\r")
            # Blanks are a value where there is but one column, and nothing elsewhere.
            if text if width == 1 else text.strip(b" \t\r" if self.delimiter != "\t" else b" \r"):
                width = width or len(cells) if not isinstance(cells, RecordError) else width
                yield _Row(offset, text, cells, len(raw), lines_before, line_count, problem)
            offset += len(raw)
            lines_before += line_count


def _numbered_blocks(blocks: Iterable[tuple[int, bytes]]) -> Iterator[_Block]:
    """Yield the blocks with the numbers of their first lines."""
    line = 1
    for offset, text in blocks:
        yield _Block(offset, text, line)
        line += text.count(b"\n") + 1


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


def _converted_batch(converted: ConvertedBlock, offset: int, builder: BatchBuilder) -> Batch:
    texts, documents, end_bytes = converted
    positions = range(builder.position + 1, builder.position + len(texts) + 1)
    builder.position += len(texts)
    return Batch(builder.source, positions, LineOffsets(offset, texts, end_bytes), texts, documents)


class _RowLines:
    """The lines of a block; a quoted cell that spans blocks pulls in as many further blocks as it needs.

    Args:
        block: whole lines.
        following: the blocks after it.
    """

    def __init__(self, block: bytes, following: Iterator[_Block]) -> None:
        self._lines = iter(block.split(b"\n"))
        self._following = following
        self._lines_of_row: list[bytes] = []
        self._earlier_blocks: list[bytes] = []  # the lines of the row in blocks before the present one
        self._earlier_lines = 0

    def read(self) -> Iterator[str]:
        """Yield the lines with their ends."""
        while True:
            for line in self._lines:
                self._lines_of_row.append(line + b"\n")
                yield self._lines_of_row[-1].decode("utf-8", "surrogateescape")
            if not self._lines_of_row and not self._earlier_blocks:
                return
            block = next(self._following, None)
            if block is None:
                return
            self._earlier_blocks.append(b"".join(self._lines_of_row))
            self._earlier_lines += len(self._lines_of_row)
            self._lines_of_row.clear()
            self._lines = iter(block.text.split(b"\n"))

    def take_row(self) -> tuple[bytes, int]:
        """Return the text that was read of the present row, and the number of its lines; the next line starts a row."""
        lines = self._lines_of_row
        count = self._earlier_lines + len(lines)
        raw = lines[0] if count == 1 and lines else b"".join((*self._earlier_blocks, *lines))
        lines.clear()
        self._earlier_blocks.clear()
        self._earlier_lines = 0
        return raw, count

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
    """Cells with tabs between them, without quotes."""

    name = "tsv"
    suffixes = (".tsv",)
    media_type = "text/tab-separated-values"
    delimiter = "\t"
    quotes = False


class QuotedTsv(Delimited):
    """Cells with tabs between them, and quotes as in CSV."""

    name = "quoted_tsv"
    suffixes = ()  # the name of a file does not show it
    media_type = "text/tab-separated-values"
    delimiter = "\t"


CSV = Csv()
TSV = Tsv()
QUOTED_TSV = QuotedTsv()
