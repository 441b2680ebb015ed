"""Runs a job by one of mrjob's runners, and reports in one message what went wrong."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from mrjob.job import MRJob
from mrjob.runner import MRJobRunner
from mrjob.step import StepFailedException
from mrjob.util import to_lines
from typing_extensions import override

from model_etl.errors import ConfigurationError, Interrupted, ModelEtlError, ModelUnavailable, describe_exception

_COMMAND = re.compile(r"Command '\[.*\]' ", re.DOTALL)
_MAX_LOG_CHARACTERS = 2000
"""Most characters of mrjob's log that an error message repeats."""


class _ErrorLog(logging.Handler):
    """Keeps the errors that mrjob logs, which say more than its exceptions."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage().strip())

    def text(self) -> str:
        """Return the errors, without Java's stack traces."""
        lines = "\n".join(self.messages).splitlines()
        return "".join(f"\n  {line}" for line in lines if line.strip() and not line.startswith("\tat "))[
            -_MAX_LOG_CHARACTERS:
        ]


def run(job: MRJob, route_lines: Callable[[Iterable[bytes]], None]) -> Mapping[str, int]:
    """Run a job and remove what it left in temporary folders.

    Args:
        job: with a manifest as its input.
        route_lines: receives the lines of its output.

    Returns:
        The counters of its tasks, if the runner has any.

    Raises:
        ModelUnavailable: if a task died without reporting an error.
        ConfigurationError: if the job could not be started.
        ModelEtlError: the error that a task reports.
    """
    os.register_at_fork(after_in_child=_use_default_handlers)
    with _errors_logged(job) as log:
        try:
            with job.make_runner() as runner:
                runner.run()
                route_lines(to_lines(chunk for chunk in runner.cat_output()))
                return counters_of(runner)
        except (ModelEtlError, Interrupted):
            raise
        except StepFailedException as exc:
            raise ModelUnavailable(
                f"a task of the job died: {_COMMAND.sub('', str(exc))}; nothing was published{log.text()}",
                "The log of the task says more: --verbose shows where, on a cluster `yarn logs`.",
            ) from exc
        except Exception as exc:
            if (job.options.runner or "inline") == "inline":
                raise  # the tasks ran here: the traceback is theirs
            raise ConfigurationError(
                f"the runner {job.options.runner} cannot run the job: {describe_exception(exc)}{log.text()}",
                "Check mrjob.conf and what it names; --verbose shows each step.",
            ) from exc


def _use_default_handlers() -> None:
    """Let mrjob end the processes that it forks: with the handlers of this process they would print tracebacks."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, lambda *_: None)  # a terminal sends it to all processes; the launcher ends the others


@contextlib.contextmanager
def _errors_logged(job: MRJob) -> Iterator[_ErrorLog]:
    errors, logger = _ErrorLog(), logging.getLogger("mrjob")
    logger.addHandler(errors)
    logger.propagate = False
    if job.options.verbose:
        job.set_up_logging(stream=None)
    try:
        yield errors
    finally:
        logger.removeHandler(errors)


def counters_of(runner: MRJobRunner) -> Mapping[str, int]:
    """Return the counters of the tasks of a job that has ended; empty if the runner has none."""
    counters: dict[str, int] = {}
    for step in runner.counters():
        counters.update(step.get("model_etl", {}))
    return counters
