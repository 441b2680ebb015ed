"""A model is called as in a plain session, and a fault of its code does not pass for a fault of the records."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from helpers.command import Etl, Result

WORKERS = pytest.mark.parametrize("workers", ["1", "2"])


def run(etl: Etl, model: str, workers: str, *arguments: str, values: tuple[float, ...] = (1, -2, 3)) -> Result:
    """Score some records."""
    etl.write("in.json", [{"x": value} for value in values])
    named = model if ":" in model else f"model_calls:{model}"
    return etl("run", "-i", "in.json", "-o", "out.json", "-m", named, "--workers", workers, *arguments)


@WORKERS
@pytest.mark.parametrize(
    "model",
    ["Database", "Precision", "Floats", "Context", "Alarm", "Pool", "Executor", "Terminates", "ForksAndReturns"],
)
def test_a_model_finds_what_it_has_set(etl: Etl, model: str, workers: str) -> None:
    """A model is made and asked in the main thread, and may have children; nothing is printed."""
    done = run(etl, model, workers)
    assert (done.code, done.err) == (0, "")
    assert [line["y"] for line in etl.lines("out.json")] == [2, -4, 6]


DEFAULTS = """
import os
from failing_models import GoodBatch
class Defaults(GoodBatch):
    def __init__(self):
        with open("defaults.txt", "w") as file:
            file.write(os.environ["OPENBLAS_THREAD_TIMEOUT"] + " " + os.environ["ARROW_DEFAULT_MEMORY_POOL"])
"""


@WORKERS
@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "22 jemalloc"),
        ({"OPENBLAS_THREAD_TIMEOUT": "26"}, "26 jemalloc"),
        ({"ARROW_DEFAULT_MEMORY_POOL": "mimalloc"}, "22 mimalloc"),
    ],
)
def test_settings_of_libraries_are_those_of_the_user(etl: Etl, workers: str, given: dict[str, str], found: str) -> None:
    """Idle threads of OpenBLAS sleep soon and Arrow uses jemalloc, unless the user has chosen otherwise."""
    etl.write("library_models.py", DEFAULTS)
    etl.write("in.json", [{"x": 1}])
    names = ("-i", "in.json", "-o", "out.json", "-m", "library_models:Defaults")
    assert etl("run", *names, "--workers", workers, env=given).code == 0
    assert (etl.folder / "defaults.txt").read_text() == found


@WORKERS
def test_a_forked_copy_ends_as_itself(etl: Etl, workers: str) -> None:
    """A copy of the process that exits in the model's code ends with its own code, and the run goes on."""
    done = run(etl, "Forks", workers, values=(1, 2, 3))
    assert (done.code, done.err) == (0, "")
    assert [line["y"] for line in etl.lines("out.json")] == [2, 4, 6]


@WORKERS
def test_nested_values_are_fresh_for_each_call(etl: Etl, workers: str) -> None:
    """A model that adds to lists of its records does so neither for its next call nor for what is logged."""
    done = run(etl, "ChangesNested", workers, "--max_errors", "1", "--join", values=(1, 2, 3, -4, 5))
    assert done.code == 0, done.err
    assert [(line["x"], line["y"]) for line in etl.lines("out.json")] == [(1, 2), (2, 2), (3, 2), (5, 2)]
    logged = [event["data"]["input"] for event in etl.lines("out.log.ldjson")[1:]]
    assert sorted(logged, key=json.dumps) == sorted(({"x": x} for x in (1, 2, 3, -4, 5)), key=json.dumps)


@WORKERS
@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("ExitsInPython", "exited with code 0"),
        ("ExitsInC", "exited with code 0"),
        ("ExitsWithCode", "exited with code 75"),
        ("ExitsInInit", "exited with code 0"),
        ("failing_models:Killed", "was ended by SIGKILL"),
    ],
)
def test_a_model_that_ends_the_process_ends_the_run(etl: Etl, model: str, how: str, workers: str) -> None:
    """The exit code is 69, the message says where, nothing is published, and nothing is left."""
    etl.write("out.json", "earlier\n")
    done = run(etl, model, workers)
    assert done.code == 69, done.err
    assert how in done.err
    assert ("records 1 to 3 of in.json" if "Init" not in model else "loaded") in done.err
    assert etl.files() == {"in.json", "out.json"}
    assert (etl.folder / "out.json").read_text() == "earlier\n"


