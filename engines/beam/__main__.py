"""``python -m model_etl.engines.beam``: score files by a Beam pipeline, here or on a cluster."""
# ruff: noqa: E402  what Beam says must be caught before it is imported

from __future__ import annotations

import logging
import logging.handlers

_SAID = logging.handlers.MemoryHandler(10_000, flushLevel=logging.CRITICAL + 1)  # leads nowhere without a target
logging.basicConfig(level=logging.ERROR, handlers=[_SAID])  # Beam has things to say as soon as it is imported

import os
import sys
import threading
from collections.abc import Sequence

from apache_beam.runners.runner import create_runner

from model_etl.engines.beam.job import Job, PipelineFailed, run_job
from model_etl.engines.beam.options import JOB_OPTIONS, OWN_JOB_OPTIONS, build_parser, refuse_mistyped
from model_etl.engines.shared.options import merge_engine_settings, run, scorer_settings
from model_etl.errors import UsageError
from model_etl.runtime.signals import Interrupts

_SIGNALLED = 128


def main(interrupts: Interrupts, argv: Sequence[str] | None = None) -> int:
    """Run the command line; what it does not know is Beam's.

    Args:
        interrupts: the signals that may end the job.
        argv: the arguments, by default the process's.

    Returns:
        The exit code.
    """
    parser = build_parser()
    options, beam_arguments = parser.parse_known_args(argv)
    missing = [flag for flag, name in (("--input", options.input), ("--output", options.output)) if not name]
    if missing:
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    refuse_mistyped(beam_arguments, parser)
    if options.verbose:
        logging.basicConfig(level=logging.INFO, force=True)
    try:
        create_runner(options.runner)
    except (ValueError, AttributeError, ImportError) as exc:
        raise UsageError(f"there is no runner {options.runner}: {exc}", "See the help of --runner.") from exc
    values = merge_engine_settings(options)
    job_options = {name: values[name] for name in JOB_OPTIONS if name in values}
    job_options |= {name: getattr(options, name) for name in OWN_JOB_OPTIONS if getattr(options, name) is not None}
    settings = scorer_settings(values, log=job_options.get("prediction_log") != "none")
    job = Job(options.input, options.output, settings, **job_options)
    try:
        counts = run_job(job, [f"--runner={options.runner}", *beam_arguments], interrupts)
    except PipelineFailed:
        _SAID.setTarget(logging.StreamHandler())  # only where our own message does not say it all
        _SAID.flush()
        raise
    if options.verbose or sys.stderr.isatty():
        told = " + ".join(f"{counts[name]:,} {name}" for name in ("written", "rejected", "withheld"))
        print(f"published: {counts['read']:,} read = {told}", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    code = run(main)
    if threading.active_count() > 1 and code >= _SIGNALLED:
        os._exit(code)  # Beam's threads go on as if nothing had happened
    sys.exit(code)
