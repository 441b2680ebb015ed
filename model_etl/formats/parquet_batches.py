"""Batches of a Parquet file that are cut by the bytes of their values, because rows have no bound.

A few bytes of Parquet can stand for any number of values: each value of a dictionary is stored once, and repetitions
are counted. So columns of long texts are read as Arrow dictionaries, and get their own type in pieces of `READ_BYTES`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model_etl.formats.base import BATCH_RECORDS
from model_etl.formats.parquet_sizes import row_sizes
from model_etl.records.batch import BATCH_BYTES

READ_BYTES = 8 * BATCH_BYTES
"""The most bytes of the values of a batch, unless a single row has more."""
_LEAST_DELTA_ROWS = 16
"""The least rows of a batch if the length of a column's texts is unknown."""
_VALUE_BYTES = 8
"""The bytes of a value that is not a text, about."""


def bounded_batches(
    file: BinaryIO, table: pq.ParquetFile, max_row_bytes: int, most_rows: int = BATCH_RECORDS, **options: Any
) -> Iterator[tuple[pa.RecordBatch, np.ndarray[Any, np.dtype[np.int64]] | None]]:
    """Yield the rows of a file in batches of about `READ_BYTES`, with the bytes of each row.

    Args:
        file: open for reading, seekable.
        table: the same file, opened with the options.
        max_row_bytes: the bytes of a row from which on it matters how many it has.
        most_rows: the most rows of a batch.
        options: for `pyarrow.parquet.ParquetFile`.

    Yields:
        A batch, and the bytes of the values of each row, or None if all together have no more than
        `max_row_bytes`.
    """
    schema = table.schema_arrow
    longest = _long_texts(file, table)
    paths = _decodable(longest, file, table)
    batch_rows = _batch_rows(table.metadata, most_rows)
    for path in longest.keys() - set(paths):
        batch_rows = min(batch_rows, max(1, READ_BYTES // longest[path]))
    reader = pq.ParquetFile(file, read_dictionary=paths, metadata=table.metadata, **options) if paths else table
    for rows in reader.iter_batches(batch_size=batch_rows):
        if not paths and rows.nbytes <= min(max_row_bytes, READ_BYTES):
            yield rows, None
            continue
        sizes = sum((row_sizes(column) for column in rows.columns), np.zeros(rows.num_rows, np.int64))
        for start, end in _cuts(sizes):
            part = rows.slice(start, end - start)
            columns = [
                column if column.type == field.type else _decoded(column, field.type)
                for column, field in zip(part.columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema), sizes[start:end]


def _decoded(column: pa.Array, arrow_type: pa.DataType) -> pa.Array:
    """Return some rows of a column in its own type, which it has but for dictionaries.

    They are copied before: Arrow converts all values that the lists of a column have, also those of other rows.
    """
    own = column.take(pa.array(range(len(column)), pa.int32())) if pa.types.is_nested(column.type) else column
    return own.cast(arrow_type)


def _cuts(sizes: np.ndarray[Any, np.dtype[np.int64]]) -> Iterator[tuple[int, int]]:
    """Yield the first row and the end of each batch."""
    ends = np.cumsum(sizes)
    start, before = 0, 0
    while start < len(sizes):
        end = max(start + 1, int(np.searchsorted(ends, before + READ_BYTES, side="right")))
        yield start, end
        start, before = end, int(ends[end - 1])


def _batch_rows(metadata: pq.FileMetaData, rows: int) -> int:
    """Return how many rows, at most `rows`, have about `READ_BYTES`, on average of the row group with the longest."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        size = 0
        for index, chunk in enumerate(map(group.column, range(group.num_columns))):
            width = metadata.schema.column(index).length or _VALUE_BYTES
            size += max(chunk.total_uncompressed_size, chunk.num_values * width)
            if "DELTA_BYTE_ARRAY" in chunk.encodings:  # texts are stored without the beginning that they share
                longest = max(1, chunk.total_uncompressed_size)
                rows = min(rows, max(_LEAST_DELTA_ROWS, READ_BYTES // longest))
        rows = min(rows, max(1, READ_BYTES * group.num_rows // max(1, size)))
    return rows


def _long_texts(file: BinaryIO, table: pq.ParquetFile) -> dict[str, int]:
    """Return the paths of the columns whose dictionaries have long texts, or stand in lists that may be long.

    Returns:
        The most bytes of a text, by path.
    """
    metadata = table.metadata
    leaves = [metadata.schema.column(i) for i in range(metadata.num_columns)]
    texts = [i for i, leaf in enumerate(leaves) if leaf.physical_type == "BYTE_ARRAY"]
    found: dict[str, int] = {}
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for index in texts:
            chunk = group.column(index)
            nested = leaves[index].max_repetition_level > 0
            values = chunk.num_values if nested else min(BATCH_RECORDS, group.num_rows)
            if not chunk.has_dictionary_page:
                continue
            if values * chunk.total_uncompressed_size <= READ_BYTES:
                continue
            path = leaves[index].path
            longest = _longest_in_dictionary(file, table, path, number) or chunk.total_uncompressed_size
            if values * longest > READ_BYTES:
                found[path] = max(longest, found.get(path, 0))
    return found


def _decodable(paths: Iterable[str], file: BinaryIO, table: pq.ParquetFile) -> list[str]:
    """Return those paths whose columns Arrow can convert from dictionaries to their own types."""
    found = []
    for path in paths:
        schema = pq.ParquetFile(file, read_dictionary=[path], metadata=table.metadata).schema_arrow
        try:
            for read, own in zip(schema, table.schema_arrow, strict=True):
                pa.array([], read.type).cast(own.type)
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowInvalid):
            continue
        found.append(path)
    return found


def _longest_in_dictionary(file: BinaryIO, table: pq.ParquetFile, path: str, group: int) -> int | None:
    """Return the length of the longest text in a column's dictionary, or None if the first row does not show it."""
    reader = pq.ParquetFile(file, read_dictionary=[path], metadata=table.metadata)
    rows = next(reader.iter_batches(batch_size=1, row_groups=[group], columns=[path]), None)
    if rows is None or rows.num_columns != 1 or not pa.types.is_dictionary(rows.column(0).type):
        return None
    dictionary = rows.column(0).dictionary
    return pc.max(pc.binary_length(dictionary)).as_py() if len(dictionary) else None
