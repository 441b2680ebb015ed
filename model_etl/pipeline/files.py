"""The input and output files of a graph: decoded from, or encoded to, their format and compression, and counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from model_etl.errors import DataError
from model_etl.formats.base import Format, Writer
from model_etl.formats.compression import (
    Compression,
    compressed,
    content_encoding,
    decoded,
    decompressed,
    first_bytes,
    is_compressed,
)
from model_etl.formats.output_layout import Layout
from model_etl.publishing.storage import BinaryOpener
from model_etl.records.batch import Batch, Source
from model_etl.records.run_counts import CountingReader, CountingWriter, FileCounts
from model_etl.runtime.system_errors import translate_storage_errors
from model_etl.schema.fields import Field

_DIGEST_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class InputFile:
    """A file to read.

    Attributes:
        path: its path in the injected file system.
        file_format: its format.
        compression: its compression.
        source: the source of its records.
        counts: counts what is read.
        compression_is_set: whether the user has named the compression, so that nothing else decides it.
    """

    path: str
    file_format: Format
    compression: Compression
    source: Source
    counts: FileCounts = field(default_factory=FileCounts)
    compression_is_set: bool = False

    @contextlib.contextmanager
    def opened(self, fs: BinaryOpener) -> Iterator[BinaryIO]:
        """Open the file for the length of the block.

        Raises:
            ModelEtlError: if it cannot be read.
        """
        with translate_storage_errors("read", self.source.name), fs.openbin(self.path, "r") as file:
            yield file

    def read(self, file: BinaryIO, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """Yield the batches of the opened file, not yet decoded.

        Args:
            file: what `opened` yields.
            fields: the model's input fields.

        Raises:
            ModelEtlError: if the file cannot be read, or is not in its format.
        """
        with translate_storage_errors("read", self.source.name):
            yield from self.file_format.read(self._decompressed(file), self.source, fields)

    def _decompressed(self, file: BinaryIO) -> BinaryIO:
        encoding = content_encoding(file)
        if not self.file_format.compressible:  # such a format is read in any order, so it is digested beforehand
            if encoding:
                self._refuse_encoded(file, encoding)
            if self.counts.hashed and file.seekable():
                while block := file.read(_DIGEST_BLOCK_BYTES):
                    self.counts.add(block)
                file.seek(0)
            return file
        counting = cast("BinaryIO", CountingReader(file, self.counts))
        if encoding and not self.compression_is_set:
            return decoded(counting, first_bytes(file), encoding, self.compression, self.source.name)
        return decompressed(counting, self.compression, self.source.name)

    def _refuse_encoded(self, file: BinaryIO, encoding: str) -> None:
        """Check that a file of a format that is read in any order is not compressed as a whole.

        Raises:
            DataError: if it is.
        """
        if is_compressed(first_bytes(file)):
            raise DataError(
                f"cannot read {self.source.name} as {self.file_format.name}: it is compressed, its Content-Encoding is"
                f" {encoding}",
                f"{self.file_format.name.capitalize()} files have their own compression: store it as it is.",
            )


@dataclass(frozen=True)
class OutputFile:
    """A file to write.

    Attributes:
        path: its path in the injected file system.
        name: its name in error messages.
        file_format: its format.
        compression: its compression.
        counts: counts what is written.
    """

    path: str
    name: str
    file_format: Format
    compression: Compression
    counts: FileCounts = field(default_factory=FileCounts)

    @contextlib.contextmanager
    def opened(self, fs: BinaryOpener, layout: Layout) -> Iterator[Writer]:
        """Open the file for the length of the block; write the end of its format only if nothing is raised.

        Raises:
            ModelEtlError: if it cannot be written.
        """
        with translate_storage_errors("write", self.name), fs.openbin(self.path, "w") as file:
            counting = cast("BinaryIO", CountingWriter(file, self.counts))
            stream = compressed(counting, self.compression)
            writer = self.file_format.writer(stream, layout)
            yield writer
            writer.finish()
            if stream is not counting:
                stream.close()
