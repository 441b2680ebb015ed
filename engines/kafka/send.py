"""Sends records to a topic: lines as they come, or a file whose records then keep the places that they have in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import msgspec
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.messages import PLACE, Headers, Place
from model_etl.engines.kafka.sending import producer
from model_etl.engines.shared.pieces import InputPiece
from model_etl.errors import ConfigurationError, Interrupted, TryAgain, UsageError, storage_error
from model_etl.formats import format_for
from model_etl.runtime.standard_streams import stdin_fd

FORMATS = ("ldjson", "rejects")
"""Formats of a file whose records are sent as they are."""
_TOGETHER = 10_000
"""How many messages may wait to be acknowledged."""

Record = tuple[bytes, Headers]


async def send(
    connection: Connection, topic: str, file: str | None, key: str | None = None, form: str | None = None
) -> int:
    """Send records.

    Args:
        connection: where to.
        topic: its name.
        file: JSON Lines; None is standard input.
        key: field of the records whose value is the messages' key, or None for messages without one.
        form: one of `FORMATS`, or None for JSON Lines.

    Returns:
        How many were sent.

    Raises:
        ModelEtlError: if the file cannot be read, or Kafka refuses a record.
    """
    blocks = _typed() if file is None else filed(file, form)
    sent = 0
    one = producer(connection.options())
    try:
        await one.start()
        for block in blocks:
            for start in range(0, len(block), _TOGETHER):
                sent += await _sent(one, topic, block[start : start + _TOGETHER], key)
    except KafkaError as exc:
        raise connection.failure(exc, f"sending to {topic}, after {sent:,} messages") from exc
    except Interrupted as exc:
        exc.remark = f"{sent:,} sent"
        raise
    finally:
        await one.stop()
    return sent


async def _sent(one: Any, topic: str, records: Sequence[Record], key: str | None) -> int:
    waiting = [
        await one.send(topic, text, key=None if key is None else key_of(text, key), headers=headers)
        for text, headers in records
    ]
    for (text, _), future in zip(records, waiting, strict=True):
        try:
            await future
        except MessageSizeTooLargeError as exc:
            raise ConfigurationError(
                f"{topic} does not take a record of {len(text)} bytes, which starts with {text[:60]!r}",
                "Raise max.message.bytes of the topic; what comes after that record was not sent.",
            ) from exc
    return len(records)


def key_of(text: bytes, field: str) -> bytes | None:
    """Give a record's field as a message's key: a text as it is, all else as JSON; None if there is no such field."""
    try:
        found = msgspec.json.decode(text, type=dict[str, msgspec.Raw]).get(field)
        value = None if found is None else msgspec.json.decode(found)
    except ValueError:  # the processor will say what is wrong with it
        return None
    return value.encode() if isinstance(value, str) else None if value is None else bytes(found or b"")


def _typed() -> Iterator[list[Record]]:
    """Yield the lines of standard input as they come."""
    rest = b""
    while block := os.read(stdin_fd(), 1 << 16):  # keeps others waiting, but then all that came is acknowledged
        *lines, rest = (rest + block).split(b"\n")
        yield [(line.removesuffix(b"\r"), []) for line in lines if line.strip()]
    yield [(rest, [])] if rest.strip() else []


def filed(name: str, wanted: str | None) -> Iterator[list[Record]]:
    """Yield the records of a file, with their places.

    Args:
        name: of the file.
        wanted: its format, if the name does not tell it.

    Raises:
        ModelEtlError: if it cannot be read, is of another format, or changes meanwhile.
    """
    from model_etl.services import locate  # noqa: PLC0415  the file systems are needed for files only

    form, _ = format_for(name, wanted, "--input_format")
    if form.name not in FORMATS:
        raise UsageError(f"cannot send {name}: it is no JSON Lines", "Convert it, one record a line.")
    location = locate(name)
    identity = location.identity()
    try:
        with location.fs.openbin(location.path, "r") as file:
            yield from _placed(file, InputPiece(location.name, identity, wanted))
    except Exception as exc:
        if isinstance(exc, (OSError, EOFError)) or type(exc).__module__ == "fs.errors":
            raise storage_error(exc, "read", location.name) from exc
        raise
    if not location.stream and locate(name).identity() != identity:
        raise TryAgain(f"{location.name} changed while it was sent", "Send it again when nobody writes to it any more.")


def _placed(file: BinaryIO, split: InputPiece) -> Iterator[list[Record]]:
    for batch in split.read(file, {}):
        source = batch.source  # that of a reject is where it came from at first
        stood = list(zip(batch.positions, batch.offsets, batch.texts, strict=True))
        stood += [(rejection.position, rejection.offset, rejection.text) for rejection in batch.rejected]
        yield [
            (text, [(PLACE, msgspec.json.encode(Place(source.name, source.identity, offset, position)))])
            for position, offset, text in sorted(stood)
        ]
