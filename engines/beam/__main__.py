"""``python -m model_etl.engines.beam``: score files by a Beam pipeline, here or on a cluster."""
# ruff: noqa: E402  Beam's log must be buffered before Beam is imported

from __future__ import annotations

from model_etl.runtime.search_path import leave_out_current_folder

leave_out_current_folder()

import logging
import logging.handlers

_BEAM_LOG = logging.handlers.MemoryHandler(10_000, flushLevel=logging.CRITICAL + 1)  # without a target, so silent
logging.basicConfig(level=logging.ERROR, handlers=[_BEAM_LOG])  # Beam logs as soon as it is imported

import os
import sys
import threading
from collections.abc import Sequence

from apache_beam.runners.runner import create_runner

from model_etl.engines.beam.job import PipelineFailed, run_job
from model_etl.engines.beam.options import build_parser, job_of, refuse_mistyped
from model_etl.engines.shared.options import run
from model_etl.engines.shared.reporting import run_reported
from model_etl.errors import UsageError
from model_etl.runtime.signals import Interrupts

_SIGNAL_EXIT_CODE = 128
"""Exit codes above this one are those of signals."""


def main(interrupts: Interrupts, argv: Sequence[str] | None = None) -> int:
    """Run the command line; options that are not of this engine are Beam's.

    Args:
        interrupts: the signals that may end the job.
        argv: the arguments, by default the process's.

    Returns:
        The exit code.
    """
    parser = build_parser()
    options, beam_arguments = parser.parse_known_args(argv)
    refuse_mistyped(beam_arguments, parser)
    if options.verbose:
        logging.basicConfig(level=logging.INFO, force=True)
    try:
        create_runner(options.runner)
    except (ValueError, AttributeError, ImportError) as exc:
        raise UsageError(f"there is no runner {options.runner}: {exc}", "See the help of --runner.") from exc
    job = job_of(options)
    runner_options = [f"--runner={options.runner}", *beam_arguments]
    try:
        report = run_reported(job.config, interrupts, lambda report: run_job(job, runner_options, interrupts, report))
    except PipelineFailed:
        _BEAM_LOG.setTarget(logging.StreamHandler())  # only if the error message does not have the cause
        _BEAM_LOG.flush()
        raise
    if options.verbose or sys.stderr.isatty():
        print(report.counts.summary(report.status), file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONSAFEPATH", "1")  # Beam starts its workers by `python -m`
    code = run(main)
    if threading.active_count() > 1 and code >= _SIGNAL_EXIT_CODE:
        os._exit(code)  # Beam's threads continue to run
    sys.exit(code)
