"""The bytes of the values in the rows of an Arrow column, as they are once dictionaries are decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_VALUE_BYTES = 8
"""The bytes of a value that is not a text, about; JSON has as many for names, quotes and commas, too."""

Sizes = np.ndarray[Any, np.dtype[np.int64]]


def row_sizes(column: pa.Array) -> Sizes:
    """Return the bytes of the values of each row."""
    arrow_type = column.type
    if isinstance(column, pa.ExtensionArray):
        return row_sizes(column.storage)
    if pa.types.is_dictionary(arrow_type):
        return _of_dictionary(column)
    if pa.types.is_struct(arrow_type):
        return sum(map(row_sizes, column.flatten()), np.full(len(column), _VALUE_BYTES, np.int64))
    if pa.types.is_fixed_size_list(arrow_type):
        values = column.values[
            column.offset * arrow_type.list_size : (column.offset + len(column)) * arrow_type.list_size
        ]
        return np.asarray(row_sizes(values).reshape(len(column), arrow_type.list_size).sum(axis=1), np.int64)
    if pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type) or pa.types.is_map(arrow_type):
        return _of_lists(column)
    if _is_text(arrow_type):
        lengths = (
            column if pa.types.is_large_binary(arrow_type) or pa.types.is_binary(arrow_type) else _as_binary(column)
        )
        return _int64(pc.binary_length(lengths)) + _VALUE_BYTES
    try:
        width = max(_VALUE_BYTES, arrow_type.bit_width // 8)
    except ValueError:  # null has no width
        width = _VALUE_BYTES
    return np.full(len(column), width, np.int64)


def _of_dictionary(column: pa.DictionaryArray) -> Sizes:
    if not len(column.dictionary):
        return np.full(len(column), _VALUE_BYTES, np.int64)
    return _int64(pa.array(row_sizes(column.dictionary)).take(column.indices))


def _of_lists(column: pa.Array) -> Sizes:
    offsets = column.offsets.to_numpy()
    first, last = (int(offsets[0]), int(offsets[-1])) if len(offsets) else (0, 0)
    ends = np.concatenate(([0], np.cumsum(row_sizes(column.values[first:last]))))
    sizes: Sizes = ends[offsets[1:] - first] - ends[offsets[:-1] - first] + _VALUE_BYTES
    return sizes


def _is_text(arrow_type: pa.DataType) -> bool:
    views = (pa.string_view(), pa.binary_view())
    return any(
        (
            pa.types.is_string(arrow_type),
            pa.types.is_large_string(arrow_type),
            pa.types.is_binary(arrow_type),
            pa.types.is_large_binary(arrow_type),
            arrow_type in views,
        )
    )


def _as_binary(column: pa.Array) -> pa.Array:
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    return column.cast(views[column.type]) if column.type in views else column


def _int64(lengths: pa.Array) -> Sizes:
    return np.asarray(pc.fill_null(lengths.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), np.int64)
