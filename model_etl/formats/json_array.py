"""A JSON array of objects, read and written in pieces (RFC 8259)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from typing_extensions import override

from model_etl.errors import DataError
from model_etl.formats.base import EXCERPT_BYTES, BatchBuilder, Format, LongText, Writer, utf8_error
from model_etl.formats.file_signatures import StartedFile
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import BATCH_BYTES, Batch, Source
from model_etl.records.lazy_sequences import LineBlock
from model_etl.records.strict_json import one_line
from model_etl.schema.fields import Field

# A whole string, a structural character, or the quote of a string that is longer than the expression looks. The loops
# are short: the regular expression keeps a state for each escape.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*){0,64}"|[\[\]{},]|"', re.DOTALL)
_IN_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*){0,1024}', re.DOTALL)


class JsonArray(Format):
    """One array. Elements are separated by brackets and commas alone, so that an invalid element costs only itself."""

    name = "json"
    suffixes = ()  # `.json` has always meant JSON Lines here
    compressible = True
    media_type = "application/json"

    @override
    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        builder = BatchBuilder(source)
        for offset, text in _elements(file, source):
            if isinstance(text, LongText):
                builder.reject_long(offset, text)
            elif error := None if text.isascii() else utf8_error(text):
                builder.reject(offset, text, error)
            else:
                builder.add(offset, text, self.document(text, b"", fields))
            if builder.full:
                yield from builder.take()
        yield from builder.take()

    @override
    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        if error := utf8_error(text):
            raise error
        return one_line(text)

    @override
    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        return _JsonArrayWriter(file, layout)


def _elements(file: BinaryIO, source: Source) -> Iterator[tuple[int, bytes | LongText]]:
    """Yield the offset and the text of each element of an array."""
    started = StartedFile(file, source)
    scanner = _ArrayScanner(source, started.skipped)
    while block := started.read(BATCH_BYTES):
        yield from scanner.feed(block)
    scanner.finish()


class _ArrayScanner:
    """Finds the elements of an array in blocks of bytes.

    Args:
        source: the input, for errors and for the most bytes of an element.
        offset: the offset of the first block in the file.
    """

    def __init__(self, source: Source, offset: int) -> None:
        self._source = source
        self._offset = offset  # of the next block in the file
        self._unfinished = _Unfinished(source.max_record_size)
        self._in_string = False  # whether the last block ended in a string
        self._escaped = False  # whether it ended after a backslash in a string
        self._depth = 0  # of brackets and braces: 1 between two elements, 0 before and after the array
        self._count = 0
        self._ended = False

    def feed(self, block: bytes) -> Iterator[tuple[int, bytes | LongText]]:
        """Yield the offset in the file and the text of each element that a block finishes.

        Raises:
            DataError: if there is anything but an array.
        """
        start, depth = 0, self._depth  # locals: the loop runs for each token
        scanned = self._string_end(block, 0) if self._in_string else 0
        while token := _TOKEN.search(block, scanned):
            mark = token.group()
            if depth == 0:
                if self._ended or mark != b"[" or block[scanned : token.start()].strip():
                    raise self._not_an_array(block[scanned:], self._offset + scanned)
                depth, start = 1, token.end()
            elif mark == b'"':
                scanned = self._string_end(block, token.end())
                continue
            elif mark in (b"[", b"{"):
                depth += 1
            elif mark in (b"]", b"}") and depth > 1:
                depth -= 1
            elif mark in (b",", b"]") and depth == 1:  # an extra } is part of the invalid element
                self._unfinished.add(block[start : token.start()], self._offset + start)
                yield from self._element(last=mark == b"]")
                start, depth = token.end(), int(mark == b",")
            scanned = token.end()
        if depth:
            self._unfinished.add(block[start:], self._offset + start)
        elif block[scanned:].strip():
            raise self._not_an_array(block[scanned:], self._offset + scanned)
        self._depth = depth
        self._offset += len(block)

    def _string_end(self, block: bytes, start: int) -> int:
        """Return where the string ends that goes on at `start`, which is the end of the block if it is not there."""
        end = start + 1 if self._escaped else start
        self._escaped = False
        while True:
            part = _IN_STRING.match(block, end)
            end = part.end() if part else len(block)
            if block.startswith(b'"', end):
                self._in_string = False
                return end + 1
            if end >= len(block) - 1:  # a backslash may be left, whose character is in the next block
                self._in_string, self._escaped = True, end == len(block) - 1
                return len(block)

    def finish(self) -> None:
        """Check that the array has ended.

        Raises:
            DataError: if it has not.
        """
        if self._depth:
            raise DataError(
                f"cannot read {self._source.name}: the JSON array is cut off after record {self._count}",
                "Have the file written again, complete.",
            )

    def _element(self, *, last: bool) -> Iterator[tuple[int, bytes | LongText]]:
        self._ended = last
        offset, text = self._unfinished.take()
        if text or self._count or not last:  # `[]` has no element
            self._count += 1
            yield offset, text

    def _not_an_array(self, text: bytes, offset: int) -> DataError:
        offset += len(text) - len(text.lstrip())
        name, remedy = self._source.name, "If the file has one document per line, use --input_format ldjson."
        if self._ended:
            return DataError(
                f"cannot read {name}: there is data after the end of the JSON array, near byte {offset}", remedy
            )
        return DataError(f"cannot read {name} as a JSON array: it does not start with [", remedy)


class _Unfinished:
    """The parts of an element in several blocks, of which only the beginning is kept if it is too long.

    Args:
        limit: the most bytes of an element.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._clear()

    def _clear(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._offset = 0

    def add(self, part: bytes, offset: int) -> None:
        """Add the next part.

        Args:
            part: the bytes.
            offset: of its first byte in the file.
        """
        if not self._size:
            self._offset = offset + len(part)
            part = part.lstrip()
            self._offset -= len(part)
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
        elif len(self._parts) != 1 or len(self._parts[0]) != EXCERPT_BYTES:
            self._parts = [b"".join(p[:EXCERPT_BYTES] for p in (*self._parts, part))[:EXCERPT_BYTES]]

    def take(self) -> tuple[int, bytes | LongText]:
        """Return the offset of the element and its text without blanks around it; the next part starts another."""
        offset, size, text = self._offset, self._size, b"".join(self._parts).rstrip()
        self._clear()
        return offset, text if size <= self._limit else LongText(text, size)


class _JsonArrayWriter(Writer):
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout
        self._separator = b"[\n"

    @override
    def write(self, batch: Batch) -> None:
        lines = self._layout.documents(batch)
        if lines:
            joined = lines.block.replace(b"\n", b",\n") if isinstance(lines, LineBlock) else b",\n".join(lines)
            self._file.write(self._separator + joined)
            self._separator = b",\n"

    @override
    def finish(self) -> None:
        self._file.write(b"[]\n" if self._separator == b"[\n" else b"\n]\n")


JSON_ARRAY = JsonArray()
