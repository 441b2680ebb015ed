"""The interface of a file format, and the parts that formats share. A format only touches the file that it is given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from model_etl.errors import RecordError
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import BATCH_BYTES, Batch, Rejection, Source
from model_etl.schema.fields import Field

BATCH_RECORDS = 8192
"""The most records of a batch, in formats that are read record by record."""

EXCERPT_BYTES = 1000
"""How much of a record that is too long is in its reject."""


class Writer(Protocol):
    """Writes batches to a file, which it does not close."""

    def write(self, batch: Batch) -> None:
        """Write the output records of a batch."""

    def finish(self) -> None:
        """Write what belongs at the end of the file. Also called after a failure; the file is then discarded."""


class Format(Protocol):
    """A file format: reads a file into batches of records, and writes batches to a file.

    Attributes:
        name: the name for --input_format and --output_format.
        suffixes: the file name endings that identify the format, each with its dot.
        compressible: whether `.gz` or `.zst` may follow the suffix.
        media_type: the content type of an uncompressed file, for storages that keep content types.
    """

    name: str
    suffixes: tuple[str, ...]
    compressible: bool
    media_type: str

    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """Yield the records of a file in batches of about `BATCH_BYTES`.

        Args:
            file: open for reading, decompressed.
            source: the input that the records come from.
            fields: the model's input fields by name, for formats whose cells have no types of their own.

        Raises:
            DataError: if the file as a whole cannot be read. A single invalid record becomes a rejection instead.
        """

    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        """Return the JSON document of one record, as `read` builds it; used to score rejects again.

        Args:
            text: the record's original bytes.
            header: the header of its source.
            fields: the model's input fields by name.

        Raises:
            RecordError: with stage "parse".
        """

    def check_published(self, document: bytes, source: Source) -> None:  # noqa: ARG002  most formats have nothing to check
        """Check that a record which is scored again may be published; by default it may.

        Args:
            document: the record, as `document` returned it.
            source: the rejects file, which says which fields are published.

        Raises:
            RecordError: with stage "parse", as when the record was read from its own file.
        """
        return

    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """Return a writer for a new file."""


class BatchBuilder:
    """Collects records one by one into batches.

    Args:
        source: the input that the records come from.

    Attributes:
        position: the number of the last record that was added or rejected, from 1; 0 before the first.
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
        """Add the next record.

        Args:
            offset: the offset of its first byte in the decompressed input.
            text: its original bytes, without the line ending.
            document: the record as one line of JSON.
        """
        self.position += 1
        self._bytes += len(text)
        self._positions.append(self.position)
        self._offsets.append(offset)
        self._texts.append(text)
        self._documents.append(document)

    def reject(self, offset: int, text: bytes, error: RecordError) -> None:
        """Add the next record as a rejection, because it cannot be parsed."""
        self.position += 1
        self._bytes += len(text) + len(self.source.header)  # a reject has both
        self._rejected.append(
            Rejection(self.source, self.position, offset, text, None, error.stage, error.type_name, error.message)
        )

    def reject_long(self, offset: int, record: bytes | LongText) -> None:
        """Reject the next record, because it is longer than permitted; only its beginning is kept.

        Args:
            offset: the offset of its first byte in the decompressed input.
            record: its original bytes, or the beginning of them.
        """
        self.position += 1
        self._bytes += EXCERPT_BYTES
        self._rejected.append(long_rejection(self.source, self.position, offset, record))

    @property
    def full(self) -> bool:
        """Whether the batch has reached its size and should be taken."""
        scale = self.source.scale
        count = len(self._texts) + len(self._rejected)
        return self._bytes >= BATCH_BYTES * scale or count >= BATCH_RECORDS * scale

    def take(self) -> Iterator[Batch]:
        """Yield the collected records as a batch, if there are any, and start the next batch."""
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

    def empty_batch(self) -> Batch:
        """Return a batch without records, by which a table without records makes its columns known."""
        return Batch(self.source, (), (), (), ())


@dataclass(frozen=True)
class LongText:
    """A record that is longer than permitted.

    Attributes:
        beginning: its first bytes; at least `EXCERPT_BYTES`, if it has as many.
        size: the number of its bytes.
    """

    beginning: bytes
    size: int


def long_rejection(source: Source, position: int, offset: int, record: bytes | LongText) -> Rejection:
    """Return the rejection of a record that is longer than permitted, with the beginning of its text.

    Args:
        source: the input that it comes from.
        position: its number.
        offset: its offset.
        record: its original bytes, or the beginning of them.
    """
    beginning, size = (record.beginning, record.size) if isinstance(record, LongText) else (record, len(record))
    text = beginning[:EXCERPT_BYTES]
    if size > len(text):
        text = text[: len(text) - _incomplete_character(text)]
    limit = source.max_record_size
    message = f"the record has {size:,} bytes, more than the {limit:,} of --max_record_size"
    if source.format == "ldjson" and text.lstrip().startswith(b"["):
        message += "; is the file a JSON array? then use --input_format json"
    return Rejection(source, position, offset, text, None, "parse", "RecordTooLong", message, cut=size > len(text))


_FIRST_OF_SEVERAL = 0xC0
"""The least first byte of a character of UTF-8 that has several bytes."""


def _incomplete_character(text: bytes) -> int:
    """Return how many bytes at the end of a text may be a character of UTF-8 that is cut off."""
    for count in range(1, min(4, len(text) + 1)):
        if text[-count] >= _FIRST_OF_SEVERAL:
            return count
    return 0


def utf8_error(text: bytes, encoding: str = "utf-8") -> RecordError | None:
    """Return the error of a record whose text is not UTF-8, or not in another encoding; None if it is."""
    try:
        text.decode(encoding)
    except UnicodeDecodeError as exc:
        is_utf8 = encoding == "utf-8"
        name = "UTF-8" if is_utf8 else encoding
        reason = f"not {name}: byte 0x{text[exc.start]:02x} at byte {exc.start + 1} of the record"
        return RecordError("parse", "InvalidUTF8" if is_utf8 else "InvalidEncoding", reason)
    return None


def column_names(layout: Layout, first: Collection[str], source: Source | None) -> list[str]:
    """Return the columns of an output table, which has the same columns in every row.

    Args:
        layout: the layout of the output records.
        first: the field names of the first output record; empty if there is none.
        source: the input of that record, or an input without records; None if nothing is known of any input.
    """
    if not layout.join:
        return [*layout.keep, *layout.outputs] if layout.outputs else list(first or layout.keep)
    # The first record of a table lacks the fields whose cells are empty. Other records have what the first one has.
    originals = source.column_names if source is not None else ()
    if not originals:
        originals = [name for name in first if name not in layout.outputs] if first else list(layout.inputs)
    return list(dict.fromkeys([*originals, *layout.outputs, *first]))
