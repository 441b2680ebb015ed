"""A JSON array of objects, read and written in pieces (RFC 8259)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from typing_extensions import override

from model_etl.errors import DataError
from model_etl.formats.base import BatchBuilder, Format, Writer, utf8_error
from model_etl.formats.file_signatures import StartedFile
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import BATCH_BYTES, Batch, Source
from model_etl.records.strict_json import one_line
from model_etl.schema.fields import Field

# A whole string, a structural character, or the quote of a string that is not finished in the buffer.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},]|"', re.DOTALL)


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
            if error := None if text.isascii() else utf8_error(text):
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


def _elements(file: BinaryIO, source: Source) -> Iterator[tuple[int, bytes]]:
    """Yield the offset and the text of each element of an array."""
    started = StartedFile(file, source)
    scanner = _ArrayScanner(source, started.skipped)
    # Blocks as large as what is unfinished, so that a huge element is not copied too often.
    while block := started.read(max(BATCH_BYTES, len(scanner.unfinished))):
        yield from scanner.feed(block)
    scanner.finish()


class _ArrayScanner:
    """Finds the elements of an array in blocks of bytes.

    Args:
        source: the input, for errors.
        offset: the offset of the first block in the file.

    Attributes:
        unfinished: the bytes of the element that the last block did not finish.
    """

    def __init__(self, source: Source, offset: int) -> None:
        self.unfinished = b""
        self._source = source
        self._offset = offset  # of the first unfinished byte in the file
        self._scanned = 0  # bytes of `unfinished` that need not be scanned again
        self._depth = 0  # of brackets and braces: 1 between two elements, 0 before and after the array
        self._count = 0
        self._ended = False

    def feed(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the offset in the file and the text of each element that a block finishes.

        Raises:
            DataError: if there is anything but an array.
        """
        buffer = self.unfinished + block
        start, scanned, depth = 0, self._scanned, self._depth  # locals: the loop runs for each token
        while token := _TOKEN.search(buffer, scanned):
            mark = token.group()
            if depth == 0:
                if self._ended or mark != b"[" or buffer[scanned : token.start()].strip():
                    raise self._not_an_array(self._offset + scanned)
                depth, start = 1, token.end()
            elif mark == b'"':
                break  # a string that goes on in the next block
            elif mark in (b"[", b"{"):
                depth += 1
            elif mark in (b"]", b"}") and depth > 1:
                depth -= 1
            elif mark in (b",", b"]") and depth == 1:  # an extra } is part of the invalid element
                yield from self._element(buffer[start : token.start()], self._offset + start, last=mark == b"]")
                start, depth = token.end(), int(mark == b",")
            scanned = token.end()
        if depth == 0:
            if buffer[scanned:].strip():
                raise self._not_an_array(self._offset + scanned)
            start = len(buffer)
        self._scanned = (token.start() if token else len(buffer)) - start
        self._depth, self._offset, self.unfinished = depth, self._offset + start, buffer[start:]

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

    def _element(self, text: bytes, offset: int, *, last: bool) -> Iterator[tuple[int, bytes]]:
        self._ended = last
        stripped = text.strip()
        if stripped or self._count or not last:  # `[]` has no element
            self._count += 1
            yield offset + len(text) - len(text.lstrip()), stripped

    def _not_an_array(self, offset: int) -> DataError:
        name, remedy = self._source.name, "If the file has one document a line, use --input_format ldjson."
        if self._ended:
            return DataError(
                f"cannot read {name}: there is data after the end of the JSON array, near byte {offset}", remedy
            )
        return DataError(f"cannot read {name} as a JSON array: it does not start with [", remedy)


class _JsonArrayWriter(Writer):
    def __init__(self, file: BinaryIO, layout: Layout) -> None:
        self._file = file
        self._layout = layout
        self._separator = b"[\n"

    @override
    def write(self, batch: Batch) -> None:
        lines = self._layout.documents(batch)
        if lines:
            self._file.write(self._separator + b",\n".join(lines))
            self._separator = b",\n"

    @override
    def finish(self) -> None:
        self._file.write(b"[]\n" if self._separator == b"[\n" else b"\n]\n")


JSON_ARRAY = JsonArray()
