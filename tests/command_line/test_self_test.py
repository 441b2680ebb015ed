"""Known records with known predictions are scored before a run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers.command import IRIS, SETOSA, VIRGINICA, Etl

from model_etl.errors import ConfigurationError, ModelUnavailable
from model_etl.scoring.model import Model
from model_etl.scoring.self_test import SelfTest

KNOWN = [
    {"input": SETOSA, "output": {"species": "setosa"}},
    {"input": VIRGINICA, "output": {"species": "virginica"}},
]


class Echo:
    """Returns a part of its input."""

    qualified_name = display_name = description = version = "echo"
    input_schema = output_schema = type("Any", (), {"validate": staticmethod(lambda value: value)})()

    def predict(self, data: dict[str, Any]) -> Any:
        """Return what the record says, or raise an error."""
        if "fail" in data:
            raise ValueError("a secret")
        return data["found"]


def run(*lines: Any, **options: Any) -> None:
    """Run a self-test of lines."""
    text = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    SelfTest.read("known.json", text, **options).run(Model(Echo(), "tests:Echo"))


@pytest.mark.parametrize(
    ("expected", "found"),
    [
        ({"a": 1}, {"a": 1.0}),
        ({"a": 0.1, "b": [1, {"c": None}]}, {"b": [1, {"c": None}], "a": 0.1}),
        ({"a": "é", "b": True}, {"a": "é", "b": True}),
        ({"a": 2**70}, {"a": 2**70}),
    ],
)
def test_equal_predictions_pass(expected: Any, found: Any) -> None:
    """Numbers are equal by value, objects in any order."""
    run({"input": {"found": found}, "output": expected})


@pytest.mark.parametrize(
    ("expected", "found", "message"),
    [
        ({"a": 0.1}, {"a": 0.10000000000000002}, "a: expected 0.1, found 0.10000000000000002"),
        ({"a": 1}, {"a": True}, "a: expected 1, found true"),
        ({"a": 1}, {"a": "1"}, 'a: expected 1, found "1"'),
        ({"a": None}, {}, "a: expected null, found no such field"),
        ({}, {"b": 2}, "b: expected no such field, found 2"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "a.b[1]: expected 2, found 3"),
        ({"a": [1]}, {"a": [1, 2]}, "a: expected [1], found [1, 2]"),
        ({"a": "x"}, {"a": "X"}, 'a: expected "x", found "X"'),
    ],
)
def test_a_difference_names_the_record_the_field_and_both_values(expected: Any, found: Any, message: str) -> None:
    """Without a tolerance the last digit counts."""
    with pytest.raises(ModelUnavailable) as caught:
        run({"input": {"found": {}}, "output": {}}, b"", {"input": {"found": found}, "output": expected})
    assert f"does not pass its self-test: line 3 of known.json, {message}" in caught.value.message


@pytest.mark.parametrize(
    ("lines", "passes"),
    [
        ([{"tolerance": 1e-6, "input": {"found": {"a": 1.0000005}}, "output": {"a": 1}}], True),
        ([{"tolerance": 1e-6, "input": {"found": {"a": 1.000002}}, "output": {"a": 1}}], False),
        ([{"tolerance": 1e-6, "input": {"found": {"a": 1000.0005}}, "output": {"a": 1000}}], True),
        ([{"tolerance": 1e-6, "input": {"found": {"a": 1e-8}}, "output": {"a": 0}}], True),
        ([{"tolerance": 0.1}, {"input": {"found": {"a": 1.05}}, "output": {"a": 1}}], True),
        ([{"tolerance": 0.1}, {"input": {"found": {"a": 1.05}}, "output": {"a": 1}, "tolerance": 0}], False),
        ([{"tolerance": 0.1}, {"input": {"found": {"a": "1.05"}}, "output": {"a": "1"}}], False),
    ],
)
def test_a_tolerance_permits_numbers_to_differ(lines: list[Any], passes: bool) -> None:
    """By so much, or by that part of a number greater than 1; for one line, or from a line on."""
    if passes:
        run(*lines)
    else:
        with pytest.raises(ModelUnavailable):
            run(*lines)


def test_a_known_record_that_is_rejected_fails() -> None:
    """The step and the cause are named."""
    with pytest.raises(ModelUnavailable, match=r"line 1 of known.*rejected at the step predict, ValueError"):
        run({"input": {"fail": 1}, "output": {}})


@pytest.mark.parametrize("options", [{"hidden": ["a"]}, {"quotes": False}])
def test_values_that_the_log_must_not_hold_are_not_shown(options: dict[str, Any]) -> None:
    """Neither the values of redacted fields, nor any if the log holds no records, nor what a model says of them."""
    for record in ({"input": {"found": {"a": "secret"}}, "output": {"a": "b"}}, {"input": {"fail": 1}, "output": {}}):
        with pytest.raises(ModelUnavailable) as caught:
            run(record, **options)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "has no records"),
        (b'{"tolerance":0.1}\n', "has no records"),
        (b"[]", "line 1 of the self-test known.json"),
        (b'{"input":{},"output":{}}\n{"input":{}}', "line 2 of the self-test known.json is not a known record"),
        (b'{"input":{},"output":{},"expect":1}', "it has a member 'expect'"),
        (b'{"input":{},"output":{},"tolerance":true}', "tolerance is not a number"),
        (b'{"tolerance":1}', "tolerance is not a number from 0 to less than 1"),
        (b'{"input":{},"output":[]}', "no object 'output'"),
    ],
)
def test_a_file_that_tests_nothing_is_refused(text: bytes, message: str) -> None:
    """An empty file, or a line that is not a known record, ends the run with 78."""
    with pytest.raises(ConfigurationError, match=message):
        SelfTest.read("known.json", text)


@pytest.mark.parametrize("arguments", [("run",), ("run", "--workers", "2"), ("check",)])
def test_a_model_with_other_predictions_scores_nothing(etl: Etl, arguments: tuple[str, ...]) -> None:
    """The run ends with 69 before anything is published; with the right predictions it goes on."""
    etl.write("in.json", [SETOSA])
    etl.write("known.json", [*KNOWN, {"input": SETOSA, "output": {"species": "virginica"}}])
    command = (*arguments, "-i", "in.json", "-o", "out.json", "-m", IRIS, "--self_test")
    run = etl(*command, "known.json")
    assert run.code == 69
    assert 'line 3 of known.json, species: expected "virginica", found "setosa"' in run.err
    assert etl.files() == {"in.json", "known.json"}
    etl.write("known.json", KNOWN)
    run = etl(*command, "known.json")
    assert (run.code, run.err) == (0, "")
    assert ("self-test 2 records are predicted as expected" in run.out.decode()) == (arguments == ("check",))
