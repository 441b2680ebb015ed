"""The Kafka engine against a real broker: what it makes of messages, and that nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from acceptance import ENVIRONMENT, RECORDS, ROOT, SCORING, Results, single_machine, write_input
from kafka_broker import PASSWORD, USER, KafkaBroker
from kafka_commands import COMMAND, Kafka, Service, reject_of, wait_for

from model_etl.engines.kafka.topics import Topics

MODES = pytest.mark.parametrize("mode", [[], ["--exactly_once"]], ids=["at_least_once", "exactly_once"])
IRIS = "iris_model.iris_predict:IrisModel"
FEWER = 30_000


@pytest.fixture(scope="session")
def broker() -> Iterator[KafkaBroker]:
    """Start a broker for all tests."""
    with KafkaBroker() as running:
        yield running


@pytest.fixture
def kafka(broker: KafkaBroker, request: pytest.FixtureRequest, tmp_path: Path) -> Kafka:
    """Give names of topics that are the test's own."""
    prefix = "".join(letter if letter.isalnum() else "_" for letter in request.node.name)
    return Kafka(broker.address, prefix, tmp_path)


@pytest.fixture(scope="session")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """Give 30 000 records like those of the acceptance test, and what the single-machine run makes of them."""
    folder = tmp_path_factory.mktemp("fewer")
    write_input(folder / "input.json", FEWER)
    return folder / "input.json", single_machine(str(folder / "input.json"), folder)


def quick(*options: str) -> list[str]:
    """Give options of a processor that notices a death soon, and whose batches are small."""
    return [*SCORING, "--session_timeout", "3", "--max_records", "500", *options]


def fill(kafka: Kafka, path: Path) -> None:
    """Make the topics, and send a file."""
    kafka.create()
    kafka.run("send", "--topic", kafka.topics.inputs, "--key", "id", str(path))


def doubled(found: Results, wanted: Results) -> int:
    """See that nothing is lost and nothing else is there; give how much there is more than once."""
    extra = 0
    for ours, theirs in zip(vars(found).values(), vars(wanted).values(), strict=True):
        assert not theirs - ours
        assert set(ours) == set(theirs)
        extra += (ours - theirs).total()
    return extra


