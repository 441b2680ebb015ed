"""Kafka messages as batches of records, and the results as messages again. Pure: it talks to no broker.

A message's value is one record. The prediction id depends on where the record was first stored: in a file, if the
message has the header `ORIGIN_HEADER`, which the command `send` writes; otherwise in the message itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, NamedTuple, Protocol

import msgspec

from model_etl.engines.shared.scoring import Scored
from model_etl.errors import RecordError
from model_etl.formats.base import BatchBuilder, utf8_error
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Batch, Source
from model_etl.records.strict_json import one_line

ORIGIN_HEADER = "model_etl.place"
"""Name of the header with a `RecordOrigin` as JSON."""
PREDICTION_ID_HEADER = "model_etl.id"
"""Name of the header with the prediction id, by which a reader finds the log event, and duplicates."""

_OWN_HEADERS = "model_etl."
"""Start of the names of the headers of this engine."""

Headers = list[tuple[str, bytes | None]]
EVENT_HEADERS: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
"""Marks a message as an event in structured mode (Kafka Protocol Binding for CloudEvents 1.0, section 3.3)."""


class Message(Protocol):
    """The attributes that are used of a consumed message."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class RecordOrigin(msgspec.Struct):
    """Where in a file a record was stored; the fields have the names of the rejects file.

    Attributes:
        input: the file as the user named it.
        source: identity of the file, 32 hexadecimal digits.
        offset: of the record's first byte, from 0.
        position: of the record, from 1.
    """

    input: str
    source: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    offset: Annotated[int, msgspec.Meta(ge=0)]
    position: Annotated[int, msgspec.Meta(ge=1)]


class _Event(msgspec.Struct):
    id: str


class OutgoingMessage(NamedTuple):
    """A message to send.

    Attributes:
        input_message: the consumed message that it results from.
        value: the value to send.
        headers: the headers to send.
    """

    input_message: Message
    value: bytes
    headers: Headers


@dataclass
class PartitionResults:
    """The results of the messages of one partition, in the order of the messages.

    Attributes:
        outputs: the predictions.
        log: the events of the prediction log.
        errors: the rejects.
        withheld: number of records that a business rule withheld.
    """

    outputs: list[OutgoingMessage] = field(default_factory=list)
    log: list[OutgoingMessage] = field(default_factory=list)
    errors: list[OutgoingMessage] = field(default_factory=list)
    withheld: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Number of records by outcome, under the names of the run report."""
        return {"written": len(self.outputs), "rejected": len(self.errors), "withheld": self.withheld}


class MessageBatch(NamedTuple):
    """Messages whose records have the same source, as a batch.

    Attributes:
        batch: the records.
        messages: the messages by position of their record, in rising order.
    """

    batch: Batch
    messages: Mapping[int, Message]


def batch_messages(
    messages: Sequence[Message], default_source: Source, refusal: RecordError | None = None
) -> Iterator[MessageBatch]:
    """Group the messages of one partition into batches: a batch has one source, and its positions rise.

    Args:
        messages: in the order of their offsets.
        default_source: the source of messages without an origin header.
        refusal: why the messages are rejected without being scored, or None to score them.
    """
    builders: dict[Source, tuple[BatchBuilder, dict[int, Message]]] = {}
    for message in messages:
        source, position, offset = _locate_record(message, default_source)
        builder, by_position = builders.get(source) or builders.setdefault(source, (BatchBuilder(source), {}))
        if position <= builder.position:  # sent twice, or by two senders at the same time
            yield from (MessageBatch(batch, by_position) for batch in builder.take())
            builder, by_position = builders[source] = (BatchBuilder(source), {})
        builder.position = position - 1
        text = message.value or b""
        if error := refusal or _value_error(message):
            builder.reject(offset, text, error)
        else:
            builder.add(offset, text, one_line(text))
        by_position[position] = message
    for builder, by_position in builders.values():
        yield from (MessageBatch(batch, by_position) for batch in builder.take())


def _locate_record(message: Message, default_source: Source) -> tuple[Source, int, int]:
    """Return the source, position and offset of a message's record."""
    for name, value in message.headers:
        if name == ORIGIN_HEADER and value is not None:
            try:
                origin = msgspec.json.decode(value, type=RecordOrigin)
            except ValueError:  # another program's header of the same name does not make the record invalid
                break
            return Source(origin.input, origin.source, LDJSON.name), origin.position, origin.offset
    return default_source, message.offset + 1, message.offset


def _value_error(message: Message) -> RecordError | None:
    """Return why a message's value cannot be a record, or None if it is UTF-8."""
    if message.value is None:
        return RecordError("parse", "NoValue", "the message has no value (a tombstone)")
    return None if message.value.isascii() else utf8_error(message.value)


def collect_results(scored: Sequence[tuple[MessageBatch, Scored]]) -> PartitionResults:
    """Collect the results of one partition, in the order of its messages.

    Args:
        scored: the partition's batches, each with what the scorer returned for it.

    Raises:
        AssertionError: if the results do not account for every message.
    """
    collected = PartitionResults()
    for (_, messages), result in scored:
        rejected = sorted(result.batch.rejected, key=lambda rejection: rejection.position)
        if len(messages) != len(result.batch) + len(rejected) + result.withheld:
            raise AssertionError(f"{len(messages)} messages were scored, but the results are {result.counts}")
        events = result.events.split(b"\n")[:-1]
        id_headers: dict[int, Headers] = {}
        if events:
            for position, event in zip(messages, events, strict=True):
                prediction_id = msgspec.json.decode(event, type=_Event).id
                id_headers[position] = [(PREDICTION_ID_HEADER, prediction_id.encode())]
                collected.log.append(OutgoingMessage(messages[position], event, EVENT_HEADERS))
        for position, prediction in zip(result.batch.positions, result.predictions, strict=True):
            headers = _passed_on(messages[position]) + id_headers.get(position, [])
            collected.outputs.append(OutgoingMessage(messages[position], bytes(prediction), headers))
        for rejection, line in zip(rejected, result.rejects.split(b"\n")[:-1], strict=True):
            message = messages[rejection.position]
            headers = _passed_on(message) + id_headers.get(rejection.position, [])
            collected.errors.append(OutgoingMessage(message, _with_message_location(line, message), headers))
        collected.withheld += result.withheld
    for outgoing in (collected.outputs, collected.log, collected.errors):
        outgoing.sort(key=lambda result: result.input_message.offset)
    return collected


def _passed_on(message: Message) -> Headers:
    """Return the headers of a message that its results have, too: those of its producer."""
    return [(name, value) for name, value in message.headers if not name.startswith(_OWN_HEADERS)]


def _with_message_location(line: bytes, message: Message) -> bytes:
    """Add the topic, partition and offset of the message to a line of the rejects file."""
    location = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    return line[:-1] + b',"kafka":' + msgspec.json.encode(location) + b"}"
