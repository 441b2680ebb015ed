"""Messages, their results, topics and settings, without a broker."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from acceptance import MODEL, RULES
from hypothesis import given, settings
from hypothesis import strategies as st

from model_etl.engines.kafka.__main__ import process
from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.console import NoticeHandler
from model_etl.engines.kafka.messages import ORIGIN_HEADER, PartitionResults, batch_messages, collect_results
from model_etl.engines.kafka.options import DEFAULTS, Parser
from model_etl.engines.kafka.send_command import message_key, read_file
from model_etl.engines.kafka.topics import Topics
from model_etl.engines.shared.scoring import Scorer, ScorerSettings
from model_etl.engines.shared.unsupported_options import supported_options
from model_etl.errors import ConfigurationError, TryAgain
from model_etl.records.batch import Source
from model_etl.scoring.model import ModelFacts
from model_etl.settings.option import ENVIRONMENT_PREFIX
from model_etl.settings.options import OPTIONS, OTHER_VARIABLES

HERE = Source("topic/3", "0" * 32, "ldjson")
GOOD = b'{"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}'


@dataclass
class Message:
    """A message as a consumer returns it."""

    offset: int
    value: bytes | None = GOOD
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    topic: str = "topic"
    partition: int = 3


def with_origin(offset: int, position: int, start: int = 0, source: str = "a" * 32, value: bytes = GOOD) -> Message:
    """Return a message whose header holds the origin of its record."""
    origin = {"input": "in.json", "source": source, "offset": start, "position": position}
    return Message(offset, value, b"%d" % offset, [(ORIGIN_HEADER, json.dumps(origin).encode())])


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    """Return the scorer of the acceptance test's model and rules."""
    return ScorerSettings(MODEL, RULES).scorer()


def scored(scorer: Scorer, messages: Sequence[Message]) -> PartitionResults:
    """Return the results of messages."""
    return collect_results([(group, scorer(group.batch)) for group in batch_messages(messages, HERE)])


def ids(found: PartitionResults) -> list[str]:
    """Return the ids of the log's events."""
    return [json.loads(event.value)["id"] for event in found.log]


def test_an_id_has_the_offset_of_the_message(scorer: Scorer) -> None:
    """A record of a message without a header has the same prediction id in whichever batch it is read."""
    together = scored(scorer, [Message(17), Message(19)])
    alone = scored(scorer, [Message(19)])
    assert [json.loads(event.value)["data"]["position"] for event in together.log] == [18, 20]
    assert [name.rpartition("-")[2] for name in ids(together)] == ["17", "19"]
    assert ids(together)[1:] == ids(alone)


def test_an_id_has_the_offset_in_the_file(scorer: Scorer) -> None:
    """A record that was sent from a file has the offset and position in the file, wherever Kafka stores it."""
    first = scored(scorer, [with_origin(5, position=2, start=80)])
    again = scored(scorer, [with_origin(99, position=2, start=80)])
    assert ids(first) == ids(again)
    event = json.loads(first.log[0].value)
    assert event["subject"] == "in.json"
    assert event["id"].endswith("-80")
    assert event["data"]["position"] == 2


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b'{"input": "x"}',
        b'{"input": "x", "source": "short", "offset": 1, "position": 1}',
        b'{"input": "x", "source": "00000000000000000000000000000000", "offset": -1, "position": 1}',
        b'{"input": "x", "source": "00000000000000000000000000000000", "offset": 1, "position": 0}',
        None,
    ],
)
def test_foreign_header(scorer: Scorer, header: bytes | None) -> None:
    """A header of another program makes no record invalid, and no impossible origin is accepted."""
    found = scored(scorer, [Message(7, headers=[("other", b"1"), (ORIGIN_HEADER, header)])])
    assert [json.loads(event.value)["subject"] for event in found.log] == ["topic/3"]


def test_batches() -> None:
    """A batch has one source and rising positions; a record that is sent again starts another batch."""
    messages = [
        with_origin(0, 5),
        with_origin(1, 6),
        Message(2),
        with_origin(3, 5),
        with_origin(4, 1, source="b" * 32),
        with_origin(5, 9),
    ]
    found = list(batch_messages(messages, HERE))
    got = sorted((group.batch.source.identity[0], *group.batch.positions) for group in found)
    assert got == [("0", 3), ("a", 5, 6), ("a", 5, 9), ("b", 1)]


