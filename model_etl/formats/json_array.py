"""A JSON array of objects, read and written piece by piece (RFC 8259)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from model_etl.errors import DataError
from model_etl.formats.base import BatchBuilder, Writer, check_start, utf8_error
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import BATCH_BYTES, Batch, Source
from model_etl.records.strict_json import one_line
from model_etl.schema.fields import Field

# A whole string, a mark of structure, or the quote of a string that goes on beyond the buffer.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]|"', re.DOTALL)


class JsonArray:
    """One array. Its elements are told apart by their structure, so that a bad one costs only itself."""

    name = "json"
    suffixes = ()  # `.json` means JSON Lines, as it always has here
    compressible = True
    media_type = "application/json"

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """See `Format.read`."""
        builder = BatchBuilder(source)
        for offset, text in _elements(file, source):
            error = None if text.isascii() else utf8_error(text)
            if error:
                builder.reject(offset, text, error)
            else:
                builder.add(offset, text, self.document(text, b"", fields))
            if builder.full:
                yield from builder.take()
        yield from builder.take()

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:  # noqa: ARG002
        """See `Format.document`."""
        if error := utf8_error(text):
            raise error
        return one_line(text)

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """See `Format.writer`."""
        return _JsonArrayWriter(file, layout)


def _elements(file: BinaryIO, source: Source) -> Iterator[tuple[int, bytes]]:  # noqa: C901, PLR0912  one scanner, one loop
    """Yield the texts of an array's elements and the offsets of their first bytes."""
    start = file.read(4)
    skipped = check_start(start, source)
    buffer, base = start[skipped:], skipped  # base: offset of the buffer's first byte in the file
    depth = scanned = element = count = 0
    ended = False
    while True:
        block = file.read(max(BATCH_BYTES, len(buffer)))  # doubling, so that one huge element is not scanned too often
        buffer += block
        while True:
            token = _TOKEN.search(buffer, scanned)
            if not token or (token.group() == b'"' and depth):
                # All that is left holds no mark, or starts a string that goes on.
                between, scanned = scanned, token.start() if token else len(buffer)
                if depth == 0 and buffer[between:].strip():
                    raise _broken(source, base + between, ended=ended)
                break
            if depth == 0 and (ended or token.group() != b"[" or buffer[scanned : token.start()].strip()):
                raise _broken(source, base + scanned, ended=ended)
            mark, at, scanned = token.group(), token.start(), token.end()
            if depth == 0:
                depth, element = 1, scanned
            elif mark in (b"[", b"{"):
                depth += 1
            elif mark in (b"]", b"}") and depth > 1:
                depth -= 1
            elif mark in (b",", b"]") and depth == 1:  # a } too many belongs to its bad element
                text = buffer[element:at]
                lead = len(text) - len(text.lstrip())
                if mark == b"," or count or text.strip():  # `[]` has no element
                    count += 1
                    yield base + element + lead, text.strip()
                element = scanned
                if mark != b",":
                    depth, ended = 0, True
        if not block:
            break
        done = element if depth else scanned
        buffer, base, scanned, element = buffer[done:], base + done, scanned - done, 0
    if depth:
        raise DataError(
            f"cannot read {source.name}: the JSON array is cut off after record {count}",
            "Have it written again, whole.",
        )


def _broken(source: Source, offset: int, *, ended: bool) -> DataError:
    if ended:
        return DataError(
            f"cannot read {source.name}: there is more after the end of the JSON array, near byte {offset}",
            "If it has one document a line, use --input_format ldjson.",
        )
    return DataError(
        f"cannot read {source.name} as a JSON array: it does not start with [",
        "If it has one document a line, use --input_format ldjson.",
    )


class _JsonArrayWriter:
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout
        self._separator = b"[\n"

    def write(self, batch: Batch) -> None:
        lines = self._layout.documents(batch)
        if lines:
            self._file.write(self._separator + b",\n".join(lines))
            self._separator = b",\n"

    def finish(self) -> None:
        self._file.write(b"[]\n" if self._separator == b"[\n" else b"\n]\n")


JSON_ARRAY = JsonArray()
