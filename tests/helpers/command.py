"""The real command line in a folder of its own, and small inputs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers.prestarted import run_prestarted

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "models"
IRIS = "iris_model.iris_predict:IrisModel"
SETOSA = {"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}
VIRGINICA = {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5}


def minding_modes(command: list[str]) -> list[str]:
    """Give a command for which the modes of files count even if root runs the tests."""
    if os.geteuid():
        return command
    if not shutil.which("setpriv"):
        pytest.skip("root passes over file modes")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--", *command]


@dataclass
class Result:
    """What a command gave back."""

    code: int
    out: bytes
    err: str


PROGRAM = [sys.executable, "-m", "model_etl"]


def run_command(
    command: list[str], stdin: bytes, folder: Path, environment: dict[str, str], timeout: float = 100
) -> Result:
    """Run a command to its end; the program, if it is called by itself, in a process that has imported it."""
    if command[: len(PROGRAM)] == PROGRAM:
        done = run_prestarted(command[len(PROGRAM) :], stdin, folder, environment, str(MODELS), timeout)
        if done is not None:
            return Result(done[0], done[1], done[2].decode())
    return run_anew(command, stdin, folder, environment, timeout)


def run_anew(command: list[str], stdin: bytes, folder: Path, environment: dict[str, str], timeout: float) -> Result:
    """Run a command to its end in a new process."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, cwd=folder, env=environment, timeout=timeout, check=False
    )
    return Result(done.returncode, done.stdout, done.stderr.decode())


def _hears_signals() -> None:
    """Undo what whoever started the tests chose to ignore (nohup): a child would ignore it too."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@dataclass
class Etl:
    """Runs the real command in a folder of its own, with the models and rules of tests/models at hand."""

    folder: Path

    def environment(self, **more: str) -> dict[str, str]:
        """Give the environment of the command."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MODEL_ETL_")}
        return {**kept, "PYTHONPATH": str(MODELS), **more}

    def command(self, *arguments: str) -> list[str]:
        """Give the command as a list."""
        return [*PROGRAM, *arguments]

    def __call__(
        self, *arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None, timeout: float = 100
    ) -> Result:
        """Run it to its end; a hang fails the test."""
        return run_command(self.command(*arguments), stdin, self.folder, self.environment(**(env or {})), timeout)

    def popen(self, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> subprocess.Popen[bytes]:
        """Start it."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment(**(env or {})),
            **{"preexec_fn": _hears_signals, **options},  # it only sets handlers
        )

    def write(self, name: str, content: bytes | str | Sequence[dict[str, Any]]) -> Path:
        """Write a file: bytes, text, or records as JSON Lines."""
        path = self.folder / name
        if isinstance(content, str):
            content = content.encode()
        elif not isinstance(content, bytes):
            content = b"".join(json.dumps(record).encode() + b"\n" for record in content)
        path.write_bytes(content)
        return path

    def files(self) -> set[str]:
        """Name all files of the folder."""
        return {str(p.relative_to(self.folder)) for p in self.folder.rglob("*") if p.is_file()}

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Read a file of JSON Lines, strictly."""

        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is no JSON")

        text = (self.folder / name).read_text(encoding="utf-8")
        return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]
