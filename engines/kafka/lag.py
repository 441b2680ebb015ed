"""How far a model's processors are behind: messages that wait to be marked as done."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.topics import Topics


async def waiting(consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> dict[int, int]:
    """Count the messages of each partition that no processor has marked as done.

    Args:
        consumer: of the processors' group.
        partitions: of the model's inputs.
    """
    ends = await consumer.end_offsets(list(partitions)) if partitions else {}
    starts = await consumer.beginning_offsets(list(partitions)) if partitions else {}
    found = {}
    for at in sorted(partitions):
        done = await consumer.committed(at)
        found[at.partition] = max(0, ends[at] - max(starts[at], done or 0))
    return found


async def lag(connection: Connection, topics: Topics, partitions: int) -> dict[int, int]:
    """Count what waits in all partitions of a model's inputs, without becoming one of its processors.

    Raises:
        ModelEtlError: if Kafka does not tell.
    """
    consumer = AIOKafkaConsumer(
        **connection.options(), group_id=topics.base, enable_auto_commit=False, isolation_level="read_committed"
    )
    every = [TopicPartition(topics.inputs, number) for number in range(partitions)]
    consumer.assign(every)
    try:
        await consumer.start()
        return await waiting(consumer, every)
    except KafkaError as exc:
        raise connection.failure(exc, f"asking what waits in {topics.inputs}") from exc
    finally:
        await consumer.stop()
