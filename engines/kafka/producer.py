"""The producer that sends the results of a partition to the model's topics, and waits for the acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from model_etl.engines.kafka.messages import OutgoingMessage, PartitionResults
from model_etl.engines.kafka.topics import Topics
from model_etl.errors import ConfigurationError

BATCH_BYTES = 256 * 1024
"""Size of a batch that is sent to a partition; a larger message is a batch of its own."""
_MAX_REQUEST_BYTES = 2**30
"""No limit in practice: the topic's max.message.bytes decides what is too large."""
_DEFAULT_MAX_MESSAGE_BYTES = 1_048_588
"""A broker's default of max.message.bytes (Kafka documentation, broker configs)."""


def create_producer(client_options: Mapping[str, Any], transactional_id: str | None = None) -> AIOKafkaProducer:
    """Build a producer that retries what is not acknowledged, without sending duplicates.

    Args:
        client_options: see `Connection.client_options`.
        transactional_id: the producer's name in transactions, or None for a producer without transactions.
    """
    return AIOKafkaProducer(
        **client_options,
        acks="all",
        enable_idempotence=True,
        max_batch_size=BATCH_BYTES,
        max_request_size=_MAX_REQUEST_BYTES,
        transactional_id=transactional_id,
    )


async def send_results(producer: AIOKafkaProducer, topics: Topics, partition: int, results: PartitionResults) -> None:
    """Send the results of an input partition, and wait until all are acknowledged.

    Raises:
        KafkaError: if the broker refuses a message.
        ConfigurationError: if a message is too large for its topic.
    """
    routes = ((topics.outputs, results.outputs), (topics.log, results.log), (topics.errors, results.errors))
    await gather_all([_send_to_topic(producer, topic, partition, outgoing) for topic, outgoing in routes if outgoing])


async def _send_to_topic(
    producer: AIOKafkaProducer, topic: str, partition: int, outgoing: Sequence[OutgoingMessage]
) -> None:
    """Send messages to the partition of a topic that has the number of the input partition.

    Messages with the same key therefore stay together and in order, however the sender of the inputs chose the
    partition.
    """
    partition %= len(await producer.partitions_for(topic))
    start, sent = 0, []
    batch = producer.create_batch()
    for index, (message, value, headers) in enumerate(outgoing):
        while batch.append(timestamp=None, key=message.key, value=value, headers=headers) is None:
            sent.append((await _enqueue_batch(producer, batch, topic, partition), outgoing[start:index]))
            start, batch = index, producer.create_batch()
    sent.append((await _enqueue_batch(producer, batch, topic, partition), outgoing[start:]))
    await asyncio.wait([acknowledgement for acknowledgement, _ in sent])
    for acknowledgement, messages in sent:
        if isinstance(exc := acknowledgement.exception(), MessageSizeTooLargeError):
            raise _too_large_error(topic, messages) from exc
        acknowledgement.result()


async def _enqueue_batch(
    producer: AIOKafkaProducer, batch: BatchBuilder, topic: str, partition: int
) -> asyncio.Future[RecordMetadata]:
    """Enqueue a batch once the one before it is on its way; wait without limit while no broker is reachable."""
    batch.close()
    while True:
        try:
            future: asyncio.Future[RecordMetadata] = await producer.send_batch(batch, topic, partition=partition)
        except KafkaTimeoutError:
            continue
        return future


def _too_large_error(topic: str, messages: Sequence[OutgoingMessage]) -> ConfigurationError:
    largest = max(messages, key=lambda outgoing: len(outgoing.value))
    size = sum(len(outgoing.value) + len(outgoing.input_message.key or b"") for outgoing in messages)
    origin = largest.input_message
    return ConfigurationError(
        f"{topic} does not take a batch of {size} bytes; the largest of its {len(messages)} messages has"
        f" {len(largest.value)} bytes and results from the message at offset {origin.offset} of partition"
        f" {origin.partition} of {origin.topic}",
        f"Set max.message.bytes of the topic to {max(2 * size, _DEFAULT_MAX_MESSAGE_BYTES)} or more, and start again:"
        " nothing is lost.",
    )


async def gather_all(tasks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all tasks, even if one of them fails; then raise the first error."""
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