def test_every_result_finds_its_message(scorer: Scorer) -> None:
    """Predictions, events and rejects belong to the right messages, and keep the order of the partition."""
    withheld = GOOD[:-1] + b', "province": "QC"}'
    values = [GOOD, withheld, b"{}", b"\xff", GOOD, withheld.replace(b"QC", b"ON")]
    messages = [with_origin(n, 10 - n if n % 2 else 100 + n, value=value) for n, value in enumerate(values)]
    found = scored(scorer, messages)
    assert [outgoing.input_message.offset for outgoing in found.outputs] == [0, 4, 5]
    assert [outgoing.input_message.offset for outgoing in found.errors] == [2, 3]
    assert [outgoing.input_message.offset for outgoing in found.log] == [0, 1, 2, 3, 4, 5]
    assert found.withheld == 1
    by_origin = {event.input_message.offset: json.loads(event.value) for event in found.log}
    for outgoing in (*found.outputs, *found.errors):
        assert dict(outgoing.headers)["model_etl.id"].decode() == by_origin[outgoing.input_message.offset]["id"]
    error = json.loads(found.errors[0].value)
    assert error["stage"] == "input_schema"
    assert error["kafka"] == {"topic": "topic", "partition": 3, "offset": 2}


def test_no_log() -> None:
    """Without a prediction log there are predictions and rejects, but neither events nor id headers."""
    found = scored(ScorerSettings(MODEL, log=False).scorer(), [Message(1), Message(2, b"{}")])
    assert (len(found.outputs), len(found.errors), len(found.log)) == (1, 1, 0)
    assert found.outputs[0].headers == []


@cache
def plain_scorer() -> Scorer:
    """Return a scorer without rules, loaded once for all examples."""
    return ScorerSettings(MODEL).scorer()


VALUES = st.one_of(
    st.none(),
    st.binary(max_size=20),
    st.sampled_from(
        [GOOD, GOOD.replace(b" ", b"\r\n"), b"", b" ", b"null", b'{"a": "\n"}', b'{"a": "\\n\xe2\x80\xa8"}']
    ),
)
MESSAGES = st.lists(st.tuples(VALUES, st.sampled_from(["", "a", "b"]), st.integers(1, 9)), max_size=12)


@given(MESSAGES)
@settings(max_examples=200, deadline=None)
def test_nothing_is_lost(drawn: list[tuple[bytes | None, str, int]]) -> None:
    """Every message has exactly one outcome and one event, in order, whatever its value and headers are."""
    messages = [
        Message(n, value, headers=with_origin(n, position, source=source * 32).headers if source else ())
        for n, (value, source, position) in enumerate(drawn)
    ]
    found = scored(plain_scorer(), messages)
    offsets = [outgoing.input_message.offset for outgoing in found.log]
    assert offsets == list(range(len(messages)))
    outcomes = sorted(outgoing.input_message.offset for outgoing in (*found.outputs, *found.errors))
    assert outcomes == offsets
    for event in found.log:
        assert b"\n" not in event.value
        json.loads(event.value)


def test_miscounted(scorer: Scorer) -> None:
    """Results that do not account for every message are not delivered."""
    (single,) = batch_messages([Message(1)], HERE)
    (double,) = batch_messages([Message(1), Message(2)], HERE)
    scored_single = scorer(single.batch)
    with pytest.raises(AssertionError, match="2 messages were scored"):
        collect_results([(double, scored_single)])


def facts(name: str = "iris", version: str = "1.2.3") -> ModelFacts:
    """Return the facts of a model."""
    return ModelFacts("a.b:C", name, "A model", version, None, {}, {})


def test_names() -> None:
    """Topics are named as by the original: by the model's name and the first two numbers of its version."""
    assert Topics.of(facts()).names == tuple(
        f"model_stream_processor.iris.1.2.{kind}" for kind in ("inputs", "outputs", "errors", "log")
    )
    assert Topics.of(facts(version="3"), "dev").inputs == "dev.iris.3.0.inputs"


@pytest.mark.parametrize("name", ["a b", "é", "a/b", "x" * 240])
def test_impossible_names(name: str) -> None:
    """A model whose name is not allowed in a topic is refused, with its name."""
    with pytest.raises(ConfigurationError, match=name):
        Topics.of(facts(name))


def test_keys() -> None:
    """A key is the content of a string or the JSON text of another value; a record without the field has no key."""
    assert message_key(b'{"id": "a\\u00e9"}', "id") == "aé".encode()
    assert message_key(b'{"id": 1.50}', "id") == b"1.50"
    assert message_key(b'{"id": [1, 2]}', "id") == b"[1, 2]"
    assert message_key(b'{"id": null}', "id") is None
    assert message_key(b"{}", "id") is None
    assert message_key(b'{"id"', "id") is None