SLOW = """
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


@MODES
def test_acceptance(kafka: Kafka, accepted: tuple[Path, Results], mode: list[str]):
    """100 000 messages give what the single-machine run makes of their file, each beside its key, and counted."""
    path, single = accepted
    fill(kafka, path)
    with kafka.processor(*SCORING, *mode) as service:
        kafka.until(0, service)
        assert service.stop() == 0
    assert kafka.results() == single
    read, written, rejected, withheld = service.counts()
    assert read == written + rejected + withheld == RECORDS
    assert written == single.predictions.total()
    assert rejected == single.rejects.total()
    sent = {(message.partition, message.offset): message for message in kafka.read(kafka.topics.inputs)}
    partitions = {message.key: message.partition for message in sent.values()}
    outputs = kafka.read(kafka.topics.outputs)
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
    for message in kafka.read(kafka.topics.errors):
        origin = json.loads(message.value)["kafka"]
        assert origin["topic"] == kafka.topics.inputs
        came_from = sent[origin["partition"], origin["offset"]]
        assert came_from.key == message.key
        assert came_from.value.decode(errors="replace").startswith(json.loads(message.value).get("text", ""))


@MODES
def test_kill_in_mid_stream(kafka: Kafka, accepted: tuple[Path, Results], mode: list[str]):
    """Killed twice in mid-stream, it loses nothing, and in exactly-once mode it doubles nothing either."""
    path, single = accepted
    fill(kafka, path)
    for most in (75_000, 40_000):
        with kafka.processor(*quick(*mode)) as service:
            assert kafka.until(most, service) > 10_000
            service.kill()
    with kafka.processor(*quick(*mode)) as service:
        kafka.until(0, service)
        assert service.stop() == 0
    extra = doubled(kafka.results(), single)
    if mode:
        assert extra == 0


@MODES
def test_kill_one_of_two(kafka: Kafka, fewer: tuple[Path, Results], mode: list[str]):
    """Two processes share the partitions; when one is killed, the other goes on where that one had come to."""
    path, single = fewer
    kafka.create()
    with kafka.processor(*quick(*mode)) as first, kafka.processor(*quick(*mode)) as second:
        first.until("reading")
        second.until("reading")
        kafka.run("send", "--topic", kafka.topics.inputs, str(path))
        kafka.until(FEWER // 2, first)
        first.kill()
        kafka.until(0, second)
        assert second.stop() == 0
    assert second.counts()[0] > 0
    extra = doubled(kafka.results(), single)
    if mode:
        assert second.counts()[0] < FEWER
        assert extra == 0


def test_join_and_leave(kafka: Kafka, fewer: tuple[Path, Results]):
    """Processes that join and leave in good order double nothing, even where that is allowed."""
    path, single = fewer
    fill(kafka, path)
    with kafka.processor(*quick()) as first:
        kafka.until(FEWER - 4000, first)
        with kafka.processor(*quick()) as second:
            second.until("reading")
            kafka.until(FEWER // 2, first)
            assert first.stop() == 0
            kafka.until(0, second)
            assert second.stop() == 0
    assert first.counts()[0] + second.counts()[0] == FEWER
    assert kafka.results() == single


def test_join_in_the_midst_of_a_batch(kafka: Kafka):
    """Partitions are dealt out anew only once the batch at hand is done, however long that takes."""
    (kafka.folder / "slow.py").write_text(SLOW)
    kafka.create(2, "slow:Slow")
    slow = Topics(f"{kafka.prefix}.slow.1.0")
    kafka.run("send", "--topic", slow.inputs, given=b'{"id": 0.1}\n' * 40)
    options = ["--model", "slow:Slow", "--max_records", "10"]
    with kafka.processor(*options) as first:
        first.until("predicting")
        with kafka.processor(*options) as second:
            second.until("reading")
            kafka.until(0, first, slow, 2)
            assert first.stop() == second.stop() == 0
    assert first.counts()[0] + second.counts()[0] == 40
    assert len(kafka.read(slow.outputs)) == 40


def test_frozen_process_is_shut_out(kafka: Kafka, fewer: tuple[Path, Results]):
    """In exactly-once mode a process that was taken for dead, and wakes up in a transaction, doubles nothing."""
    path, single = fewer
    fill(kafka, path)
    with kafka.processor(*quick("--exactly_once")) as frozen:
        kafka.until(FEWER - 1000, frozen)
        frozen.process.send_signal(signal.SIGSTOP)
        while not kafka.in_transaction(kafka.topics.log):
            frozen.process.send_signal(signal.SIGCONT)
            time.sleep(random.uniform(0.01, 0.1))
            frozen.process.send_signal(signal.SIGSTOP)
        assert kafka.waiting() > 0
        with kafka.processor(*quick("--exactly_once")) as heir:
            kafka.until(0, heir)
            frozen.process.send_signal(signal.SIGCONT)
            assert frozen.wait() == 75
            assert heir.stop() == 0
    assert "another process has taken over" in frozen.output
    assert kafka.results() == single


def test_broker_that_dies(tmp_path: Path, fewer: tuple[Path, Results]):
    """A broker that is killed and comes back is waited for, and nothing is lost or doubled."""
    path, single = fewer
    with KafkaBroker() as broker:
        kafka = Kafka(broker.address, "dies", tmp_path)
        fill(kafka, path)
        with kafka.processor(*quick("--exactly_once")) as service:
            kafka.until(FEWER - 5000, service)
            broker.kill()
            service.until("aiokafka")  # it has noticed
            broker.start()
            kafka.until(0, service)
            assert service.stop() == 0
        assert kafka.results() == single


def test_standby(kafka: Kafka):
    """A process that has no partitions waits for as long as it takes, and takes over when it gets some."""
    kafka.create(1)
    patient = [*SCORING, "--session_timeout", "2", "--rebalance_timeout", "2"]
    with kafka.processor(*patient) as first:
        first.until("reading")
        with kafka.processor(*patient) as second:
            second.until("reading")
            time.sleep(3)
            first.kill()
            kafka.run("send", "--topic", kafka.topics.inputs, given=b"{}")
            kafka.until(0, second, partitions=1)
            assert second.stop() == 0
    assert second.counts() == [1, 0, 1, 0]


def test_two_models(kafka: Kafka):
    """Several models in one process all work: each reads its own topic."""
    kafka.create(1)
    kafka.create(1, IRIS)
    record = b'{"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}\n'
    other = f"{kafka.prefix}.iris_model.1.0"
    kafka.run("send", "--topic", kafka.topics.inputs, given=record * 2)
    kafka.run("send", "--topic", f"{other}.inputs", given=record * 3)
    with kafka.processor("--model", "acceptance_model:MoodyIris", "--model", IRIS) as service:
        kafka.until(0, service, partitions=1)
        kafka.until(0, service, Topics(other), 1)
        assert service.stop() == 0
    assert "moody_iris 2.1.0: 2 read = 2 written" in service.output
    assert "iris_model 1.0.0: 3 read = 3 written" in service.output
    assert [message.value for message in kafka.read(f"{other}.outputs")] == [b'{"species":"setosa"}'] * 3


def test_models_with_settings_of_their_own(kafka: Kafka):
    """One file a model gives each its own rules and layout."""
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
        kafka.run("send", "--topic", topic, given=f"{{{values}}}".encode())
    with kafka.processor("--config", "moody.toml", "--config", "iris.toml") as service:
        kafka.until(0, service, partitions=1)
        kafka.until(0, service, Topics(other), 1)
        assert service.stop() == 0
    assert "moody_iris 2.1.0: 1 read = 0 written + 0 rejected + 1 withheld" in service.output
    assert [message.value for message in kafka.read(f"{other}.outputs")] == [b'{"id":7,"species":"setosa"}']
    assert not kafka.read(f"{other}.log")


def test_odd_messages(kafka: Kafka):
    """What is no record becomes a reject with its cause and place, and its neighbours are scored."""
    kafka.create(1)
    good = b'{"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    pretty = good.replace(b", ", b",\r\n  ")
    values = [good, None, b"", b"\xff\xfe", b'{"a": "' + b"x" * 900_000, pretty, b"null", b"\xef\xbb\xbf" + good]
    kafka.put(*[(b"k%d" % number, value) for number, value in enumerate(values)])
    kafka.put((b"k8", good), headers=[("model_etl.place", b'{"input": 3}'), ("other", None)])
    kafka.put((b"k9", good), compression_type="lz4")
    with kafka.processor(*SCORING) as service:
        kafka.until(0, service, partitions=1)
        assert service.stop() == 0
    assert service.counts() == [10, 4, 6, 0]
    outputs = kafka.read(kafka.topics.outputs)
    assert [message.key for message in outputs] == [b"k0", b"k5", b"k8", b"k9"]
    errors = {message.key: json.loads(message.value) for message in kafka.read(kafka.topics.errors)}
    assert {key: error["type"] for key, error in errors.items()} == {
        b"k1": "NoValue",
        b"k2": "InvalidJSON",
        b"k3": "InvalidUTF8",
        b"k4": "InvalidJSON",
        b"k6": "NotAnObject",
        b"k7": "InvalidJSON",
    }
    assert errors[b"k3"]["kafka"] == {"topic": kafka.topics.inputs, "partition": 0, "offset": 3}
    first, *events = kafka.read(kafka.topics.log)
    assert json.loads(first.value)["type"] == "model_etl.run.started"
    assert dict(first.headers)["content-type"].startswith(b"application/cloudevents+json")
    found = [json.loads(message.value) for message in events]
    assert [event["subject"] for event in found] == [f"{kafka.topics.inputs}/0"] * 10
    assert [event["id"].partition("-")[2] for event in found] == [str(number) for number in range(10)]


def test_errors_are_sent_again(kafka: Kafka):
    """What an errors topic holds can be sent again, and scored again by `model-etl retry`, under the same ids."""
    kafka.create(1)
    kafka.run("send", "--topic", kafka.topics.inputs, given=b'{"id": 1}\n{"id": 2}\n')
    with kafka.processor(*SCORING) as service:
        kafka.until(0, service, partitions=1)
        held = kafka.run("receive", "--topic", kafka.topics.errors, "--from_beginning", "--until_end").stdout
        (kafka.folder / "held.ldjson").write_bytes(held)
        again = ["--topic", kafka.topics.inputs, "--input_format", "rejects", "held.ldjson"]
        assert b"sent 2 to" in kafka.run("send", *again).stderr
        kafka.until(0, service, partitions=1)
        assert service.stop() == 0
    errors = kafka.read(kafka.topics.errors)
    assert len(errors) == 4
    assert [dict(message.headers)["model_etl.id"] for message in errors[2:]] == [
        dict(message.headers)["model_etl.id"] for message in errors[:2]
    ]
    assert list(map(reject_of, errors[2:])) == list(map(reject_of, errors[:2]))


@MODES
def test_too_large_for_the_output(kafka: Kafka, mode: list[str]):
    """A result that a topic does not take ends the process with the record's place, and is there after a remedy."""
    kafka.create(1)
    kafka.limit(kafka.topics.outputs, 2000)
    good = b'{"id": "%s", "sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    kafka.put((None, good % b"a"), (None, good % (b"b" * 5000)), (None, good % b"c"))
    with kafka.processor(*SCORING, *mode) as service:
        assert service.wait() == 78
    assert f"{kafka.topics.outputs} does not take" in service.output
    assert f"at offset 1 of partition 0 of {kafka.topics.inputs}" in service.output
    assert "max.message.bytes" in service.output
    assert kafka.waiting(partitions=1) == 3
    kafka.limit(kafka.topics.outputs, 1_000_000)
    with kafka.processor(*SCORING, *mode) as service:
        kafka.until(0, service, partitions=1)
        assert service.stop() == 0
    assert [json.loads(message.value)["id"][0] for message in kafka.read(kafka.topics.outputs)] == ["a", "b", "c"]


