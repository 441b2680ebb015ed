"""Many rows of CSV or TSV as JSON at once, with Arrow: also rows with quotes and with empty cells.

A block is converted whole, exactly as row by row, or not at all: cells of several lines are left to the careful way,
which also looks for lost rows in them. Arrow reads the cells as text only, and only where Python's csv module surely
reads the same cells: the holes of `pyarrow.csv` (`"x"y`, a lone CR, a quote that is never closed, invalid UTF-8, blank
and ragged rows) are found before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple

from model_etl.formats.file_signatures import BOM
from model_etl.records.lazy_sequences import LineBlock
from model_etl.schema.fields import Field

if TYPE_CHECKING:
    import pyarrow as pa

SMALLEST_BLOCK = 32 * 1024
"""Fewer bytes are converted row by row before pyarrow is imported."""

_NUMBER = r"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"
_ESCAPED = r'[\x00-\x1f"\\]'


class ConvertedBlock(NamedTuple):
    """The rows of a block.

    Attributes:
        texts: their exact bytes without line ends.
        documents: each row as one line of JSON.
        end_bytes: the bytes of each line end.
    """

    texts: Sequence[bytes]
    documents: LineBlock
    end_bytes: int


def convert_block(
    block: bytes, names: Sequence[str], fields: Mapping[str, Field], delimiter: str, *, quotes: bool
) -> ConvertedBlock | None:
    """Convert whole rows at once.

    Args:
        block: the rows, with line ends between them.
        names: the names of the columns.
        fields: the model's input fields by name.
        delimiter: the character between two cells.
        quotes: whether a cell may have quotes around it.

    Returns:
        The rows, or None if they need a closer look one by one.
    """
    if len(block) < SMALLEST_BLOCK or any(name in fields and fields[name].type == "json" for name in names):
        return None
    end_bytes = 2 if block.endswith(b"\r") else 1
    lines = block[:-1].replace(b"\r\n", b"\n") if end_bytes > 1 else block
    is_plain = b"\r" not in lines and b"\0" not in lines and not lines.startswith(BOM) and _is_utf8(lines)
    if not quotes and b'"' in lines:
        return None
    texts = _rows(lines, delimiter) if is_plain else None
    if texts is None or (end_bytes > 1 and len(block) - len(lines) != len(texts)):
        return None  # the line ends differ
    cells = _cells(lines, names, delimiter)
    if cells is None or cells.num_rows != len(texts):
        return None
    return ConvertedBlock(texts, _documents(cells, fields), end_bytes)


def _is_utf8(block: bytes) -> bool:
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def _rows(lines: bytes, delimiter: str) -> Sequence[bytes] | None:
    """Return the texts of rows, or None if a quote stands where RFC 4180 has none."""
    if b'"' not in lines:
        return lines.split(b"\n")
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    rows = lines.split(b"\n")
    if any(row.count(b'"') % 2 for row in rows):
        return None  # a cell of several lines, or a stray quote
    cell = f'(?:[^"{delimiter}]*|"(?:[^"]|"")*")'
    quoted = pa.array([row for row in rows if b'"' in row], pa.string())
    return rows if pc.all(pc.match_substring_regex(quoted, f"^{cell}(?:{delimiter}{cell})*$")).as_py() else None


def _cells(lines: bytes, names: Sequence[str], delimiter: str) -> pa.RecordBatch | None:
    """Return the cells as columns of text, null where empty; None if a row has another number of cells."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    ragged: list[Any] = []

    def skip(row: Any) -> str:
        ragged.append(row)
        return "skip"

    try:
        table = csv.read_csv(
            pa.BufferReader(lines),
            csv.ReadOptions(use_threads=False, block_size=len(lines) + 1, column_names=list(names)),
            csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
            ),
        )
    except pa.ArrowInvalid:
        return None
    batches = table.combine_chunks().to_batches()
    return batches[0] if len(batches) == 1 and not ragged else None


def _documents(cells: pa.RecordBatch, fields: Mapping[str, Field]) -> LineBlock:
    """Return each row as one line of JSON, as `Cells.document` builds it."""
    import pyarrow.compute as pc  # noqa: PLC0415

    parts: list[Any] = []
    for name, column in zip(cells.schema.names, cells.columns, strict=True):
        parts += _member(encode_basestring(name), column, fields.get(name))
    if isinstance(parts[0], str):
        parts[0] = parts[0][1:]  # no comma before the first member
        joined = _join("{", *parts, "}\n")
    else:
        body = _join(*parts, "}\n")
        joined = _join("{", pc.if_else(pc.starts_with(body, ","), pc.utf8_slice_codeunits(body, 1), body))
    data = joined.buffers()[2]
    ends = memoryview(joined.buffers()[1]).cast("i")
    return LineBlock(bytes(memoryview(data)[ends[joined.offset] : ends[joined.offset + len(joined)] - 1]), len(joined))


def _member(name: str, column: pa.Array, field: Field | None) -> list[Any]:
    """Return the parts of a member of JSON objects, its comma first; empty where there is no value."""
    import pyarrow.compute as pc  # noqa: PLC0415

    start = f",{name}:"
    kept = field is None or (field.required and not field.nullable and field.type == "text")
    if kept or (field is not None and field.type == "text" and not column.null_count):
        return [start + '"', _escaped(column).fill_null(""), '"']
    if field is None or field.type == "text":
        values = _join('"', _escaped(column), '"', nulls="emit_null")
    else:
        if field.type == "boolean":
            plain = pc.or_(pc.equal(column, "true"), pc.equal(column, "false"))
        else:
            plain = pc.match_substring_regex(column, _NUMBER)
        values = column
        if not pc.all(plain, min_count=0).as_py():
            values = pc.if_else(plain, column, _join('"', _escaped(column), '"', nulls="emit_null"))
    if not values.null_count:
        return [start, values]
    if field is not None and field.required and field.nullable:
        return [start, values.fill_null("null")]
    return [_join(start, values, nulls="emit_null")]


def _escaped(column: pa.Array) -> pa.Array:
    """Return texts as they stand between the quotes of JSON."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    odd = pc.match_substring_regex(column, _ESCAPED).fill_null(False)
    if not pc.any(odd, min_count=0).as_py():
        return column
    texts = [encode_basestring(text)[1:-1] for text in column.filter(odd).to_pylist()]
    return pc.replace_with_mask(column, odd, pa.array(texts, column.type))


def _join(*parts: Any, nulls: str = "replace") -> pa.Array:
    import pyarrow.compute as pc  # noqa: PLC0415

    return pc.binary_join_element_wise(*parts, "", null_handling=nulls, null_replacement="")
