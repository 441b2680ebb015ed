"""JSON Lines: one JSON object a line (https://jsonlines.org), also called LDJSON and NDJSON."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import BinaryIO, overload

from model_etl.formats.base import BatchBuilder, Writer, check_start, utf8_error
from model_etl.layout import Layout
from model_etl.records import BATCH_BYTES, Batch, Source
from model_etl.schema_fields import Field
from model_etl.strict_json import one_line


class Ldjson:
    """Lines of JSON. Blank lines are passed over; a line may end in CR LF, and the last one in nothing."""

    name = "ldjson"
    suffixes = (".json", ".jsonl", ".ldjson", ".ndjson")
    compressible = True
    media_type = "application/x-ndjson"

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:  # noqa: ARG002
        """See `Format.read`."""
        position = 1
        for offset, block in _blocks(file, source):
            batch = _batch(block, source, position, offset)
            position += len(batch) + len(batch.rejected)
            if len(batch) or batch.rejected:
                yield batch

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:  # noqa: ARG002
        """See `Format.document`."""
        if error := utf8_error(text):
            raise error
        return one_line(text)

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """See `Format.writer`."""
        return _LdjsonWriter(file, layout)


def _blocks(file: BinaryIO, source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, about `BATCH_BYTES` at a time, and the offset of the first; the last line end is left out."""
    start = file.read(4)
    pending = [start[check_start(start, source) :]]
    offset = len(start) - len(pending[0])
    while block := file.read(BATCH_BYTES):
        cut = block.rfind(b"\n")
        if cut < 0:  # a line longer than a block
            pending.append(block)
            continue
        whole = b"".join((*pending, block[:cut]))
        yield offset, whole
        offset += len(whole) + 1
        pending = [block[cut + 1 :]]
    yield offset, b"".join(pending)


class _Offsets(Sequence[int]):
    """Where each line of a block starts, found when somebody asks: with no log and no rejects nobody does.

    Args:
        first: offset of the first line.
        lines: the lines, each of which was followed by one more byte.
    """

    def __init__(self, first: int, lines: Sequence[bytes]) -> None:
        self._first = first
        self._lines = lines

    @cached_property
    def _all(self) -> list[int]:
        before = accumulate(map(len, self._lines[:-1]), initial=self._first)
        return list(map(operator.add, before, range(len(self._lines))))

    def __len__(self) -> int:
        return len(self._lines)

    def __iter__(self) -> Iterator[int]:
        return iter(self._all)

    @overload
    def __getitem__(self, index: int) -> int: ...

    @overload
    def __getitem__(self, index: slice) -> list[int]: ...

    def __getitem__(self, index: int | slice) -> int | list[int]:
        return self._all[index]


def _batch(block: bytes, source: Source, position: int, offset: int) -> Batch:
    lines = block.split(b"\n")
    if block.isascii() and b"\r" not in block and all(lines) and not any(map(bytes.isspace, lines)):
        return Batch(source, range(position, position + len(lines)), _Offsets(offset, lines), lines, lines)
    builder = BatchBuilder(source)
    builder.position = position - 1
    for line in lines:
        text = line.removesuffix(b"\r")
        if text and not text.isspace():
            if error := None if text.isascii() else utf8_error(text):
                builder.reject(offset, text, error)
            else:
                builder.add(offset, text, one_line(text))
        offset += len(line) + 1
    return next(builder.take(), Batch(source, (), (), (), ()))


class _LdjsonWriter:
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout

    def write(self, batch: Batch) -> None:
        lines = self._layout.documents(batch)
        if lines:
            self._file.write(b"\n".join(lines) + b"\n")

    def finish(self) -> None:
        pass


LDJSON = Ldjson()
