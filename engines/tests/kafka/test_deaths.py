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
    return Counter(
        (json.loads(value["text"]) if "text" in value else value.get("record", value))["id"] for value in values
    )


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


def test_several_messages_that_kill(kafka: Kafka) -> None:
    """Each message that kills the process is found, also next to another one and in another partition."""
    kafka.create(2, DEADLY)
    send(kafka, 300, {7: "kill", 8: "kill", 150: "exit"})
    deaths, _ = starts_until_done(kafka, 2, "--model", DEADLY)
    assert deaths <= 9
    assert sorted(ids(kafka, topics(kafka).errors)) == [7, 8, 150]
    assert set(ids(kafka, topics(kafka).outputs)) == set(range(300)) - {7, 8, 150}


def test_other_models_are_not_suspected(kafka: Kafka) -> None:
    """Messages of another model in the same process are all scored, though they were in hand at the deaths too."""
    kafka.create(1, DEADLY)
    kafka.create(1, "deadly_model:Other")
    send(kafka, 300, {299: "kill"})
    send(kafka, 300, {}, "other")
    models = ["--model", DEADLY, "--model", "deadly_model:Other"]
    deaths, _ = starts_until_done(kafka, 1, *models)
    assert deaths == 3
    with kafka.processor(*models) as service:
        service.wait_for_output("other 1: reading")
        kafka.wait_for_lag(0, service, topics(kafka, "other"), 1)
        assert service.stop() == 0
    assert not kafka.messages(topics(kafka, "other").errors)
    assert set(ids(kafka, topics(kafka, "other").outputs)) == set(range(300))


def test_kills_of_an_idle_process(kafka: Kafka) -> None:
    """A process that is killed while it waits accuses no message."""
    kafka.create(1, DEADLY)
    send(kafka, 10, {})
    for _ in range(4):
        with kafka.processor("--model", DEADLY, "--session_timeout", "2") as service:
            service.wait_for_output("reading")
            kafka.wait_for_lag(0, service, topics(kafka), 1)
            service.kill()
    send(kafka, 10, {})
    deaths, _ = starts_until_done(kafka, 1, "--model", DEADLY)
    assert deaths == 0
    assert not kafka.messages(topics(kafka).errors)
    assert ids(kafka, topics(kafka).outputs).total() == 20


@MODES
def test_model_timeout(kafka: Kafka, mode: list[str]) -> None:
    """A message that takes too long ends the process with 69, commits nothing, and is an error after three ends."""
    kafka.create(1, DEADLY)
    send(kafka, 4, {2: "hang"})
    options = ["--model", DEADLY, "--model_timeout", "2", "--session_timeout", "2", *mode]
    for offsets in ("offsets 0 to 3", "offsets 0 to 3", "offset 2"):
        with kafka.processor(*options) as service:
            assert service.wait() == 69
        assert f"{topics(kafka).inputs}, partition 0, {offsets}: no answer within 2 s" in service.output
    assert kafka.lag(topics(kafka), 1) == 2
    with kafka.processor(*options) as service:
        kafka.wait_for_lag(0, service, topics(kafka), 1)
        assert service.stop() == 0
    assert list(ids(kafka, topics(kafka).errors)) == [2]
    assert sorted(ids(kafka, topics(kafka).outputs)) == [0, 1, 3]
