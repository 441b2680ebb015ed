"""One model's stream processor: reads messages, scores them in batches, and has the results delivered."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client import Histogram

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.console import print_notice
from model_etl.engines.kafka.delivery import AtLeastOnce, Delivery, ExactlyOnce, ScoredPartition
from model_etl.engines.kafka.group import GroupMember, ProcessorSettings
from model_etl.engines.kafka.in_hand import KILLER
from model_etl.engines.kafka.lag import consumer_lag
from model_etl.engines.kafka.messages import EVENT_HEADERS, Message, PartitionResults, batch_messages, collect_results
from model_etl.engines.kafka.producer import create_producer
from model_etl.engines.kafka.topics import Topics
from model_etl.engines.kafka.truncation import SizeLimits, truncate_results
from model_etl.engines.kafka.turns import Turns
from model_etl.engines.shared.options import masked_settings
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.errors import ModelUnavailable, RecordError, TryAgain
from model_etl.formats.json_lines import LDJSON
from model_etl.records.batch import Source, source_identity

_IDLE_POLL_S = 0.01
"""Pause between two polls when no messages are available."""
_LAG_TIMEOUT_S = 10.0
"""How long a report waits for the lag."""
_DEADLY = (SystemExit, MemoryError)
"""What ends the process if a model raises it: the next start finds the message by its note."""


class ModelTimedOut(ModelUnavailable):
    """A batch took longer than --model_timeout; the thread that scores it cannot be ended but with the process."""


@dataclass(frozen=True)
class ModelSettings(ScorerSettings):
    """The settings of a model and its processor.

    Attributes:
        model_timeout: seconds that model and rules may take for the batch of a partition, or None for any time.
    """

    model_timeout: float | None = None


Messages = Mapping[TopicPartition, Sequence[Message]]


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
        turns: of the models of this process.
        batch_seconds: metric of the seconds that batches take, by model.

    Attributes:
        topics: the model's topics.
        counts: number of records so far, by outcome.
        failures: number of errors that ended it.
    """

    def __init__(
        self,
        scorer: Scorer,
        settings: ModelSettings,
        topics: Topics,
        connection: Connection,
        cluster_id: str,
        processor_settings: ProcessorSettings,
        limits: SizeLimits,
        turns: Turns,
        batch_seconds: Histogram,
    ) -> None:
        self.topics = topics
        self.counts: Counter[str] = Counter()
        self.failures = 0
        self._scorer, self._settings = scorer, settings
        self._connection, self._cluster_id, self._processor_settings = connection, cluster_id, processor_settings
        self._limits, self._turns = limits, turns
        delivery_class = ExactlyOnce if processor_settings.exactly_once else AtLeastOnce
        self._delivery: Delivery = delivery_class(connection, topics)
        self._group = GroupMember(topics, connection, processor_settings, self._delivery)
        self._batch_seconds = batch_seconds.labels(self.name)
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
        except BaseException as exc:
            self.failures += not isinstance(exc, asyncio.CancelledError)
            if isinstance(exc, KafkaError):
                raise self._connection.translate_error(exc, action) from exc
            raise
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
            alone = bool(self._group.notes.suspects(messages))
            async with self._turns.take(alone=alone):
                with self._batch_seconds.time():
                    await self._deliver_batch(messages)
        return True

    async def _deliver_batch(self, messages: Messages) -> None:
        """Note what is in hand, score it, send the results and commit the offsets."""
        notes, consumer = self._group.notes, self._group.consumer
        await self._delivery.commit(consumer, notes.before(messages))
        scored = {}
        for partition, received in messages.items():
            with self._fatal_to(partition):
                scored[partition] = await self._score_in_time(partition, received)
        after = notes.after(messages)
        await self._delivery.deliver(
            consumer, {partition: ScoredPartition(results, after[partition]) for partition, results in scored.items()}
        )
        notes.committed(after)
        for partition, results in scored.items():
            self.counts.update(read=len(messages[partition]), **results.counts)

    @contextlib.contextmanager
    def _fatal_to(self, partition: TopicPartition) -> Iterator[None]:
        """Let the note of a partition stay in Kafka if scoring its messages ends the process."""
        try:
            yield
        except BaseException as exc:
            if isinstance(exc, (ModelTimedOut, *_DEADLY)) or isinstance(exc.__cause__, _DEADLY):
                self._group.fatal_partitions = [partition]
            raise

    async def _score_in_time(self, partition: TopicPartition, received: Sequence[Message]) -> PartitionResults:
        """Score the messages of a partition.

        Raises:
            ModelTimedOut: if that takes longer than --model_timeout.
        """
        refusal = None
        if self._group.notes.refused(partition, received):
            refusal = KILLER
            print_notice(f"{describe_batch(partition, received)}: {KILLER.message}; it goes to {self.topics.errors}")
        scoring = asyncio.get_running_loop().run_in_executor(self._thread, self._score, partition, received, refusal)
        limit = self._settings.model_timeout
        done, _ = await asyncio.wait([scoring], timeout=limit)
        if not done:
            raise ModelTimedOut(
                f"{self.name} at {describe_batch(partition, received)}: no answer within {limit:g} s; nothing of it was"
                " committed",
                "Correct the model, or raise --model_timeout. After three such ends the message is rejected.",
            )
        return scoring.result()

    def _score(
        self, partition: TopicPartition, received: Sequence[Message], refusal: RecordError | None
    ) -> PartitionResults:
        identity = source_identity(self._cluster_id, partition.topic, partition.partition)
        source = Source(f"{partition.topic}/{partition.partition}", identity, LDJSON.name)
        batches = [(batch, self._scorer(batch.batch)) for batch in batch_messages(received, source, refusal)]
        results = collect_results(batches)
        truncate_results(results, self._limits)
        return results

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


def describe_batch(partition: TopicPartition, received: Sequence[Message]) -> str:
    """Return topic, partition and offsets of messages, for an error."""
    first, last = received[0].offset, received[-1].offset
    offsets = f"offset {first}" if first == last else f"offsets {first} to {last}"
    return f"{partition.topic}, partition {partition.partition}, {offsets}"
