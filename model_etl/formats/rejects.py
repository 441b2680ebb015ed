"""The rejects file: one JSON object a line for each rejected record, with all that is needed to score it again.

The first members are for people: position, stage, type, message, code (file and line, where code of a model or a rule
raised the exception) and text. The others say where the text came from (input, format, offset, source and, for CSV and
TSV, header and dialect), so that `model-etl retry` gives the record its original position and prediction id. What is
not text in its encoding, or has many control characters, is written in base64, as `text_base64` or `header_base64`. The
member `cut` says that the text is only the beginning of a record that is too long. A long header is written once; other
rejects name it by its `header_sha256`.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

import msgspec
from typing_extensions import override

from model_etl.errors import DataError, RecordError, UsageError
from model_etl.formats.base import BATCH_RECORDS, Format, Writer, long_rejection
from model_etl.formats.csv_dialect import dialect_of
from model_etl.formats.csv_tsv import Delimited
from model_etl.formats.json_lines import LDJSON
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Rejection, Source
from model_etl.records.dialect import PLAIN, Dialect
from model_etl.records.strict_json import grows_in_json, one_line, parse_object
from model_etl.schema.fields import Field

_LONG_HEADER_BYTES = 256
"""Headers up to this length are written with each reject, so that each line of a rejects file can be used alone."""

_LINE_TO_TEXT = 4
"""How many times longer than a record its line may be: JSON doubles quotes and line ends, and repeats a header."""
_OTHER_MEMBERS_BYTES = 1024 * 1024


class RejectedText(NamedTuple):
    """One line of a rejects file, without its reasons.

    Attributes:
        source: the input that the record originally came from.
        position: the record's number in that input, from 1.
        offset: the byte offset of the record in that input.
        text: the exact original bytes.
        cut: whether the text is only the beginning of the record.
    """

    source: Source
    position: int
    offset: int
    text: bytes
    cut: bool


def encode(rejections: Iterable[Rejection], written: set[str] | None = None) -> bytes:
    """Return the lines of a rejects file for rejections of one input, in the order of their positions.

    Args:
        rejections: the rejections.
        written: the digests of the long headers that the file has; gets those that are added. None if the lines may be
            separated from each other, so that each needs its header.
    """
    in_order = sorted(rejections, key=lambda r: r.position)
    return b"".join(msgspec.json.encode(_members(r, written)) + b"\n" for r in in_order)


def decode(line: bytes, headers: dict[str, bytes]) -> RejectedText:
    """Parse a line that `encode` wrote.

    Args:
        line: the line.
        headers: the long headers of the lines before it by their digests; gets that of the line.

    Raises:
        RecordError: if it is not a JSON object.
        KeyError, TypeError, ValueError: if a member is missing or has the wrong type.
    """
    members = parse_object(line)
    header = _bytes_of(members, "header") if "header" in members or "header_base64" in members else b""
    if "header_sha256" in members:
        header = headers.get(str(members["header_sha256"]), b"")
        if not header:
            raise ValueError("no line before it has its header; keep the first reject of each input")
    elif len(header) > _LONG_HEADER_BYTES:
        header = headers.setdefault(hashlib.sha256(header).hexdigest(), header)
    dialect = dialect_of(members.get("dialect") or {})
    source = Source(str(members["input"]), str(members["source"]), members["format"], header, dialect)
    text = _bytes_of(members, "text", dialect.encoding)
    return RejectedText(source, int(members["position"]), int(members["offset"]), text, "cut" in members)


def _members(rejection: Rejection, written: set[str] | None) -> dict[str, Any]:
    source = rejection.source
    members: dict[str, Any] = {
        "position": rejection.position,
        "stage": rejection.stage,
        "type": rejection.type_name,
        "message": rejection.message,
        **({"code": rejection.code} if rejection.code else {}),
        **_text_member("text", rejection.text, source.dialect.encoding),
        **({"cut": True} if rejection.cut else {}),
        "input": source.name,
        "format": source.format,
        "offset": rejection.offset,
        "source": source.identity,
        **({"dialect": source.dialect.as_members()} if source.dialect else {}),
    }
    if not source.header:
        return members
    if written is not None and len(source.header) > _LONG_HEADER_BYTES:
        digest = source.header_sha256
        if digest in written:
            return {**members, "header_sha256": digest}
        written.add(digest)
    return {**members, **_text_member("header", source.header)}


def _text_member(name: str, text: bytes, encoding: str | None = None) -> dict[str, str]:
    with contextlib.suppress(UnicodeError):
        shown = text.decode(encoding or "utf-8")
        if not grows_in_json(text) and (encoding is None or shown.encode(encoding) == text):
            return {name: shown}
    return {f"{name}_base64": base64.b64encode(text).decode()}


def _bytes_of(members: Mapping[str, Any], name: str, encoding: str | None = None) -> bytes:
    """Return the bytes that `_text_member` encoded."""
    encoded = members.get(f"{name}_base64")
    if encoded is None:
        return str(members[name]).encode(encoding or "utf-8")
    return base64.b64decode(encoded, validate=True)


class RejectsFile(Format):
    """The input format `rejects`: each record is read back with its original position and source.

    Args:
        formats: the formats that the rejected texts can be in, by name.
    """

    name = "rejects"
    suffixes = ()
    compressible = True
    media_type = "application/x-ndjson"

    def __init__(self, formats: Mapping[str, Format]) -> None:
        self._formats = formats
        self._dialect = PLAIN

    def with_dialect(self, dialect: Dialect) -> RejectsFile:
        """Return the same format, for rejected rows that are to be read in another way than when they were rejected."""
        bound = copy.copy(self)
        bound._dialect = dialect  # noqa: SLF001
        return bound

    @override
    def read(self, file: BinaryIO, source: Source, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """Yield the records of a rejects file; all records of a batch have the same original input.

        Raises:
            DataError: if a line was not written by `encode`.
        """
        group: list[RejectedText] = []
        headers: dict[str, bytes] = {}
        longest = _LINE_TO_TEXT * source.max_record_size + _OTHER_MEMBERS_BYTES
        for lines in LDJSON.read(file, dataclasses.replace(source, max_record_size=longest), {}):
            if lines.rejected:
                raise _invalid_line(source, lines.rejected[0].position, lines.rejected[0].message)
            for number, line in zip(lines.positions, lines.texts, strict=True):
                record = self._decode(line, number, source, headers)
                if group and (not _continues(record, group) or len(group) >= BATCH_RECORDS):
                    yield self._batch(group, fields, source)
                    group = []
                group.append(record)
        if group:
            yield self._batch(group, fields, source)

    @override
    def document(self, text: bytes, header: bytes, fields: Mapping[str, Field]) -> bytes:
        """Raise a `RecordError`: a record that is rejected again has the format of its original text."""
        raise RecordError("parse", "NotAReject", "the text of a reject cannot be in the format rejects")

    @override
    def writer(self, file: BinaryIO, layout: Layout) -> Writer:
        """Raise a `UsageError`: predictions cannot be written as rejects."""
        raise UsageError("rejects is a format for input only", "Choose another --output_format.")

    def _decode(self, line: bytes, number: int, source: Source, headers: dict[str, bytes]) -> RejectedText:
        try:
            record = decode(line, headers)
            known = record.source.format in self._formats
        except (RecordError, LookupError, ValueError, TypeError, OverflowError) as exc:
            raise _invalid_line(source, number, str(exc)) from exc
        if not known:
            raise _invalid_line(source, number, f"its format {record.source.format!r} is unknown")
        return record

    def _batch(self, group: list[RejectedText], fields: Mapping[str, Field], file: Source) -> Batch:
        source = group[0].source
        text_format = self._formats[source.format]
        dialect = self._dialect.over(source.dialect)
        if dialect and isinstance(text_format, Delimited):
            text_format = text_format.with_dialect(dialect)
            source = dataclasses.replace(source, dialect=text_format.dialect_of_texts)
        parsed: list[tuple[int, int, bytes, bytes]] = []
        rejected: list[Rejection] = []
        for _, position, offset, text, cut in group:
            if cut:
                message = (
                    "only the beginning of the text was kept; score its input again with a larger --max_record_size"
                )
                rejected.append(
                    Rejection(source, position, offset, text, None, "parse", "RecordTooLong", message, cut=True)
                )
                continue
            if len(text) > file.max_record_size:
                limited = dataclasses.replace(source, max_record_size=file.max_record_size)
                rejected.append(long_rejection(limited, position, offset, text))
                continue
            try:
                document = one_line(text_format.document(text, source.header, fields))
                text_format.check_published(document, file)
                parsed.append((position, offset, text, document))
            except RecordError as exc:
                rejected.append(Rejection(source, position, offset, text, None, exc.stage, exc.type_name, exc.message))
        positions, offsets, texts, documents = zip(*parsed, strict=True) if parsed else ((), (), (), ())
        return Batch(source, positions, offsets, texts, documents, rejected=tuple(rejected))


def _continues(record: RejectedText, group: Sequence[RejectedText]) -> bool:
    """Return whether a record can be in the batch of others: positions grow in a batch."""
    return record.source == group[0].source and record.position > group[-1].position


def _invalid_line(source: Source, number: int, reason: str) -> DataError:
    return DataError(
        f"line {number} of {source.name} is not a reject: {reason}", "Pass a file that a run wrote with --rejects."
    )
