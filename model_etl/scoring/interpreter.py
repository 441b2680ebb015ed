"""The interpreter of --model_python: it runs the worker processes, with the packages of its own environment."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from multiprocessing import Pipe
from pathlib import Path

from model_etl import __version__
from model_etl.errors import ConfigurationError, shortened
from model_etl.runtime.environment import install_command
from model_etl.runtime.signals import STOP_SIGNALS
from model_etl.runtime.system_errors import lack_of_resources
from model_etl.scoring.worker import Pipe as Connection

_START = Path(__file__).with_name("worker_start.py")
_EXAMPLE = "Name the interpreter of the model's environment, such as /opt/churn/.venv/bin/python."


class Interpreter:
    """A Python interpreter that the user named.

    Args:
        name: its path, or a name that is looked up in PATH.

    Raises:
        ConfigurationError: if there is no such program.
    """

    def __init__(self, name: str) -> None:
        self._named = f"--model_python {name}"
        path = name if "/" in name else shutil.which(name)
        if path is None:
            raise ConfigurationError(f"{self._named}: no such program in PATH", _EXAMPLE)
        if not Path(path).exists():
            raise ConfigurationError(f"{self._named} does not exist", _EXAMPLE)
        if Path(path).is_dir():
            inside = Path(path, "bin", "python")
            remedy = f"Name the interpreter in it: --model_python {inside}" if inside.exists() else _EXAMPLE
            raise ConfigurationError(f"{self._named} is a folder", remedy)
        self._path = path  # not resolved: the environment belongs to the link, and not to what it leads to

    def start(self) -> tuple[Connection, Program]:
        """Start a worker process, which says first whether it can serve.

        Raises:
            ConfigurationError: if the system cannot run the program.
        """
        # As an argument of -c, what is not Python cannot take the file for one that it should work on.
        program = f"exec(open({str(_START)!r}).read())"
        connection, child_end = Pipe()
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # until the worker ignores them
        try:
            process = subprocess.Popen(  # noqa: S603  the user named it
                [self._path, "-c", program, str(child_end.fileno()), __version__],
                stdin=subprocess.DEVNULL,
                pass_fds=(child_end.fileno(),),
            )
        except OSError as exc:
            connection.close()
            raise lack_of_resources(exc) or ConfigurationError(
                f"{self._named} cannot be run: {exc.strerror}", _EXAMPLE
            ) from exc
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            child_end.close()  # else the end of the worker would go unnoticed
        return connection, Program(process)

    def is_silent(self, how: str) -> ConfigurationError:
        """Return the error for a program that does not answer as Python would.

        Args:
            how: what it did instead.
        """
        return ConfigurationError(f"{self._named} is not a Python interpreter that works: {how}", _EXAMPLE)

    def version_from(self, greeting: bytes) -> str:
        """Return the version of Python in a worker's first message.

        Args:
            greeting: what `model_etl.scoring.worker_start` has sent.

        Raises:
            ConfigurationError: if the message says that the interpreter cannot serve.
        """
        python, verdict, installer, detail, *_ = [*greeting.decode("utf-8", "replace").split("\n"), "", ""]
        if verdict == "ready":
            return python
        if verdict == "old":
            raise ConfigurationError(
                f"{self._named} is Python {python}, and model_etl needs Python 3.10 or later",
                f"Make the model's environment with a later Python, and install the model and model-etl {__version__}.",
            )
        there = f"in the environment of {self._named} (Python {python})"
        problem = {
            "missing": f"model_etl is not installed {there}",
            "version": f"model_etl is {__version__} here, but {detail} {there}; both must be the same",
        }.get(verdict, f"model_etl cannot be imported {there}: {shortened(detail)}")
        install = install_command(f"model-etl=={__version__}", interpreter=self._path, has_pip=installer == "pip")
        raise ConfigurationError(problem, f"Install the same version there: {install}")


class Program:
    """A running program, with the methods of a process of multiprocessing."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """Its exit code, the negative number of the signal that ended it, or None if it has not ended."""
        return self._process.poll()

    def is_alive(self) -> bool:
        """Return whether it has not ended."""
        return self._process.poll() is None

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most some seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()


def how_it_ended(code: int | None) -> str:
    """Return in words how a process ended.

    Args:
        code: its exit code, or the negative number of a signal; None counts as 0.
    """
    code = code or 0
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"
