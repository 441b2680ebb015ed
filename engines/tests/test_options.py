"""Every option of `model-etl run` on every engine: it is supported, or refused in one sentence wherever it was set."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from acceptance import ROOT

from model_etl.engines.shared.unsupported_options import UNSUPPORTED, Engine, supported_options
from model_etl.settings.job_config import DEFAULTS
from model_etl.settings.option import Option
from model_etl.settings.options import OPTIONS
from model_etl.settings.values import parse_bool

IRIS = ("--model", "iris_model.iris_predict:IrisModel")


class Command(NamedTuple):
    """How an engine is called.

    Attributes:
        engine: its name in messages.
        module: its package.
        library: what is installed only in its environment.
        verb: its first argument, if it has verbs.
        arguments: for a job that would run.
    """

    engine: Engine
    module: str
    library: str
    verb: tuple[str, ...]
    arguments: tuple[str, ...]


COMMANDS = {
    "Beam": Command("Beam", "beam", "apache_beam", (), (*IRIS, "--input", "in.json", "--output", "out.json")),
    "Kafka": Command("Kafka", "kafka", "aiokafka", ("process",), (*IRIS, "--bootstrap_servers", "127.0.0.1:1")),
    "MapReduce": Command("MapReduce", "mapreduce", "mrjob", (), (*IRIS, "in.json", "--output", "out.json")),
}


@pytest.fixture(params=COMMANDS)
def command(request: pytest.FixtureRequest) -> Command:
    """Return the command of an engine that is installed here."""
    found = COMMANDS[request.param]
    if importlib.util.find_spec(found.library) is None:
        pytest.skip(f"this is not the environment of {found.engine}")
    return found


def run(command: Command, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run an engine in a folder with an input."""
    (folder / "in.json").write_bytes((ROOT / "data" / "input.json").read_bytes())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MODEL_ETL_"))}
    return subprocess.run(
        [sys.executable, "-m", f"model_etl.engines.{command.module}", *command.verb, *arguments],
        cwd=folder, env={**kept, **environment, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, text=True, timeout=200,
    )  # fmt: skip


def value_of(option: Option) -> str:
    """Return a value that is not the default of an option."""
    if option.parse is parse_bool:
        return "true"
    if option.choices:
        return next(choice for choice in option.choices if choice != DEFAULTS.get(option.name))
    return {"delimiter": ";", "encoding": "latin-1", "decimal": ","}.get(option.name, "3")


def test_no_option_is_unknown_to_an_engine(command: Command, tmp_path: Path) -> None:
    """The help of an engine lists every option of a run that the engine supports."""
    text = run(command, tmp_path, "--help").stdout
    names = {name for name in supported_options(command.engine) if name not in ("input_file", "output_file")}
    missing = [name for name in sorted(names) if f"--{name}" not in text]
    assert not missing


@pytest.mark.parametrize("source", ["flag", "variable", "file"])
def test_an_option_that_would_be_ignored_is_refused(command: Command, tmp_path: Path, source: str) -> None:
    """An option that an engine does not support ends the job before any work, and the message names both."""
    names = [name for name, engines in UNSUPPORTED.items() if command.engine in engines]
    assert names
    for name in names:
        option, value = OPTIONS[name], value_of(OPTIONS[name])
        arguments, environment = list(command.arguments), {}
        if source == "flag":
            arguments += [option.flag] if option.switch else [option.flag, value]
        elif source == "variable":
            environment[option.variable] = value
        else:
            (tmp_path / "settings.toml").write_text(f'{name} = "{value}"\n')
            arguments += ["--config", "settings.toml"]
        done = run(command, tmp_path, *arguments, **environment)
        assert done.returncode == 2, (name, done.stderr)
        assert f"{command.engine} does not support --{name}: " in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    assert {file.name for file in tmp_path.iterdir()} <= {"in.json", "settings.toml"}


def test_an_option_with_its_default_value_is_not_refused(command: Command, tmp_path: Path) -> None:
    """A file of settings that names the default of an option can be shared with an engine that lacks the option."""
    (tmp_path / "settings.toml").write_text("workers = 1\n")
    done = run(command, tmp_path, *command.arguments, "--config", "settings.toml")
    assert "does not support" not in done.stderr
