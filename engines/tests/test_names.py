"""Each engine's command in a project whose folders have the names of ours."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODEL = """
from pydantic import BaseModel


class Input(BaseModel):
    x: float


class Output(BaseModel):
    y: float


class Doubled:
    display_name = qualified_name = "doubled"
    description = "Twice the input."
    version = "1.0.0"
    input_schema, output_schema = Input, Output

    def predict(self, data):
        return Output(y=2 * data.x)
"""
SCORE = {
    "beam": ("--input", "in.json", "--output", "out.json", "--shards", "1", "--model", "doubled:Doubled"),
    "mapreduce": ("-r", "inline", "--model", "doubled:Doubled", "in.json", "--output", "out.json"),
}
LIBRARIES = {"beam": "apache_beam", "kafka": "aiokafka", "mapreduce": "mrjob"}
HERE = [engine for engine, library in LIBRARIES.items() if importlib.util.find_spec(library)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a user's project: a model, records, and packages that fail if they are imported."""
    (tmp_path / "doubled.py").write_text(MODEL)
    (tmp_path / "in.json").write_text('{"x": 1}\n{"x": 2.5}\n')
    for name in ("services", "graphs", "engines", "tests", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'raise ImportError("{name} of the user was imported")\n')
    for name in ("json", "numpy"):
        (tmp_path / f"{name}.py").write_text(f'raise ImportError("{name} of the user was imported")\n')
    return tmp_path


@pytest.mark.parametrize("path", [None, "."], ids=["no PYTHONPATH", "PYTHONPATH=."])
@pytest.mark.parametrize("engine", HERE)
def test_an_engine_in_a_folder_with_names_like_ours(project: Path, engine: str, path: str | None) -> None:
    """Neither our names nor those of the standard library lead to the user's files."""
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ |= {"PYTHONPATH": path} if path else {}
    command = [sys.executable, "-m", f"model_etl.engines.{engine}", *SCORE.get(engine, ("process", "--help"))]
    done = subprocess.run(command, cwd=project, env=environ, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    if engine in SCORE:
        records = [json.loads(line) for line in (project / "out.json").read_text().splitlines()]
        assert sorted(record["y"] for record in records) == [2, 5]
    else:
        assert "--bootstrap" in done.stdout