def test_one_that_fails_ends_all(kafka: Kafka):
    """A model that cannot go on ends the process with its error, and what it failed on is not marked as done."""
    kafka.create(1)
    kafka.create(1, IRIS)
    record = b'{"id": 1, "sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'
    (kafka.folder / "echo.toml").write_text('model = "acceptance_model:Echo"\njoin = true')
    (kafka.folder / "iris.toml").write_text(f'model = "{IRIS}"')
    with kafka.processor("--config", "echo.toml", "--config", "iris.toml") as service:
        service.until("iris_model 1.0.0: reading")
        kafka.run("send", "--topic", kafka.topics.inputs, given=record)
        assert service.wait() == 78
    assert f"record 1 of {kafka.topics.inputs}/0 and its prediction both have a field 'id'" in service.output
    assert "iris_model 1.0.0: 0 read" in service.output
    assert kafka.waiting(partitions=1) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stop(kafka: Kafka, number: int):
    """A signal that asks it to stop is obeyed at once and with success, and others may take over at once."""
    kafka.create(1)
    with kafka.processor(*SCORING) as service:
        service.until("reading")
        assert service.stop(number) == 0
    assert "moody_iris 2.1.0: 0 read = 0 written + 0 rejected + 0 withheld" in service.output
    with kafka.processor(*SCORING) as service:  # it has left the group, or this would take its session_timeout
        service.until("reading")


