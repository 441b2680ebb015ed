"""The commands around a processor, and the mistakes that all commands report."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from acceptance import ENVIRONMENT, ROOT, SCORING
from kafka_broker import PASSWORD, USER, KafkaBroker
from kafka_commands import COMMAND, IRIS, Kafka, wait_for

from model_etl.engines.kafka.topics import Topics


def test_create_topics(kafka: Kafka) -> None:
    """Topics are created once; for topics that exist the command prints the number of partitions."""
    model = ["--model", "acceptance_model:MoodyIris", "--prefix", kafka.prefix]
    first = kafka.run("create_topics", *model, "--partitions", "3").stdout.decode()
    assert first.splitlines() == [f"created  {topic}" for topic in kafka.topics.names]
    second = kafka.run("create_topics", *model, "--partitions=2").stdout.decode()
    assert second.splitlines() == [f"exists   {topic} (3 partitions, not 2)" for topic in kafka.topics.names]


def test_receive(kafka: Kafka) -> None:
    """The command `receive` prints messages as they arrive, or those that are there, or a number of them."""
    kafka.create(1)
    topic = kafka.topics.inputs
    with kafka.service("receive", "--topic", topic) as live:
        for number in range(1000):  # it says nothing before the first message
            kafka.run("send", "--topic", topic, stdin=b'{"n": %d}' % number)
            if '"n"' in live.output:
                break
        assert live.stop(signal.SIGINT) == 0
    kafka.run("send", "--topic", topic, stdin=b"last\r\n\n")
    everything = kafka.run("receive", "--topic", topic, "--from_beginning", "--until_end").stdout.splitlines()
    assert everything[0] == b'{"n": 0}'
    assert everything[-1] == b"last"  # without what ends a line elsewhere
    assert kafka.run("receive", "--topic", topic, "--from_beginning", "--max", "1").stdout == b'{"n": 0}\n'
    assert kafka.run("receive", "--topic", topic, "--until_end").stdout == b""


def test_password_and_certificate(broker: KafkaBroker, kafka: Kafka) -> None:
    """User, password and certificate come from a file or the environment, and the password is never printed."""
    kafka.create(1)
    options = ["--topic", kafka.topics.inputs, "--client_config", "client.toml"]

    def options_with(password: str, certificate: Path | None = broker.certificate) -> list[str]:
        lines = ['security_protocol = "SASL_SSL"', f'sasl_username = "{USER}"', f'sasl_password = "{password}"']
        lines += [f'ssl_cafile = "{certificate}"'] if certificate else []
        (kafka.folder / "client.toml").write_text("\n".join(lines))
        return options

    kafka.run("send", *options_with(PASSWORD), stdin=b"{}", address=broker.secure_address)
    for password, certificate, code, message in (
        ("hunter2", broker.certificate, 77, f"Kafka at {broker.secure_address} refused the login"),
        (PASSWORD, None, 75, f"cannot reach Kafka at {broker.secure_address}"),
    ):
        wrong = options_with(password, certificate)
        done = kafka.run("send", *wrong, stdin=b"{}", address=broker.secure_address, code=code)
        assert message in done.stderr.decode()
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
    "log to a file in TOML": (["process", "--config", "log.toml"], 78, "the prediction log of Kafka is a topic"),
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
def test_failures(kafka: Kafka, case: str) -> None:
    """A mistake is reported with its cause, its place and an exit code; no secret is printed."""
    (verb, *options), code, words = FAILURES[case]
    (kafka.folder / "log.toml").write_text(f'model = "{IRIS}"\nprediction_log = "x.log"')
    if "known" in options:
        kafka.create(1)
    done = kafka.run(verb, *[kafka.topics.inputs if option == "known" else option for option in options], code=code)
    assert words in done.stderr.decode()
    assert b"hunter2" not in done.stderr


def test_no_servers() -> None:
    """A command without an address fails: no broker is assumed."""
    done = subprocess.run([*COMMAND, "lag", "-m", IRIS], capture_output=True, check=False, env=ENVIRONMENT, text=True)
    assert done.returncode == 78
    assert "--bootstrap_servers is not given" in done.stderr


def test_send_as_typed(kafka: Kafka) -> None:
    """Lines are sent as they are typed; an interrupted user is told how many were sent."""
    kafka.create(1)
    command = kafka.command("send", "--topic", kafka.topics.inputs)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as typing:
        assert typing.stdin
        assert typing.stderr
        typing.stdin.write(b'{"id": 1}\n{"id"')
        typing.stdin.flush()
        wait_for(lambda: kafka.lag(partitions=1) == 1)
        typing.send_signal(signal.SIGINT)
        errors = typing.stderr.read().decode()
    assert typing.returncode == 130
    assert "stopped by SIGINT; 1 sent" in errors


def test_nobody_reads(kafka: Kafka) -> None:
    """A closed standard output ends a command with a message, not with a traceback."""
    kafka.create(1)
    kafka.run("send", "--topic", kafka.topics.inputs, stdin=b"{}\n" * 100_000)
    command = kafka.command("receive", "--topic", kafka.topics.inputs, "--from_beginning")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as reader:
        assert reader.stdout
        assert reader.stderr
        reader.stdout.read(10)
        reader.stdout.close()
        errors = reader.stderr.read()
    assert reader.returncode == 74
    assert b"standard output" in errors
    assert b"Traceback" not in errors


def test_compose_file(kafka: Kafka) -> None:
    """The commands of docker/kafka.yaml work one after the other, and its image copies files that exist."""
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
    kafka.run(*services["send"]["command"], stdin=record)
    with kafka.service(*services["processor"]["command"]) as service:
        kafka.wait_for_lag(0, service, Topics("model_stream_processor.iris_model.1.0"))
        assert service.stop() == 0
    assert kafka.run(*services["receive"]["command"]).stdout == b'{"species":"setosa"}\n'
    seconds = int(services["processor"]["stop_grace_period"].removesuffix("s"))
    assert seconds > 25, "--grace"
