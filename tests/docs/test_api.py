"""The public API: what `import model_etl` offers is documented, typed, cheap, and works as its example shows."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
from types import ModuleType

import pytest
from helpers.command import ROOT, SETOSA, Etl

import model_etl

EXAMPLE = ROOT / "examples/python_api/score_in_python.py"


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """Import the script that writes docs/api.md."""
    spec = importlib.util.spec_from_file_location("generate_api", ROOT / "docs/generate_api.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_can_be_imported() -> None:
    """Each name of `__all__`, and only those; another name raises AttributeError."""
    for name in model_etl.__all__:
        assert getattr(model_etl, name) is not None
    with pytest.raises(AttributeError, match="module 'model_etl' has no attribute 'Batch'"):
        model_etl.Batch  # noqa: B018
    with pytest.raises(ImportError):
        from model_etl import Batch  # noqa: F401, PLC0415


def test_no_public_name_is_missing_from_all() -> None:
    """A public name in the package is listed in `__all__`, or is a module."""
    program = (
        "import types, model_etl\n"
        "for name in model_etl.__all__: getattr(model_etl, name)\n"
        "public = {n for n, v in vars(model_etl).items() if n[0] != '_' and not isinstance(v, types.ModuleType)}\n"
        "print(sorted(public ^ set(model_etl.__all__)), set(dir(model_etl)) ^ set(model_etl.__all__))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "[] {'__version__'}\n"


def test_all_errors_are_public() -> None:
    """Every class of model_etl.errors."""
    from model_etl import errors  # noqa: PLC0415

    assert {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__
    } <= set(model_etl.__all__)


def test_the_import_is_cheap() -> None:
    """It imports no module but its own, and what Python has imported at its start anyway or `typing` needs."""
    program = (
        "import sys, typing\nbefore = set(sys.modules)\nimport model_etl\nprint(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout == "['model_etl']\n"


def test_every_public_name_has_a_docstring(generator: ModuleType) -> None:
    """Also the methods and properties of public classes."""
    assert list(generator.undocumented()) == []


def test_the_page_is_up_to_date(generator: ModuleType) -> None:
    """docs/api.md is what its generator writes, and describes every name."""
    page = generator.PAGE.read_text(encoding="utf-8")
    assert page == generator.page(), "run: python docs/generate_api.py"
    assert [name for name in model_etl.__all__ if f"`{name}`" not in page] == []


def test_the_example_runs(etl: Etl) -> None:
    """It scores a file, a record and a graph, and reports an error with its remedy and exit code."""
    etl.write("in.json", [SETOSA, {**SETOSA, "petal_length": 6.0}, SETOSA])

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(EXAMPLE), name, "out.json"]
        return subprocess.run(command, cwd=etl.folder, capture_output=True, check=False, text=True)

    done = run("in.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "published: 3 read = 2 written + 0 rejected + 1 withheld",
        "one record: {'species': 'setosa'}",
        "a graph: [{'species': 'setosa'}, {'species': 'setosa'}]",
    ]
    assert etl.lines("out.json") == [{"species": "setosa"}] * 2
    done = run("missing.json")
    assert done.returncode == 66
    assert "missing.json" in done.stderr