@contextlib.contextmanager
def hanging(kafka: Kafka, *options: str) -> Iterator[Service]:
    """Start a processor whose model does not come back."""
    (kafka.folder / "slow.py").write_text(SLOW)
    kafka.create(1, "slow:Slow")
    kafka.put((None, b'{"id": 1000}'), topic=f"{kafka.prefix}.slow.1.0.inputs")
    with kafka.processor("--model", "slow:Slow", *options) as service:
        service.until("predicting")
        yield service


def test_second_signal(kafka: Kafka):
    """A second signal ends it at once, whatever its model does."""
    with hanging(kafka) as service:
        service.process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            service.process.wait(1)
        assert service.stop() == 143
    assert "stopped at once by SIGTERM" in service.output


def test_grace(kafka: Kafka):
    """A batch that is not finished in time is left to the next start, with an exit code that says so."""
    with hanging(kafka, "--grace", "1") as service:
        assert service.stop() == 75
    assert "could not be finished in 1 s" in service.output


def test_lag_and_reports(kafka: Kafka):
    """How many messages wait is told by a command, and by a running processor now and then."""
    kafka.create(2)
    kafka.run("send", "--topic", kafka.topics.inputs, given=b'{"id": 1}\n' * 5)
    model = ["--model", "acceptance_model:MoodyIris", "--prefix", kafka.prefix]
    lines = kafka.run("lag", *model).stdout.decode().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [[kafka.topics.inputs, "0"], [kafka.topics.inputs, "1"]]
    assert sum(int(line.split("\t")[2]) for line in lines) == 5
    with kafka.processor(*SCORING, "--report_every", "0.2") as service:
        service.until('"read":5,"written":0,"rejected":5,"withheld":0,"lag":{"0":0,"1":0}')
        assert service.stop() == 0


