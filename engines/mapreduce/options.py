"""The options of the job beside mrjob's own: those of `model-etl run`, by the same names, with the same meanings."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from model_etl.cli.main import add_option
from model_etl.engines.mapreduce.models import references
from model_etl.errors import UsageError
from model_etl.settings.job_config import JobConfig, count, gather

_SHARED = (
    "expect_version", "rules", "join", "keep", "job", "log_inputs", "redact", "input_format",
    "prediction_log", "rejects", "max_errors", "if_exists", "on_empty", "lock_wait",
)  # fmt: skip
RUNNERS = ("inline", "local", "hadoop", "emr")
SPLIT_BYTES = 64 * 1024 * 1024


def add(parser: argparse.ArgumentParser) -> None:
    """Let mrjob's parser know the options of scoring and publishing."""
    group = parser.add_argument_group("scoring")
    for name in _SHARED:
        add_option(group, name)  # type: ignore[arg-type]  # a group takes arguments as a parser does
    group.add_argument(
        "--model", "-m", action="append", metavar="PACKAGE.MODULE:CLASS", help="a model; may be given several times"
    )
    group.add_argument("--model_qualified_name", metavar="NAME", help="which of them, if there are several")
    group.add_argument(
        "--output", "--output_file", metavar="FILE", help="publish predictions here, with log and rejects beside them"
    )
    group.add_argument(
        "--split_bytes", type=count, default=SPLIT_BYTES, metavar="N", help=f"most input for a task ({SPLIT_BYTES})"
    )
    group.add_argument("--config", metavar="FILE", help="TOML file with options of model-etl run as keys")


def read(given: argparse.Namespace) -> dict[str, Any]:
    """Put flags, MODEL_ETL_* variables and a TOML file together; what is given nowhere is missing.

    Raises:
        ConfigurationError: if a variable or the file makes no sense.
        UsageError: if there is no input, or mrjob's runner is none of ours.
    """
    if given.runner not in (None, *RUNNERS):
        raise UsageError(f"the job cannot run on {given.runner}", f"Use -r with one of: {', '.join(RUNNERS)}.")
    if not given.args or "-" in given.args:
        raise UsageError("there is no input that many can read", "Name files, folders or patterns.")
    flags = {name: getattr(given, name) for name in (*_SHARED, "model")}
    values = gather({**flags, "output_file": given.output}, given.config)
    return {**values, "model": references(values.get("model"))}


def config_of(values: Mapping[str, Any], name: str) -> JobConfig:
    """Make the configuration of a run that publishes.

    Args:
        values: of options, by name.
        name: what the user called the inputs.

    Raises:
        ConfigurationError: if options exclude each other.
    """
    names = (*_SHARED, "output_file", "model")
    known = {name: values[name] for name in names if values.get(name) is not None}
    known["rules"] = tuple(known.get("rules", ()))
    return JobConfig(input_file=name, **known)
