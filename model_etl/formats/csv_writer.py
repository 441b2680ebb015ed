"""Writing CSV and TSV: rows of new cells, or original rows with the prediction's cells appended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO, Protocol

import msgspec
from typing_extensions import override

from model_etl.errors import ConfigurationError
from model_etl.formats.base import Writer, column_names
from model_etl.formats.csv_rows import encode_rows
from model_etl.formats.output_layout import Layout
from model_etl.formats.unquoted_rows import unquoted_rows
from model_etl.records.batch import Batch, Source
from model_etl.records.json_rows import JsonColumn, JsonRows

_Object = Mapping[str, msgspec.Raw]
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With the full-width forms of the signs, which some spreadsheets take for the signs."""


class DelimitedWriter(Writer):
    """Writes one file. The first batch decides the columns, and whether original rows are copied.

    Args:
        file: open for writing.
        layout: the layout of the output records.
        name: the name of the format.
        delimiter: the character between two cells.
        quotes: whether a cell may have quotes around it; without them it cannot hold a delimiter or a line end.
    """

    def __init__(self, file: BinaryIO, layout: Layout, name: str, delimiter: str, *, quotes: bool = True) -> None:
        self._file = file
        self._layout = layout
        self._name = name
        self._label = name.removeprefix("quoted_").upper()
        self._delimiter = delimiter
        self._quotes = quotes
        self._rows: _Rows | None = None
        self._unpublished: Source | None = None
        self._columns: list[str] = []
        self._escapes = layout.csv_formulas == "escape"

    @override
    def write(self, batch: Batch) -> None:
        if not len(batch):
            self._unpublished = self._unpublished or batch.source
            return
        is_first = self._rows is None
        rows = self._rows = self._rows or self._rows_of(batch.source)
        if (columns := rows.columns_of(batch)) is not None:
            if is_first:
                self._write_names(rows, columns)
            if (lines := self._joined_lines(rows, columns, batch)) is not None:
                self._file.write(lines)
                return
            is_first = False
        objects = rows.objects(batch)
        if is_first:
            self._write_names(rows, objects[0])
        cells = self._encode(self._table(objects, batch), batch)
        self._file.write(b"".join(rows.lines(batch.texts, cells, self._delimiter.encode())))

    @override
    def finish(self) -> None:
        if self._rows is None:  # a file without records still names its columns
            self._write_names(self._rows_of(self._unpublished), {})

    def _rows_of(self, source: Source | None) -> _Rows:
        can_copy = source is not None and source.format == self._name and bool(source.header) and not self._escapes
        can_copy = can_copy and source is not None and not source.dialect
        return (_ExtendedRows if self._layout.join and can_copy else _NewRows)(self._layout, source)

    def _write_names(self, rows: _Rows, first: Iterable[str]) -> None:
        self._columns = rows.columns(first)
        names = self._encode([self._header(self._columns)])
        self._file.write(b"".join(rows.lines([rows.header], names, self._delimiter.encode())))

    def _table(self, objects: Sequence[_Object], batch: Batch) -> list[list[str]]:
        known = set(self._columns)
        table = []
        for index, row in enumerate(objects):
            if not known.issuperset(row):
                extra = next(name for name in row if name not in known)
                raise ConfigurationError(
                    f"record {batch.positions[index]} of {batch.source.name} has a field {extra!r} that the first"
                    f" record lacks: a {self._label} file has the same columns in every row",
                    "Write JSON Lines, or choose the columns with --keep.",
                )
            table.append([_cell(row.get(name)) for name in self._columns])
            if self._escapes:
                numbers = [not bytes(row.get(name, b"")).startswith(b'"') for name in self._columns]
                table[-1] = [c if n else _escape(c) for c, n in zip(table[-1], numbers, strict=True)]
        return table

    def _joined_lines(self, rows: _Rows, columns: Mapping[str, JsonColumn], batch: Batch) -> bytes | None:
        """Return the lines of a batch, joined by the column; None if a row needs a closer look."""
        if list(columns) != self._columns:
            return None
        from model_etl.formats.csv_columns import joined_rows  # noqa: PLC0415  it imports pyarrow

        return joined_rows(
            rows.originals(batch),
            columns.values(),
            self._delimiter,
            quotes=self._quotes,
            formulas=_FORMULA_STARTS if self._escapes else (),
        )

    def _header(self, names: Sequence[str]) -> list[str]:
        return [_escape(name) if self._escapes else name for name in names]

    def _encode(self, table: Iterable[Sequence[str]], batch: Batch | None = None) -> list[bytes]:
        if not self._quotes:
            return unquoted_rows(table, self._columns, self._delimiter, batch)
        return encode_rows(table, self._delimiter)


