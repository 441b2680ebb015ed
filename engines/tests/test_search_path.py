"""A working directory may hold any names: none of them hides a module that an engine needs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

IRIS_RECORD = '{"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}\n'
FILES = ["--output", "out.json", "--model", "mine:Mine"]
COMMANDS = {
    "beam": ("apache_beam", ["--input", "in.json", "--shards", "1", *FILES], 0),
    "kafka": ("aiokafka", ["lag", "--bootstrap-servers", "127.0.0.1:1", "--model", "mine:Mine"], 75),
    "mapreduce": ("mrjob", ["in.json", *FILES], 0),
}
"""By engine: its library, the arguments of a command, and the exit code, which for Kafka is that of no broker."""


@pytest.mark.parametrize("path", ["", "."], ids=["no PYTHONPATH", "PYTHONPATH=."])
@pytest.mark.parametrize("engine", COMMANDS)
def test_names_in_the_current_folder_do_no_harm(tmp_path: Path, engine: str, path: str) -> None:
    """The engine of this environment loads a model of the current folder, and no other module of it."""
    library, arguments, code = COMMANDS[engine]
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    for name in ("services", "graphs", "engines", "tests", "data"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise ImportError('the {name} of the current folder')")
    for name in ("json", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('the {name} of the current folder')")
    (tmp_path / "mine.py").write_text("from iris_model.iris_predict import IrisModel\nclass Mine(IrisModel): pass\n")
    (tmp_path / "in.json").write_text(IRIS_RECORD)
    done = subprocess.run(
        [sys.executable, "-m", f"model_etl.engines.{engine}", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == code, done.stderr
    if code == 0:
        assert '"species":"setosa"' in (tmp_path / "out.json").read_text()
