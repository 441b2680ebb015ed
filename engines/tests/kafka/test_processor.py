"""A processor with a real broker: its models, messages that are not records, its stop, and its reports."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
from collections.abc import Iterator

import pytest
from acceptance import SCORING
from kafka_commands import IRIS, MODES, SLOW_MODEL, Kafka, Service, reject_of

from model_etl.engines.kafka.topics import Topics


def test_two_models(kafka: Kafka) -> None:
    """Several models in one process all work, each on its own topics."""
    kafka.create(1)
    kafka.create(1, IRIS)
    record = b'{"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}\n'
    other = f"{kafka.prefix}.iris_model.1.0"
    kafka.run("send", "--topic", kafka.topics.inputs, stdin=record * 2)
    kafka.run("send", "--topic", f"{other}.inputs", stdin=record * 3)
    with kafka.processor("--model", "acceptance_model:MoodyIris", "--model", IRIS) as service:
        kafka.wait_for_lag(0, service, partitions=1)
        kafka.wait_for_lag(0, service, Topics(other), 1)
        assert service.stop() == 0
    assert "moody_iris 2.1.0: 2 read = 2 written" in service.output
    assert "iris_model 1.0.0: 3 read = 3 written" in service.output
    assert [message.value for message in kafka.messages(f"{other}.outputs")] == [b'{"species":"setosa"}'] * 3


def test_models_with_settings_of_their_own(kafka: Kafka) -> None:
    """Each model that has a settings file has its own rules and output layout."""
    kafka.create(1)
    kafka.create(1, IRIS)
    (kafka.folder / "moody.toml").write_text(
        'model = "acceptance_model:MoodyIris"\nrules = ["acceptance_model:NotInQuebec"]'
    )
    (kafka.folder / "iris.toml").write_text(f'model = "{IRIS}"\nkeep = ["id"]\nprediction_log = "none"')
    other = f"{kafka.prefix}.iris_model.1.0"
    values = (
        '"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2, "province": "QC", "id": 7'
    )
    for topic in (kafka.topics.inputs, f"{other}.inputs"):
        kafka.run("send", "--topic", topic, stdin=f"{{{values}}}".encode())
    with kafka.processor("--config", "moody.toml", "--config", "iris.toml") as service:
        kafka.wait_for_lag(0, service, partitions=1)
        kafka.wait_for_lag(0, service, Topics(other), 1)
        assert service.stop() == 0
    assert "moody_iris 2.1.0: 1 read = 0 written + 0 rejected + 1 withheld" in service.output
    assert [message.value for message in kafka.messages(f"{other}.outputs")] == [b'{"id":7,"species":"setosa"}']
    assert not kafka.messages(f"{other}.log")


def test_odd_messages(kafka: Kafka) -> None:
    """A message that is not a record becomes a reject with its cause and location; the others are scored."""
    kafka.create(1)
    good = b'{"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    pretty = good.replace(b", ", b",\r\n  ")
    values = [good, None, b"", b"\xff\xfe", b'{"a": "' + b"x" * 900_000, pretty, b"null", b"\xef\xbb\xbf" + good]
    kafka.produce(*[(b"k%d" % number, value) for number, value in enumerate(values)])
    kafka.produce((b"k8", good), headers=[("model_etl.place", b'{"input": 3}'), ("other", None)])
    kafka.produce((b"k9", good), compression_type="lz4")
    with kafka.processor(*SCORING) as service:
        kafka.wait_for_lag(0, service, partitions=1)
        assert service.stop() == 0
    assert service.counts() == [10, 4, 6, 0]
    outputs = kafka.messages(kafka.topics.outputs)
    assert [message.key for message in outputs] == [b"k0", b"k5", b"k8", b"k9"]
    errors = {message.key: json.loads(message.value) for message in kafka.messages(kafka.topics.errors)}
    assert {key: error["type"] for key, error in errors.items()} == {
        b"k1": "NoValue",
        b"k2": "InvalidJSON",
        b"k3": "InvalidUTF8",
        b"k4": "InvalidJSON",
        b"k6": "NotAnObject",
        b"k7": "InvalidJSON",
    }
    assert errors[b"k3"]["kafka"] == {"topic": kafka.topics.inputs, "partition": 0, "offset": 3}
    first, *events = kafka.messages(kafka.topics.log)
    assert json.loads(first.value)["type"] == "model_etl.run.started"
    assert dict(first.headers)["content-type"].startswith(b"application/cloudevents+json")
    found = [json.loads(message.value) for message in events]
    assert [event["subject"] for event in found] == [f"{kafka.topics.inputs}/0"] * 10
    assert [event["id"].partition("-")[2] for event in found] == [str(number) for number in range(10)]


def test_errors_are_sent_again(kafka: Kafka) -> None:
    """The content of an errors topic can be sent again, and is scored under the same prediction ids."""
    kafka.create(1)
    kafka.run("send", "--topic", kafka.topics.inputs, stdin=b'{"id": 1}\n{"id": 2}\n')
    with kafka.processor(*SCORING) as service:
        kafka.wait_for_lag(0, service, partitions=1)
        held = kafka.run("receive", "--topic", kafka.topics.errors, "--from_beginning", "--until_end").stdout
        (kafka.folder / "held.ldjson").write_bytes(held)
        again = ["--topic", kafka.topics.inputs, "--input_format", "rejects", "held.ldjson"]
        assert b"sent 2 to" in kafka.run("send", *again).stderr
        kafka.wait_for_lag(0, service, partitions=1)
        assert service.stop() == 0
    errors = kafka.messages(kafka.topics.errors)
    assert len(errors) == 4
    assert [dict(message.headers)["model_etl.id"] for message in errors[2:]] == [
        dict(message.headers)["model_etl.id"] for message in errors[:2]
    ]
    assert list(map(reject_of, errors[2:])) == list(map(reject_of, errors[:2]))


@MODES
def test_too_large_for_the_output(kafka: Kafka, mode: list[str]) -> None:
    """A result that is too large for its topic ends the process, and is delivered once the topic takes it."""
    kafka.create(1)
    kafka.create_limited(kafka.topics.outputs, 2000)
    good = b'{"id": "%s", "sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    kafka.produce((None, good % b"a"), (None, good % (b"b" * 5000)), (None, good % b"c"))
    with kafka.processor(*SCORING, *mode) as service:
        assert service.wait() == 78
    assert f"{kafka.topics.outputs} does not take" in service.output
    assert f"at offset 1 of partition 0 of {kafka.topics.inputs}" in service.output
    assert "max.message.bytes" in service.output
    assert kafka.lag(partitions=1) == 3
    kafka.create_limited(kafka.topics.outputs, 1_000_000)
    with kafka.processor(*SCORING, *mode) as service:
        kafka.wait_for_lag(0, service, partitions=1)
        assert service.stop() == 0
    assert [json.loads(message.value)["id"][0] for message in kafka.messages(kafka.topics.outputs)] == ["a", "b", "c"]


def test_models_fail_apart(kafka: Kafka) -> None:
    """A model that cannot continue leaves its message uncommitted; the others go on, and the exit code tells."""
    kafka.create(1)
    kafka.create(1, IRIS)
    record = b'{"id": 1, "sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    (kafka.folder / "echo.toml").write_text('model = "acceptance_model:Echo"\njoin = true')
    (kafka.folder / "iris.toml").write_text(f'model = "{IRIS}"')
    other = Topics(f"{kafka.prefix}.iris_model.1.0")
    with kafka.processor("--config", "echo.toml", "--config", "iris.toml") as service:
        service.wait_for_output("iris_model 1.0.0: reading")
        kafka.run("send", "--topic", kafka.topics.inputs, stdin=record)
        service.wait_for_output("has failed, the other models continue")
        kafka.run("send", "--topic", other.inputs, stdin=record)
        kafka.wait_for_lag(0, service, other, 1)
        assert service.stop() == 78
    assert f"record 1 of {kafka.topics.inputs}/0 and its prediction both have a field 'id'" in service.output
    assert "iris_model 1.0.0: 1 read = 1 written" in service.output
    assert kafka.lag(partitions=1) == 1


@MODES
def test_a_large_malformed_message_costs_only_itself(kafka: Kafka, mode: list[str]) -> None:
    """A message of 600 kB that is not a record becomes one error; the messages around it are scored."""
    kafka.create(1)
    good = b'{"id": "%s", "sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    kafka.produce((None, good % b"a"), (None, b"{" + b'\x00"' * 300_000), (None, good % b"c"))
    with kafka.processor(*SCORING, *mode) as service:
        kafka.wait_for_lag(0, service, partitions=1)
        assert service.stop() == 0
    assert [json.loads(message.value)["id"] for message in kafka.messages(kafka.topics.outputs)] == ["a", "c"]
    (error,) = kafka.messages(kafka.topics.errors)
    assert json.loads(error.value)["kafka"]["offset"] == 1


@MODES
def test_results_that_do_not_fit_are_truncated(kafka: Kafka, mode: list[str]) -> None:
    """An event or an error that its topic refuses keeps digest and origin of the whole; the other messages go on."""
    kafka.create(1)
    for topic in (kafka.topics.log, kafka.topics.errors):
        kafka.create_limited(topic, 5000)
    good = b'{"id": "%s", "sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    kafka.produce((None, good % b"a"), (None, good % (b"b" * 9000)), (None, b"oops" * 5000), (None, good % b"c"))
    with kafka.processor(*SCORING, *mode) as service:
        kafka.wait_for_lag(0, service, partitions=1)
        assert service.stop() == 0
    assert [json.loads(message.value)["id"][0] for message in kafka.messages(kafka.topics.outputs)] == ["a", "b", "c"]
    events = [json.loads(message.value) for message in kafka.messages(kafka.topics.log)]
    cut = [event for event in events if "truncated" in event]
    assert {event["truncated"]["offset"] for event in cut} == {1, 2}
    assert all(len(event["truncated"]["sha256"]) == 64 for event in cut)
    assert all(event["id"] and event["source"] for event in cut)
    (error,) = kafka.messages(kafka.topics.errors)
    reject = json.loads(error.value)
    assert reject["truncated"]["offset"] == 2
    assert reject["text"] == {"bytes": 20002, "sha256": hashlib.sha256(json.dumps("oops" * 5000).encode()).hexdigest()}


def test_headers_of_the_producer_are_passed_on(kafka: Kafka) -> None:
    """A header that a producer gives a message, such as the id of a trace, is one of its prediction or error, too."""
    kafka.create(1)
    good = b'{"id": 1, "sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    kafka.produce((None, good), (None, b"oops"), headers=[("traceparent", b"00-1-2-01"), ("empty", None)])
    with kafka.processor(*SCORING) as service:
        kafka.wait_for_lag(0, service, partitions=1)
        assert service.stop() == 0
    for topic in (kafka.topics.outputs, kafka.topics.errors):
        (message,) = kafka.messages(topic)
        assert dict(message.headers)["traceparent"] == b"00-1-2-01"
        assert dict(message.headers)["empty"] is None
        assert "model_etl.id" in dict(message.headers)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stop(kafka: Kafka, number: int) -> None:
    """A processor stops at once and successfully when a signal asks it to, and leaves its group."""
    kafka.create(1)
    with kafka.processor(*SCORING) as service:
        service.wait_for_output("reading")
        assert service.stop(number) == 0
    assert "moody_iris 2.1.0: 0 read = 0 written + 0 rejected + 0 withheld" in service.output
    with kafka.processor(*SCORING) as service:  # it has left the group, or this would take its session_timeout
        service.wait_for_output("reading")


@contextlib.contextmanager
def hanging(kafka: Kafka, *options: str) -> Iterator[Service]:
    """Run a processor whose model never returns."""
    (kafka.folder / "slow.py").write_text(SLOW_MODEL)
    kafka.create(1, "slow:Slow")
    kafka.produce((None, b'{"id": 1000}'), topic=f"{kafka.prefix}.slow.1.0.inputs")
    with kafka.processor("--model", "slow:Slow", *options) as service:
        service.wait_for_output("predicting")
        yield service


def test_second_signal(kafka: Kafka) -> None:
    """A second signal ends a processor at once, even if its model hangs."""
    with hanging(kafka) as service:
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(1)
        assert service.stop() == 143
    assert "stopped at once by SIGTERM" in service.output


def test_grace(kafka: Kafka) -> None:
    """A batch that is not finished in time is left to the next start, with exit code 75."""
    with hanging(kafka, "--grace", "1") as service:
        assert service.stop() == 75
    assert "could not be finished in 1 s" in service.output


def test_lag_and_reports(kafka: Kafka) -> None:
    """A command prints how many messages wait, and a running processor reports it at intervals."""
    kafka.create(2)
    kafka.run("send", "--topic", kafka.topics.inputs, stdin=b'{"id": 1}\n' * 5)
    model = ["--model", "acceptance_model:MoodyIris", "--prefix", kafka.prefix]
    lines = kafka.run("lag", *model).stdout.decode().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [[kafka.topics.inputs, "0"], [kafka.topics.inputs, "1"]]
    assert sum(int(line.split("\t")[2]) for line in lines) == 5
    with kafka.processor(*SCORING, "--report_every", "0.2") as service:
        service.wait_for_output('"read":5,"written":0,"rejected":5,"withheld":0,"lag":{"0":0,"1":0}')
        assert service.stop() == 0