def test_create_topics(kafka: Kafka):
    """Topics are made once; asked for again they stay, and it is told how many partitions they have."""
    model = ["--model", "acceptance_model:MoodyIris", "--prefix", kafka.prefix]
    first = kafka.run("create_topics", *model, "--partitions", "3").stdout.decode()
    assert first.splitlines() == [f"created  {topic}" for topic in kafka.topics.names]
    second = kafka.run("create_topics", *model, "--partitions=2").stdout.decode()
    assert second.splitlines() == [f"exists   {topic} (3 partitions, not 2)" for topic in kafka.topics.names]


def test_receive(kafka: Kafka):
    """The tool prints what comes, or what was there, or so many; a transaction only once it is committed."""
    kafka.create(1)
    topic = kafka.topics.inputs
    with kafka.service("receive", "--topic", topic) as live:
        for number in range(1000):  # it says nothing before the first message
            kafka.run("send", "--topic", topic, given=b'{"n": %d}' % number)
            if '"n"' in live.output:
                break
        assert live.stop(signal.SIGINT) == 0
    kafka.run("send", "--topic", topic, given=b"last\r\n\n")
    everything = kafka.run("receive", "--topic", topic, "--from_beginning", "--until_end").stdout.splitlines()
    assert everything[0] == b'{"n": 0}'
    assert everything[-1] == b"last"  # without what ends a line elsewhere
    assert kafka.run("receive", "--topic", topic, "--from_beginning", "--max", "1").stdout == b'{"n": 0}\n'
    assert kafka.run("receive", "--topic", topic, "--until_end").stdout == b""


def test_password_and_certificate(broker: KafkaBroker, kafka: Kafka):
    """User, password and certificate come from a file or the environment, and the password is shown nowhere."""
    kafka.create(1)
    options = ["--topic", kafka.topics.inputs, "--client_config", "client.toml"]

    def told(password: str, certificate: Path | None = broker.certificate) -> list[str]:
        lines = ['security_protocol = "SASL_SSL"', f'sasl_username = "{USER}"', f'sasl_password = "{password}"']
        lines += [f'ssl_cafile = "{certificate}"'] if certificate else []
        (kafka.folder / "client.toml").write_text("\n".join(lines))
        return options

    kafka.run("send", *told(PASSWORD), given=b"{}", address=broker.secure_address)
    for wrong in (told("hunter2"), told(PASSWORD, None)):
        done = kafka.run("send", *wrong, given=b"{}", address=broker.secure_address, code=75)
        assert f"cannot reach Kafka at {broker.secure_address}" in done.stderr.decode()
        assert b"hunter2" not in done.stderr
        assert PASSWORD.encode() not in done.stderr


