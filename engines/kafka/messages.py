"""Kafka's messages as batches of records, and what came of them as messages again. Pure: it touches no broker.

A message's value is one record. Its place, which its prediction id is made of, is the message's own place in Kafka; or
the record's place in a file, if the header `PLACE` tells it: `send` writes it.
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

PLACE = "model_etl.place"
"""Name of the header that says where in a file a record stood."""
ID = "model_etl.id"
"""Name of the header with the prediction id, by which a reader finds the log's event, and duplicates."""

Headers = list[tuple[str, bytes]]
EVENT: Headers = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
"""Says of a message that it is an event of the log; see CloudEvents' binding to Kafka."""


class Message(Protocol):
    """What we need of a message that was read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Place(msgspec.Struct):
    """Where in a file a record stands; the names are those of the rejects file."""

    input: str
    source: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
    offset: Annotated[int, msgspec.Meta(ge=0)]
    position: Annotated[int, msgspec.Meta(ge=1)]


class _Event(msgspec.Struct):
    id: str


class Outgoing(NamedTuple):
    """A message to be sent, which came of one that was read."""

    origin: Message
    value: bytes
    headers: Headers


@dataclass
class Results:
    """What came of the messages of a partition, in their order.

    Attributes:
        outputs: the predictions.
        log: the prediction log's events.
        errors: the rejects.
        withheld: how many records a rule held back.
    """

    outputs: list[Outgoing] = field(default_factory=list)
    log: list[Outgoing] = field(default_factory=list)
    errors: list[Outgoing] = field(default_factory=list)
    withheld: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many records had which outcome, as a report counts them."""
        return {"written": len(self.outputs), "rejected": len(self.errors), "withheld": self.withheld}


class Portion(NamedTuple):
    """The messages of one source, as a batch.

    Attributes:
        batch: the records.
        messages: those that they came from, by the records' positions, which rise.
    """

    batch: Batch
    messages: Mapping[int, Message]


def portions(messages: Sequence[Message], here: Source) -> Iterator[Portion]:
    """Make batches of the messages of one partition: a batch has one source, and positions that rise.

    Args:
        messages: in their order.
        here: the source of those that do not say where they come from.
    """
    growing: dict[Source, tuple[BatchBuilder, dict[int, Message]]] = {}
    for message in messages:
        source, position, offset = _place(message, here)
        builder, taken = growing.get(source) or growing.setdefault(source, (BatchBuilder(source), {}))
        if position <= builder.position:  # sent twice, or by two senders at a time
            yield from (Portion(batch, taken) for batch in builder.take())
            builder, taken = growing[source] = (BatchBuilder(source), {})
        builder.position = position - 1
        text = message.value or b""
        if error := _refused(message):
            builder.reject(offset, text, error)
        else:
            builder.add(offset, text, one_line(text))
        taken[position] = message
    for builder, taken in growing.values():
        yield from (Portion(batch, taken) for batch in builder.take())


def _place(message: Message, here: Source) -> tuple[Source, int, int]:
    for name, value in message.headers:
        if name == PLACE and value is not None:
            try:
                place = msgspec.json.decode(value, type=Place)
            except ValueError:  # somebody else's header: the record is none the worse
                break
            return Source(place.input, place.source, LDJSON.name), place.position, place.offset
    return here, message.offset + 1, message.offset


def _refused(message: Message) -> RecordError | None:
    if message.value is None:
        return RecordError("parse", "NoValue", "the message has no value (a tombstone)")
    return None if message.value.isascii() else utf8_error(message.value)


def results(scored: Sequence[tuple[Portion, Scored]]) -> Results:
    """Put together what came of the messages of one partition.

    Args:
        scored: its portions, each with what the scorer gave.
    """
    found = Results()
    for portion, result in scored:
        messages, batch = portion.messages, result.batch
        rejected = sorted(batch.rejected, key=lambda rejection: rejection.position)
        if len(messages) != len(batch) + len(rejected) + result.withheld:
            raise AssertionError(f"of {len(messages)} messages came {result.counts}")
        events = result.events.split(b"\n")[:-1]
        ids: dict[int, Headers] = {}
        if events:
            for position, event in zip(messages, events, strict=True):
                ids[position] = [(ID, msgspec.json.decode(event, type=_Event).id.encode())]
                found.log.append(Outgoing(messages[position], event, EVENT))
        for position, prediction in zip(batch.positions, result.predictions, strict=True):
            found.outputs.append(Outgoing(messages[position], bytes(prediction), ids.get(position, [])))
        for rejection, line in zip(rejected, result.rejects.split(b"\n")[:-1], strict=True):
            origin = messages[rejection.position]
            found.errors.append(Outgoing(origin, _told(line, origin), ids.get(rejection.position, [])))
        found.withheld += result.withheld
    for some in (found.outputs, found.log, found.errors):
        some.sort(key=lambda outgoing: outgoing.origin.offset)
    return found


def _told(line: bytes, origin: Message) -> bytes:
    """Say in a line of the rejects file also which message it was."""
    told = {"topic": origin.topic, "partition": origin.partition, "offset": origin.offset}
    return line[:-1] + b',"kafka":' + msgspec.json.encode(told) + b"}"
