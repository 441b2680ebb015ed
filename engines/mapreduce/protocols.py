"""What the launcher needs of a job, which does not know the launcher."""

from __future__ import annotations

from argparse import Namespace
from typing import Any, Protocol, TextIO


class Job(Protocol):
    """What a command needs of a job.

    Attributes:
        options: parsed arguments, mrjob's and those of this engine.
        counting: whether the job only counts predictions.
    """

    options: Namespace
    counting: bool

    def execute(self) -> None:
        """Execute the task that the options name, or `run_job`."""

    def run_job(self) -> None:
        """Run on a manifest, and write to standard output or --output-dir."""

    def make_runner(self) -> Any:
        """Return mrjob's runner of the job."""

    def set_up_logging(self, *, stream: TextIO | None) -> None:
        """Let mrjob log to a stream; None is standard error."""


class JobClass(Protocol):
    """Builds a job from arguments."""

    def __call__(self, args: list[str]) -> Job:
        """Build the job."""
