"""The lag of a model's processors: how many messages of each partition they have not committed yet."""

from __future__ import annotations

from collections.abc import Collection

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.topics import Topics


async def consumer_lag(consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> dict[int, int]:
    """Return the number of uncommitted messages by partition number.

    Args:
        consumer: a consumer with the group id of the processors.
        partitions: partitions of the model's inputs.

    Raises:
        KafkaError: if the broker does not answer.
    """
    if not partitions:
        return {}
    ends = await consumer.end_offsets(list(partitions))
    starts = await consumer.beginning_offsets(list(partitions))
    lag = {}
    for partition in sorted(partitions):
        committed = await consumer.committed(partition)
        lag[partition.partition] = max(0, ends[partition] - max(starts[partition], committed or 0))
    return lag


async def group_lag(connection: Connection, topics: Topics, partition_count: int) -> dict[int, int]:
    """Return the lag of all partitions of a model's inputs, without joining the group of its processors.

    Raises:
        ModelEtlError: if Kafka refuses or does not answer.
    """
    consumer = AIOKafkaConsumer(
        **connection.client_options(), group_id=topics.base, enable_auto_commit=False, isolation_level="read_committed"
    )
    partitions = [TopicPartition(topics.inputs, number) for number in range(partition_count)]
    consumer.assign(partitions)
    try:
        await consumer.start()
        return await consumer_lag(consumer, partitions)
    except KafkaError as exc:
        raise connection.translate_error(exc, f"reading the lag of {topics.inputs}") from exc
    finally:
        await consumer.stop()