FAILURES = {
    "no broker": (["process", *SCORING, "--bootstrap_servers", "127.0.0.1:1"], 75, "127.0.0.1:1"),
    "no topics": (["process", *SCORING, "--prefix", "nowhere"], 78, "nowhere.moody_iris.2.1.inputs"),
    "the remedy": (["process", *SCORING, "--prefix", "nowhere"], 78, "model_etl.engines.kafka create_topics"),
    "no model": (["process", "--model", "nothing:Model", "--bootstrap_servers", "127.0.0.1:1"], 69, "nothing:Model"),
    "model not given": (["process"], 78, "--model is not given"),
    "model twice": (["process", "--model", IRIS, "--model", IRIS], 2, "same topics"),
    "both many": (["process", "-m", "a:A", "-m", "b:B", "--config", "x", "--config", "y"], 2, "given several times"),
    "no such config": (["process", "--config", "x.toml"], 78, "x.toml"),
    "no such client_config": (["process", *SCORING, "--client_config", "x.toml"], 78, "x.toml"),
    "log to a file": (["process", *SCORING, "--prediction_log", "x.log"], 2, "--prediction_log"),
    "log to a file in TOML": (["process", "--config", "log.toml"], 78, "Kafka's log is a topic"),
    "join and keep": (["process", *SCORING, "--keep", "id"], 78, "exclude each other"),
    "bad prefix": (["process", *SCORING, "--prefix", "a/b"], 78, "a/b.moody_iris.2.1"),
    "bad number": (["process", *SCORING, "--max_records", "0"], 2, "--max_records"),
    "unknown option": (["process", *SCORING, "--sasl_passwort=hunter2"], 2, "--sasl_passwort"),
    "unknown verb": (["proces"], 2, "create_topics"),
    "too many replicas": (["create_topics", "--model", IRIS, "--replication_factor", "3"], 78, "replication factor 3"),
    "send nowhere": (["send", "--topic", "nowhere"], 78, "nowhere"),
    "send no file": (["send", "--topic", "known", "x.json"], 66, "x.json"),
    "send a table": (["send", "--topic", "known", "x.csv"], 2, "x.csv"),
    "receive nowhere": (["receive", "--topic", "nowhere"], 78, "nowhere"),
    "lag of nothing": (["lag", "--model", IRIS, "--prefix", "nowhere"], 78, "nowhere.iris_model.1.0.inputs"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures(kafka: Kafka, case: str):
    """A mistake is told with its thing and place, and an exit code, and nothing is created or shown on the way."""
    (verb, *options), code, words = FAILURES[case]
    (kafka.folder / "log.toml").write_text(f'model = "{IRIS}"\nprediction_log = "x.log"')
    if "known" in options:
        kafka.create(1)
    done = kafka.run(verb, *[kafka.topics.inputs if option == "known" else option for option in options], code=code)
    assert words in done.stderr.decode()
    assert b"hunter2" not in done.stderr


def test_no_servers():
    """Without an address nothing is guessed."""
    done = subprocess.run([*COMMAND, "lag", "-m", IRIS], capture_output=True, check=False, env=ENVIRONMENT, text=True)
    assert done.returncode == 78
    assert "--bootstrap_servers is not given" in done.stderr


def test_send_as_typed(kafka: Kafka):
    """Lines are sent as they are typed; who is interrupted is told how many were."""
    kafka.create(1)
    command = kafka.command("send", "--topic", kafka.topics.inputs)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as typing:
        typing.stdin.write(b'{"id": 1}\n{"id"')
        typing.stdin.flush()
        wait_for(lambda: kafka.waiting(partitions=1) == 1)
        typing.send_signal(signal.SIGINT)
        said = typing.stderr.read().decode()
    assert typing.returncode == 130
    assert "stopped by SIGINT; 1 sent" in said


def test_nobody_reads(kafka: Kafka):
    """A reader of our output that goes away ends a tool with a message, not a traceback."""
    kafka.create(1)
    kafka.run("send", "--topic", kafka.topics.inputs, given=b"{}\n" * 100_000)
    command = kafka.command("receive", "--topic", kafka.topics.inputs, "--from_beginning")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as reader:
        reader.stdout.read(10)
        reader.stdout.close()
        said = reader.stderr.read()
    assert reader.returncode == 74
    assert b"standard output" in said
    assert b"Traceback" not in said


def test_compose_file(kafka: Kafka):
    """The commands of docker/kafka.yaml work one after the other, and its image copies what there is."""
    compose = yaml.safe_load((ROOT / "docker" / "kafka.yaml").read_text())
    services = compose["services"]
    (image,) = {service["build"]["dockerfile_inline"] for service in services.values() if "build" in service}
    for line in image.splitlines():
        if line.startswith("COPY"):
            assert all((ROOT / path).exists() for path in line.split()[1:-1]), line
    kafka.run(*services["topics"]["command"])
    (entry,) = [json.loads(line.partition(" ")[2]) for line in image.splitlines() if line.startswith("ENTRYPOINT")]
    assert entry == ["python", *COMMAND[1:]]
    record = b'{"sepal_length": 1.1, "sepal_width": 1.2, "petal_length": 1.3, "petal_width": 1.4}\n'
    kafka.run(*services["send"]["command"], given=record)
    with kafka.service(*services["processor"]["command"]) as service:
        kafka.until(0, service, Topics("model_stream_processor.iris_model.1.0"))
        assert service.stop() == 0
    assert kafka.run(*services["receive"]["command"]).stdout == b'{"species":"setosa"}\n'
    seconds = int(services["processor"]["stop_grace_period"].removesuffix("s"))
    assert seconds > 25, "--grace"
