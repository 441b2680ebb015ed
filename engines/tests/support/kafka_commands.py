"""The Kafka engine as its users run it: as commands; and what lies in topics, read by a client of our own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance import ENVIRONMENT, MODEL, Results
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.lag import group_lag
from model_etl.engines.kafka.topics import TopicAdmin, Topics

COMMAND = [sys.executable, "-m", "model_etl.engines.kafka"]
PATIENCE = 120.0
"""Seconds to wait for anything: ten times what it takes on a quiet machine."""


@dataclass(frozen=True)
class Kafka:
    """A broker, and topics of the test's own in it.

    Attributes:
        address: of the broker.
        prefix: what the names of the test's topics start with.
        folder: for files.
    """

    address: str
    prefix: str
    folder: Path

    @property
    def topics(self) -> Topics:
        """Those of the acceptance test's model."""
        return Topics(f"{self.prefix}.moody_iris.2.1")

    def command(self, verb: str, *options: str, address: str | None = None) -> list[str]:
        """A command with what says where Kafka is."""
        return [*COMMAND, verb, "--bootstrap_servers", address or self.address, *options]

    def run(self, verb: str, *options: str, given: bytes = b"", code: int = 0, **more: Any) -> Any:
        """Run a verb to its end."""
        done = subprocess.run(
            self.command(verb, *options, **more), input=given, env=ENVIRONMENT, capture_output=True, check=False,
            cwd=self.folder, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    def create(self, partitions: int = 4, model: str = MODEL) -> None:
        """Make the topics of a model."""
        self.run("create_topics", "--model", model, "--prefix", self.prefix, "--partitions", str(partitions))

    def processor(self, *options: str) -> contextlib.AbstractContextManager[Service]:
        """Run a processor of the test's topics."""
        return self.service("process", "--prefix", self.prefix, *options)

    @contextlib.contextmanager
    def service(self, verb: str, *options: str) -> Iterator[Service]:
        """Run a verb that runs on; it is killed in the end if it still does."""
        service = Service(self.command(verb, *options), self.folder)
        try:
            yield service
        finally:
            service.kill()

    def waiting(self, topics: Topics | None = None, partitions: int = 4) -> int:
        """How many messages have not been marked as done."""
        return sum(asyncio.run(group_lag(Connection(self.address), topics or self.topics, partitions)).values())

    def until(
        self, most: int, service: Service | None = None, topics: Topics | None = None, partitions: int = 4
    ) -> int:
        """Wait until so many messages at most have not been marked as done."""
        found = 0

        def few() -> bool:
            nonlocal found
            found = self.waiting(topics, partitions)
            assert service is None or service.process.poll() is None, service and service.output
            return found <= most

        wait_for(few)
        return found

    def read(self, topic: str) -> list[Any]:
        """All messages of a topic, in the order of each partition."""
        return asyncio.run(self._read(topic, "read_committed"))

    async def _read(self, topic: str, isolation: str) -> list[Any]:
        async with self._consumer(topic, isolation) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            messages: list[Any] = []
            while any([await consumer.position(at) < ends[at] for at in ends]):
                for some in (await consumer.getmany(timeout_ms=200)).values():
                    messages += some
            return messages

    def in_transaction(self, topic: str) -> bool:
        """Tell whether a transaction is open that has written to a topic."""

        async def ends(isolation: str) -> dict[TopicPartition, int]:
            async with self._consumer(topic, isolation) as consumer:
                return await consumer.end_offsets(consumer.assignment())

        return asyncio.run(ends("read_uncommitted")) != asyncio.run(ends("read_committed"))

    @contextlib.asynccontextmanager
    async def _consumer(self, topic: str, isolation: str) -> AsyncIterator[AIOKafkaConsumer]:
        async with TopicAdmin(Connection(self.address)) as admin:
            partitions = [TopicPartition(topic, number) for number in range((await admin.partition_counts())[topic])]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.address, isolation_level=isolation, auto_offset_reset="earliest"
        )
        consumer.assign(partitions)
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    def results(self) -> Results:
        """What lies in the topics for those who read what is committed; the errors without where they came from."""
        outputs, errors, log = (self.read(topic) for topic in self.topics.names[1:])
        return Results.of(
            (message.value for message in outputs), (message.value for message in log), map(reject_of, errors)
        )

    def put(self, *values: tuple[bytes | None, bytes | None], topic: str | None = None, **options: Any) -> None:
        """Send messages, each a key and a value, to the first partition, by a client that is not ours."""
        asyncio.run(self._put(topic or self.topics.inputs, values, options))

    async def _put(self, topic: str, values: Any, options: dict[str, Any]) -> None:
        headers = options.pop("headers", [])
        async with AIOKafkaProducer(bootstrap_servers=self.address, **options) as producer:
            for key, value in values:
                await producer.send_and_wait(topic, value, key=key, partition=0, headers=headers)

    def limit(self, topic: str, size: int) -> None:
        """Make a topic that takes no message larger than this."""
        asyncio.run(self._limit(topic, size))

    async def _limit(self, topic: str, size: int) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            await admin.delete_topics([topic])
            made = None
            while made != 0:  # deleting takes a moment
                response = await admin.create_topics(
                    [NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": str(size)})]
                )
                made = response.topic_errors[0][1]
        finally:
            await admin.close()


def reject_of(message: Any) -> bytes:
    """A message of the errors topic as a line of the rejects file."""
    line = json.loads(message.value)
    assert sorted(line.pop("kafka")) == ["offset", "partition", "topic"]
    return json.dumps(line).encode()


def wait_for(true: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


class Service:
    """A command that runs on until it is told to stop."""

    _numbers = iter(range(1 << 30))

    def __init__(self, command: list[str], folder: Path) -> None:
        self._path = folder / f"service-{next(self._numbers)}.txt"
        with self._path.open("wb") as said:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=ENVIRONMENT, cwd=folder
            )

    @property
    def output(self) -> str:
        """What it said so far."""
        return self._path.read_text(errors="replace")

    def until(self, text: str) -> None:
        """Wait until it has said something."""

        def so() -> bool:
            assert text in self.output or self.process.poll() is None, self.output
            return text in self.output

        wait_for(so)

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end; gives its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; gives its exit code."""
        code = self.process.wait(PATIENCE)
        assert "Traceback" not in self.output, self.output
        return code

    def counts(self) -> list[int]:
        """What the summary tells: read, written, rejected, withheld."""
        line = next(line for line in self.output.splitlines() if " read = " in line)
        words = line.partition(": ")[2].replace(",", "").split()
        return [int(word) for word in words if word.isdigit()]
