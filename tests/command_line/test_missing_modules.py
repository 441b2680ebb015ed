"""Only the module that --model or --rules names, and what it asks for itself, comes from the current folder."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.command import IRIS, MODELS, SETOSA, Etl

SCRIPT = [str(Path(sys.executable).parent / "model-etl")]
MODULE = [sys.executable, "-m", "model_etl"]
RECORDER = """
import os, sys
class Recorder:
    def find_spec(self, name, path=None, target=None):
        if path is None:
            with open(os.environ["ASKED_FOR"], "a") as file:
                file.write(name + "\\n")
sys.meta_path.append(Recorder())
"""
"""A sitecustomize.py that notes every module that no other finder finds."""
EXECUTED = "import os\nos.close(os.open(os.environ['EXECUTED'] + __name__, os.O_CREAT | os.O_WRONLY))\n"
ALWAYS = ("cloudpickle", "nt", "_winapi", "pandas", "json", "argparse", "signal", "msgspec", "pyarrow", "tomllib")
RUN = ("-i", "in.json", "-o", "out.json", "-m", IRIS)
COMMANDS = {
    "run": RUN,
    "run in workers": (*RUN, "--workers", "2"),
    "run in another interpreter": (*RUN, "--model_python", sys.executable),
    "check": ("check", *RUN),
    "describe": ("describe", "-m", IRIS),
    "retry": ("retry", "in.rejects.ldjson", "-m", IRIS),
    "no such input": ("-i", "none.json", "-o", "out.json", "-m", IRIS),
    "no such model": ("-i", "in.json", "-o", "out.json", "-m", "none:None"),
    **{f"into {ending}": ("-i", "in.json", "-o", f"out.{ending}", "-m", IRIS, "--join")
       for ending in ("csv", "tsv", "parquet", "json.gz", "json.zst")},
    **{f"from {ending}": ("-i", f"in.{ending}", "-o", "out.json", "-m", IRIS) for ending in ("csv", "parquet")},
    "from S3": ("-i", "s3://bucket/in.json", "-o", "out.json", "-m", IRIS, "--key", "k", "--secret_key", "s",
                "--endpoint_url", "http://127.0.0.1:1", "--retries", "0", "-q"),
}  # fmt: skip


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for PYTHONPATH with the recorder."""
    return _recorder(tmp_path_factory)


def _recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(RECORDER)
    (folder / "asked").touch()
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Etl:
    """Return a folder with an input of each format."""
    etl = Etl(tmp_path_factory.mktemp("inputs"))
    etl.write("in.json", [SETOSA])
    etl.write("in.csv", ",".join(SETOSA) + "\n" + ",".join(map(str, SETOSA.values())) + "\n")
    assert etl("run", "-i", "in.json", "-o", "in.parquet", "-m", IRIS, "--join").code == 0
    etl.write("wide.json", [{**SETOSA, "sepal_length": "wide"}])
    assert etl("run", "-i", "wide.json", "-o", "in.ldjson", "-m", IRIS, "--max_errors", "1").code == 0
    return etl


@pytest.fixture(scope="module")
def asked_for(
    inputs: Etl, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[tuple[str, ...]], tuple[set[str], int]]:
    """Return a function that gives the names that a command asks for in vain, and its exit code."""

    @functools.cache
    def ask(arguments: tuple[str, ...]) -> tuple[set[str], int]:
        etl, site = _copied(inputs, tmp_path_factory.mktemp("run")), _recorder(tmp_path_factory)
        code = _run(etl, site, MODULE, *arguments)
        return {line for line in (site / "asked").read_text().splitlines() if line.isidentifier()}, code

    return ask


def _copied(inputs: Etl, folder: Path) -> Etl:
    for name in ("in.json", "in.csv", "in.parquet", "in.rejects.ldjson"):
        shutil.copy(inputs.folder / name, folder)
    return Etl(folder)


