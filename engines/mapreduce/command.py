"""Runs a job's class as a command: launches the job, or executes one of its tasks where mrjob starts the command."""

from __future__ import annotations

import sys
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


def run_command(job_class: JobClass) -> None:
    """Run the command that the process's arguments describe.

    Args:
        job_class: class of the job.
    """
    job = job_class(args=sys.argv[1:])
    options = job.options
    if options.run_mapper or options.run_combiner or options.run_reducer or options.run_spark:
        job.execute()
        return
    from model_etl.engines.mapreduce.launch import launch  # noqa: PLC0415  a task needs none of it

    sys.exit(launch(job))
