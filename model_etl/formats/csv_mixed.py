"""Blocks of CSV and TSV with some rows that need a closer look: these are read one by one, all others as columns.

A line that is surely a row, wherever a row begins, says nothing about where rows begin; a quoted cell of several lines
does. So the doubtful lines are read in their order by Python's csv module, which decides where their rows end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from model_etl.errors import RecordError
from model_etl.formats.base import BatchBuilder, long_rejection
from model_etl.formats.csv_blocks import CellColumns, CellDocuments, cells_of
from model_etl.formats.csv_doubt import Array, LinesOfBlock, lines_of
from model_etl.formats.csv_lines import Block
from model_etl.records.batch import Batch, Rejection, Source
from model_etl.records.lazy_sequences import Slices


class CloseRow(NamedTuple):
    """A row that was read by itself.

    Attributes:
        line: the index of its first line in the block.
        line_count: how many lines it takes.
        offset: the index of its first byte in the block.
        text: its exact text without the line end.
        outcome: its cells; the reason why it is rejected; or None if it is too long.
    """

    line: int
    line_count: int
    offset: int
    text: bytes
    outcome: Sequence[str] | RecordError | None


ReadClosely = Callable[[int, Iterator[bytes]], Iterator[CloseRow]]
"""Returns the rows that begin at a line, given its index and the lines from there on."""


def mixed_batch(block: Block, columns: CellColumns, builder: BatchBuilder, read_closely: ReadClosely) -> Batch | None:
    """Return the batch of a block; None if most of its rows need a closer look.

    Args:
        block: whole lines of UTF-8.
        columns: the columns of the table.
        builder: counts the rows.
        read_closely: reads rows one by one.
    """
    lines = lines_of(block.text, columns.delimiter, builder.source.max_record_size, quotes=columns.quotes)
    most = len(lines.starts) // 2
    if lines.doubtful.sum() > most:
        return None
    rows = _rows_at(np.flatnonzero(lines.doubtful), block.text, lines, read_closely)
    plain = np.flatnonzero(~lines.doubtful)
    found = cells_of(_joined(block.text, lines), columns, most) if len(plain) else None
    if found is None:
        return None
    cells, ragged = found
    if ragged:
        ragged_lines = plain[list(ragged)]
        lines.doubtful[ragged_lines] = True
        rows += _rows_at(ragged_lines, block.text, lines, read_closely)
        plain = np.flatnonzero(~lines.doubtful)
    if cells.num_rows != len(plain):
        return None
    return _batch(block, lines, cells, sorted(rows), columns, builder)


def _rows_at(chosen: Array, block: bytes, lines: LinesOfBlock, read_closely: ReadClosely) -> list[CloseRow]:
    """Return the rows that begin at some lines; all lines that they take become doubtful."""
    starts, count, reached = lines.starts, len(lines.starts), 0
    wanted = np.zeros(count + 1, bool)
    wanted[chosen] = True
    rows = []
    for first in chosen.tolist():
        if first < reached:
            continue
        for row in read_closely(first, _from_line(first, block, starts)):
            if not wanted[min(row.line, count)]:
                break  # it follows blank lines
            rows.append(row._replace(offset=int(starts[row.line])))
            reached = row.line + row.line_count
            lines.doubtful[row.line : reached] = True
            if not wanted[min(reached, count)]:
                break
    return rows


def _from_line(first: int, block: bytes, starts: Array) -> Iterator[bytes]:
    """Yield the lines of a block from a line on, without their line feeds."""
    for line in range(first, len(starts)):
        yield block[starts[line] : starts[line + 1] - 1 if line + 1 < len(starts) else len(block)]


def _joined(block: bytes, lines: LinesOfBlock) -> bytes:
    """Return the lines that are not doubtful, with their ends."""
    borders = np.flatnonzero(np.diff(lines.doubtful, prepend=True, append=True)).tolist()
    starts = [*lines.starts.tolist(), len(block)]
    view = memoryview(block)
    parts = [view[starts[first] : starts[last]] for first, last in zip(borders[::2], borders[1::2], strict=True)]
    return b"".join(parts)


def _batch(
    block: Block,
    lines: LinesOfBlock,
    cells: pa.RecordBatch,
    rows: Sequence[CloseRow],
    columns: CellColumns,
    builder: BatchBuilder,
) -> Batch:
    plain = np.flatnonzero(~lines.doubtful)
    accepted = [row for row in rows if isinstance(row.outcome, Sequence)]
    kept = np.concatenate([plain, np.array([row.line for row in accepted], np.int64)])
    order = np.argsort(kept, kind="stable")
    of_all = np.sort(np.concatenate([plain, np.array([row.line for row in rows], np.int64)]))
    before = builder.position + 1
    rejected = [
        _rejection(builder.source, before + int(np.searchsorted(of_all, row.line)), block.offset, row, row.outcome)
        for row in rows
        if not isinstance(row.outcome, Sequence)
    ]
    builder.position += len(of_all)
    kept = kept[order]
    starts = lines.starts[kept]
    texts = Slices(
        block.text,
        starts.tolist(),
        lines.ends[kept].tolist(),
        dict(
            zip(np.searchsorted(kept, [row.line for row in accepted]).tolist(), (r.text for r in accepted), strict=True)
        ),
    )
    return Batch(
        source=builder.source,
        positions=(np.searchsorted(of_all, kept) + before).tolist(),
        offsets=(starts + block.offset).tolist(),
        texts=texts,
        documents=CellDocuments(_with_rows(cells, accepted, order), columns),
        rejected=tuple(rejected),
    )


def _with_rows(cells: pa.RecordBatch, rows: Sequence[CloseRow], order: object) -> pa.RecordBatch:
    """Return cells with those of some rows after them, in another order."""
    if not rows:
        return cells
    texts = zip(*(row.outcome for row in rows if isinstance(row.outcome, Sequence)), strict=True)
    more = [pa.array([cell or None for cell in column], pa.string()) for column in texts]
    joined = [pa.concat_arrays([column, rest]) for column, rest in zip(cells.columns, more, strict=True)]
    return pa.RecordBatch.from_arrays(joined, schema=cells.schema).take(pa.array(order))


def _rejection(source: Source, position: int, offset: int, row: CloseRow, error: RecordError | None) -> Rejection:
    if error is None:
        return long_rejection(source, position, offset + row.offset, row.text)
    return Rejection(source, position, offset + row.offset, row.text, None, error.stage, error.type_name, error.message)
