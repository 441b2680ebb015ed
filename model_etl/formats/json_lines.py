"""JSON Lines: one JSON object a line (https://jsonlines.org), also called LDJSON and NDJSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO

from typing_extensions import override

from model_etl.formats.base import BatchBuilder, Format, LongText, Writer, utf8_error
from model_etl.formats.line_blocks import LongLine, carriage_returns, is_utf8_without_cr, line_blocks
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Source
from model_etl.records.lazy_sequences import LineBlock, LineOffsets
from model_etl.records.strict_json import one_line
from model_etl.schema.fields import Field

_OBJECTS_BETWEEN_RETURNS = re.compile(rb"}[ \t]*\r\s*{")
"""Is not a part of any JSON text: two documents with a carriage return between them."""


class JsonLines(Format):
    """The format `ldjson`. Blank lines are skipped; a line may end in CR LF, and the last line without a line feed."""

    name = "ldjson"
    suffixes = (".json", ".jsonl", ".ldjson", ".ndjson")
    compressible = True
    media_type = "application/x-ndjson"

    @override
    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        return self.read_on(file, source)

    def read_on(self, file: BinaryIO, source: Source, offset: int = 0, position: int = 1) -> Iterator[Batch]:
        """Yield the records of the rest of a file, for engines that cut one file into pieces.

        Args:
            file: open for reading, at the start of a line.
            source: the input that the records come from.
            offset: the position of the file, in bytes.
            position: the number of the next record, from 1.

        Raises:
            DataError: as `read` does, if the offset is 0.
        """
        for start, block in line_blocks(file, source, offset=offset):
            batch = _parse_block(block, source, position, start)
            position += len(batch) + len(batch.rejected)
            if len(batch) or batch.rejected:
                yield batch

    @override
    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        if error := utf8_error(text):
            raise error
        return one_line(text)

    @override
    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        return _JsonLinesWriter(file, layout)


def _parse_block(block: bytes, source: Source, position: int, offset: int) -> Batch:
    """Return the batch of a block of lines; its documents are the lines themselves wherever that is possible."""
    longest = source.max_record_size
    may_be_long = len(block) > longest or isinstance(block, LongLine)
    lines: Sequence[bytes] = (None if may_be_long else _one_object_a_line(block)) or _split(block)
    if isinstance(lines, LineBlock) or (
        not may_be_long and is_utf8_without_cr(block) and not any(map(_is_blank, lines))
    ):
        return Batch(source, range(position, position + len(lines)), LineOffsets(offset, lines), lines, lines)
    builder = BatchBuilder(source)
    builder.position = position - 1
    for line in lines:
        if b"\r" in line and _OBJECTS_BETWEEN_RETURNS.search(line):
            raise carriage_returns(source, offset)
        text = line.removesuffix(b"\r")
        if isinstance(line, LongLine):
            builder.reject_long(offset, LongText(line, line.size))
        elif len(text) > longest and not _is_blank(text):
            builder.reject_long(offset, text)
        elif not _is_blank(text):
            if error := None if text.isascii() else utf8_error(text):
                builder.reject(offset, text, error)
            else:
                builder.add(offset, text, one_line(text))
        offset += len(line) + 1
    return next(builder.take(), Batch(source, (), (), (), ()))


def _split(block: bytes) -> Sequence[bytes]:
    return [block] if isinstance(block, LongLine) else block.split(b"\n")


def _is_blank(line: bytes) -> bool:
    return not line or line.isspace()


def _one_object_a_line(block: bytes) -> LineBlock | None:
    """Return the lines if each starts with { and ends with }, so that none is blank; else None."""
    breaks = block.count(b"\n")
    if block.startswith(b"{") and block.endswith(b"}") and block.count(b"}\n{") == breaks and is_utf8_without_cr(block):
        return LineBlock(block, breaks + 1)
    return None


class _JsonLinesWriter(Writer):
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout

    @override
    def write(self, batch: Batch) -> None:
        lines = self._layout.documents(batch)
        if lines:
            # One call: each write may pass the interpreter's lock to another thread.
            self._file.write((lines.block if isinstance(lines, LineBlock) else b"\n".join(lines)) + b"\n")

    @override
    def finish(self) -> None:
        pass


LDJSON = JsonLines()
