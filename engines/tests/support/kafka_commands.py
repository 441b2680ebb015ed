"""The Kafka engine as users run it: as commands; and the content of topics, read by a client without the engine."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from acceptance import ENVIRONMENT, MODEL, SCORING, Results
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import ConsumerRecord

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.lag import group_lag
from model_etl.engines.kafka.topics import TopicAdmin, Topics

COMMAND = [sys.executable, "-m", "model_etl.engines.kafka"]
IRIS = "iris_model.iris_predict:IrisModel"
FEWER_RECORDS = 30_000
MODES = pytest.mark.parametrize("mode", [[], ["--exactly_once"]], ids=["at_least_once", "exactly_once"])
TIMEOUT_S = 120.0
"""How long to wait for anything: ten times what it takes on an idle machine."""
SLOW_MODEL = """
import time
from pydantic import BaseModel
class Record(BaseModel):
    id: float
class Slow:
    display_name = qualified_name = description = "slow"
    version = "1"
    input_schema = output_schema = Record
    def predict(self, data):
        print("predicting", flush=True)
        time.sleep(data.id)
        return data
"""
"""A module whose model waits for as many seconds as a record's id."""


@dataclass(frozen=True)
class Kafka:
    """The engine's commands, for a broker and for topics that only one test uses.

    Attributes:
        address: HOST:PORT of the broker.
        prefix: what the names of the test's topics start with.
        folder: the commands' working directory.
    """

    address: str
    prefix: str
    folder: Path

    @property
    def topics(self) -> Topics:
        """The topics of the acceptance test's model."""
        return Topics(f"{self.prefix}.moody_iris.2.1")

    def command(self, verb: str, *options: str, address: str | None = None) -> list[str]:
        """Return a command with the address of the broker, or with another one."""
        return [*COMMAND, verb, "--bootstrap_servers", address or self.address, *options]

    def run(
        self, verb: str, *options: str, stdin: bytes = b"", code: int = 0, address: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end, and check its exit code."""
        done = subprocess.run(
            self.command(verb, *options, address=address), input=stdin, env=ENVIRONMENT, capture_output=True,
            check=False, cwd=self.folder, timeout=TIMEOUT_S,
        )  # fmt: skip
        assert done.returncode == code, done.stderr.decode()
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    def create(self, partitions: int = 4, model: str = MODEL) -> None:
        """Create the topics of a model."""
        self.run("create_topics", "--model", model, "--prefix", self.prefix, "--partitions", str(partitions))

    def create_and_send(self, path: Path) -> None:
        """Create the topics of the acceptance test's model, and send a file."""
        self.create()
        self.run("send", "--topic", self.topics.inputs, "--key", "id", str(path))

    def processor(self, *options: str) -> contextlib.AbstractContextManager[Service]:
        """Run a processor of the test's topics in a `with` block."""
        return self.service("process", "--prefix", self.prefix, *options)

    @contextlib.contextmanager
    def service(self, verb: str, *options: str) -> Iterator[Service]:
        """Run a command that does not end by itself; it is killed at the end of the block."""
        service = Service(self.command(verb, *options), self.folder)
        try:
            yield service
        finally:
            service.kill()

    def lag(self, topics: Topics | None = None, partitions: int = 4) -> int:
        """Return the number of uncommitted messages."""
        return sum(asyncio.run(group_lag(Connection(self.address), topics or self.topics, partitions)).values())

    def wait_for_lag(
        self, limit: int, service: Service | None = None, topics: Topics | None = None, partitions: int = 4
    ) -> int:
        """Wait until the lag is at most `limit` while the service runs; return the lag."""
        lag = 0

        def is_small() -> bool:
            nonlocal lag
            lag = self.lag(topics, partitions)
            assert service is None or service.process.poll() is None, service and service.output
            return lag <= limit

        wait_for(is_small)
        return lag

    def messages(self, topic: str) -> list[ConsumerRecord]:
        """Return all committed messages of a topic, in the order of each partition."""
        return asyncio.run(self._messages(topic))

    async def _messages(self, topic: str) -> list[ConsumerRecord]:
        async with self._consumer(topic, "read_committed") as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            messages: list[ConsumerRecord] = []
            while any([await consumer.position(partition) < end for partition, end in ends.items()]):
                for received in (await consumer.getmany(timeout_ms=200)).values():
                    messages += received
            return messages

    def in_transaction(self, topic: str) -> bool:
        """Return whether an open transaction has written to a topic."""

        async def ends(isolation: str) -> dict[TopicPartition, int]:
            async with self._consumer(topic, isolation) as consumer:
                offsets: dict[TopicPartition, int] = await consumer.end_offsets(consumer.assignment())
                return offsets

        return asyncio.run(ends("read_uncommitted")) != asyncio.run(ends("read_committed"))

    @contextlib.asynccontextmanager
    async def _consumer(self, topic: str, isolation: str) -> AsyncIterator[AIOKafkaConsumer]:
        async with TopicAdmin(Connection(self.address)) as admin:
            count = (await admin.partition_counts())[topic]
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.address, isolation_level=isolation, auto_offset_reset="earliest"
        )
        consumer.assign([TopicPartition(topic, number) for number in range(count)])
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()

    def results(self) -> Results:
        """Return the committed content of the topics; the rejects without the location of their messages."""
        outputs, errors, log = (self.messages(topic) for topic in self.topics.names[1:])
        return Results.of(
            (message.value for message in outputs), (message.value for message in log), map(reject_of, errors)
        )

    def produce(
        self,
        *messages: tuple[bytes | None, bytes | None],
        topic: str | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        compression_type: str | None = None,
    ) -> None:
        """Send messages, each a key and a value, to the first partition, by a client without the engine."""

        async def send() -> None:
            options = {"bootstrap_servers": self.address, "compression_type": compression_type}
            async with AIOKafkaProducer(**options) as producer:
                for key, value in messages:
                    await producer.send_and_wait(
                        topic or self.topics.inputs, value, key=key, partition=0, headers=list(headers)
                    )

        asyncio.run(send())

    def create_limited(self, topic: str, max_message_bytes: int) -> None:
        """Replace a topic by an empty one that takes no message larger than this."""

        async def replace() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
            await admin.start()
            try:
                await admin.delete_topics([topic])
                configuration = {"max.message.bytes": str(max_message_bytes)}
                error_code = None
                while error_code != 0:  # the deletion takes a moment
                    response = await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=configuration)])
                    error_code = response.topic_errors[0][1]
            finally:
                await admin.close()

        asyncio.run(replace())


