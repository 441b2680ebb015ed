"""The prediction log: what auditors get."""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any

import jsonschema
import pytest
from helpers.command import IRIS, ROOT, SETOSA, Etl

BAD_JSON = b'{"x": 1.0, "nam'


def validated(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Check events by the published schema, the first aside, and give them."""
    schema = json.loads((ROOT / "docs/schemas/prediction-event.json").read_text())
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for event in events[1:]:
        checker.validate(event)
    return events


@pytest.fixture
def mixed(etl: Etl) -> Etl:
    """Write an input in which something of everything happens."""
    good = [json.dumps({"x": x, "name": name}).encode() for x, name in ((1.0, "Ann"), (60.0, "Bob"), (2.0, "Zoë"))]
    etl.write("in.json", b"\n".join([good[0], BAD_JSON, good[1], b'{"x": "one", "name": "Eve"}', good[2]]) + b"\n")
    return etl


RUN = ("-i", "in.json", "-o", "out.json", "-m", "generations:Fast", "--rules", "business:NoGiants", "--max_errors", "2")


def test_there_is_one_event_a_record_in_order(mixed: Etl) -> None:
    """Completed, rejected and withheld records each have their event, valid by the published schema."""
    assert mixed(*RUN).code == 0
    events = validated(mixed.lines("out.log.ldjson"))
    kinds = [event["type"].rpartition(".")[2] for event in events]
    assert kinds == ["started", "completed", "rejected", "withheld", "rejected", "completed"]
    assert [event["data"]["position"] for event in events[1:]] == [1, 2, 3, 4, 5]
    assert events[2]["data"]["error"]["stage"] == "parse"
    assert events[2]["data"]["input_text"] == BAD_JSON.decode()
    assert events[4]["data"]["error"]["stage"] == "input_schema"
    assert events[5]["data"]["input"] == {"x": 2.0, "name": "Zoë"}
    assert {event["subject"] for event in events[1:]} == {"in.json"}


def test_the_first_event_says_who_ran_with_which_settings(mixed: Etl) -> None:
    """Model, versions and settings of the run stand at the head of the log."""
    assert mixed(*RUN).code == 0
    first = mixed.lines("out.log.ldjson")[0]
    assert first["type"] == "model_etl.run.started"
    assert first["data"]["model"]["reference"] == "generations:Fast"
    assert first["data"]["settings"]["rules"] == ["business:NoGiants"]
    assert first["data"]["software"]["model_etl"]


def test_the_log_is_readable_by_its_owner_only(mixed: Etl) -> None:
    """It holds the inputs, and so do the rejects."""
    assert mixed(*RUN).code == 0
    for name in ("out.log.ldjson", "out.rejects.ldjson"):
        assert os.stat(mixed.folder / name).st_mode & 0o777 == 0o600


def test_ids_are_the_same_in_every_run_over_the_same_input(mixed: Etl) -> None:
    """Downstream can drop duplicates; another job, model or input has other ids."""
    ids = []
    for more in ((), ("--prediction_log", "again.ldjson"), ("--job", "other")):
        assert mixed(*RUN, *more).code == 0
        ids.append([e["id"] for e in mixed.lines("again.ldjson" if "again.ldjson" in more else "out.log.ldjson")][1:])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 5
    assert not set(ids[0]) & set(ids[2])
    assert [int(i.rpartition("-")[2]) for i in ids[0]][:2] == [0, 26]
    os.utime(mixed.folder / "in.json", ns=(1, 1))
    assert mixed(*RUN).code == 0
    assert not set(ids[0]) & {e["id"] for e in mixed.lines("out.log.ldjson")}


def test_hashed_inputs_can_be_checked_but_not_read(mixed: Etl) -> None:
    """--log_inputs hashed keeps a SHA-256 of each record's text."""
    assert mixed(*RUN, "--log_inputs", "hashed").code == 0
    events = validated(mixed.lines("out.log.ldjson"))
    text = (mixed.folder / "in.json").read_bytes().splitlines()[0]
    assert events[1]["data"]["input_sha256"] == hashlib.sha256(text).hexdigest()
    log = (mixed.folder / "out.log.ldjson").read_text()
    assert not re.search("Ann|Bob|Eve", log)


def test_no_inputs_means_none(mixed: Etl) -> None:
    """--log_inputs none keeps nothing of the records."""
    assert mixed(*RUN, "--log_inputs", "none").code == 0
    events = validated(mixed.lines("out.log.ldjson"))
    assert not [name for event in events[1:] for name in event["data"] if name.startswith("input")]
    assert not re.search("Ann|Bob|Eve", (mixed.folder / "out.log.ldjson").read_text().partition("\n")[2])


def test_redacted_fields_leave_no_trace(mixed: Etl) -> None:
    """--redact replaces the values of fields, in rejected records too, and keeps the others byte for byte."""
    assert mixed(*RUN, "--redact", "name").code == 0
    events = validated(mixed.lines("out.log.ldjson"))
    assert events[1]["data"]["input"] == {"x": 1.0, "name": "[redacted]"}
    assert "input" not in events[2]["data"]
    assert not re.search("Ann|Bob|Eve", (mixed.folder / "out.log.ldjson").read_text())


def test_what_a_failing_model_says_of_a_record_is_redacted_too(etl: Etl) -> None:
    """A model's own message may quote the record, so it stays in the rejects file only."""
    etl.write(
        "quoting.py",
        "from generations import Duck\n"
        "class Quoting(Duck):\n"
        "    def predict_batch(self, records):\n"
        "        raise LookupError(f'no customer {records[0].x}')\n",
    )
    etl.write("in.json", [{"x": 4711.5}])
    arguments = ("-i", "in.json", "-o", "out.json", "-m", "quoting:Quoting", "--max_errors", "1")
    assert etl(*arguments, "--redact", "x").code == 0
    assert "4711.5" not in (etl.folder / "out.log.ldjson").read_text()
    assert "4711.5" in (etl.folder / "out.rejects.ldjson").read_text()


def test_no_log_is_written_if_none_is_wanted(etl: Etl) -> None:
    """--prediction_log none."""
    etl.write("in.json", [SETOSA])
    assert etl("-i", "in.json", "-o", "out.json", "-m", IRIS, "--prediction_log", "none").code == 0
    assert etl.files() == {"in.json", "out.json"}


def test_inputs_are_logged_with_their_own_digits(etl: Etl) -> None:
    """Numbers keep every digit and text its spelling on the way into the log."""
    line = b'{"x": 1.10, "big": 123456789012345678901234567890, "u": "\\u00e9", "n": {"a" : [1.00]}}'
    etl.write("in.json", line + b"\n")
    assert etl("-i", "in.json", "-o", "out.json", "-m", "generations:Duck").code == 0
    assert b'"input":' + line + b"," in (etl.folder / "out.log.ldjson").read_bytes()
