"""--model_python: the model runs in another interpreter, and what comes out is that of one process."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.command import MODELS, Etl, Result
from helpers.waiting import interrupt_group, wait_for

import model_etl
from model_etl.errors import ConfigurationError
from model_etl.job.loaded_model import loaded_model
from model_etl.scoring import worker_start
from model_etl.scoring.model_loading import load_model
from model_etl.scoring.scorer import ScoringSteps
from model_etl.scoring.worker_pool import WorkerPool
from model_etl.settings.job_config import ScoringSettings

THERE = ("--model_python", sys.executable)
RULES = ("--rules", "business:NotInQuebec", "--rules", "business:AtLeastTen")
RECORDS = b"".join(b'{"x": %d.0, "id": "%0400d"}\n' % (number % 50, number) for number in range(2_000))
"""More than a batch."""
BAD = RECORDS + b'{"x": "wide"}\n{"x": \n{"x": -1.0}\n{"x": 7.0, "province": "QC"}\n' + RECORDS


def contents(folder: Path) -> dict[str, Any]:
    """Return the files of a run; of the log, all that does not change from run to run."""
    found: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir()}
    events = [json.loads(line) for line in found["out.log.ldjson"].splitlines()][1:]
    return {**found, "out.log.ldjson": [{**event, "time": ""} for event in events]}


def first_event(folder: Path) -> Any:
    """Return the data of the event that begins a prediction log."""
    return json.loads((folder / "out.log.ldjson").read_bytes().splitlines()[0])["data"]


def test_the_same_comes_out(etl: Etl, score: Callable[..., Result]) -> None:
    """Predictions, log and rejects are those of one process, also of a retry; the log names the Python of the model."""
    etl.write("in.json", BAD)
    folders = []
    for name, more in {"one": (), "there": (*THERE, "--workers", "2")}.items():
        folders.append(etl.folder / name)
        folders[-1].mkdir()
        options = ("-i", "in.json", "-o", f"{name}/out.json", "--join", "--max_errors", "10", *RULES, *more)
        done = score(*options, model="failing_models:RaisesInBatch")
        assert (done.code, done.err) == (0, "")
    one, there = map(contents, folders)
    assert there == one
    assert one["out.rejects.ldjson"].count(b"\n") == 3
    assert "python" not in first_event(folders[0])["model"]
    assert first_event(folders[1])["model"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert first_event(folders[1])["settings"]["model_python"] == sys.executable
    done = etl("retry", "there/out.rejects.ldjson", "-m", "failing_models:Good", "--max_errors", "2", *THERE)
    assert (done.code, (etl.folder / "there/out.retry.ldjson").read_bytes()) == (0, b'{"y":1.0}\n'), done.err


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("Killed", "a worker process was ended by SIGKILL at records 1 to 2 of in.json"),
        ("Hangs", "the model failing_models:Hangs, at records 1 to 2 of in.json: no answer within 0.5 s"),
        ("RaisesInInit", "cannot load the model failing_models:RaisesInInit: FileNotFoundError"),
    ],
)
def test_a_model_that_fails_ends_the_run(etl: Etl, score: Callable[..., Result], model: str, how: str) -> None:
    """The message names the model or the records, the exit code is 69, and nothing is published."""
    etl.write("in.json", b'{"x": 1.0}\n{"x": -1.0}\n')
    done = score("-i", "in.json", "-o", "out.json", *THERE, "--model_timeout", "0.5", model=f"failing_models:{model}")
    assert (done.code, "Traceback" in done.err) == (69, False), done.err
    assert how in done.err
    assert etl.files() - {"hanging"} == {"in.json"}


def test_what_a_model_prints_goes_to_standard_error(etl: Etl, score: Callable[..., Result]) -> None:
    """Standard output has the predictions and nothing else."""
    etl.write("in.json", b'{"x": -1.0}\n{"x": 3.0}\n')
    done = score("-i", "in.json", "-o", "-", *THERE, model="failing_models:Says")
    assert (done.code, done.out, done.err) == (0, b'{"y":2.0}\n{"y":3.0}\n', "a word from the parent\n")


def test_a_signal_to_the_whole_group_ends_the_run(etl: Etl) -> None:
    """Ctrl-C on a terminal reaches the worker too, which says nothing and ends with the run."""
    etl.write("in.json", b'{"x": -1.0}\n')
    named = ("run", "-m", "failing_models:Hangs", "-i", "in.json", "-o", "out.json", *THERE)
    run = etl.popen(*named, start_new_session=True)
    wait_for((etl.folder / "hanging").exists, run)
    interrupt_group(run)


def test_check_names_the_rules_and_compares_the_records_there(etl: Etl) -> None:
    """The lines are those of one process, and a model that minds its neighbours is refused."""
    etl.write("in.json", b'{"x": 11.0}\n{"x": 12.0}\n')
    named = ("check", "-i", "in.json", "-o", "out.json", *THERE)
    done = etl(*named, *RULES, "-m", "failing_models:GoodBatch")
    assert (done.code, done.err) == (0, "")
    lines = done.out.decode().splitlines()
    assert lines[0].startswith("model    failing 1.0.0 (failing_models:GoodBatch, Python 3.")
    assert lines[1] == "rule     business:NotInQuebec, before the model"
    assert "batches  2 records have the same predictions alone and among others" in lines
    etl.write("ranks.py", RANKS)
    refused = etl(*named, "-m", "ranks:Ranks")
    assert refused.code == 69
    assert "depend on the other records of a batch: for record 2 of in.json" in refused.err
    assert "Traceback" not in refused.err


RANKS = """
from failing_models import GoodBatch
class Ranks(GoodBatch):
    def predict_batch(self, records):
        return [{"y": float(rank)} for rank, _ in enumerate(records)]
