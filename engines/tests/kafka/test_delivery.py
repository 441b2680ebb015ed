"""Delivery with a real broker: no record is lost or doubled, whatever dies or joins in mid-stream."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

from acceptance import RECORDS, SCORING, Results
from kafka_broker import KafkaBroker
from kafka_commands import FEWER_RECORDS, MODES, SLOW_MODEL, Kafka, small_batches

from model_etl.engines.kafka.topics import Topics


def doubled(results: Results, expected: Results) -> int:
    """Check that no result is missing or unexpected; return how many are there more than once."""
    extra = 0
    for actual, wanted in zip(vars(results).values(), vars(expected).values(), strict=True):
        assert not wanted - actual
        assert set(actual) == set(wanted)
        extra += (actual - wanted).total()
    return extra


@MODES
def test_acceptance(kafka: Kafka, accepted: tuple[Path, Results], mode: list[str]) -> None:
    """100,000 messages give the results of the single-machine run of their file, each with its key, and counted."""
    path, single = accepted
    kafka.create_and_send(path)
    with kafka.processor(*SCORING, *mode) as service:
        kafka.wait_for_lag(0, service)
        assert service.stop() == 0
    assert kafka.results() == single
    read, written, rejected, withheld = service.counts()
    assert read == written + rejected + withheld == RECORDS
    assert written == single.predictions.total()
    assert rejected == single.rejects.total()
    sent = {(message.partition, message.offset): message for message in kafka.messages(kafka.topics.inputs)}
    partitions = {message.key: message.partition for message in sent.values()}
    outputs = kafka.messages(kafka.topics.outputs)
    starts: dict[int, list[int]] = {partition: [] for partition in range(4)}
    ids: Counter[str] = Counter()
    for message in outputs:
        assert message.key == str(json.loads(message.value)["id"]).encode()
        assert message.partition == partitions[message.key]
        name = dict(message.headers)["model_etl.id"].decode()
        starts[message.partition].append(int(name.rpartition("-")[2]))
        ids[name] += 1
    assert all(offsets == sorted(offsets) for offsets in starts.values())
    events = map(json.loads, single.events)
    assert ids == Counter(event["id"] for event in events if event["type"].endswith("completed"))
    for message in kafka.messages(kafka.topics.errors):
        origin = json.loads(message.value)["kafka"]
        assert origin["topic"] == kafka.topics.inputs
        came_from = sent[origin["partition"], origin["offset"]]
        assert came_from.key == message.key
        assert came_from.value.decode(errors="replace").startswith(json.loads(message.value).get("text", ""))


@MODES
def test_kill_in_mid_stream(kafka: Kafka, accepted: tuple[Path, Results], mode: list[str]) -> None:
    """A processor that is killed twice in mid-stream loses no record, and in exactly-once mode doubles none."""
    path, single = accepted
    kafka.create_and_send(path)
    for most in (75_000, 40_000):
        with kafka.processor(*small_batches(*mode)) as service:
            assert kafka.wait_for_lag(most, service) > 10_000
            service.kill()
    with kafka.processor(*small_batches(*mode)) as service:
        kafka.wait_for_lag(0, service)
        assert service.stop() == 0
    extra = doubled(kafka.results(), single)
    if mode:
        assert extra == 0


@MODES
def test_kill_one_of_two(kafka: Kafka, fewer: tuple[Path, Results], mode: list[str]) -> None:
    """Two processes share the partitions; when one is killed, the other continues from its last commit."""
    path, single = fewer
    kafka.create()
    with kafka.processor(*small_batches(*mode)) as first, kafka.processor(*small_batches(*mode)) as second:
        first.wait_for_output("reading")
        second.wait_for_output("reading")
        kafka.run("send", "--topic", kafka.topics.inputs, str(path))
        kafka.wait_for_lag(FEWER_RECORDS // 2, first)
        first.kill()
        kafka.wait_for_lag(0, second)
        assert second.stop() == 0
    assert second.counts()[0] > 0
    extra = doubled(kafka.results(), single)
    if mode:
        assert second.counts()[0] < FEWER_RECORDS
        assert extra == 0


def test_join_and_leave(kafka: Kafka, fewer: tuple[Path, Results]) -> None:
    """Processors that join and leave in good order double no record, even in at-least-once mode."""
    path, single = fewer
    kafka.create_and_send(path)
    with kafka.processor(*small_batches()) as first:
        kafka.wait_for_lag(FEWER_RECORDS - 4000, first)
        with kafka.processor(*small_batches()) as second:
            second.wait_for_output("reading")
            kafka.wait_for_lag(FEWER_RECORDS // 2, first)
            assert first.stop() == 0
            kafka.wait_for_lag(0, second)
            assert second.stop() == 0
    assert first.counts()[0] + second.counts()[0] == FEWER_RECORDS
    assert kafka.results() == single


def test_join_in_the_midst_of_a_batch(kafka: Kafka) -> None:
    """A rebalance waits for the batch at hand, however long the batch takes."""
    (kafka.folder / "slow.py").write_text(SLOW_MODEL)
    kafka.create(2, "slow:Slow")
    slow = Topics(f"{kafka.prefix}.slow.1.0")
    kafka.run("send", "--topic", slow.inputs, stdin=b'{"id": 0.1}\n' * 40)
    options = ["--model", "slow:Slow", "--max_records", "10"]
    with kafka.processor(*options) as first:
        first.wait_for_output("predicting")
        with kafka.processor(*options) as second:
            second.wait_for_output("reading")
            kafka.wait_for_lag(0, first, slow, 2)
            assert first.stop() == second.stop() == 0
    assert first.counts()[0] + second.counts()[0] == 40
    assert len(kafka.messages(slow.outputs)) == 40


def test_frozen_process_is_shut_out(kafka: Kafka, fewer: tuple[Path, Results]) -> None:
    """In exactly-once mode a process that was believed dead and wakes up in a transaction doubles no record."""
    path, single = fewer
    kafka.create_and_send(path)
    with kafka.processor(*small_batches("--exactly_once")) as frozen:
        kafka.wait_for_lag(FEWER_RECORDS - 1000, frozen)
        frozen.process.send_signal(signal.SIGSTOP)
        while not kafka.in_transaction(kafka.topics.log):
            frozen.process.send_signal(signal.SIGCONT)
            time.sleep(random.uniform(0.01, 0.1))
            frozen.process.send_signal(signal.SIGSTOP)
        assert kafka.lag() > 0
        with kafka.processor(*small_batches("--exactly_once")) as heir:
            kafka.wait_for_lag(0, heir)
            frozen.process.send_signal(signal.SIGCONT)
            assert frozen.wait() == 75
            assert heir.stop() == 0
    assert "another process has taken over" in frozen.output
    assert kafka.results() == single


def test_broker_that_dies(tmp_path: Path, fewer: tuple[Path, Results]) -> None:
    """A processor waits for a broker that was killed and restarts, and no record is lost or doubled."""
    path, single = fewer
    with KafkaBroker() as broker:
        kafka = Kafka(broker.address, "dies", tmp_path)
        kafka.create_and_send(path)
        with kafka.processor(*small_batches("--exactly_once")) as service:
            kafka.wait_for_lag(FEWER_RECORDS - 5000, service)
            broker.kill()
            service.wait_for_output("aiokafka")  # it has noticed
            broker.start()
            kafka.wait_for_lag(0, service)
            assert service.stop() == 0
        assert kafka.results() == single


def test_standby(kafka: Kafka) -> None:
    """A process without partitions waits without limit, and takes over when it is assigned some."""
    kafka.create(1)
    patient = [*SCORING, "--session_timeout", "2", "--rebalance_timeout", "2"]
    with kafka.processor(*patient) as first:
        first.wait_for_output("reading")
        with kafka.processor(*patient) as second:
            second.wait_for_output("reading")
            time.sleep(3)
            first.kill()
            kafka.run("send", "--topic", kafka.topics.inputs, stdin=b"{}")
            kafka.wait_for_lag(0, second, partitions=1)
            assert second.stop() == 0
    assert second.counts() == [1, 0, 1, 0]
