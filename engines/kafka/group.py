"""Our place among a model's processors: which partitions are ours, and what is read from them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.delivery import Delivery
from model_etl.engines.kafka.messages import Message
from model_etl.engines.kafka.topics import Topics

_LOOK = 50
"""Milliseconds between two looks for partitions when they are being dealt out."""


@dataclass(frozen=True)
class Pace:
    """How a processor works.

    Attributes:
        exactly_once: whether results and the mark that their messages are done are one transaction.
        max_records: how many messages are scored at a time, at most.
        session_timeout: seconds without a sign of life after which a process loses its partitions.
        rebalance_timeout: seconds that a batch may take, also when partitions are dealt out anew.
    """

    exactly_once: bool = False
    max_records: int = 4000
    session_timeout: float = 10.0
    rebalance_timeout: float = 300.0


class Group(ConsumerRebalanceListener):
    """A member of the group.

    The lock is held from reading a batch until it is marked as done, so that a rebalance, which waits for the lock,
    never comes between them. Under the lock nothing waits for messages: while partitions are dealt out anew, whoever
    waits for messages waits for the partitions too, and these would wait for the lock.

    Args:
        topics: the model's.
        connection: where Kafka is.
        pace: how to work.
        delivery: has to be ready for a partition before it is read from.

    Attributes:
        consumer: aiokafka's; there once we have joined.
        ready: the partitions to read from, or None while they are being dealt out.
    """

    def __init__(self, topics: Topics, connection: Connection, pace: Pace, delivery: Delivery) -> None:
        self.consumer: Any = None
        self.ready: set[TopicPartition] | None = None
        self._topics, self._connection, self._pace, self._delivery = topics, connection, pace, delivery
        self._lock = asyncio.Lock()
        self._assigned: set[TopicPartition] | None = None
        self._nothing = TopicPartition(topics.inputs, -1)

    async def join(self) -> None:
        """Become a member, and wait for the first partitions, which may be none."""
        self.consumer = AIOKafkaConsumer(
            **self._connection.options(),
            group_id=self._topics.base,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # what was sent before the first start counts too
            isolation_level="read_committed",
            session_timeout_ms=int(self._pace.session_timeout * 1000),
            heartbeat_interval_ms=int(self._pace.session_timeout * 1000 / 3),
            rebalance_timeout_ms=int(self._pace.rebalance_timeout * 1000),
            max_poll_interval_ms=int(self._pace.rebalance_timeout * 1000),
        )
        self.consumer.subscribe([self._topics.inputs], listener=self)
        await self.consumer.start()

    async def leave(self) -> None:
        """Let others have our partitions at once."""
        if self.consumer is not None:
            await self.consumer.stop()
        await self._delivery.release()

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:  # noqa: ARG002
        """Let go of all partitions, since Kafka deals all of them out anew."""
        async with self._lock:
            self.ready = self._assigned = None
            await self._delivery.release()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """See which partitions are ours. To get ready for them is left to `rest`: this must not keep us from living."""
        self._assigned = set(assigned)

    async def rest(self, stop: asyncio.Event) -> None:
        """Get ready for our partitions; or wait a little for some, for what keeps us from them, or for the end."""
        if self._assigned is None:
            look = asyncio.ensure_future(self.consumer.getmany(self._nothing, timeout_ms=_LOOK))
            told = asyncio.ensure_future(stop.wait())
            await asyncio.wait([look, told], return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            if look.done():
                look.result()
            look.cancel()
            return
        async with self._lock:
            if self._assigned is not None:
                await self._delivery.take(self.consumer, self._assigned)
                self.ready = self._assigned

    @contextlib.asynccontextmanager
    async def batch(self) -> AsyncIterator[Mapping[TopicPartition, Sequence[Message]]]:
        """Read what is there. In the block no partition is taken from us in good order.

        If one was taken nevertheless, since we seemed dead, what is not marked as done is left to the others.
        """
        async with self._lock:
            read: Mapping[TopicPartition, Sequence[Message]] = {}
            if self.ready is not None:
                some = self.ready or {self._nothing}  # to name none would mean all
                read = await self.consumer.getmany(*some, timeout_ms=0, max_records=self._pace.max_records)
            try:
                yield read
            except CommitFailedError:
                self.ready = self._assigned = None
