"""The command `receive`: prints the messages of a topic, one a line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.console import write_stdout

_POLL_MS = 200
"""How long a poll for messages takes at most before the stop signal is checked."""


@dataclass(frozen=True)
class ReceiveOptions:
    """Which messages to print.

    Attributes:
        from_beginning: whether to start with the oldest message, instead of the next one to arrive.
        until_end: whether to stop at the message that was the last one at the start.
        limit: number of messages after which to stop, or None for no limit.
        uncommitted: whether to print messages of open and aborted transactions too.
    """

    from_beginning: bool = False
    until_end: bool = False
    limit: int | None = None
    uncommitted: bool = False


async def receive_messages(
    connection: Connection, topic: str, partition_count: int, options: ReceiveOptions, stop: asyncio.Event
) -> None:
    """Print the values of messages until a limit is reached or `stop` is set; a tombstone is printed as `null`.

    Args:
        connection: the connection to Kafka.
        topic: name of the topic.
        partition_count: number of its partitions.
        options: which messages.
        stop: when to stop.

    Raises:
        ModelEtlError: if Kafka refuses, or standard output cannot be written to.
    """
    consumer = AIOKafkaConsumer(
        **connection.client_options(),
        auto_offset_reset="earliest" if options.from_beginning else "latest",
        isolation_level="read_uncommitted" if options.uncommitted else "read_committed",
    )
    partitions = [TopicPartition(topic, number) for number in range(partition_count)]
    consumer.assign(partitions)
    remaining = options.limit
    try:
        await consumer.start()
        ends = await consumer.end_offsets(partitions)
        while not stop.is_set() and remaining != 0:
            if options.until_end and not [p for p in partitions if await consumer.position(p) < ends[p]]:
                break
            received = await consumer.getmany(timeout_ms=_POLL_MS, max_records=remaining)
            values = [message.value for messages in received.values() for message in messages]
            write_stdout(b"null" if value is None else value for value in values)
            remaining = remaining and remaining - len(values)
    except KafkaError as exc:
        raise connection.translate_error(exc, f"receiving from {topic}") from exc
    finally:
        await consumer.stop()