class Service:
    """A command that runs until it is told to stop.

    Args:
        command: the command line.
        folder: its working directory, where its output is written to a file.
    """

    _numbers = itertools.count()

    def __init__(self, command: list[str], folder: Path) -> None:
        self._path = folder / f"service-{next(self._numbers)}.txt"
        with self._path.open("wb") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=ENVIRONMENT, cwd=folder
            )

    @property
    def output(self) -> str:
        """What the command has printed so far."""
        return self._path.read_text(errors="replace")

    def wait_for_output(self, text: str) -> None:
        """Wait until the command has printed a text."""

        def is_printed() -> bool:
            assert text in self.output or self.process.poll() is None, self.output
            return text in self.output

        wait_for(is_printed)

    def kill(self) -> None:
        """End the command as a crash would."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait for the end of the command, and return its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end of the command, and return its exit code."""
        code = self.process.wait(TIMEOUT_S)
        assert "Traceback" not in self.output, self.output
        return code

    def counts(self) -> list[int]:
        """Return the numbers of the summary: read, written, rejected, withheld."""
        line = next(line for line in self.output.splitlines() if " read = " in line)
        words = line.partition(": ")[2].replace(",", "").split()
        return [int(word) for word in words if word.isdigit()]


def small_batches(*options: str) -> list[str]:
    """Return options of a processor that notices a dead member soon, and whose batches are small."""
    return [*SCORING, "--session_timeout", "3", "--max_records", "500", *options]


def reject_of(message: Any) -> bytes:
    """Return a message of the errors topic as a line of the rejects file."""
    line = json.loads(message.value)
    assert sorted(line.pop("kafka")) == ["offset", "partition", "topic"]
    return json.dumps(line).encode()


def wait_for(condition: Callable[[], bool], timeout: float = TIMEOUT_S) -> None:
    """Wait until a condition is true; fail the test after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"waited for {timeout:g} s in vain"
        time.sleep(0.05)