def test_origins_in_a_file(tmp_path: Path) -> None:
    """Each record of a file is sent with its offset and position, even if it is not UTF-8; blank lines are skipped."""
    file = tmp_path / "in.json"
    file.write_bytes(b'{"a": 1}\r\n\n{"b": "\xff"}\n{"c": 3}')
    records = list(chain.from_iterable(read_file(str(file), None)))
    assert [text for text, _ in records] == [b'{"a": 1}', b'{"b": "\xff"}', b'{"c": 3}']
    origins = [json.loads(dict(headers)[ORIGIN_HEADER]) for _, headers in records]
    assert [(origin["position"], origin["offset"]) for origin in origins] == [(1, 0), (2, 11), (3, 22)]
    assert {origin["input"] for origin in origins} == {str(file)}


def test_file_that_changes(tmp_path: Path) -> None:
    """A file that is changed while it is sent is reported: the origins of its records are wrong."""
    file = tmp_path / "in.json"
    file.write_bytes(b"{}\n")
    blocks = read_file(str(file), None)
    next(blocks)
    file.write_bytes(b'{"a": 1}\n')
    with pytest.raises(TryAgain, match="changed while it was sent"):
        list(blocks)


def test_help_has_the_supported_options_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of `process` starts with everyday options, and lists no option that would be refused."""
    with pytest.raises(SystemExit):
        process(["--help"])
    shown = capsys.readouterr().out
    titles = [shown.index(f"\n{title}:\n") for title in ("everyday options", "Evidence", "Kafka")]
    assert titles == sorted(titles)
    flags = set(re.findall(r"^  --(\w+)", shown, re.MULTILINE))
    assert not flags & (OPTIONS.keys() - {*supported_options("Kafka")})


def test_variables_of_kafka_disturb_no_other_program() -> None:
    """`model-etl run` accepts each variable of Kafka's options, which may be set for all programs."""
    names = {*DEFAULTS, "client_config", *(item.name for item in dataclasses.fields(Connection))}
    assert {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in names} <= OTHER_VARIABLES


def test_connection(tmp_path: Path) -> None:
    """An option overrides the environment, and the environment the file; the password is not shown."""
    file = tmp_path / "kafka.toml"
    file.write_text('bootstrap_servers = "a:1"\nsecurity_protocol = "SASL_PLAINTEXT"\nsasl_password = "hunter2"')
    environment = {"MODEL_ETL_BOOTSTRAP_SERVERS": "b:2", "MODEL_ETL_SASL_USERNAME": "me"}
    assert Connection.of(None, str(file), {}).bootstrap_servers == "a:1"
    assert Connection.of(None, str(file), environment).bootstrap_servers == "b:2"
    found = Connection.of("c:3", str(file), environment)
    assert found.bootstrap_servers == "c:3"
    assert found.client_options()["sasl_plain_password"] == "hunter2"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('security_protocol = "TLS"', "security_protocol is 'TLS'"),
        ('sasl_mechanism = "MAGIC"', "sasl_mechanism is 'MAGIC'"),
        ('sasl_username = "me"', "SASL_SSL"),
        ("password = 1", "'password'"),
        ("sasl_password = 12345", "'sasl_password'.*must be a string"),
        ("[", "not valid TOML"),
        ('security_protocol = "SSL"\nssl_cafile = "/nowhere/ca.pem"', "/nowhere/ca.pem"),
    ],
)
def test_connection_mistakes(tmp_path: Path, text: str, words: str) -> None:
    """An invalid setting is named, but the value of a secret is not shown."""
    file = tmp_path / "kafka.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=words) as caught:
        Connection.of("a:1", str(file), {}).client_options()
    assert "12345" not in str(caught.value)


@pytest.mark.parametrize(("variable", "expected"), [(None, False), ("yes", True), ("0", False)])
def test_exactly_once_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, expected: bool
) -> None:
    """An environment variable can switch exactly-once mode on, like the option."""
    if variable:
        monkeypatch.setenv("MODEL_ETL_EXACTLY_ONCE", variable)
    parser = Parser("process", "Test.")
    parser.own("exactly_once")
    assert parser.parse_args([]).exactly_once is expected
    assert parser.parse_args(["--exactly-once"]).exactly_once is True
    monkeypatch.setenv("MODEL_ETL_EXACTLY_ONCE", "perhaps")
    with pytest.raises(ConfigurationError, match="MODEL_ETL_EXACTLY_ONCE"):
        parser.parse_args([])


def test_notices(capsys: pytest.CaptureFixture[str]) -> None:
    """A warning that a client repeats ten times a second is printed once, on one line, without a traceback."""
    log = logging.getLogger("client")
    log.propagate = False
    log.addHandler(NoticeHandler())
    for number in range(3):
        try:
            raise RuntimeError
        except RuntimeError:
            log.exception("no broker at %s\n", number)
    log.info("nothing of interest")
    assert capsys.readouterr().err == "client: no broker at 0\n"
