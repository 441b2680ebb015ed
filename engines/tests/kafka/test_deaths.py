"""Messages that end the process: they are found by notes in Kafka, and refused alone."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from kafka_commands import MODES, Kafka, Service

from model_etl.engines.kafka.topics import Topics

DEADLY = "deadly_model:Deadly"
DEATHS = pytest.mark.parametrize("fate", ["exit", "crash", "kill"])


def topics(kafka: Kafka, name: str = "deadly") -> Topics:
    """Return the topics of a model."""
    return Topics(f"{kafka.prefix}.{name}.1.0")


def send(kafka: Kafka, count: int, fates: dict[int, str], name: str = "deadly") -> None:
    """Send numbered records, some of which have a fate."""
    records = [{"id": number, "fate": fates.get(number, "live")} for number in range(count)]
    lines = "".join(f"{json.dumps(record)}\n" for record in records)
    kafka.run("send", "--topic", topics(kafka, name).inputs, "--key", "id", stdin=lines.encode())


def starts_until_done(kafka: Kafka, partitions: int, *options: str, model: str = "deadly") -> tuple[int, Service]:
    """Start a processor again and again until everything is scored; return how often it died, and the last one."""
    for deaths in range(10):
        with kafka.processor("--max_records", "100", "--session_timeout", "2", *options) as service:
            while kafka.lag(topics(kafka, model), partitions):
                if service.process.poll() is not None:
                    break
            else:
                assert service.stop() == 0
                return deaths, service
    raise AssertionError(service.output)


def ids(kafka: Kafka, topic: str) -> Counter[int]:
    """Return the numbers of the records of a topic of results."""
    values = [json.loads(message.value) for message in kafka.messages(topic)]
    return Counter((json.loads(value["text"]) if "text" in value else value.get("record", value))["id"] for value in values)


@MODES
@DEATHS
def test_message_that_kills(kafka: Kafka, fate: str, mode: list[str]) -> None:
    """After three deaths the message that kills the process is an error; all others are scored, once if promised."""
    kafka.create(2, DEADLY)
    send(kafka, 500, {321: fate})
    deaths, _ = starts_until_done(kafka, 2, "--model", DEADLY, *mode)
    assert deaths == 3
    assert list(ids(kafka, topics(kafka).errors)) == [321]
    written = ids(kafka, topics(kafka).outputs)
    assert set(written) == set(range(500)) - {321}
    if mode:
        assert written.total() == 499
    (error,) = kafka.messages(topics(kafka).errors)
    value = json.loads(error.value)
    assert value["type"] == "ProcessDied"
    assert value["kafka"]["topic"] == topics(kafka).inputs
