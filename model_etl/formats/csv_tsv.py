"""CSV and TSV: a first row of names, then one record a row.

CSV is that of RFC 4180. A cell of TSV has no quotes around it: a quote is a part of its text, and it cannot hold a tab
or a line end (https://www.iana.org/assignments/media-types/text/tab-separated-values). TSV with quotes is a format of
its own.

The model's schema gives cells their types; nothing is guessed. A cell of a number field keeps its digits as they are, a
cell of a field that the schema does not know is text. An empty cell means no value, except in required text fields.
"""

from __future__ import annotations

import copy
import csv
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import BinaryIO, Literal

from typing_extensions import override

from model_etl.errors import DataError, RecordError
from model_etl.formats.base import BatchBuilder, Format, LongText, Writer, utf8_error
from model_etl.formats.csv_batches import converted_batch, verbatim_batch
from model_etl.formats.csv_blocks import CellColumns, convert_block, fits
from model_etl.formats.csv_cells import Cells
from model_etl.formats.csv_damage import (
    has_rows_between_returns,
    hides_rows,
    holds_rows,
    long_row,
    quote_not_closed,
    rows_in_a_cell,
)
from model_etl.formats.csv_dialect import (
    UTF8,
    as_utf8,
    names_of_columns,
    narrowed,
    record_encoding,
    refuse_byte_order_mark,
    row_of_names,
    with_texts,
)
from model_etl.formats.csv_lines import Block, Blocks, LongRow, RowLines, kept, numbered_blocks
from model_etl.formats.csv_row import CARRIAGE_RETURN, NEVER_CLOSED, TOO_LONG, Row
from model_etl.formats.csv_writer import DelimitedWriter
from model_etl.formats.file_signatures import START_BYTES, json_kind, wrong_kind
from model_etl.formats.line_blocks import LongLine, carriage_returns, line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.formats.table_names import check_table_names, first_duplicate
from model_etl.formats.table_remedies import remedy_for_names
from model_etl.records.batch import Batch, Source
from model_etl.records.dialect import PLAIN, Dialect
from model_etl.schema.fields import Field

_LAST_CELLS: dict[str, tuple[tuple[bytes, Dialect], Mapping[str, Field], Cells]] = {}
"""The last header that `document` got, by format, with the fields and the converter of its rows."""


