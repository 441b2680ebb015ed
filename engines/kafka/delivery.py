"""Delivery of results to their topics and commit of the input offsets: at least once, or exactly once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from typing_extensions import override

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.in_hand import Committed
from model_etl.engines.kafka.messages import PartitionResults
from model_etl.engines.kafka.producer import create_producer, gather_all, send_results
from model_etl.engines.kafka.topics import Topics


class ScoredPartition(NamedTuple):
    """The results of a partition's messages.

    Attributes:
        results: the messages to send.
        committed: what to commit: the offset of the first message that was not scored, and the note of what is in hand.
    """

    results: PartitionResults
    committed: Committed


ScoredPartitions = Mapping[TopicPartition, ScoredPartition]


class Delivery(Protocol):
    """Sends results and commits the offsets of the messages that they result from."""

    async def prepare_partitions(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Prepare for newly assigned partitions, before anything is read from them."""

    async def release_partitions(self) -> None:
        """Release everything that was held for the assigned partitions."""

    async def deliver(self, consumer: AIOKafkaConsumer, scored: ScoredPartitions) -> None:
        """Send the results and commit the offsets."""

    async def commit(self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, Committed]) -> None:
        """Commit offsets without results, for the notes with them."""


class AtLeastOnce(Delivery):
    """Commits offsets after all results are acknowledged; results that are sent again have the same prediction ids.

    Args:
        connection: the connection to Kafka.
        topics: the model's topics.
    """

    def __init__(self, connection: Connection, topics: Topics) -> None:
        self._client_options = connection.client_options()
        self._topics = topics
        self._producer: AIOKafkaProducer | None = None

    @override
    async def prepare_partitions(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        if self._producer is None:
            self._producer = create_producer(self._client_options)
            await self._producer.start()

    @override
    async def release_partitions(self) -> None:
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.stop()

    @override
    async def deliver(self, consumer: AIOKafkaConsumer, scored: ScoredPartitions) -> None:
        producer = self._producer
        await gather_all([
            send_results(producer, self._topics, partition.partition, done.results)
            for partition, done in scored.items()
        ])  # fmt: skip
        await self.commit(consumer, {partition: done.committed for partition, done in scored.items()})

    @override
    async def commit(self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, Committed]) -> None:
        if offsets:
            await consumer.commit(dict(offsets))


class ExactlyOnce(Delivery):
    """Sends the results of a partition and commits its offset in one transaction.

    Each partition has its own producer, whose transactional id is the partition's. A process that takes over a
    partition thereby aborts the open transaction of the previous owner and fences it off, whether that is dead or slow.

    Args:
        connection: the connection to Kafka.
        topics: the model's topics.
    """

    def __init__(self, connection: Connection, topics: Topics) -> None:
        self._client_options = connection.client_options()
        self._topics = topics
        self._producers: dict[TopicPartition, AIOKafkaProducer] = {}

    @override
    async def prepare_partitions(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        for partition in partitions:
            transactional_id = f"{self._topics.base}.{partition.partition}"
            self._producers[partition] = create_producer(self._client_options, transactional_id)
        await gather_all([producer.start() for producer in self._producers.values()])
        for partition in partitions:  # the committed offset is final only now that the previous owner is fenced off
            offset = await consumer.committed(partition)
            await consumer.seek_to_beginning(partition) if offset is None else consumer.seek(partition, offset)

    @override
    async def release_partitions(self) -> None:
        producers, self._producers = self._producers, {}
        await gather_all([producer.stop() for producer in producers.values()])

    @override
    async def deliver(self, consumer: AIOKafkaConsumer, scored: ScoredPartitions) -> None:
        await gather_all([
            self._deliver_partition(partition, done.committed, done.results) for partition, done in scored.items()
        ])  # fmt: skip

    @override
    async def commit(self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, Committed]) -> None:
        await gather_all([self._deliver_partition(partition, offset) for partition, offset in offsets.items()])

    async def _deliver_partition(
        self, partition: TopicPartition, committed: Committed, results: PartitionResults | None = None
    ) -> None:
        producer = self._producers[partition]
        async with producer.transaction():  # an error aborts it
            if results is not None:
                await send_results(producer, self._topics, partition.partition, results)
            await producer.send_offsets_to_transaction({partition: committed}, self._topics.base)
