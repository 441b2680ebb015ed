"""Batches of blocks of CSV and TSV of which each line is a row."""

from __future__ import annotations

from model_etl.formats.base import BatchBuilder
from model_etl.formats.csv_blocks import ConvertedBlock
from model_etl.formats.csv_cells import Cells
from model_etl.records.batch import Batch
from model_etl.records.lazy_sequences import LineBlock, LineOffsets


def verbatim_batch(block: bytes, offset: int, cells: Cells, builder: BatchBuilder) -> Batch | None:
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


def converted_batch(converted: ConvertedBlock, offset: int, builder: BatchBuilder) -> Batch:
    """Return the batch of a block that was converted at once."""
    texts, documents, end_bytes = converted
    positions = range(builder.position + 1, builder.position + len(texts) + 1)
    builder.position += len(texts)
    return Batch(builder.source, positions, LineOffsets(offset, texts, end_bytes), texts, documents)
