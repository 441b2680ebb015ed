"""JSON Lines: one JSON object a line (https://jsonlines.org), also called LDJSON and NDJSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from model_etl.formats.base import BatchBuilder, Writer, utf8_error
from model_etl.formats.line_blocks import is_plain, line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Source
from model_etl.records.lazy_sequences import LineBlock, LineOffsets
from model_etl.records.strict_json import one_line
from model_etl.schema.fields import Field


class Ldjson:
    """Lines of JSON. Blank lines are passed over; a line may end in CR LF, and the last one in nothing."""

    name = "ldjson"
    suffixes = (".json", ".jsonl", ".ldjson", ".ndjson")
    compressible = True
    media_type = "application/x-ndjson"

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:  # noqa: ARG002
        """See `Format.read`."""
        return self.read_on(file, source)

    def read_on(self, file: BinaryIO, source: Source, offset: int = 0, position: int = 1) -> Iterator[Batch]:
        """Read from the middle of a file, as engines do that share one among many workers.

        Args:
            file: open for reading; stands at the start of a line.
            source: what the records are said to come from.
            offset: where it stands.
            position: number of the next record.

        Raises:
            DataError: as `read`, if it stands at the start.
        """
        for start, block in line_blocks(file, source, first=offset):
            batch = _batch(block, source, position, start)
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


def _batch(block: bytes, source: Source, position: int, offset: int) -> Batch:
    lines: Sequence[bytes] = _objects(block) or block.split(b"\n")
    if isinstance(lines, LineBlock) or (is_plain(block) and all(lines) and not any(map(bytes.isspace, lines))):
        return Batch(source, range(position, position + len(lines)), LineOffsets(offset, lines), lines, lines)
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


def _objects(block: bytes) -> LineBlock | None:
    """Give the lines if nothing speaks against each being one object, which ends where the line does."""
    breaks = block.count(b"\n")
    if block.startswith(b"{") and block.endswith(b"}") and block.count(b"}\n{") == breaks and is_plain(block):
        return LineBlock(block, breaks + 1)
    return None


class _LdjsonWriter:
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout

    def write(self, batch: Batch) -> None:
        lines = self._layout.documents(batch)
        if lines:
            # One call: each gives the interpreter to another thread.
            self._file.write((lines.block if isinstance(lines, LineBlock) else b"\n".join(lines)) + b"\n")

    def finish(self) -> None:
        pass


LDJSON = Ldjson()
