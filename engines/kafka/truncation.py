"""Events and rejects that are larger than their topic accepts: their large members are replaced by digests."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec

from model_etl.engines.kafka.messages import Message, OutgoingMessage, PartitionResults

_OVERHEAD_BYTES = 1024
"""Room for the key's length, the headers' names and what Kafka adds to a batch of one message."""
_KEPT_BYTES = 1000
"""Members of at most this size are kept as they are."""


class SizeLimits(NamedTuple):
    """The largest messages, in bytes, that the topics accept: max.message.bytes of each topic.

    Attributes:
        log: of the topic of the prediction log.
        errors: of the topic of the rejects.
    """

    log: int
    errors: int


def truncate_results(results: PartitionResults, limits: SizeLimits) -> None:
    """Truncate the events and the rejects of a partition that are too large for their topics.

    Args:
        results: of the partition; its lists are changed.
        limits: the largest messages.
    """
    results.log = [_fitting(outgoing, limits.log) for outgoing in results.log]
    results.errors = [_fitting(outgoing, limits.errors) for outgoing in results.errors]


def _fitting(outgoing: OutgoingMessage, limit: int) -> OutgoingMessage:
    message, value, headers = outgoing
    others = len(message.key or b"") + sum(len(name) + len(text or b"") for name, text in headers) + _OVERHEAD_BYTES
    if len(value) + others <= limit:
        return outgoing
    return OutgoingMessage(message, truncate(value, message), headers)


def truncate(line: bytes, message: Message) -> bytes:
    """Return an event or a reject without its large members.

    Each of them, at the top or in `data`, becomes an object with its size and the SHA-256 of its JSON. A member
    `truncated` says so, and holds size and SHA-256 of the whole line and the origin of the message.

    Args:
        line: a JSON object.
        message: the consumed message that it results from.
    """
    members: dict[str, Any] = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    if "data" in members:
        members["data"] = _small(msgspec.json.decode(members["data"], type=dict[str, msgspec.Raw]))
    members = {**_small({name: value for name, value in members.items() if name != "data"}), **_only_data(members)}
    members["truncated"] = {
        **_digest(line),
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
    }
    return msgspec.json.encode(members)


def _only_data(members: dict[str, Any]) -> dict[str, Any]:
    return {"data": members["data"]} if "data" in members else {}


def _small(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value if len(value) <= _KEPT_BYTES else _digest(bytes(value)) for name, value in members.items()}


def _digest(value: bytes) -> dict[str, Any]:
    return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
