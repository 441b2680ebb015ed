"""Membership in the consumer group of a model's processors: the assigned partitions, and the batches read from them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, KafkaError
from typing_extensions import override

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.delivery import Delivery
from model_etl.engines.kafka.in_hand import InHandNotes
from model_etl.engines.kafka.messages import Message
from model_etl.engines.kafka.topics import Topics

_ASSIGNMENT_POLL_MS = 50
"""How often the consumer is polled for an assignment during a rebalance."""
_RETRY_S = 0.2
"""Pause before a broker that is not ready is asked again."""
_RELEASE_TIMEOUT_S = 5.0
"""How long to try to take back notes: without that, the next batch of the partition is only smaller."""


@dataclass(frozen=True)
class ProcessorSettings:
    """How a processor reads and delivers.

    Attributes:
        exactly_once: whether results and offsets are committed in one transaction.
        max_records: the most messages to score at a time.
        session_timeout: seconds without a heartbeat after which a process loses its partitions.
        rebalance_timeout: seconds that a batch may take, and that a rebalance waits for it.
    """

    exactly_once: bool = False
    max_records: int = 4000
    session_timeout: float = 10.0
    rebalance_timeout: float = 300.0


class GroupMember(ConsumerRebalanceListener):
    """A member of the consumer group.

    The lock is held from reading a batch until its offsets are committed. A rebalance waits for the lock and so never
    comes between the two. Never await messages while holding the lock: during a rebalance `getmany` waits for the new
    assignment, which waits for this lock (deadlock).

    Args:
        topics: the model's topics.
        connection: the connection to Kafka.
        settings: how to read.
        delivery: prepared for each partition before anything is read from it.

    Attributes:
        active_partitions: the partitions to read from, or None during a rebalance.
        notes: of what is in hand.
        fatal_partitions: the partitions whose messages end this process: their notes stay when it leaves the group.
    """

    def __init__(self, topics: Topics, connection: Connection, settings: ProcessorSettings, delivery: Delivery) -> None:
        self.active_partitions: set[TopicPartition] | None = None
        self.notes = InHandNotes(settings.max_records)
        self.fatal_partitions: Collection[TopicPartition] = ()
        self._topics, self._connection, self._settings, self._delivery = topics, connection, settings, delivery
        self._consumer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()
        self._assigned: set[TopicPartition] | None = None
        self._no_partition = TopicPartition(topics.inputs, -1)  # does not exist; an empty list means all partitions

    @property
    def consumer(self) -> AIOKafkaConsumer:
        """The group's consumer.

        Raises:
            RuntimeError: before `join`.
        """
        if self._consumer is None:
            raise RuntimeError("the consumer exists only after join()")
        return self._consumer

    async def join(self) -> None:
        """Join the group, and wait for the first assignment, which may be empty."""
        settings = self._settings
        self._consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            group_id=self._topics.base,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # messages sent before the group's first start are scored too
            isolation_level="read_committed",
            session_timeout_ms=int(settings.session_timeout * 1000),
            heartbeat_interval_ms=int(settings.session_timeout * 1000 / 3),
            rebalance_timeout_ms=int(settings.rebalance_timeout * 1000),
            max_poll_interval_ms=int(settings.rebalance_timeout * 1000),
        )
        self._consumer.subscribe([self._topics.inputs], listener=self)
        await self._consumer.start()

    async def leave(self) -> None:
        """Leave the group, so that its other members take over the partitions at once."""
        if self._consumer is not None:
            async with self._lock:
                await self._take_back_notes()
            await self._consumer.stop()
        await self._delivery.release_partitions()

    @override
    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        # Kafka's eager rebalance reassigns all partitions, not only those that move.
        async with self._lock:
            self.active_partitions = self._assigned = None
            await self._take_back_notes()
            await self._delivery.release_partitions()

    @override
    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        # `wait_for_partitions` does the slow preparation: this callback must not delay the heartbeats.
        self._assigned = set(assigned)

    async def wait_for_partitions(self, stop: asyncio.Event) -> None:
        """Prepare the assigned partitions, or wait a moment for an assignment, an error of the consumer, or `stop`."""
        if self._assigned is None:
            await self._poll_for_assignment(stop)
            return
        async with self._lock:
            if self._assigned is not None:
                await self._delivery.prepare_partitions(self.consumer, self._assigned)
                if await self._take_over_notes(self._assigned, stop):
                    self.active_partitions = self._assigned

    async def _take_over_notes(self, partitions: Collection[TopicPartition], stop: asyncio.Event) -> bool:
        """Read the notes of assigned partitions; return whether that was possible before `stop`."""
        if not partitions:
            self.notes.forget()
            return True
        while not stop.is_set():
            admin = AIOKafkaAdminClient(**self._connection.client_options())
            try:
                await admin.start()
                self.notes.take_over(await admin.list_consumer_group_offsets(self._topics.base, None, list(partitions)))
            except KafkaError as exc:
                if not exc.retriable:
                    raise
                await asyncio.sleep(_RETRY_S)
            else:
                return True
            finally:
                await admin.close()
        return False

    async def _take_back_notes(self) -> None:
        offsets = self.notes.release(self.fatal_partitions)
        if offsets:
            # Another member has the partitions already, or a producer has had a fatal error, which is an assertion.
            with contextlib.suppress(KafkaError, AssertionError, asyncio.TimeoutError):
                await asyncio.wait_for(self._delivery.commit(self.consumer, offsets), _RELEASE_TIMEOUT_S)

    async def _poll_for_assignment(self, stop: asyncio.Event) -> None:
        poll = asyncio.ensure_future(self.consumer.getmany(self._no_partition, timeout_ms=_ASSIGNMENT_POLL_MS))
        stopping = asyncio.ensure_future(stop.wait())
        await asyncio.wait([poll, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if poll.done():
            poll.result()
        poll.cancel()

    @contextlib.asynccontextmanager
    async def read_batch(self) -> AsyncIterator[Mapping[TopicPartition, Sequence[Message]]]:
        """Read the messages that are available; no orderly rebalance happens before the block is left.

        If the group took a partition away all the same because it believed this process dead, the uncommitted messages
        are left to the other members.
        """
        async with self._lock:
            messages: Mapping[TopicPartition, Sequence[Message]] = {}
            if self.active_partitions is not None:
                messages = await self._read_messages(self.active_partitions)
            try:
                yield messages
            except CommitFailedError:
                self.active_partitions = self._assigned = None
                self.notes.forget()

    async def _read_messages(
        self, active_partitions: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Sequence[Message]]:
        """Read a batch: of one partition alone, if processes died with its next messages in hand."""
        found: Mapping[TopicPartition, Sequence[Message]]
        suspects = self.notes.suspects(active_partitions)
        for partition in suspects:
            size = self.notes.batch_size(partition)
            found = await self.consumer.getmany(partition, timeout_ms=0, max_records=size)
            if found:
                return found
        partitions = set(active_partitions).difference(suspects) or {self._no_partition}
        found = await self.consumer.getmany(*partitions, timeout_ms=0, max_records=self._settings.max_records)
        return found