"""


def test_a_model_there_is_described_as_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, version and schemas are the same."""
    monkeypatch.setenv("PYTHONPATH", str(MODELS))
    monkeypatch.syspath_prepend(str(MODELS))
    here = load_model("failing_models:Good").describe()
    with loaded_model(ScoringSettings("failing_models:Good", expect_version="1.0.0"), python=sys.executable) as there:
        assert there.ask("describe") == here


def _pretending(folder: Path, first: str, package: str | None = None) -> Path:
    """Write a program that runs the code that it is given as Python would, after `first`."""
    lines = [f"#!{sys.executable} -IS", "import sys", first, "code = sys.argv[2]", "sys.argv[:3] = ['-c']"]
    if package is not None:
        (folder / "model_etl").mkdir()
        (folder / "model_etl" / "__init__.py").write_text(package)
        lines.append(f"sys.path.append({str(folder)!r})")
    program = folder / "python"
    program.write_text("\n".join([*lines, "exec(code)", ""]))
    program.chmod(0o755)
    return program


SAME = f"__version__ = {model_etl.__version__!r}\n"


@pytest.mark.parametrize(
    ("first", "package", "message"),
    [
        ("sys.version_info = (3, 8, 18)", None, "python is Python 3.8.18, and model_etl needs Python 3.10 or later"),
        ("", None, "model_etl is not installed in the environment of --model_python"),
        ("", "__version__ = '0.0.9'\n", "is 0.1.0 here, but 0.0.9 in the environment of --model_python"),
        ("", "", "model_etl is not installed in the environment of --model_python"),
        ("", SAME, "No module named 'model_etl.runtime'"),
        ("sys.exit(3)", None, "is not a Python interpreter that works: it exited with code 3 without an answer"),
        ("sys.argv[1:] = []", None, "is not a Python interpreter that works: it exited with code 1"),
    ],
)
def test_an_interpreter_that_cannot_serve(tmp_path: Path, first: str, package: str | None, message: str) -> None:
    """The run ends with 78 and says what is wrong with the environment, and the command that mends it."""
    program = _pretending(tmp_path, first, package)
    with pytest.raises(ConfigurationError, match=re.escape(message.replace("0.1.0", model_etl.__version__))) as raised:
        _pool(str(program))
    if "is not a Python" not in message and "3.8" not in message:
        assert raised.value.remedy == (
            f"Install the same version there: uv pip install --python {program} model-etl=={model_etl.__version__}"
        )


def _pool(python: str) -> WorkerPool:
    return WorkerPool(1, partial(ScoringSteps, "failing_models:Good"), python=python)


@pytest.mark.parametrize(
    ("name", "message", "remedy"),
    [
        ("/no/such/python", "--model_python /no/such/python does not exist", "such as /opt/churn/.venv/bin/python"),
        ("no-such-python", "--model_python no-such-python: no such program in PATH", "/opt/churn/.venv/bin/python"),
        (sys.prefix, "is a folder", f"--model_python {sys.prefix}/bin/python"),
        (__file__, "cannot be run: Permission denied", "such as /opt/churn/.venv/bin/python"),
        ("sh", "--model_python sh is not a Python interpreter that works: it exited with code", "such as /opt"),
    ],
)
def test_a_name_that_is_not_an_interpreter(name: str, message: str, remedy: str) -> None:
    """The run ends with 78, and the message shows what to name."""
    with pytest.raises(ConfigurationError, match=re.escape(message)) as raised:
        _pool(name)
    assert remedy in raised.value.remedy


def test_the_command_for_pip_if_the_environment_has_it(tmp_path: Path) -> None:
    """The command names the interpreter, quoted for a shell."""
    (tmp_path / "it's").mkdir()
    program = _pretending(tmp_path / "it's", f"sys.path.append({str(tmp_path)!r})")
    (tmp_path / "pip.py").touch()
    with pytest.raises(ConfigurationError) as raised:
        _pool(str(program))
    path = str(program).replace("'", "'\"'\"'")
    assert raised.value.remedy.endswith(f"there: '{path}' -m pip install model-etl=={model_etl.__version__}")


def test_the_text_that_any_python_reads_has_no_newer_syntax() -> None:
    """An interpreter that is too old says so, and not that the syntax is invalid."""
    text = Path(worker_start.__file__).read_text(encoding="ascii")
    assert not re.search(r"f\"|:=|->|import annotations", text)


def test_a_record_is_tried_there(etl: Etl) -> None:
    """`try` prints what the model of another environment predicts."""
    done = etl("try", "-m", "failing_models:Good", "--model_python", sys.executable, "x=1")
    assert (done.code, json.loads(done.out)) == (0, {"y": 1.0})


def test_check_says_of_a_model_there_what_it_says_of_one_here(etl: Etl) -> None:
    """Missing names, sample predictions, batches and the estimate are the same."""
    etl.write("in.csv", "x,more\n1,2\n3,4\n")
    here, there = (
        etl("check", "-m", "failing_models:GoodBatch", "-i", "in.csv", "-o", "out.json", *more).out.splitlines()
        for more in ((), ("--model_python", sys.executable))
    )
    assert [line for line in there if not line.startswith((b"model ", b"estimate"))] == [
        line for line in here if not line.startswith((b"model ", b"estimate"))
    ]
    assert len(here) > 5