class Delimited(Format):
    """Rows of cells.

    Attributes:
        delimiter: the character between two cells.
        quotes: whether a cell may have quotes around it.
        dialect: how the table is written, where that differs from the format.
        encoding: the encoding of records and their texts.
    """

    compressible = True
    delimiter: str
    quotes = True
    dialect = PLAIN
    encoding = UTF8

    def with_dialect(self, dialect: Dialect) -> Delimited:
        """Return the same format, for tables that are written in another way."""
        bound = copy.copy(self)
        bound.dialect = dialect
        bound.delimiter = dialect.delimiter or type(self).delimiter
        bound.encoding = record_encoding(dialect)
        return bound

    @override
    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        file = narrowed(file, self.dialect, source)
        blocks = numbered_blocks(line_blocks(file, source, divisor=4))  # JSON has a name before each value
        for block in blocks:  # until the header is found; the inner loop takes the other blocks
            if kind := json_kind(block.text[:START_BYTES]):
                raise wrong_kind(source, kind)
            refuse_byte_order_mark(source, self.encoding, block.offset)
            pulled: list[Block] = []
            lines = RowLines(block.text, kept(blocks, pulled), source.max_record_size, self.encoding)
            header = self._header(block, lines, source)
            if header is None:
                continue  # blank lines
            rest: Sequence[Block] = (block, *pulled)
            if self.dialect.no_header:
                names = self._names_by_position(header, fields, source)
                named = dataclasses.replace(source, header=row_of_names(names, self.delimiter, quotes=self.quotes))
            else:
                names = self._column_names(header, block, source, fields)
                named = dataclasses.replace(source, header=as_utf8(header.text, self.encoding) or b"")
                check_table_names(names, fields, source, named.header)
                remaining = lines.remaining()
                offset, line = block.offset + header.offset + header.size, header.lines_before + header.line_count
                rest = () if remaining is None else (Block(offset, remaining, block.line + line),)
            cells = Cells(names, fields, self.delimiter, quotes=self.quotes, dialect=self.dialect)
            columns = CellColumns(names, fields, self.delimiter, quotes=self.quotes)
            builder = BatchBuilder(dataclasses.replace(named, columns=names, dialect=self.dialect_of_texts))
            following = Blocks(chain(rest, blocks))
            for rows in following:
                may_be_long = len(rows.text) > source.max_record_size or isinstance(rows.text, LongLine)
                batch = None if may_be_long else self._block_batch(rows, cells, columns, builder)
                if batch is None:
                    batch = self._mixed_batch(rows, cells, columns, builder, following)
                yield from [batch] if batch is not None else self._row_batches(rows, cells, builder, following)
            if not builder.position:
                yield builder.empty_batch()

    def _block_batch(self, rows: Block, cells: Cells, columns: CellColumns, builder: BatchBuilder) -> Batch | None:
        """Return the batch of a block that can be converted at once, or None."""
        text = as_utf8(rows.text, self.encoding)
        if text is None or self.dialect.reads_cells:
            return None
        batch = None if builder.source.in_columns else verbatim_batch(text, rows.offset, cells, builder)
        if batch is None and len(self.delimiter.encode()) == 1:
            converted = convert_block(text, columns)
            batch = converted_batch(converted, rows.offset, builder) if converted else None
        return batch if batch is None or text is rows.text else with_texts(batch, rows.text, rows.offset)

    def _mixed_batch(
        self, block: Block, cells: Cells, columns: CellColumns, builder: BatchBuilder, following: Blocks
    ) -> Batch | None:
        """Return the batch of a block some of whose rows are read one by one, or None if all of them should be.

        The rest of the block in which the last row ends is put back.
        """
        source, text = builder.source, block.text
        is_text = source.in_columns and self.encoding == UTF8 and not isinstance(text, LongLine)
        if not is_text or self.dialect.reads_cells or not fits(text, self.delimiter):
            return None
        from model_etl.formats.csv_mixed import CloseRow, mixed_batch  # noqa: PLC0415  it imports pyarrow

        pulled: list[Block] = []
        remaining: bytes | None = None

        def read_closely(first: int, lines: Iterator[bytes]) -> Iterator[CloseRow]:
            nonlocal remaining
            before = len(pulled)
            row_lines = RowLines(lines, kept(following, pulled), source.max_record_size, self.encoding)
            for row in self._parse(row_lines, cells.width):
                if len(pulled) > before:
                    remaining = row_lines.remaining()
                outcome: Sequence[str] | RecordError | None
                try:
                    outcome = (
                        None
                        if row.is_longer_than(source.max_record_size)
                        else self._judged(row, block, cells, source)[0]
                    )
                except RecordError as exc:
                    outcome = exc.without_traceback()
                yield CloseRow(first + row.lines_before, row.line_count, 0, row.text, outcome)

        try:
            batch = mixed_batch(block, columns, builder, read_closely)
        except (LongRow, DataError):
            batch = None  # raised again when the rows before it are read
        if batch is None:
            following.put_back(pulled)
        elif remaining is not None:
            last = pulled[-1]
            line = last.line + last.text.count(b"\n") - remaining.count(b"\n")
            following.put_back([Block(last.offset + len(last.text) - len(remaining), remaining, line)])
        return batch

    @property
    def dialect_of_texts(self) -> Dialect:
        """The dialect of the texts that are kept of records: they have a row of names."""
        return dataclasses.replace(
            self.dialect,
            delimiter=None if self.delimiter == type(self).delimiter else self.delimiter,
            encoding=None if self.encoding == UTF8 else self.encoding,
            decimal="," if self.dialect.decimal == "," else None,
            no_header=False,
        )

    def _names_by_position(self, first: Row, fields: Mapping[str, Field], source: Source) -> Sequence[str]:
        try:
            return names_of_columns(first.valid_cells(self.encoding), fields, source)
        except RecordError as exc:
            raise DataError(
                f"cannot read {source.name} as {source.format} without a row of names: the number of its columns is"
                f" unknown, since its first row is {exc.message}",
                "Correct its first row, or give it a row that names the columns, and remove --no_header.",
            ) from exc

    def _header(self, block: Block, lines: RowLines, source: Source) -> Row | None:
        """Return the first row, or None if there are but blank lines.

        Raises:
            DataError: if it is longer than a record may be.
        """
        try:
            header = None if isinstance(block.text, LongLine) else next(self._parse(lines), None)
        except LongRow:
            raise long_row(source, 0) from None
        if isinstance(block.text, LongLine) or (header and not header.problem and header.size > lines.longest):
            raise carriage_returns(source, block.offset) if b"\r" in block.text else long_row(source, 0)
        return header

    def _row_batches(
        self, block: Block, cells: Cells, builder: BatchBuilder, following: Iterator[Block]
    ) -> Iterator[Batch]:
        """Yield the batches of a block whose rows are parsed one by one.

        Raises:
            DataError: if a row is likely to be many rows, or has several lines and is longer than a record may be.
        """
        try:
            yield from self._rows_of(block, cells, builder, following)
        except LongRow:
            raise long_row(builder.source, builder.position + 1) from None

    def _rows_of(
        self, block: Block, cells: Cells, builder: BatchBuilder, following: Iterator[Block]
    ) -> Iterator[Batch]:
        longest = builder.source.max_record_size
        if isinstance(block.text, LongLine):
            if self.quotes and block.text.quotes % 2:  # its last cell goes on in the next line
                raise LongRow
            builder.reject_long(block.offset, LongText(block.text, block.text.size))
            yield from builder.take()
            return
        for row in self._parse(RowLines(block.text, following, longest, self.encoding), cells.width):
            if row.is_longer_than(longest):
                builder.reject_long(block.offset + row.offset, row.text)
                continue
            try:
                _, document = self._judged(row, block, cells, builder.source)
                builder.add(block.offset + row.offset, row.text, document)
            except RecordError as exc:
                builder.reject(block.offset + row.offset, row.text, exc)
            if builder.full:
                yield from builder.take()
        yield from builder.take()

    def _judged(self, row: Row, block: Block, cells: Cells, source: Source) -> tuple[Sequence[str], bytes]:
        """Return the cells of a row and its document.

        Raises:
            RecordError: if it is not valid.
            DataError: if it is likely to be many rows.
        """
        try:
            valid = row.valid_cells(self.encoding)
            document = cells.document(valid)
        except RecordError:
            self._require_one_row(row, block, source, cells.width)
            raise
        if row.line_count > 1 and holds_rows(row.text, self._cells_of_line, cells.fit):
            raise rows_in_a_cell(source, row.text, block.line + row.lines_before, block.offset + row.offset)
        return valid, document

    def _require_one_row(self, row: Row, block: Block, source: Source, width: int) -> None:
        """Check that a row which is not valid is likely to be one, so that it can be rejected without losing others.

        Raises:
            DataError: if it is not.
        """
        line, offset = block.line + row.lines_before, block.offset + row.offset
        if row.line_count > 1 and row.problem.startswith((NEVER_CLOSED, TOO_LONG)):
            reason = (
                "is never closed, so that the {lines} lines after it are a part of its cell"
                if row.problem.startswith(NEVER_CLOSED)
                else f"is not closed within the {source.max_record_size:,} bytes of --max_record_size"
            )
            raise quote_not_closed(source, row.text, line, offset, reason)
        if row.line_count > 1 and hides_rows(row.text, self._cells_of_line, width):
            raise rows_in_a_cell(source, row.text, line, offset)
        if row.problem.startswith(CARRIAGE_RETURN) and has_rows_between_returns(row.text, self._cells_of_line, width):
            raise carriage_returns(source, offset)

    def _cells_of_line(self, line: bytes) -> Sequence[str] | None:
        """Return the cells of a line that is a row by itself, or None if it is not valid."""
        rows = list(self._parse(RowLines(line, iter(()), encoding=self.encoding)))
        return None if len(rows) != 1 or isinstance(rows[0].cells, RecordError) else rows[0].cells

    def _column_names(self, header: Row, block: Block, source: Source, fields: Mapping[str, Field]) -> Sequence[str]:
        """Return the cells of the first row, checked."""
        names = header.cells
        cells = () if isinstance(names, RecordError) else names
        likely = remedy_for_names(as_utf8(header.text, self.encoding) or header.text, cells, fields)
        remedy = f"{likely} The first row must name the columns, each once.".lstrip()
        if isinstance(names, RecordError) or utf8_error(header.text, self.encoding):
            if header.problem.startswith(CARRIAGE_RETURN):
                raise carriage_returns(source, block.offset + header.offset)
            if header.line_count > 1 or header.problem.startswith(NEVER_CLOSED):
                self._require_one_row(header, block, source, 0)
            expected = f"a valid row of {self.encoding.upper()} text"
            raise DataError(f"cannot read {source.name}: its first row is not {expected}", remedy)
        if not all(names):
            raise DataError(f"cannot read {source.name}: its first row has a column without a name", remedy)
        if (name := first_duplicate(names)) is not None:
            raise DataError(f"cannot read {source.name}: its first row names the column {name!r} twice", remedy)
        return names

    @override
    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        cells = self._cells_of(header, fields)
        return cells.document(self._only_row(text, "text", cells.width, self.encoding))

    def _cells_of(self, header: bytes, fields: Mapping[str, Field]) -> Cells:
        """Return the converter of the last header, or a new one: rejects follow each other with the same header."""
        last = _LAST_CELLS.get(self.name)
        key = header, self.dialect
        if last is None or last[0] != key or last[1] is not fields:
            names = self._only_row(header, "header", encoding=UTF8)
            cells = Cells(names, fields, self.delimiter, quotes=self.quotes, dialect=self.dialect)
            _LAST_CELLS[self.name] = last = key, fields, cells
        return last[2]

    def _only_row(self, text: bytes, name: str, width: int = 0, encoding: str = UTF8) -> Sequence[str]:
        rows = list(self._parse(RowLines(text, iter(()), encoding=encoding), width))
        if len(rows) != 1:
            raise RecordError("parse", "InvalidRow", f"the {name} has {len(rows)} rows, expected one")
        return rows[0].valid_cells(encoding)

    @override
    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        return DelimitedWriter(file, layout, self.name, type(self).delimiter, quotes=self.quotes)

    def _parse(self, lines: RowLines, width: int = 0) -> Iterator[Row]:
        """Yield the rows that are not blank.

        Args:
            lines: their lines.
            width: the number of columns; 0 if the first row determines it.
        """
        csv.field_size_limit(lines.longest)
        blanks = b" \t\r".replace(self.delimiter.encode(), b"")
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
            if text if width == 1 else text.strip(blanks):
                width = width or len(cells) if not isinstance(cells, RecordError) else width
                yield Row(offset, text, cells, len(raw), lines_before, line_count, problem)
            offset += len(raw)
            lines_before += line_count


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
