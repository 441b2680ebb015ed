"""Runs a job by one of mrjob's runners, and says in one message what went wrong."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from mrjob.job import MRJob
from mrjob.step import StepFailedException
from mrjob.util import to_lines

from model_etl.errors import ConfigurationError, Interrupted, ModelEtlError, ModelUnavailable, describe_exception

_COMMAND = re.compile(r"Command '\[.*\]' ", re.DOTALL)
_TOLD = 2000
"""Characters of mrjob's own words that are worth repeating."""


class _Last(logging.Handler):
    """Keeps the errors that mrjob logs: its exceptions hold less."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage().strip())

    def told(self) -> str:
        """Give what they say, without Java's stacks."""
        lines = "\n".join(self.messages).splitlines()
        return "".join(f"\n  {line}" for line in lines if line.strip() and not line.startswith("\tat "))[-_TOLD:]


def run(job: MRJob, take: Callable[[Iterable[bytes]], None]) -> Mapping[str, int]:
    """Run a job and remove what it left in temporary folders.

    Args:
        job: with a manifest as its input.
        take: gets the lines of its output.

    Returns:
        The counters of its tasks, as far as the runner tells them.

    Raises:
        ModelUnavailable: if a task died of something that it could not tell.
        ConfigurationError: if the job could not be started.
        ModelEtlError: what a task told.
    """
    os.register_at_fork(after_in_child=_obey)
    with _logged(job) as log:
        try:
            with job.make_runner() as runner:
                runner.run()
                take(to_lines(chunk for chunk in runner.cat_output()))
                return _counters(runner.counters())
        except (ModelEtlError, Interrupted):
            raise
        except StepFailedException as exc:
            raise ModelUnavailable(
                f"a task of the job died: {_COMMAND.sub('', str(exc))}; nothing was published{log.told()}",
                "The log of the task says more: --verbose shows where, on a cluster `yarn logs`.",
            ) from exc
        except Exception as exc:
            if (job.options.runner or "inline") == "inline":
                raise  # the tasks ran here: the traceback is theirs
            raise ConfigurationError(
                f"the runner {job.options.runner} cannot run the job: {describe_exception(exc)}{log.told()}",
                "Check mrjob.conf and what it names; --verbose shows each step.",
            ) from exc


def _obey() -> None:
    """Let mrjob end the processes that it makes of this one: our handlers would have them tell of it at length."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, lambda *_: None)  # it goes to all of a terminal's processes; ours ends the others


@contextlib.contextmanager
def _logged(job: MRJob) -> Iterator[_Last]:
    last, logger = _Last(), logging.getLogger("mrjob")
    logger.addHandler(last)
    logger.propagate = False
    if job.options.verbose:
        job.set_up_logging(stream=None)
    try:
        yield last
    finally:
        logger.removeHandler(last)


def _counters(steps: Iterable[Mapping[str, Any]]) -> Mapping[str, int]:
    counters: dict[str, int] = {}
    for step in steps:
        counters.update(step.get("model_etl", {}))
    return counters
