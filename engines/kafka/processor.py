"""One model's stream processor: reads messages, scores them in batches, and has the results delivered."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.delivery import AtLeastOnce, Delivery, ExactlyOnce, ScoredPartition
from model_etl.engines.kafka.group import GroupMember, ProcessorSettings
from model_etl.engines.kafka.lag import consumer_lag
from model_etl.engines.kafka.messages import EVENT_HEADERS, Message, batch_messages, collect_results
from model_etl.engines.kafka.producer import create_producer
from model_etl.engines.kafka.topics import Topics
from model_etl.engines.kafka.truncation import SizeLimits, truncate_results
from model_etl.engines.shared.options import masked_settings
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.errors import TryAgain
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Source, source_identity

_IDLE_POLL_S = 0.01
"""Pause between two polls when no messages are available."""
_LAG_TIMEOUT_S = 10.0
"""How long a report waits for the lag."""


class Processor:
    """Reads a model's inputs, and sends its outputs, log and errors.

    Args:
        scorer: the loaded model.
        settings: the scorer's settings, for the prediction log.
        topics: the model's topics.
        connection: the connection to Kafka.
        cluster_id: id of the cluster, which makes the identity of the inputs unique.
        processor_settings: how to read and deliver.
        limits: the largest messages that the topics of the results accept.

    Attributes:
        topics: the model's topics.
        counts: number of records so far, by outcome.
    """

    def __init__(
        self,
        scorer: Scorer,
        settings: ScorerSettings,
        topics: Topics,
        connection: Connection,
        cluster_id: str,
        processor_settings: ProcessorSettings,
        limits: SizeLimits,
    ) -> None:
        self.topics = topics
        self.counts: Counter[str] = Counter()
        self._scorer, self._settings = scorer, settings
        self._connection, self._cluster_id, self._processor_settings = connection, cluster_id, processor_settings
        self._limits = limits
        delivery_class = ExactlyOnce if processor_settings.exactly_once else AtLeastOnce
        self._delivery: Delivery = delivery_class(connection, topics)
        self._group = GroupMember(topics, connection, processor_settings, self._delivery)
        self._thread = ThreadPoolExecutor(1, "scoring")  # a model need not be thread-safe

    @property
    def name(self) -> str:
        """The model's name and version, for messages."""
        return f"{self._scorer.facts.name} {self._scorer.facts.version}"

    async def run(self, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
        """Process messages until `stop` is set; then finish the batch, and leave the group.

        Args:
            stop: when to stop.
            on_ready: called after the first assignment of partitions.

        Raises:
            ModelEtlError: if Kafka refuses something, or a rule fails; undelivered messages stay uncommitted.
        """
        action = f"logging to {self.topics.log}"
        try:
            await self._log_start()
            action = f"processing {self.topics.inputs}"
            await self._group.join()
            on_ready()
            while not stop.is_set():
                if self._group.active_partitions is None:
                    await self._group.wait_for_partitions(stop)
                elif not await self._process_batch():
                    await asyncio.sleep(_IDLE_POLL_S)
        except KafkaError as exc:
            raise self._connection.translate_error(exc, action) from exc
        finally:
            await self._group.leave()
            self._thread.shutdown(wait=False)

    async def _log_start(self) -> None:
        """Send the log's first event, outside of any transaction: it belongs to the process, not to its messages."""
        if not self._settings.log:
            return
        settings = masked_settings(self._settings, **vars(self._processor_settings), topic=self.topics.inputs)
        producer = create_producer(self._connection.client_options())
        try:
            await producer.start()
            event = self._scorer.started(uuid.uuid4().hex, settings).removesuffix(b"\n")
            await producer.send_and_wait(self.topics.log, event, headers=EVENT_HEADERS)
        finally:
            await producer.stop()

    async def _process_batch(self) -> bool:
        """Read, score and deliver the available messages; return whether there were any."""
        async with self._group.read_batch() as messages:
            if not messages:
                return False
            scored = await asyncio.get_running_loop().run_in_executor(self._thread, self._score, messages)
            await self._delivery.deliver(self._group.consumer, scored)
            for partition, done in scored.items():
                self.counts.update(read=len(messages[partition]), **done.results.counts)
        return True

    def _score(self, messages: Mapping[TopicPartition, Sequence[Message]]) -> dict[TopicPartition, ScoredPartition]:
        scored = {}
        for partition, received in messages.items():
            identity = source_identity(self._cluster_id, partition.topic, partition.partition)
            source = Source(f"{partition.topic}/{partition.partition}", identity, LDJSON.name)
            batches = [(batch, self._scorer(batch.batch)) for batch in batch_messages(received, source)]
            results = collect_results(batches)
            truncate_results(results, self._limits)
            scored[partition] = ScoredPartition(results, received[-1].offset + 1)
        return scored

    async def lag(self) -> dict[int, int]:
        """Return the number of uncommitted messages in each assigned partition.

        Raises:
            TryAgain: if Kafka does not answer in time.
        """
        partitions = self._group.active_partitions
        if not partitions:
            return {}
        try:
            return await asyncio.wait_for(consumer_lag(self._group.consumer, partitions), _LAG_TIMEOUT_S)
        except (KafkaError, asyncio.TimeoutError) as exc:
            raise TryAgain(f"{self.topics.inputs}: Kafka did not report the lag in {_LAG_TIMEOUT_S:g} s") from exc
