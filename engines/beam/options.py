"""The options of the Beam engine: its own, and those of `model-etl run` that it supports."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from model_etl.engines.beam.job import SPLIT_BYTES, Job
from model_etl.engines.shared.options import engine_parser, merge_engine_settings, scorer_settings
from model_etl.engines.shared.unsupported_options import refuse_unsupported_flags, supported_options
from model_etl.errors import UsageError
from model_etl.settings.arguments import Parser
from model_etl.settings.job_config import JobConfig
from model_etl.settings.option import Option, did_you_mean, option_table
from model_etl.settings.options import OPTIONS
from model_etl.settings.values import parse_positive_int
from model_etl.settings.verb_options import COMMAND_OPTIONS

LOCAL_RUNNER = "FnApiRunner"
"""Runs the pipeline in this process; Beam's own default would first try to download another runner."""
_GROUP = "The pipeline"
_OPTIONS = option_table(
    Option("runner", _GROUP, f"Beam's runner; {LOCAL_RUNNER} is this process", metavar="RUNNER"),
    Option(
        "shards", _GROUP, "number of files of each result; by default one for each piece of the inputs",
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
_DEFAULTS: dict[str, Any] = {"runner": LOCAL_RUNNER, "split_bytes": SPLIT_BYTES}
_SHORT = {"input_file": ("-i", "--input"), "output_file": ("-o", "--output")}


def build_parser() -> Parser:
    """Build the parser of the Beam engine."""
    options = [
        dataclasses.replace(OPTIONS[name], short=_SHORT.get(name, OPTIONS[name].short))
        for name in supported_options("Beam")
    ]
    return engine_parser(
        "model_etl.engines.beam",
        "Score files by a Beam pipeline. Options that are not listed here are Beam's and its runner's.",
        options,
        _OPTIONS.values(),
        _DEFAULTS,
    )


def job_of(parsed: argparse.Namespace) -> Job:
    """Return the settings of a job: flags over MODEL_ETL_* variables over the TOML file.

    Raises:
        UsageError: if an option is set that this engine does not support.
        ConfigurationError: if a required option is missing, or a value is not valid.
    """
    values = merge_engine_settings("Beam", parsed)
    config = JobConfig.from_options(**values)
    scoring = scorer_settings(values, log=config.prediction_log != "none")
    return Job(config, scoring, parsed.shards or 0, parsed.split_bytes)


def refuse_mistyped(beam_arguments: Sequence[str], parser: Parser) -> None:
    """Check that arguments for Beam, which ignores unknown options, are not options of this program.

    Raises:
        UsageError: if an option is one of `model-etl run` that this engine does not support, or resembles one of this
            engine, and is not one of Beam's.
    """
    known = PipelineOptions(list(beam_arguments)).get_all_options()
    refuse_unsupported_flags("Beam", (text for text in beam_arguments if _name_of(text) not in known))
    flags = {flag.removeprefix("--"): flag for flag in parser.visible_flags()}
    for text in beam_arguments:
        name = _name_of(text)
        if text.startswith("--") and name not in known and (close := did_you_mean(name, flags)):
            raise UsageError(f"there is no option --{name}", f"Did you mean {flags[close]}?")


def _name_of(argument: str) -> str:
    return argument.partition("=")[0].removeprefix("--").replace("-", "_")
