"""Events of the prediction log that are joined from columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from typing_extensions import Buffer

from model_etl.records.arrow_texts import MOST_BYTES, Part, array_of_lines, joined_array
from model_etl.records.json_rows import JoinedLines
from model_etl.records.lazy_sequences import LineBlock
from model_etl.records.text_forms import data_of

EVENTS_AT_ONCE = 4096
"""The events that are joined at once: they fit the caches of a processor."""


class JoinedEvents:
    """The events of a batch.

    Args:
        parts: the parts of each event in their order; a sequence of integers becomes their digits.
        count: the number of events.
    """

    def __init__(self, parts: Sequence[Part | Sequence[int]], count: int) -> None:
        self._parts = [part if isinstance(part, (bytes, pa.Array)) else _digits(part) for part in parts]
        self._count = count

    def pieces(self, start: int, end: int) -> Iterator[Buffer]:
        """Yield the events from `start` to before `end`."""
        for first in range(start, end, EVENTS_AT_ONCE):
            yield self._joined(first, min(first + EVENTS_AT_ONCE, end))

    def _joined(self, start: int, end: int) -> memoryview:
        parts = [part if isinstance(part, bytes) else part[start:end] for part in self._parts]
        return data_of(joined_array(parts, end - start))


def _digits(values: Sequence[int]) -> pa.Array:
    if isinstance(values, range):
        integers = np.arange(values.start, values.stop, values.step)
    else:
        integers = np.array(list(values), np.int64)
    return pa.array(integers).cast(pa.string())


def parts_of(texts: Sequence[bytes]) -> Sequence[Part]:
    """Return the parts of texts in UTF-8."""
    if isinstance(texts, JoinedLines):
        return texts.parts
    if isinstance(texts, LineBlock) and len(texts.block) < MOST_BYTES:
        return [array_of_lines(texts.block, len(texts))]
    return [pa.array(list(texts), pa.binary()).view(pa.string())]
