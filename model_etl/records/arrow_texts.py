"""Columns of text in Arrow: lines as an array, JSON of values, and lines joined from columns.

Arrow joins the bytes of a batch at once, without a Python object for each value. pyarrow is imported with this module,
so only runs that have columns already import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model_etl.records.text_forms import data_of, need_no_escapes

Part: TypeAlias = "bytes | pa.Array"
"""A part of each line: the same bytes in all of them, or an array with a text for each."""

MOST_BYTES = 1 << 30
"""The most bytes that are joined at once: the offsets of an array of text have 32 bits."""

_ENCODER = msgspec.json.Encoder()
_NOTHING = pa.scalar("")


def array_of_lines(block: bytes, count: int, *, cut: int = 0) -> pa.Array:
    """Return lines as an array of text.

    Args:
        block: the lines, with a line feed between any two and none at the end; less than 2 GiB.
        count: the number of lines, at least 1.
        cut: how many bytes are left out at the end of each line.
    """
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
    # The bytes between two lines are an item too, which is not taken.
    offsets = np.empty(2 * count + 1, np.int32)
    offsets[0] = 0
    offsets[1:-1:2] = np.append(ends, len(block)) - cut
    offsets[2:-1:2] = ends + 1
    offsets[-1] = len(block)
    items = pa.StringArray.from_buffers(2 * count, pa.py_buffer(offsets), pa.py_buffer(block))
    return items.take(pa.array(np.arange(0, 2 * count, 2)))


def json_of_objects(values: Sequence[Any]) -> pa.Array:
    """Return the JSON of Python values, which msgspec can write, as an array of text."""
    return array_of_lines(_ENCODER.encode_lines(values)[:-1], len(values)) if len(values) else pa.array([], pa.string())


def json_of_array(array: pa.Array) -> pa.Array:
    """Return the JSON of an array of int64, float64, bool or string, as an array of text; null is `null`."""
    if pa.types.is_floating(array.type):  # Arrow writes floats in another way
        return json_of_objects(array.to_pylist() if array.null_count else array.to_numpy().tolist())
    if pa.types.is_string(array.type):
        if not need_no_escapes(array):
            return json_of_objects(array.to_pylist())
        texts = pc.binary_join_element_wise('"', array, '"', _NOTHING)
    else:
        texts = array.cast(pa.string())
    return texts.fill_null("null") if texts.null_count else texts


def cells_of_json(texts: pa.Array, is_text: pa.Array) -> pa.Array:
    """Return the cells of JSON texts: empty for null, the characters of a string, or JSON.

    Args:
        texts: JSON, without nulls.
        is_text: whether each is a string.
    """
    cells = pc.if_else(is_text, pc.utf8_slice_codeunits(texts, 1, -1), texts)
    cells = pc.if_else(pc.equal(texts, "null"), "", cells)
    escaped = pc.and_(is_text, pc.match_substring(texts, "\\"))
    if pc.any(escaped).as_py():
        decode = msgspec.json.Decoder(str).decode
        cells = pc.replace_with_mask(
            cells, escaped, pa.array(map(decode, texts.filter(escaped).to_pylist()), pa.string())
        )
    return cells


def joined(parts: Sequence[Part], count: int) -> bytes:
    """Return the lines that are made of parts, without anything between two lines.

    Args:
        parts: the parts of each line in their order.
        count: the number of lines.
    """
    size = sum(len(part) * count if isinstance(part, bytes) else part.nbytes for part in parts)
    if size > MOST_BYTES and count > 1:
        middle = count // 2
        halves = (slice(0, middle), slice(middle, count))
        return b"".join(
            joined([part if isinstance(part, bytes) else part[half] for part in parts], len(range(count)[half]))
            for half in halves
        )
    return bytes(data_of(joined_array(parts, count)))


def joined_array(parts: Sequence[Part], count: int) -> pa.Array:
    """Return the lines that are made of parts, as an array of text; nothing where a part is null."""
    merged = _merged_constants(parts)
    if not any(isinstance(part, pa.Array) for part in merged):
        merged.append(pa.repeat("", count))
    return pc.binary_join_element_wise(
        *[pa.scalar(part.decode()) if isinstance(part, bytes) else part for part in merged],
        _NOTHING,
        null_handling="replace",
        null_replacement="",
    )


def _merged_constants(parts: Sequence[Part]) -> list[Part]:
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, bytes) and merged and isinstance(merged[-1], bytes):
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def selected(array: pa.Array, selectors: Sequence[bool]) -> list[bytes]:
    """Return some texts of an array as bytes."""
    return [text.encode() for text in compress(array.to_pylist(), selectors)]
