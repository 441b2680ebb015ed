"""How results get to their topics, and the work is marked as done: at least once, or exactly once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.messages import Results
from model_etl.engines.kafka.sending import gathered, producer, send_all
from model_etl.engines.kafka.topics import Topics


class Done(NamedTuple):
    """What came of a partition's messages, and where to go on."""

    results: Results
    next_offset: int


Work = Mapping[TopicPartition, Done]


class Delivery(Protocol):
    """Sends results."""

    async def take(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """Get ready for partitions that are ours now."""

    async def release(self) -> None:
        """Let go of all partitions."""

    async def deliver(self, consumer: AIOKafkaConsumer, work: Work) -> None:
        """Send the results, and mark what they came from as done."""


class AtLeastOnce:
    """Marks messages as done when all that came of them has arrived: what is sent twice has the same ids.

    Args:
        connection: where to send.
        topics: the model's.
    """

    def __init__(self, connection: Connection, topics: Topics) -> None:
        self._options = connection.options()
        self._topics = topics
        self._producer: AIOKafkaProducer | None = None

    async def take(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:  # noqa: ARG002
        """See `Delivery`."""
        if self._producer is None:
            self._producer = producer(self._options)
            await self._producer.start()

    async def release(self) -> None:
        """See `Delivery`."""
        if self._producer is not None:
            held, self._producer = self._producer, None
            await held.stop()

    async def deliver(self, consumer: AIOKafkaConsumer, work: Work) -> None:
        """See `Delivery`."""
        sending = [send_all(self._producer, self._topics, at.partition, done.results) for at, done in work.items()]
        await gathered(sending)
        await consumer.commit({at: done.next_offset for at, done in work.items()})


class ExactlyOnce:
    """Sends what came of a partition's messages, and that they are done, in one transaction.

    There is one producer a partition, whose name is the partition's: whoever takes over a partition thereby ends the
    transaction of the one who had it, and shuts that one out, dead or only slow.

    Args:
        connection: where to send.
        topics: the model's.
    """

    def __init__(self, connection: Connection, topics: Topics) -> None:
        self._options = connection.options()
        self._topics = topics
        self._producers: dict[TopicPartition, AIOKafkaProducer] = {}

    async def take(self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition]) -> None:
        """See `Delivery`."""
        for at in partitions:
            name = f"{self._topics.base}.{at.partition}"
            self._producers[at] = producer(self._options, transactional_id=name)
        await gathered([one.start() for one in self._producers.values()])
        for at in partitions:  # only now is it certain how far the one before us came
            offset = await consumer.committed(at)
            await consumer.seek_to_beginning(at) if offset is None else consumer.seek(at, offset)

    async def release(self) -> None:
        """See `Delivery`."""
        held, self._producers = self._producers, {}
        await gathered([one.stop() for one in held.values()])

    async def deliver(self, consumer: AIOKafkaConsumer, work: Work) -> None:  # noqa: ARG002
        """See `Delivery`."""
        await gathered([self._transact(at, done) for at, done in work.items()])

    async def _transact(self, at: TopicPartition, done: Done) -> None:
        one = self._producers[at]
        async with one.transaction():  # an error aborts it
            await send_all(one, self._topics, at.partition, done.results)
            await one.send_offsets_to_transaction({at: done.next_offset}, self._topics.base)