@WORKERS
@pytest.mark.parametrize(
    "model",
    [
        "failing_models:Hangs",
        "failing_models:HangsInC",
        "failing_models:SwallowsAll",
        pytest.param("failing_models:HangsInInit", marks=pytest.mark.slow),
        "HangsInPool",
    ],
)
def test_a_model_that_hangs_is_timed_out(etl: Etl, model: str, workers: str) -> None:
    """--model_timeout ends the run with 69; nothing is left, no process either."""
    done = run(etl, model, workers, "--model_timeout", "1")
    assert done.code == 69, done.err
    assert f"no answer within {'31' if 'Init' in model else '1'} s; nothing was published" in done.err
    assert ("records 1 to 3 of in.json" if "Init" not in model else "while it was loaded") in done.err
    assert etl.files() - {"hanging"} == {"in.json"}
    assert not processes_in(etl.folder)


def processes_in(folder: Path) -> list[str]:
    """Name the processes whose current folder is this one."""
    found = subprocess.run(["find", "/proc", "-maxdepth", "2", "-lname", str(folder)], capture_output=True, check=False)
    return [line for line in found.stdout.decode().splitlines() if line.endswith("/cwd")]


def test_a_slow_model_is_not_timed_out(etl: Etl) -> None:
    """The limit is for one call, not for the run."""
    assert run(etl, "failing_models:Slow", "1", "--model_timeout", "20").code == 0


@WORKERS
@pytest.mark.parametrize("model", ["MissingColumn", "MissingColumnOfOne"])
def test_a_first_batch_that_fails_alike_is_the_models_fault(etl: Etl, model: str, workers: str) -> None:
    """The exit code is 69, with the frames of the model and none of ours, whatever number of rejects is tolerated."""
    done = run(etl, model, workers, "--max_errors", "100%")
    assert done.code == 69, done.err
    assert "KeyError: 'age'; nothing was published" in done.err
    assert "model_calls.py" in done.err
    assert "model_step.py" not in done.err
    assert etl.files() == {"in.json"}


@pytest.mark.parametrize("model", ["MissingColumn", "MissingColumnOfOne"])
def test_one_record_is_refused_alone(etl: Etl, model: str) -> None:
    """A first batch of one record proves nothing against the model: it is a reject, with file and line."""
    done = run(etl, model, "1", values=(1,))
    assert done.code == 65, done.err
    assert "model_calls.py:" in etl.lines("out.rejects.ldjson")[0]["code"]
    assert "model_calls.py:" in done.err


@pytest.mark.parametrize("values", [(-1, -2, 3), (1, -2, -3)])
def test_records_that_the_model_refuses_are_rejects(etl: Etl, values: tuple[float, ...]) -> None:
    """Where the model has answered for a record of the first batch, the others are rejects, however alike."""
    for model in ("Raises", "RaisesInBatch"):
        done = run(etl, f"failing_models:{model}", "1", "--max_errors", "2", values=values)
        assert done.code == 0, done.err
        assert len(etl.lines("out.rejects.ldjson")) == 2


def test_retry_refuses_the_same_records_again(etl: Etl) -> None:
    """A file of rejects may fail alike as a whole: they are rejects again."""
    assert run(etl, "failing_models:Raises", "1", "--max_errors", "2", values=(1, -2, -3)).code == 0
    named = ("-m", "failing_models:Raises", "-o", "again.json", "--max_errors", "2")
    done = etl("retry", "out.rejects.ldjson", *named)
    assert done.code == 0, done.err


def test_a_wrong_number_of_answers(etl: Etl) -> None:
    """The message has both numbers of the whole batch."""
    done = run(etl, "LosesOne", "1", values=tuple(range(20)))
    assert done.code == 69
    assert "19 outputs for 20 records" in done.err


def test_a_model_that_cannot_be_unpickled(etl: Etl) -> None:
    """The message has the frames of the model's own code."""
    done = run(etl, "Stale", "1")
    assert done.code == 69
    assert "No module named 'no_such_library'" in done.err
    assert "model_calls.py" in done.err
    assert "importlib" not in done.err


@WORKERS
def test_a_rule_that_fails_alike_is_at_fault(etl: Etl, workers: str) -> None:
    """The message names the rule."""
    rule = ("--rules", "failing_rules:Raises")
    done = run(etl, "failing_models:GoodBatch", workers, *rule, values=(-1, -2))
    assert done.code == 69
    assert "the rule failing_rules:Raises failed for each of the 2 records" in done.err
