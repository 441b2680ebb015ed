"""Sends what came of messages to a model's topics, and waits until it has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from model_etl.engines.kafka.messages import Outgoing, Results
from model_etl.engines.kafka.topics import Topics
from model_etl.errors import ConfigurationError

BATCH = 256 * 1024
"""Bytes that go to a partition at a time, or one message if that is larger."""
_USUAL = 1_048_588
"""What a broker takes at a time unless told otherwise."""


def producer(options: Mapping[str, Any], **more: Any) -> AIOKafkaProducer:
    """Make a producer that repeats what is not acknowledged, and doubles nothing by that."""
    return AIOKafkaProducer(
        **options, acks="all", enable_idempotence=True, max_batch_size=BATCH, max_request_size=2**30, **more
    )


async def send_all(one: AIOKafkaProducer, topics: Topics, partition: int, results: Results) -> None:
    """Send what came of a partition's messages, and wait until it has arrived."""
    routes = ((topics.outputs, results.outputs), (topics.log, results.log), (topics.errors, results.errors))
    await gathered([_send(one, topic, partition, some) for topic, some in routes if some])


async def _send(one: AIOKafkaProducer, topic: str, partition: int, some: Sequence[Outgoing]) -> None:
    """Send messages to one topic.

    Their partition has the number of the one that they came from: those of one key stay together, and in their order,
    whoever chose the partition, and how.
    """
    partition %= len(await one.partitions_for(topic))
    start, waiting = 0, []
    batch = one.create_batch()
    for number, (origin, value, headers) in enumerate(some):
        while batch.append(timestamp=None, key=origin.key, value=value, headers=headers) is None:
            waiting.append((await _queued(one, batch, topic, partition), some[start:number]))
            start, batch = number, one.create_batch()
    waiting.append((await _queued(one, batch, topic, partition), some[start:]))
    await asyncio.wait([future for future, _ in waiting])
    for future, sent in waiting:
        if isinstance(exc := future.exception(), MessageSizeTooLargeError):
            raise _too_large(topic, sent) from exc
        future.result()


async def _queued(one: AIOKafkaProducer, batch: Any, topic: str, partition: int) -> Any:
    """Hand over a batch as soon as the one before it is on its way, however long no broker is there."""
    batch.close()
    while True:
        try:
            return await one.send_batch(batch, topic, partition=partition)
        except KafkaTimeoutError:
            continue


def _too_large(topic: str, sent: Sequence[Outgoing]) -> ConfigurationError:
    largest = max(sent, key=lambda outgoing: len(outgoing.value))
    size = sum(len(outgoing.value) + len(outgoing.origin.key or b"") for outgoing in sent)
    origin = largest.origin
    return ConfigurationError(
        f"{topic} does not take {size} bytes at a time; the largest of {len(sent)} messages, of {len(largest.value)},"
        f" came of the one at offset {origin.offset} of partition {origin.partition} of {origin.topic}",
        f"Set max.message.bytes of the topic to {max(2 * size, _USUAL)} or more, and start again: nothing is lost.",
    )


async def gathered(tasks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all, also if one fails; then raise the first error."""
    done = await asyncio.gather(*tasks, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result
