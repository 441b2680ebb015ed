"""`model-etl try`: one record, for a person."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time

import pytest
from helpers.command import IRIS, SETOSA, Etl

from model_etl.errors import ModelEtlError
from model_etl.job.loaded_model import loaded_model
from model_etl.job.try_record import try_record
from model_etl.runtime.standard_streams import read_at_most
from model_etl.settings.job_config import ScoringSettings

WORDS = [f"{name}={value}" for name, value in SETOSA.items()]
PRINTED = b'{\n  "species": "setosa"\n}\n'


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        ([], json.dumps(SETOSA, indent=2).encode()),
        ([*WORDS[:2], "--quiet", *WORDS[2:]], b""),
    ],
    ids=["standard input", "fields, an option between them"],
)
def test_a_record_is_predicted(etl: Etl, words: list[str], stdin: bytes) -> None:
    """However the record is given, its prediction is printed, and no file is written."""
    run = etl("try", "-m", IRIS, *words, stdin=stdin)
    assert (run.code, run.out, run.err) == (0, PRINTED, "")
    assert etl.files() == set()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["Sepal_Length=1", *WORDS[1:]], 65, "the record lacks sepal_length; it has Sepal_Length\n"),
        (["sepal_length=wide", *WORDS[1:]], 65, "rejected, input_schema: ValidationError: sepal_length: Input should"),
        (["sepal_length=", *WORDS[1:]], 65, "the record lacks sepal_length\n"),
        (["{}"], 65, "the record lacks sepal_length, sepal_width, petal_length, petal_width\n"),
        (["[1]"], 65, "the record cannot be read: a record must be a JSON object, this is an array\n"),
        (['{"sepal_length"'], 65, "the record cannot be read: not valid JSON"),
        (["{}", "{}"], 2, "there are several words after a record in JSON\n"),
        ([*WORDS, WORDS[0]], 2, "the record has two values of sepal_length\n"),
        ([*WORDS, "s3cret"], 2, "word 5 of the record is not name=value\n"),
        ([], 2, "there is no record\n  Give its fields: sepal_length=1.5 sepal_width=1.5"),
    ],
)
def test_the_cause_of_a_record_without_prediction(words: list[str], code: int, message: str) -> None:
    """The message says what is wrong with the record, and shows nothing that may be a secret."""
    with loaded_model(ScoringSettings(IRIS)) as model, pytest.raises(ModelEtlError) as caught:
        try_record(model, words, b"")
    assert caught.value.exit_code == code
    assert message in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_record_in_json_is_predicted() -> None:
    """One word in JSON is the whole record."""
    with loaded_model(ScoringSettings(IRIS)) as model:
        assert try_record(model, [json.dumps(SETOSA)], None).prediction == PRINTED.decode().rstrip()


def test_a_wrong_record_ends_the_command(etl: Etl) -> None:
    """The cause is on standard error, nothing is on standard output, and the exit code is that of wrong data."""
    run = etl("try", "-m", IRIS, "Sepal_Length=1", *WORDS[1:])
    assert (run.code, run.out) == (65, b"")
    assert run.err.startswith("model-etl: error: the record lacks sepal_length; it has Sepal_Length\n")


def test_what_else_a_person_should_know(etl: Etl) -> None:
    """Fields that the model does not read, and decisions of rules, are printed beside the prediction."""
    etl.write(
        "rule.py",
        "from model_etl import BusinessRule, replace, withhold\n"
        "class Rule(BusinessRule):\n"
        "    def decide(self, record, prediction):\n"
        "        small = record['sepal_length'] < 1\n"
        "        return withhold('too small') if small else replace({'species': 'virginica'}, 'as agreed')\n",
    )
    run = etl("try", "-m", IRIS, "--rules", "rule:Rule", *WORDS, "colour=blue")
    assert (run.code, run.out) == (0, PRINTED.replace(b"setosa", b"virginica"))
    assert run.err == (
        "model-etl: the model does not read colour\n"
        'model-etl: rule:Rule replaced the prediction {"species":"setosa"}: as agreed\n'
    )
    run = etl("try", "-m", IRIS, "--rules", "rule:Rule", "sepal_length=0.5", *WORDS[1:])
    assert (run.code, run.out, run.err) == (0, b"", "model-etl: rule:Rule withheld the record: too small\n")


def test_a_failing_model_shows_its_line(etl: Etl) -> None:
    """If the model raises, the message has its exception and the line of its code."""
    etl.write("mine.py", FAILING)
    run = etl("try", "-m", "mine:Failing", "x=1")
    assert run.code == 65
    assert "predict: ZeroDivisionError: " in run.err
    assert "mine.py:" in run.err


FAILING = """
from ml_base import MLModel
from pydantic import BaseModel
class In(BaseModel):
    x: float
class Out(BaseModel):
    y: float
class Failing(MLModel):
    display_name = qualified_name = description = version = "1"
    input_schema, output_schema = In, Out
    def __init__(self): pass
    def predict(self, data):
        return Out(y=data.x / 0)
"""


@pytest.mark.parametrize(
    ("shell", "code", "message"),
    [
        ('"$@" --max_record_size 5M </dev/zero', 65, "longer than the 5,242,880 bytes of --max_record_size"),
        ('(ulimit -v 3000000; "$@" </dev/zero)', 65, "longer than the 67,108,864 bytes of --max_record_size"),
        ('"$@" 0>written', 74, "cannot read standard input: Bad file descriptor"),
        ('"$@" <&-', 74, "cannot read standard input: standard input is closed"),
        ('"$@" </dev/null', 2, "there is no record"),
    ],
)
def test_a_standard_input_without_a_record(etl: Etl, shell: str, code: int, message: str) -> None:
    """No more than one record is read, and an input that cannot be read is not taken for an empty one."""
    command = ["bash", "-c", shell, "bash", *etl.command("try", "-m", "failing_models:Good")]
    done = subprocess.run(command, cwd=etl.folder, env=etl.environment(), capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr.startswith("model-etl: error: ")
    assert message in done.stderr


def test_the_longest_record_is_read_as_it_comes() -> None:
    """A record of the greatest length is read whole from a slow pipe, also in non-blocking mode."""
    source, sink = os.pipe()
    os.set_blocking(source, False)

    def write() -> None:
        for part in (b"ab", b"cd"):
            time.sleep(0.02)
            os.write(sink, part)
        os.close(sink)

    writer = threading.Thread(target=write)
    writer.start()
    assert read_at_most(source, 5) == b"abcd"
    writer.join()
    os.close(source)