class _Rows(Protocol):
    """The part of writing that depends on whether original rows are copied.

    Attributes:
        header: the first row of the original file, if rows are copied.
    """

    header: bytes

    def __init__(self, layout: Layout, first: Source | None) -> None: ...

    def objects(self, batch: Batch) -> list[_Object]:
        """Return the objects of which cells are made, one a record."""

    def columns(self, first: Iterable[str]) -> list[str]:
        """Return the names of those cells, given those of the first object; there are none if there are no records."""

    def columns_of(self, batch: Batch) -> Mapping[str, JsonColumn] | None:
        """Return the cells as columns, or None if that needs the objects."""

    def originals(self, batch: Batch) -> Sequence[bytes] | None:
        """Return the original rows that are copied, or None if all cells are made."""

    def lines(self, originals: Sequence[bytes], cells: list[bytes], delimiter: bytes) -> list[bytes]:
        """Return whole lines, given the original rows and the cells that were made."""


class _NewRows(_Rows):
    """All cells are made from output records."""

    header = b""

    def __init__(self, layout: Layout, first: Source | None) -> None:
        self._layout = layout
        self._first = first

    @override
    def objects(self, batch: Batch) -> list[_Object]:
        return _parse(self._layout.documents(batch))

    @override
    def columns(self, first: Iterable[str]) -> list[str]:
        return column_names(self._layout, list(first), self._first)

    @override
    def columns_of(self, batch: Batch) -> Mapping[str, JsonColumn] | None:
        return self._layout.table_columns(batch)

    @override
    def originals(self, batch: Batch) -> Sequence[bytes] | None:
        return None

    @override
    def lines(self, originals: Sequence[bytes], cells: list[bytes], delimiter: bytes) -> list[bytes]:
        return cells


class _ExtendedRows(_Rows):
    """Original rows of the same format are copied as they are; only the prediction's cells are made."""

    def __init__(self, layout: Layout, first: Source | None) -> None:
        self._layout = layout
        self._format = first.format if first else ""
        self.header = first.header if first else b""

    @override
    def objects(self, batch: Batch) -> list[_Object]:
        self._check(batch)
        return _parse(batch.outputs)

    @override
    def columns_of(self, batch: Batch) -> Mapping[str, JsonColumn] | None:
        self._check(batch)
        return batch.outputs.members if isinstance(batch.outputs, JsonRows) else None

    @override
    def originals(self, batch: Batch) -> Sequence[bytes] | None:
        return batch.texts

    def _check(self, batch: Batch) -> None:
        if batch.source.format != self._format or batch.source.header != self.header or batch.source.dialect:
            raise ConfigurationError(
                f"record {batch.positions[0]} of {batch.source.name} has other columns than the records before",
                "Write JSON Lines, or choose the columns with --keep.",
            )
        self._layout.check_name_clashes(batch)

    @override
    def columns(self, first: Iterable[str]) -> list[str]:
        return list(self._layout.outputs or first)

    @override
    def lines(self, originals: Sequence[bytes], cells: list[bytes], delimiter: bytes) -> list[bytes]:
        return [original + delimiter + line for original, line in zip(originals, cells, strict=True)]


def _parse(documents: Iterable[bytes]) -> list[_Object]:
    return [msgspec.json.decode(document, type=dict[str, msgspec.Raw]) for document in documents]


def _escape(text: str) -> str:
    """Return a text that a spreadsheet shows as it is: a `'` comes before what it would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _cell(value: msgspec.Raw | None) -> str:
    """Return the text of a cell: empty for null, the characters of a string, or JSON."""
    text = bytes(value) if value is not None else b"null"
    if text == b"null":
        return ""
    if text.startswith(b'"'):
        string: str = msgspec.json.decode(text)
        return string
    return text.decode()
