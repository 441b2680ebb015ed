"""The options that only the Beam engine has."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from model_etl.engines.beam.job import Job
from model_etl.engines.shared.options import engine_parser
from model_etl.errors import UsageError
from model_etl.settings.arguments import Parser
from model_etl.settings.options import COMMAND_OPTIONS, Option, did_you_mean, option_table
from model_etl.settings.values import parse_positive_int

LOCAL_RUNNER = "FnApiRunner"
"""Runs the pipeline in this process; Beam's own default would first try to download another runner."""
JOB_OPTIONS = (
    "input_format",
    "output_format",
    "input_compression",
    "output_compression",
    "prediction_log",
    "rejects",
    "max_errors",
)
"""Names of the options of `model-etl run` that a `Job` has beside those of scoring."""
OWN_JOB_OPTIONS = ("shards", "split_bytes")
_GROUP = "The pipeline"
_OPTIONS = option_table(
    Option("input", _GROUP, "records: a file, a folder or a quoted pattern", file=True, metavar="FILE"),
    Option("output", _GROUP, "predictions", file=True, metavar="FILE"),
    Option("runner", _GROUP, f"Beam's runner; {LOCAL_RUNNER} is this process", metavar="RUNNER"),
    Option(
        "shards", _GROUP, "number of files of each result; by default the engine decides",
        parse=parse_positive_int, metavar="N",
    ),
    Option(
        "split_bytes", _GROUP, "size of the pieces that JSON Lines are cut into",
        parse=parse_positive_int, metavar="N",
    ),
    dataclasses.replace(
        COMMAND_OPTIONS["verbose"], group=_GROUP, help="print the summary, and what Beam logs"
    ),
)  # fmt: skip
_DEFAULTS: dict[str, Any] = {"runner": LOCAL_RUNNER, "split_bytes": Job.split_bytes}


def build_parser() -> Parser:
    """Build the parser of the Beam engine."""
    return engine_parser(
        "model_etl.engines.beam",
        "Score files by a Beam pipeline. Options that are not listed here are Beam's and its runner's.",
        JOB_OPTIONS,
        _OPTIONS.values(),
        _DEFAULTS,
    )


def refuse_mistyped(beam_arguments: Sequence[str], parser: Parser) -> None:
    """Check that arguments for Beam, which ignores unknown options, are not mistyped options of this engine.

    Raises:
        UsageError: if an option resembles one of this engine, and is not one of Beam's.
    """
    known = PipelineOptions(list(beam_arguments)).get_all_options()
    flags = {flag.removeprefix("--"): flag for flag in parser.visible_flags()}
    for text in beam_arguments:
        name = text.partition("=")[0].removeprefix("--").replace("-", "_")
        if text.startswith("--") and name not in known and (close := did_you_mean(name, flags)):
            raise UsageError(f"there is no option --{name}", f"Did you mean {flags[close]}?")
