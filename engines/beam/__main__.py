"""``python -m model_etl.engines.beam``: score files by a Beam pipeline, here or on a cluster."""
# ruff: noqa: E402  what Beam says must be caught before it is imported

from __future__ import annotations

import logging
import logging.handlers

_SAID = logging.handlers.MemoryHandler(10_000, flushLevel=logging.CRITICAL + 1)  # leads nowhere without a target
logging.basicConfig(level=logging.ERROR, handlers=[_SAID])  # Beam has things to say as soon as it is imported

import difflib
import os
import sys
import threading
from collections.abc import Sequence

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.runner import create_runner

from model_etl.engines.beam.job import Job, PipelineFailed, run_job
from model_etl.engines.shared.options import parser, run, settings_of, values_of
from model_etl.errors import UsageError
from model_etl.runtime.signals import Interrupts
from model_etl.settings.job_config import count

_SIGNALLED = 128
_HERE = "FnApiRunner"
"""Beam's own default would first try to download another runner."""


def main(interrupts: Interrupts, argv: Sequence[str] | None = None) -> int:
    """Run the command line; what it does not know is Beam's.

    Args:
        interrupts: the signals that may end the job.
        argv: the arguments, by default the process's.

    Returns:
        The exit code.
    """
    arguments = parser(
        "model_etl.engines.beam",
        "Score files by a Beam pipeline. Options that are not listed here are Beam's and its runner's.",
        *("input_format", "output_format", "prediction_log", "rejects", "max_errors"),
    )
    arguments.add_argument("--input", required=True, metavar="FILE", help="records: a file, folder or quoted pattern")
    arguments.add_argument("--output", required=True, metavar="FILE", help="predictions")
    arguments.add_argument("--runner", default=_HERE, help=f"who runs it ({_HERE}: this process)")
    arguments.add_argument("--shards", type=count, metavar="N", help="files that each result has (the engine decides)")
    arguments.add_argument(
        "--split_bytes", type=count, metavar="N", help="JSON Lines are cut into pieces of so many bytes (33554432)"
    )
    arguments.add_argument("--verbose", "-v", action="store_true", help="say what was done, and what Beam has to say")
    options, beams = arguments.parse_known_args(argv)
    _refuse_misspelt(beams, [action.dest for action in arguments._actions])  # noqa: SLF001
    if options.verbose:
        logging.basicConfig(level=logging.INFO, force=True)
    try:
        create_runner(options.runner)
    except (ValueError, AttributeError, ImportError) as exc:
        raise UsageError(f"there is no runner {options.runner}: {exc}", "See the help of --runner.") from exc
    values = values_of(options)
    names = ("input_format", "output_format", "prediction_log", "rejects", "max_errors", "shards", "split_bytes")
    given = {name: values[name] for name in names if values.get(name) is not None}
    settings = settings_of(values, log=given.get("prediction_log") != "none")
    job = Job(options.input, options.output, settings, **given)
    try:
        counts = run_job(job, [f"--runner={options.runner}", *beams], interrupts)
    except PipelineFailed:
        _SAID.setTarget(logging.StreamHandler())  # only where our own message does not say it all
        _SAID.flush()
        raise
    if options.verbose or sys.stderr.isatty():
        told = " + ".join(f"{counts[name]:,} {name}" for name in ("written", "rejected", "withheld"))
        print(f"published: {counts['read']:,} read = {told}", file=sys.stderr)  # noqa: T201
    return 0


def _refuse_misspelt(beams: Sequence[str], ours: Sequence[str]) -> None:
    """Refuse options that are nearly one of ours and none of Beam's, which would pass them over."""
    known = PipelineOptions(list(beams)).get_all_options()
    for text in beams:
        name = text.partition("=")[0].removeprefix("--")
        if text.startswith("--") and name not in known and (near := difflib.get_close_matches(name, ours, 1)):
            raise UsageError(f"there is no option --{name}", f"Did you mean --{near[0]}?")


if __name__ == "__main__":
    code = run(main)
    if threading.active_count() > 1 and code >= _SIGNALLED:
        os._exit(code)  # Beam's threads go on as if nothing had happened
    sys.exit(code)
