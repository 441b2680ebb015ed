"""A working directory may hold any names: none of them hides a module that the command needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import MODELS, ROOT, Etl

from model_etl.runtime.search_path import leave_out_current_folder

SCRIPT = [str(Path(sys.executable).parent / "model-etl")]
MODULE = [sys.executable, "-m", "model_etl"]
PACKAGES = ("services", "graphs", "engines", "tests", "data", "formats", "schema")
MODULES = ("json", "numpy", "signal", "msgspec", "errors", "rules")
MODEL = """
import json, numpy
from generations import OneByOne
class Mine(OneByOne):
    def predict(self, data):
        json.dumps(float(numpy.float64(1)))
        return super().predict(data)
"""


@pytest.fixture
def crowded(etl: Etl) -> Etl:
    """Fill the current folder with names that hide modules of Python, of dependencies and of model_etl."""
    for name in PACKAGES:
        (etl.folder / name).mkdir()
        etl.write(f"{name}/__init__.py", f"raise ImportError('the {name} of the current folder')")
    for name in MODULES:
        etl.write(f"{name}.py", f"raise ImportError('the {name} of the current folder')")
    etl.write("mine.py", MODEL)
    etl.write("in.json", [{"x": 1.0}])
    return etl


@pytest.mark.parametrize("path", ["", "."], ids=["no PYTHONPATH", "PYTHONPATH=."])
@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
@pytest.mark.parametrize("more", [[], ["--workers", "2"]], ids=["one process", "workers"])
def test_names_in_the_current_folder_do_no_harm(crowded: Etl, command: list[str], path: str, more: list[str]) -> None:
    """A run succeeds, and still finds the model in a module of the current folder."""
    search_path = f"{path}:{MODELS}" if path else str(MODELS)
    done = subprocess.run(
        [*command, "-i", "in.json", "-o", "out.json", "-m", "mine:Mine", *more],
        cwd=crowded.folder,
        env=crowded.environment(PYTHONPATH=search_path),
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert crowded.lines("out.json") == [{"y": 2.0}]


@pytest.mark.parametrize("entry", ["", ".", None])
def test_the_current_folder_is_not_searched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, entry: str | None) -> None:
    """However the current folder is written in the search path, it is taken out."""
    monkeypatch.chdir(tmp_path)
    link = tmp_path.with_name(f"{tmp_path.name}-link")
    link.symlink_to(tmp_path)
    first = str(link) if entry is None else entry
    monkeypatch.setattr(sys, "path", [first, "/elsewhere", str(tmp_path)])
    leave_out_current_folder()
    assert sys.path == ["/elsewhere"]


def test_a_checkout_stays_in_the_search_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that is not installed can be run in its own folder."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", ["", "/elsewhere"])
    leave_out_current_folder()
    assert sys.path == ["/elsewhere", str(ROOT)]
