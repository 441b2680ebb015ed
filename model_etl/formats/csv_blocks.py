"""Many rows of CSV or TSV as columns of cells at once, with Arrow: also rows with quotes and with empty cells.

A block is read whole, exactly as row by row, or not at all: cells of several lines are left to the careful way, which
also looks for lost rows in them. Arrow reads the cells as text only, and only where Python's csv module surely reads
the same cells: the holes of `pyarrow.csv` (`"x"y`, a lone CR, a quote that is never closed, invalid UTF-8, blank and
ragged rows) are found before. The JSON of the rows is made for whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from model_etl.columns.source_columns import SourceColumn
from model_etl.formats.csv_cells import Cells, converter, missing_cell
from model_etl.formats.file_signatures import BOM
from model_etl.records.json_rows import JoinedLines, JsonColumn
from model_etl.records.lazy_sequences import LazySequence, LineBlock
from model_etl.schema.fields import Field

if TYPE_CHECKING:
    import pyarrow as pa

    from model_etl.records.arrow_texts import Part

SMALLEST_BLOCK = 32 * 1024
"""Fewer bytes are converted row by row before pyarrow is imported."""

_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"
_QUOTE, _LINE_FEED = b'"'[0], b"\n"[0]
_ESCAPED = r'[\x00-\x1f"\\]'


class ConvertedBlock(NamedTuple):
    """The rows of a block.

    Attributes:
        texts: their exact bytes without line ends.
        documents: each row as one line of JSON.
        end_bytes: the bytes of each line end.
    """

    texts: LineBlock
    documents: CellDocuments
    end_bytes: int


def convert_block(block: bytes, columns: CellColumns) -> ConvertedBlock | None:
    """Convert whole rows at once.

    Args:
        block: the rows, with line ends between them.
        columns: the columns of their table.

    Returns:
        The rows, or None if they need a closer look one by one.
    """
    if len(block) < SMALLEST_BLOCK:
        return None
    end_bytes = 2 if block.endswith(b"\r") else 1
    lines = block[:-1].replace(b"\r\n", b"\n") if end_bytes > 1 else block
    is_plain = b"\r" not in lines and b"\0" not in lines and not lines.startswith(BOM) and _is_utf8(lines)
    if not is_plain or not _has_plain_quotes(lines, columns):
        return None
    count = lines.count(b"\n") + 1
    if end_bytes > 1 and len(block) - len(lines) != count:
        return None  # the line ends differ
    cells = _cells(lines, columns)
    if cells is None or cells.num_rows != count:
        return None
    return ConvertedBlock(LineBlock(lines, count), CellDocuments(cells, columns), end_bytes)


def fits(block: bytes, delimiter: str) -> bool:
    """Return whether a block is large enough to be converted, and has a delimiter that Arrow knows."""
    return len(block) >= max(SMALLEST_BLOCK, 1) and len(delimiter.encode()) == 1


def _is_utf8(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def _has_plain_quotes(lines: bytes, columns: CellColumns) -> bool:
    """Return whether quotes stand only where RFC 4180 has them, and no cell has several lines."""
    if not columns.quotes or b'"' not in lines:
        return True
    import numpy as np  # noqa: PLC0415

    codes = np.frombuffer(lines, np.uint8)
    quotes = np.flatnonzero(codes == _QUOTE)
    feeds = np.flatnonzero(codes == _LINE_FEED)
    if len(quotes) % 2 or (np.searchsorted(quotes, feeds) % 2).any():
        return False
    around = np.zeros(256, bool)
    around[[_QUOTE, _LINE_FEED, ord(columns.delimiter)]] = True
    opening, closing = quotes[::2], quotes[1::2]
    before = codes[opening[opening > 0] - 1]
    after = codes[closing[closing < len(codes) - 1] + 1]
    return bool(around[before].all() and around[after].all())


def _cells(lines: bytes, columns: CellColumns) -> pa.RecordBatch | None:
    """Return the cells as columns of text, null where empty; None if a row has another number of cells."""
    cells, ragged = cells_of(lines, columns, 0) or (None, ())
    return None if ragged else cells


def cells_of(lines: bytes, columns: CellColumns, most_ragged: int) -> tuple[pa.RecordBatch, Sequence[int]] | None:
    """Read rows of which each is a line.

    Args:
        lines: the rows, none of them empty.
        columns: the columns of their table.
        most_ragged: how many of them may have another number of cells.

    Returns:
        The cells as columns of text, null where empty, and the indexes of the rows that have another number of cells
        and are not among them; None if the rows cannot be read.
    """
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    ragged: list[int] = []

    def skip(row: Any) -> str:
        ragged.append(row.number - 1)
        return "skip" if len(ragged) <= most_ragged else "error"

    names = columns.names
    try:
        table = csv.read_csv(
            pa.BufferReader(lines),
            csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=list(names)),
            csv.ParseOptions(
                delimiter=columns.delimiter,
                quote_char='"' if columns.quotes else False,
                newlines_in_values=True,
                invalid_row_handler=skip,
            ),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        return None
    batches = table.combine_chunks().to_batches()
    return (batches[0], ragged) if len(batches) == 1 else None


class CellColumns:
    """The columns of a table of cells.

    Args:
        names: their names.
        fields: the model's input fields by name.
        delimiter: the character between two cells.
        quotes: whether a cell may have quotes around it.
    """

    def __init__(self, names: Sequence[str], fields: Mapping[str, Field], delimiter: str, *, quotes: bool) -> None:
        self.names = names
        self.fields = {name: fields[name] for name in names if name in fields}
        self.delimiter = delimiter
        self.quotes = quotes
        self.rows = Cells(names, self.fields, delimiter, quotes=quotes)

    def __reduce__(self) -> tuple[Any, ...]:
        return _cell_columns, (self.names, self.fields, self.delimiter, self.quotes)


def _cell_columns(names: Sequence[str], fields: Mapping[str, Field], delimiter: str, quotes: bool) -> CellColumns:
    return CellColumns(names, fields, delimiter, quotes=quotes)


class CellDocuments(JoinedLines):
    """The rows of a table of cells as lines of JSON; `TableDocuments`.

    Args:
        cells: the cells as columns of text, null where empty.
        columns: the columns.

    Attributes:
        cells: the cells.
        columns: the columns.
    """

    def __init__(self, cells: pa.RecordBatch, columns: CellColumns) -> None:
        LazySequence.__init__(self, cells.num_rows)
        self.cells = cells
        self.columns = columns

    @property
    @override
    def parts(self) -> Sequence[Part]:
        return _document_parts(self.cells, self.columns)

    def json_column(self, name: str) -> JsonColumn:
        """Return a field of each row, with null where a row has no such field."""
        if name not in self.columns.names:
            return JsonColumn.of_nulls(len(self))
        column, field = self.cells.column(self.columns.names.index(name)), self.columns.fields.get(name)
        is_text = field is None or missing_cell(field) == "text"
        return JsonColumn(texts=_json_texts(column, field).fill_null('""' if is_text else "null"))

    @property
    def source_names(self) -> Sequence[str]:
        """The names of the columns."""
        return self.columns.names

    def source_column(self, name: str) -> SourceColumn | None:
        """Return a column, or None if there is no such column."""
        field = self.columns.fields.get(name)
        if field is None:
            return None
        values = self.cells.column(name)
        return SourceColumn(values, missing_cell(field), field.type, partial(_json_array, field=field))

    def documents_at(self, indexes: Sequence[int]) -> Sequence[bytes]:
        """Return the documents of some records, without building all."""
        if not indexes:
            return ()
        import pyarrow as pa  # noqa: PLC0415

        columns = [column.to_pylist() for column in self.cells.take(pa.array(indexes)).columns]
        document = self.columns.rows.document
        return [document([cell or "" for cell in row]) for row in zip(*columns, strict=True)]

    @override
    def _item(self, index: int) -> bytes:
        document: bytes = self.documents_at([index])[0]
        return document

    @override
    def selected(self, select: Callable[[Sequence[Any]], list[Any]], count: int) -> CellDocuments:
        return SelectedCells(self, select, count)

    def __reduce__(self) -> tuple[Any, ...]:
        return CellDocuments, (self.cells, self.columns)


class SelectedCells(CellDocuments):
    """Some rows of a table of cells.

    Args:
        documents: all of them.
        select: takes the rows from a sequence.
        count: the number of rows that it takes.
    """

    def __init__(self, documents: CellDocuments, select: Callable[[Sequence[Any]], list[Any]], count: int) -> None:
        LazySequence.__init__(self, count)
        self._documents = documents
        self._select = select
        self.columns = documents.columns

    @cached_property
    def cells(self) -> pa.RecordBatch:
        """The cells as columns of text, null where empty."""
        import pyarrow as pa  # noqa: PLC0415

        indexes = self._select(range(len(self._documents)))
        return self._documents.cells.take(pa.array(indexes, pa.int64()))


def _document_parts(cells: pa.RecordBatch, columns: CellColumns) -> list[Part]:
    """Return the parts of each row as an object of JSON, as `Cells.document` builds it."""
    import pyarrow.compute as pc  # noqa: PLC0415

    from model_etl.records.arrow_texts import joined_array  # noqa: PLC0415

    parts: list[Part] = []
    for name, column in zip(cells.schema.names, cells.columns, strict=True):
        parts += _member(b"," + encode_basestring(name).encode() + b":", column, columns.fields.get(name))
    first = parts[0]
    if isinstance(first, bytes):
        return [b"{" + first[1:], *parts[1:], b"}"]  # no comma before the first member
    body = joined_array(parts, len(cells))
    return [b"{", pc.if_else(pc.starts_with(body, ","), pc.utf8_slice_codeunits(body, 1), body), b"}"]


def _member(start: bytes, column: pa.Array, field: Field | None) -> list[Part]:
    """Return the parts of a member of JSON objects; null where there is no value."""
    missing = "text" if field is None else missing_cell(field)
    if field is None or field.type == "text":
        if missing == "text" or not column.null_count:
            return [start + b'"', _escaped(column).fill_null(""), b'"']
        if missing == "absent":
            return [_join(start.decode() + '"', _escaped(column), '"', nulls="emit_null")]
    texts = _json_texts(column, field)
    if not texts.null_count:
        return [start, texts]
    if missing == "null":
        return [start, texts.fill_null("null")]
    return [_join(start.decode(), texts, nulls="emit_null")]


def _json_texts(column: pa.Array, field: Field | None) -> pa.Array:
    """Return the JSON of cells, null where they are."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    from model_etl.records.text_forms import are_decimals  # noqa: PLC0415

    if field is None or field.type == "text":
        return _join('"', _escaped(column), '"', nulls="emit_null")
    if field.type == "json":
        convert = converter(field)
        return pa.array([None if cell is None else convert(cell) for cell in column.to_pylist()], pa.string())
    if field.type == "boolean":
        plain = pc.or_(pc.equal(column, "true"), pc.equal(column, "false"))
    elif are_decimals(column):
        return column
    else:
        plain = pc.match_substring_regex(column, _NUMBER)
    if pc.all(plain, min_count=0).as_py():
        return column
    return pc.if_else(plain, column, _join('"', _escaped(column), '"', nulls="emit_null"))


def _json_array(column: pa.Array, field: Field) -> bytes:
    """Return cells, none of them null, as a JSON array."""
    return ("[" + ",".join(_json_texts(column, field).to_pylist()) + "]").encode()


def _escaped(column: pa.Array) -> pa.Array:
    """Return texts as they stand between the quotes of JSON."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    from model_etl.records.text_forms import need_no_escapes  # noqa: PLC0415

    if need_no_escapes(column):
        return column
    odd = pc.match_substring_regex(column, _ESCAPED).fill_null(False)
    texts = [encode_basestring(text)[1:-1] for text in column.filter(odd).to_pylist()]
    return pc.replace_with_mask(column, odd, pa.array(texts, column.type))


def _join(*parts: Any, nulls: str = "replace") -> pa.Array:
    import pyarrow.compute as pc  # noqa: PLC0415

    return pc.binary_join_element_wise(*parts, "", null_handling=nulls, null_replacement="")