def _run(etl: Etl, site: Path, command: list[str], *arguments: str) -> int:
    return subprocess.run(
        [*command, *arguments],
        cwd=etl.folder,
        env=etl.environment(PYTHONPATH=f"{site}:{MODELS}", ASKED_FOR=str(site / "asked"), EXECUTED=f"{site}/executed-"),
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.parametrize("command", [SCRIPT, MODULE], ids=["script", "module"])
@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS.keys())
def test_no_module_that_a_run_asks_for_in_vain_comes_from_the_current_folder(
    etl: Etl,
    inputs: Etl,
    site: Path,
    asked_for: Callable[[tuple[str, ...]], tuple[set[str], int]],
    command: list[str],
    arguments: tuple[str, ...],
) -> None:
    """Files beside the data that are named like missing modules are never executed, and change no result."""
    _copied(inputs, etl.folder)
    asked, code = asked_for(arguments)
    for name in {*asked, *ALWAYS} - {"none", "usercustomize"}:
        if command == SCRIPT or name not in sys.stdlib_module_names or name in ("json", "argparse", "nt", "_winapi"):
            etl.write(f"{name}.py", EXECUTED)
    assert _run(etl, site, command, *arguments) == code
    assert not list(site.glob("executed-*"))


MODEL = """
from generations import OneByOne
import beside
class Mine(OneByOne):
    def predict(self, data):
        import late, pickle
        from package.part import TWO
        assert pickle.loads(b"cunpickled\\nVALUE\\n.") == 3
        for missing in ("cloudpickle", "nt"):
            with __import__("contextlib").suppress(ImportError):
                import pyarrow.parquet
        return {"y": beside.ONE + late.ONE + TWO}
"""


@pytest.mark.parametrize("more", [[], ["--workers", "2"]], ids=["one process", "workers"])
def test_a_model_in_the_current_folder_finds_the_modules_beside_it(etl: Etl, site: Path, more: list[str]) -> None:
    """A model may consist of several files, imported at once, in the middle of predict() or by a pickle."""
    (etl.folder / "package").mkdir()
    etl.write("package/__init__.py", "")
    etl.write("package/part.py", "from beside import ONE\nTWO = 2 * ONE\n")
    etl.write("unpickled.py", "VALUE = 3\n")
    for name in ("beside", "late"):
        etl.write(f"{name}.py", "ONE = 1.0\n")
    for name in ("cloudpickle", "nt", "_winapi"):
        etl.write(f"{name}.py", EXECUTED)
    etl.write("mine.py", MODEL)
    etl.write("in.json", [{"x": 1.0}])
    assert _run(etl, site, MODULE, "-i", "in.json", "-o", "out.json", "-m", "mine:Mine", *more) == 0
    assert etl.lines("out.json") == [{"y": 4.0}]
    assert not list(site.glob("executed-*"))


def test_a_pipeline_of_joblib_finds_the_functions_beside_it(etl: Etl, site: Path) -> None:
    """A pickle that a library loads for a model may name a module beside the model, as pipelines of sklearn do."""
    etl.write("features.py", "def double(x):\n    return 2 * x\n")
    dump = "import features, joblib; joblib.dump(features.double, 'model.joblib')"
    subprocess.run([sys.executable, "-c", dump], cwd=etl.folder, check=True)
    etl.write(
        "mine.py",
        "import joblib\nfrom generations import OneByOne\nclass Mine(OneByOne):\n"
        "    def __init__(self):\n        self.double = joblib.load('model.joblib')\n"
        "    def predict(self, data):\n        return {'y': self.double(1.5)}\n",
    )
    etl.write("in.json", [{"x": 1.0}])
    assert _run(etl, site, SCRIPT, "-i", "in.json", "-o", "out.json", "-m", "mine:Mine") == 0
    assert etl.lines("out.json") == [{"y": 3.0}]


def test_a_model_that_is_installed_gets_nothing_from_the_current_folder(etl: Etl, site: Path) -> None:
    """Only the code of the current folder may ask for modules in it."""
    etl.write("beside.py", EXECUTED)
    (site / "installed.py").write_text("import contextlib\nwith contextlib.suppress(ImportError):\n    import beside\n"
                                       "from generations import OneByOne\n")  # fmt: skip
    etl.write("in.json", [{"x": 1.0}])
    assert _run(etl, site, SCRIPT, "-i", "in.json", "-o", "out.json", "-m", "installed:OneByOne") == 0
    assert not list(site.glob("executed-*"))
