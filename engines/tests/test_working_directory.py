"""The engines' commands in a working directory whose packages and modules have the names of ours and of others."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from acceptance import ROOT

PACKAGES = ("services", "graphs", "engines", "tests", "data")
"""Packages that a user's project may have beside its records."""
MODULES = ("json", "numpy")
"""Modules of a user's project that are named like one of the standard library, and like a dependency."""
IRIS = ("--model", "iris_model.iris_predict:IrisModel")


class Case(NamedTuple):
    """A command of an engine, and what it leaves.

    Attributes:
        engine: name of the engine's package.
        library: what is installed only in the engine's environment.
        arguments: of the command.
        code: the exit code.
        message: text on standard error, which is otherwise empty.
        output: the file with the predictions, if the command makes one.
    """

    engine: str
    library: str
    arguments: tuple[str, ...]
    code: int = 0
    message: str = ""
    output: str = ""


TO_OUT = ("--output", "out.json")
NO_BROKER = ("--bootstrap_servers", "127.0.0.1:1")
CASES = {
    "Kafka's help": Case("kafka", "aiokafka", ("--help",), message="create_topics"),
    "Kafka's options": Case("kafka", "aiokafka", ("process", "--help")),
    "Kafka with a model": Case("kafka", "aiokafka", ("process", *IRIS, *NO_BROKER), 75, "cannot reach Kafka"),
    "MapReduce's help": Case("mapreduce", "mrjob", ("--help",)),
    "MapReduce in one process": Case(
        "mapreduce", "mrjob", ("-r", "inline", *IRIS, "in.json", *TO_OUT), output="out.json"
    ),
    "MapReduce in processes": Case("mapreduce", "mrjob", ("-r", "local", *IRIS, "in.json", *TO_OUT), output="out.json"),
    "Beam's help": Case("beam", "apache_beam", ("--help",)),
    "Beam in one process": Case(
        "beam", "apache_beam", (*IRIS, "--input", "in.json", *TO_OUT, "--shards", "1"), output="out.json"
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of a project with records, and with packages and modules that fail when they are imported."""
    (tmp_path / "in.json").write_bytes((ROOT / "data" / "input.json").read_bytes())
    failing = 'raise ImportError("{} of the user was imported")\n'
    for name in PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(failing.format(name))
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(failing.format(name))
    return tmp_path


@pytest.mark.parametrize("path", ["", "."], ids=["no PYTHONPATH", "PYTHONPATH=."])
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_a_command_imports_nothing_from_the_working_directory(project: Path, case: Case, path: str) -> None:
    """A user can run an engine in a project that has a folder `services` or a file json.py."""
    if importlib.util.find_spec(case.library) is None:
        pytest.skip(f"this is not the environment of {case.engine}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MODEL_ETL_"))}
    done = subprocess.run(
        [sys.executable, "-m", f"model_etl.engines.{case.engine}", *case.arguments],
        cwd=project, env={**kept, **({"PYTHONPATH": path} if path else {})},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == case.code, done.stderr
    assert case.message in done.stderr
    assert case.message or not done.stderr
    if case.output:
        records = (project / "in.json").read_bytes().splitlines()
        assert len((project / case.output).read_bytes().splitlines()) == len(records)
