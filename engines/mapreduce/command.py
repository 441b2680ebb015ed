"""Runs a job's class as a command: launches the job, or executes one of its tasks where mrjob starts the command."""

from __future__ import annotations

import sys

from model_etl.engines.mapreduce.mrjob_import import MRJob
from model_etl.engines.shared.unsupported_options import refuse_unsupported_flags
from model_etl.errors import UsageError
from model_etl.runtime.failure import report_failure


def run_command(job_class: type[MRJob]) -> None:
    """Run the command that the process's arguments describe.

    Args:
        job_class: class of the job.
    """
    try:
        refuse_unsupported_flags("MapReduce", sys.argv[1:])
    except UsageError as exc:
        sys.exit(report_failure(exc))
    job = job_class()  # with a list of arguments, mrjob raises ValueError for a mistyped one
    options = job.options
    if options.run_mapper or options.run_combiner or options.run_reducer or options.run_spark:
        job.execute()
        return
    from model_etl.engines.mapreduce.launch import launch  # noqa: PLC0415  a task needs none of it

    sys.exit(launch(job))
