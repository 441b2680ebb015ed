"""Prints the messages of a topic, one a line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.notices import put

_LOOK = 200
"""Milliseconds to wait for messages before looking whether to stop."""


@dataclass(frozen=True)
class Wanted:
    """Which messages to print.

    Attributes:
        from_beginning: whether to start with the first message that there is, instead of the next one to come.
        until_end: whether to stop at the last message that there was at the start.
        limit: how many to print at most, or None for all.
        uncommitted: whether to print those of transactions that are not, or never will be, committed.
    """

    from_beginning: bool = False
    until_end: bool = False
    limit: int | None = None
    uncommitted: bool = False


async def receive(connection: Connection, topic: str, partitions: int, wanted: Wanted, stop: asyncio.Event) -> None:
    """Print messages until told to stop.

    Args:
        connection: where they are.
        topic: its name.
        partitions: how many it has.
        wanted: which of them.
        stop: says when.

    Raises:
        ModelEtlError: if Kafka refuses, or nobody reads what is printed.
    """
    consumer = AIOKafkaConsumer(
        **connection.options(),
        auto_offset_reset="earliest" if wanted.from_beginning else "latest",
        isolation_level="read_uncommitted" if wanted.uncommitted else "read_committed",
    )
    every = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(every)
    left = wanted.limit
    try:
        await consumer.start()
        ends = await consumer.end_offsets(every)
        while not stop.is_set() and left != 0:
            if wanted.until_end and not [at for at in every if await consumer.position(at) < ends[at]]:
                break
            found = await consumer.getmany(timeout_ms=_LOOK, max_records=left)
            values = [message.value for messages in found.values() for message in messages]
            put(b"null" if value is None else value for value in values)
            left = left and left - len(values)
    except KafkaError as exc:
        raise connection.failure(exc, f"receiving from {topic}") from exc
    finally:
        await consumer.stop()
