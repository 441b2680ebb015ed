"""What a format is: bytes to batches of records, and batches to bytes. Pure but for the file object it is handed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Protocol

from model_etl.errors import DataError, RecordError
from model_etl.formats.output_layout import Layout, columns_of
from model_etl.records.batch import BATCH_BYTES, Batch, Rejection, Source
from model_etl.schema.fields import Field

BATCH_RECORDS = 8192
"""How many records a batch holds at most, in formats that are read record by record."""

BOM = b"\xef\xbb\xbf"


class Writer(Protocol):
    """Writes batches into one file, which it does not close."""

    def write(self, batch: Batch) -> None:
        """Write the records of one batch."""

    def finish(self) -> None:
        """Write what belongs at the end. Called after a failure too: what was written is then thrown away."""


class Format(Protocol):
    """One file format.

    Attributes:
        name: as given to --input_format and --output_format.
        suffixes: file name endings that tell it, with the dot.
        compressible: whether `.gz` or `.zst` may follow the suffix.
        media_type: what a storage that keeps content types is told, if it is not compressed.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """See above."""

    @property
    def compressible(self) -> bool:
        """See above."""

    @property
    def media_type(self) -> str:
        """See above."""

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """Yield the records of a file in batches of about `BATCH_BYTES`.

        Args:
            file: open for reading, decompressed.
            source: what the records are said to come from.
            fields: the model's input fields, for formats whose cells have no types of their own.

        Raises:
            DataError: if the file as a whole makes no sense. A bad record becomes a rejection instead.
        """

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        """Give the JSON document of one record from its text, as `read` made it; for scoring rejects again.

        Raises:
            RecordError: with stage "parse".
        """

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """Start a file."""


class BatchBuilder:
    """Collects records one by one into batches.

    Args:
        source: where they come from.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.position = 0
        self._clear()

    def _clear(self) -> None:
        self._positions: list[int] = []
        self._offsets: list[int] = []
        self._texts: list[bytes] = []
        self._documents: list[bytes] = []
        self._rejected: list[Rejection] = []
        self._bytes = 0

    def add(self, offset: int, text: bytes, document: bytes) -> None:
        """Take the next record."""
        self.position += 1
        self._bytes += len(text)
        self._positions.append(self.position)
        self._offsets.append(offset)
        self._texts.append(text)
        self._documents.append(document)

    def reject(self, offset: int, text: bytes, error: RecordError) -> None:
        """Take the next record, which cannot be parsed."""
        self.position += 1
        self._bytes += len(text)
        self._rejected.append(
            Rejection(self.source, self.position, offset, text, None, error.stage, error.type_name, error.message)
        )

    @property
    def full(self) -> bool:
        """Whether it is time to take the batch."""
        return self._bytes >= BATCH_BYTES or len(self._texts) + len(self._rejected) >= BATCH_RECORDS

    def take(self) -> Iterator[Batch]:
        """Yield what was collected, if anything, and start anew."""
        if self._texts or self._rejected:
            yield Batch(
                source=self.source,
                positions=self._positions,
                offsets=self._offsets,
                texts=self._texts,
                documents=self._documents,
                rejected=tuple(self._rejected),
            )
            self._clear()


def check_start(start: bytes, source: Source) -> int:
    """Look at the first bytes of a text file.

    Returns:
        How many of them are a byte-order mark to be skipped.

    Raises:
        DataError: if they show that it is no UTF-8 text.
    """
    signs = {
        b"\xff\xfe": ("in UTF-16", "Convert it to UTF-8, for example with iconv."),
        b"\xfe\xff": ("in UTF-16", "Convert it to UTF-8, for example with iconv."),
        b"\x1f\x8b": ("compressed with gzip", "Let its name end in .gz."),
        b"\x28\xb5\x2f\xfd": ("compressed with zstd", "Let its name end in .zst."),
        b"PAR1": ("a Parquet file", "Use --input_format parquet, or a name that ends in .parquet."),
    }
    for sign, (what, remedy) in signs.items():
        if start.startswith(sign):
            raise DataError(f"cannot read {source.name} as {source.format}: it is {what}", remedy)
    return len(BOM) if start.startswith(BOM) else 0


def utf8_error(text: bytes) -> RecordError | None:
    """Tell what is wrong with a text that should be UTF-8, if anything."""
    try:
        text.decode()
    except UnicodeDecodeError as exc:
        why = f"not UTF-8: byte 0x{text[exc.start]:02x} at byte {exc.start + 1} of the record"
        return RecordError("parse", "InvalidUTF8", why)
    return None


def column_names(layout: Layout, first: Mapping[str, Any], source: Source) -> list[str]:
    """Give the columns of a table, given the first output record and its input: all must have the same."""
    if not layout.join:
        return [*layout.keep, *layout.outputs] if layout.outputs else list(first)
    # The first record of a table lacks the fields whose cells are empty.
    return list(dict.fromkeys([*columns_of(source), *first]))
