"""The options that all engines share: those of `model-etl run`, by the same names, with the same meanings."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from model_etl.cli.main import Parser, add_option, fail, flush
from model_etl.engines.shared.scoring import Settings
from model_etl.errors import ConfigurationError, Interrupted
from model_etl.evidence.run_report import masked
from model_etl.runtime.signals import Interrupts
from model_etl.settings.job_config import gather

SCORING = ("model", "expect_version", "rules", "join", "keep", "job", "log_inputs", "redact")
"""Names of the options that `settings_of` reads."""


def parser(engine: str, description: str, *more: str) -> argparse.ArgumentParser:
    """Make a parser that knows the options of scoring, and `--config`.

    Args:
        engine: name of the module that is run, as `model_etl.engines.beam`.
        description: one sentence for the help.
        more: names of other options of `model_etl.settings.job_config.SETTINGS`.
    """
    made = Parser(prog=f"python -m {engine}", description=description, allow_abbrev=False)
    for name in (*SCORING, *more):
        add_option(made, name)
    made.add_argument("--config", metavar="FILE", help="TOML file with options of model-etl run as keys")
    return made


def values_of(options: argparse.Namespace) -> dict[str, Any]:
    """Put flags, MODEL_ETL_* variables and a TOML file together; what is given nowhere is missing.

    Raises:
        ConfigurationError: if a variable or the file makes no sense.
    """
    return gather(vars(options), options.config)


def settings_of(values: Mapping[str, Any], *, log: bool = True) -> Settings:
    """Make the settings of a scorer.

    Args:
        values: of options, by name.
        log: whether there is a prediction log.

    Raises:
        ConfigurationError: if there is no model, or options exclude each other.
    """
    if not values.get("model"):
        raise ConfigurationError("--model is not given", "Write it as package.module:ClassName.")
    if values.get("join") and values.get("keep"):
        raise ConfigurationError("--join and --keep exclude each other", "Give one of them.")
    given = {name: values[name] for name in SCORING if values.get(name) is not None}
    return Settings(**{**given, "rules": tuple(given.get("rules", ())), "log": log})


def shown(settings: Settings, **more: Any) -> dict[str, Any]:
    """Give settings as the log's first event shows them, without secrets."""
    return masked({**dataclasses.asdict(settings), **more})


def run(main: Callable[[Interrupts], int]) -> int:
    """Run a command of an engine.

    Args:
        main: does the work; it is told of the signals that may end it.

    Returns:
        Its exit code, or that of the error which ended it; see `model_etl.errors`.
    """
    interrupts = Interrupts()
    try:
        with interrupts.handled():
            code = main(interrupts)
    except (Exception, Interrupted) as exc:  # noqa: BLE001  the last resort, as in the command line of one machine
        code = fail(interrupts.raised or exc)
    flush()
    return code
