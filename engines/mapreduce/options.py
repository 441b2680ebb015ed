"""The options of the job beside mrjob's own: those of `model-etl run`, with the same names and meanings."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any

from model_etl.engines.mapreduce.models import parse_references
from model_etl.engines.shared.options import ENGINE_CONFIG, merge_engine_settings
from model_etl.engines.shared.unsupported_options import supported_options
from model_etl.errors import UsageError
from model_etl.settings.arguments import add_grouped_options, add_options
from model_etl.settings.job_config import DEFAULTS, JobConfig
from model_etl.settings.option import FILES, Option, option_table
from model_etl.settings.options import OPTIONS
from model_etl.settings.values import parse_positive_int

RUNNERS = ("inline", "local", "hadoop", "emr")
SPLIT_BYTES = 64 * 1024 * 1024
_NAMES = tuple(name for name in supported_options("MapReduce") if name not in ("input_file", "output_file", "model"))
_NEEDS_OUTPUT = ("rejects", "if_exists", "on_empty", "lock_wait", "report", "dry_run")
"""Options of what is published, which nothing is without --output."""
_GROUP = "The job"
_EVERYDAY = option_table(
    Option(
        "output", FILES, "publish the predictions here, with the log and the rejects beside them",
        short=("--output_file",), file=True, metavar="FILE", everyday=True,
    ),
    dataclasses.replace(OPTIONS["model"], repeatable=True, help="class of a model; repeat it for more models"),
)  # fmt: skip
_OWN = option_table(
    Option(
        "model_qualified_name", _GROUP, "qualified name of the model to score with, if there are several",
        metavar="NAME",
    ),
    Option(
        "null_for_rejects", _GROUP, "without --output, print a rejected record with null, not as a line of the rejects",
        switch=True,
    ),
    Option("split_bytes", _GROUP, "most input for one task", parse=parse_positive_int, metavar="N"),
)  # fmt: skip
_DEFAULTS = {"split_bytes": SPLIT_BYTES}


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options of scoring and publishing to mrjob's parser."""
    add_grouped_options(parser, [*_EVERYDAY.values(), *(OPTIONS[name] for name in _NAMES), ENGINE_CONFIG])
    add_options(parser.add_argument_group(_GROUP), _OWN.values(), _DEFAULTS, apply_defaults=True)


def read(parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the options: flags over MODEL_ETL_* variables over the TOML file.

    Raises:
        ConfigurationError: if a variable or the file has a value that its option does not take.
        UsageError: if there is no input, or the job does not run on mrjob's runner.
    """
    if parsed.runner not in (None, *RUNNERS):
        raise UsageError(f"the job cannot run on {parsed.runner}", f"Use -r with one of: {', '.join(RUNNERS)}.")
    flags = {name: getattr(parsed, name) for name in (*_NAMES, "model")}
    values = merge_engine_settings(
        "MapReduce", argparse.Namespace(**flags, output_file=parsed.output, config=parsed.config)
    )
    inputs = parsed.args or [name for name in [values.get("input_file")] if name]
    if not inputs or "-" in inputs:
        raise UsageError(
            "there is no input file, and standard input is not supported", "Name files, folders or patterns."
        )
    if not values.get("output_file"):
        _refuse_without_output(values)
    elif parsed.null_for_rejects:
        raise UsageError(
            "--null_for_rejects and --output exclude each other", "With --output, rejects have a file of their own."
        )
    return {**values, "input_file": inputs, "model": parse_references(values.get("model"))}


def _refuse_without_output(values: Mapping[str, Any]) -> None:
    """Check that no option is set that has no meaning for a job whose output goes elsewhere.

    Raises:
        UsageError: naming the first such option.
    """
    for name in _NEEDS_OUTPUT:
        if values.get(name) not in (None, DEFAULTS[name]):
            option = OPTIONS[name]
            raise UsageError(f"{option.flag} needs --output", f"Add --output FILE, or remove {option.flag}.")


def config_of(values: Mapping[str, Any], input_name: str) -> JobConfig:
    """Build the configuration of a run that publishes.

    Args:
        values: of options, by name.
        input_name: what the user called the inputs.

    Raises:
        ConfigurationError: if options exclude each other.
    """
    names = (*_NAMES, "output_file", "model")
    return JobConfig.from_options(input_file=input_name, **{name: values.get(name) for name in names})
