"""The tool in one environment, the model in another of another Python: --model_python on real installations."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import Etl
from test_distributions import distributions, made_once, succeed, wheel  # noqa: F401  (fixtures)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
OTHERS = [
    version for version in ("3.10", "3.11", "3.12", "3.13") if version != ".".join(map(str, sys.version_info[:2]))
]
MODEL = """
import sys
from datetime import datetime
from decimal import Decimal
from typing import Literal, Optional

from model_etl import BusinessRule, allow, withhold
from pydantic import BaseModel, Field


class Input(BaseModel):
    amount: Decimal = Field(gt=0)
    purpose: Literal["car", "house"]
    since: datetime
    score: Optional[float] = None


class Output(BaseModel):
    risk: float
    year: int


class Loans:
    display_name = qualified_name = "loans"
    description = "Guesses."
    version = "1.0.0"
    input_schema, output_schema = Input, Output

    def predict(self, data):
        if data.amount == 13:
            raise ValueError(f"unlucky {data.amount}")
        return {"risk": float(data.amount) / 3, "year": data.since.year}

    def predict_batch(self, records):
        return [self.predict(record) for record in records]


class Cars(BusinessRule):
    def decide(self, record, prediction):
        return withhold("a car") if record["purpose"] == "car" and prediction.output["risk"] > 4 else allow("fine")


class Dies(Loans):
    def predict_batch(self, records):
        import os
        os.kill(os.getpid(), 11)
"""


def found(version: str, needed: str = "sys") -> str:
    """Return the path of an interpreter of a version, from pyenv or from PATH; skip the test if there is none.

    A name on PATH may be that of a program of pyenv which finds no such version.
    """
    program = f"import sys, {needed}; sys.stdout.write('%d.%d' % sys.version_info[:2])"
    installed = sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    for path in filter(None, (*installed, shutil.which(f"python{version}"))):
        if subprocess.run([path, "-c", program], capture_output=True, check=False).stdout.decode() == version:
            return path
    pytest.skip(f"there is no Python {version}")


@pytest.fixture(scope="session", params=OTHERS)
def model_python(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    wheel: Path,  # noqa: F811
) -> Path:
    """Return the interpreter of an environment that has model_etl without extras, and nothing else."""
    python = found(request.param, "venv")

    def make(folder: Path) -> None:
        succeed(python, "-m", "venv", "--without-pip", folder)
        pip = (sys.executable, "-m", "pip", "--python", folder / "bin" / "python")
        succeed(*pip, "install", "--quiet", "--no-compile", wheel)

    return made_once(tmp_path_factory, f"model_python_{request.param.replace('.', '_')}", make) / "bin" / "python"


@pytest.fixture
def loans(etl: Etl) -> Etl:
    """Write a model, and records as JSON Lines, CSV and Parquet; some of them are bad."""
    etl.write("loans.py", MODEL)
    (etl.folder / "in").mkdir()
    rows = [
        {"amount": amount, "purpose": purpose, "since": f"20{10 + number % 9}-01-31T12:00:00+01:00", "score": score}
        for number in range(300)
        for amount, purpose, score in ((1.25, "car", None), (15, "car", 0.5), (13, "house", 1.0), (-1, "car", 2.0))
    ]
    etl.write("in/a.json", rows)
    etl.write(
        "in/b.csv", "amount,purpose,since\n" + "".join(f"{r['amount']},{r['purpose']},{r['since']}\n" for r in rows)
    )
    table = pa.Table.from_pylist(rows)
    times = pa.array([1_600_000_000_000_000] * len(rows), pa.timestamp("us", "UTC"))
    pq.write_table(table.set_column(2, "since", times), etl.folder / "in/c.parquet")
    return etl


def contents(etl: Etl, name: str) -> list[Any]:
    """Return the files of a run; of the log, all that does not change from run to run."""
    folder = etl.folder / name
    events = [json.loads(line) for line in (folder / "out.log.ldjson").read_bytes().splitlines()][1:]
    others = [(folder / file).read_bytes() for file in ("out.json", "out.rejects.ldjson")]
    return [*others, [{**event, "time": ""} for event in events]]


def test_a_model_of_another_python_is_served(loans: Etl, model_python: Path) -> None:
    """Output, rejects and log are those of one process, byte for byte; Bonobo and fs are not needed there."""
    names = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    installed = subprocess.run([model_python, "-c", names], capture_output=True, check=True).stdout.decode().split()
    assert "model-etl" in installed
    assert not {"bonobo", "fs", "boto3", "pip"} & set(installed)
    options = ("-i", "in", "-m", "loans:Loans", "--rules", "loans:Cars", "--join", "--max_errors", "1800")
    for name, more in {"here": (), "there": ("--model_python", str(model_python))}.items():
        (loans.folder / name).mkdir()
        done = loans("run", *options, "-o", f"{name}/out.json", *more)
        assert (done.code, done.err) == (0, "")
    assert contents(loans, "there") == contents(loans, "here")
    assert len(contents(loans, "there")[1].splitlines()) == 1800


@pytest.mark.parametrize("model_python", OTHERS[-1:], indirect=True)
def test_a_model_of_another_python_that_crashes_ends_the_run(loans: Etl, model_python: Path) -> None:
    """The message names the signal and the records."""
    there = ("--model_python", str(model_python))
    done = loans("run", "-i", "in/a.json", "-o", "out.json", "-m", "loans:Dies", "--max_errors", "600", *there)
    assert (done.code, "Traceback" in done.err) == (69, False)
    assert "a worker process was ended by SIGSEGV at records 1 to 1200 of in/a.json" in done.err
    assert not (loans.folder / "out.json").exists()


@pytest.mark.parametrize("version", ["2.7", "3.9"])
def test_a_python_that_is_too_old_says_so(loans: Etl, version: str) -> None:
    """The run ends with 78, and the message names both versions."""
    path = found(version)
    done = loans("describe", "-m", "loans:Loans", "--model_python", path)
    assert done.code == 78
    assert f"is Python {version}." in done.err
    assert "model_etl needs Python 3.10 or later" in done.err
