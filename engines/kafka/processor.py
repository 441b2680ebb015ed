"""One model's stream processor: reads messages, scores them in batches, has the results delivered, and goes on."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.delivery import AtLeastOnce, Delivery, Done, ExactlyOnce
from model_etl.engines.kafka.group import Group, Pace
from model_etl.engines.kafka.lag import waiting
from model_etl.engines.kafka.messages import EVENT, Message, portions, results
from model_etl.engines.kafka.sending import producer
from model_etl.engines.kafka.topics import Topics
from model_etl.engines.shared.options import masked_settings
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.errors import TryAgain
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Source, source_identity

_PAUSE = 0.01
"""Seconds between two looks for messages when there are none."""
_ANSWER = 10.0
"""Seconds to wait for the answer to a question that is not urgent."""


class Processor:
    """Reads a model's inputs, and sends outputs, log and errors.

    Args:
        scorer: the model.
        settings: those it was made of, for the log.
        topics: the model's.
        connection: where Kafka is.
        cluster: name of the cluster, part of the records' places.
        pace: how to work.

    Attributes:
        topics: as given.
        counts: what became of the records so far.
    """

    def __init__(
        self, scorer: Scorer, settings: ScorerSettings, topics: Topics, connection: Connection, cluster: str, pace: Pace
    ) -> None:
        self.topics = topics
        self.counts: Counter[str] = Counter()
        self._scorer, self._settings = scorer, settings
        self._connection, self._cluster, self._pace = connection, cluster, pace
        self._delivery: Delivery = (ExactlyOnce if pace.exactly_once else AtLeastOnce)(connection, topics)
        self._group = Group(topics, connection, pace, self._delivery)
        self._thread = ThreadPoolExecutor(1, "scoring")  # a model need not stand being called by two at a time

    @property
    def name(self) -> str:
        """The model and its version, for people."""
        return f"{self._scorer.facts.name} {self._scorer.facts.version}"

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Work until told to stop; then finish the batch, and leave the group.

        Args:
            stop: says when.
            ready: called when the first partitions have been dealt out.

        Raises:
            ModelEtlError: if Kafka refuses something, or a rule fails; what was not delivered is not marked as done.
        """
        doing = f"logging to {self.topics.log}"
        try:
            await self._announce()
            doing = f"processing {self.topics.inputs}"
            await self._group.join()
            ready()
            while not stop.is_set():
                if self._group.ready is None:
                    await self._group.rest(stop)
                elif not await self._round():
                    await asyncio.sleep(_PAUSE)
        except KafkaError as exc:
            raise self._connection.failure(exc, doing) from exc
        finally:
            await self._group.leave()
            self._thread.shutdown(wait=False)

    async def _announce(self) -> None:
        """Send the log's first event, outside of any transaction: it is of this process, not of its messages."""
        if not self._settings.log:
            return
        about = masked_settings(self._settings, **vars(self._pace), topic=self.topics.inputs)
        one = producer(self._connection.options())
        try:
            await one.start()
            event = self._scorer.started(uuid.uuid4().hex, about).removesuffix(b"\n")
            await one.send_and_wait(self.topics.log, event, headers=EVENT)
        finally:
            await one.stop()

    async def _round(self) -> bool:
        """Do a batch; gives whether there was one."""
        async with self._group.batch() as read:
            if not read:
                return False
            scored = await asyncio.get_running_loop().run_in_executor(self._thread, self._score, read)
            await self._delivery.deliver(self._group.consumer, scored)
            for at, done in scored.items():
                self.counts.update(read=len(read[at]), **done.results.counts)
        return True

    def _score(self, read: Mapping[TopicPartition, Sequence[Message]]) -> dict[TopicPartition, Done]:
        scored = {}
        for at, messages in read.items():
            identity = source_identity(self._cluster, at.topic, at.partition)
            here = Source(f"{at.topic}/{at.partition}", identity, LDJSON.name)
            found = [(portion, self._scorer(portion.batch)) for portion in portions(messages, here)]
            scored[at] = Done(results(found), messages[-1].offset + 1)
        return scored

    async def lag(self) -> dict[int, int]:
        """Say how many messages of each of our partitions wait to be marked as done.

        Raises:
            TryAgain: if Kafka does not answer.
        """
        try:
            return await asyncio.wait_for(waiting(self._group.consumer, self._group.ready or ()), _ANSWER)
        except (KafkaError, asyncio.TimeoutError) as exc:
            raise TryAgain(f"{self.topics.inputs}: Kafka does not say how many messages wait") from exc
