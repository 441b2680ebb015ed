"""The command `send`: sends records to a topic, from standard input line by line, or from a file with their origins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.messages import ORIGIN_HEADER, Headers, RecordOrigin
from model_etl.engines.kafka.producer import create_producer
from model_etl.engines.shared.pieces import InputPiece
from model_etl.errors import ConfigurationError, Interrupted, TryAgain, UsageError
from model_etl.formats import format_for
from model_etl.runtime.standard_streams import stdin_fd
from model_etl.runtime.system_errors import translate_storage_errors

FORMATS = ("ldjson", "rejects")
"""Formats of files whose records are sent unchanged."""
_MAX_UNACKNOWLEDGED = 10_000
"""The most messages that may wait for their acknowledgement."""
_READ_BYTES = 1 << 16
"""The most bytes to read from standard input at a time."""
_SHOWN_BYTES = 60
"""The most bytes of a record that an error message shows."""

OutgoingRecord = tuple[bytes, Headers]


async def send_records(
    connection: Connection, topic: str, file: str | None, key: str | None = None, input_format: str | None = None
) -> int:
    """Send the records of a file or of standard input.

    Args:
        connection: the connection to Kafka.
        topic: name of the topic.
        file: name of the file, or None for JSON Lines on standard input.
        key: the field whose value becomes the message key, or None for messages without a key.
        input_format: one of `FORMATS`, or None to tell it from the file's name.

    Returns:
        How many records were sent.

    Raises:
        ModelEtlError: if the file cannot be read, or Kafka refuses a record.
    """
    blocks = _read_stdin_lines() if file is None else read_file(file, input_format)
    sent = 0
    producer = create_producer(connection.client_options())
    try:
        await producer.start()
        for block in blocks:
            for start in range(0, len(block), _MAX_UNACKNOWLEDGED):
                sent += await _send_block(producer, topic, block[start : start + _MAX_UNACKNOWLEDGED], key)
    except KafkaError as exc:
        raise connection.translate_error(exc, f"sending to {topic}, after {sent:,} messages") from exc
    except Interrupted as exc:
        exc.remark = f"{sent:,} sent"
        raise
    finally:
        await producer.stop()
    return sent


async def _send_block(
    producer: AIOKafkaProducer, topic: str, records: Sequence[OutgoingRecord], key: str | None
) -> int:
    """Send records, and return their number once all are acknowledged."""
    acknowledgements = [
        await producer.send(topic, text, key=None if key is None else message_key(text, key), headers=headers)
        for text, headers in records
    ]
    for (text, _), acknowledgement in zip(records, acknowledgements, strict=True):
        try:
            await acknowledgement
        except MessageSizeTooLargeError as exc:
            raise ConfigurationError(
                f"{topic} does not take a record of {len(text)} bytes, which starts with {text[:_SHOWN_BYTES]!r}",
                "Raise max.message.bytes of the topic; the records after that one were not sent.",
            ) from exc
    return len(records)


def message_key(text: bytes, field: str) -> bytes | None:
    """Return the value of a record's field as a message key.

    Args:
        text: the record.
        field: name of the field.

    Returns:
        The content of a string, or the JSON text of any other value; None if the value is null, the field is missing,
        or the record is not valid JSON.
    """
    try:
        raw = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get(field)
        value = None if raw is None else msgspec.json.decode(raw)
    except ValueError:  # the processor will reject the record and log the cause
        return None
    return value.encode() if isinstance(value, str) else None if value is None else bytes(raw or b"")


def _read_stdin_lines() -> Iterator[list[OutgoingRecord]]:
    """Yield the lines of standard input as they arrive."""
    rest = b""
    while block := os.read(stdin_fd(), _READ_BYTES):  # blocks the event loop, when all records are acknowledged
        *lines, rest = (rest + block).split(b"\n")
        yield [(line.removesuffix(b"\r"), []) for line in lines if line.strip()]
    yield [(rest, [])] if rest.strip() else []


def read_file(name: str, input_format: str | None) -> Iterator[list[OutgoingRecord]]:
    """Yield the records of a file, each with its origin as a header.

    Args:
        name: name or location of the file.
        input_format: one of `FORMATS`, or None to tell it from the name.

    Raises:
        UsageError: if the file has another format.
        TryAgain: if the file was changed while it was read.
        ModelEtlError: if the file cannot be read.
    """
    from model_etl.services import locate  # noqa: PLC0415  standard input needs no file systems

    file_format, _ = format_for(name, input_format, "--input_format")
    if file_format.name not in FORMATS:
        raise UsageError(
            f"cannot send {name}: its format is {file_format.name}, not JSON Lines", "Convert it: one record per line."
        )
    location = locate(name)
    identity = location.identity()
    with translate_storage_errors("read", location.name), location.fs.openbin(location.path, "r") as file:
        yield from _with_origin_header(file, InputPiece(location.name, identity, input_format))
    if not location.stream and locate(name).identity() != identity:
        raise TryAgain(
            f"{location.name} changed while it was sent", "Send it again when no other program writes to it."
        )


def _with_origin_header(file: BinaryIO, piece: InputPiece) -> Iterator[list[OutgoingRecord]]:
    for batch in piece.read(file, {}):
        source = batch.source  # that of a rejects file's record is the record's original input
        records = list(zip(batch.positions, batch.offsets, batch.texts, strict=True))
        records += [(rejection.position, rejection.offset, rejection.text) for rejection in batch.rejected]
        yield [
            (text, [(ORIGIN_HEADER, msgspec.json.encode(RecordOrigin(source.name, source.identity, offset, position)))])
            for position, offset, text in sorted(records)
        ]
