"""The options that all engines share: those of `model-etl run`, with the same names and meanings."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from model_etl.engines.shared.scoring import ScorerSettings
from model_etl.engines.shared.unsupported_options import Engine, refuse_unsupported
from model_etl.errors import Interrupted
from model_etl.runtime.failure import report_failure
from model_etl.runtime.shutdown import flush_standard_streams
from model_etl.runtime.signals import Interrupts
from model_etl.settings.arguments import Parser, add_grouped_options, add_options
from model_etl.settings.configurations import CONFIGURATIONS, mask_configuration
from model_etl.settings.job_config import ScoringSettings, fields_from, require_options
from model_etl.settings.option import Option
from model_etl.settings.options import CONFIG, OPTIONS, mask_secrets
from model_etl.settings.sources import merge_settings

SCORING_NAMES = tuple(item.name for item in dataclasses.fields(ScoringSettings) if item.name in OPTIONS)
"""Names of the options that `scorer_settings` reads."""
ENGINE_CONFIG = dataclasses.replace(CONFIG, help="TOML file with options of model-etl run as keys")


def engine_parser(
    engine: str, description: str, options: Iterable[Option], own: Collection[Option], defaults: Mapping[str, Any]
) -> Parser:
    """Build the parser of an engine: options of `model-etl run`, its own, and `--config`.

    Args:
        engine: name of the module that is run, as `model_etl.engines.beam`.
        description: one sentence for the help.
        options: those of `model-etl run` that the engine supports.
        own: options that only this engine has.
        defaults: of the engine's own options, by name; parsed arguments have them.
    """
    parser = Parser(prog=f"python -m {engine}", description=description)
    add_grouped_options(parser, [*options, ENGINE_CONFIG])
    for title in dict.fromkeys(option.group for option in own):
        members = [option for option in own if option.group == title]
        add_options(parser.add_argument_group(title), members, defaults, apply_defaults=True)
    return parser


def merge_engine_settings(engine: Engine, parsed: argparse.Namespace) -> dict[str, Any]:
    """Return the values of the options of `model-etl run`: flags over MODEL_ETL_* variables over the TOML file.

    Args:
        engine: the engine.
        parsed: the arguments, with `config`.

    Raises:
        UsageError: if an option is set that the engine does not support.
        ConfigurationError: if a variable or the file has a value that its option does not take.
    """
    values = merge_settings(vars(parsed), parsed.config)
    refuse_unsupported(engine, values)
    return values


def scorer_settings(values: Mapping[str, Any], *, log: bool = True) -> ScorerSettings:
    """Build the settings of a scorer.

    Args:
        values: of options, by name.
        log: whether there is a prediction log.

    Raises:
        ConfigurationError: if there is no model, or options exclude each other.
    """
    require_options(values, ["model"])
    return ScorerSettings(log=log, **fields_from(ScoringSettings, values))


def masked_settings(settings: ScorerSettings, **others: Any) -> dict[str, Any]:
    """Return settings as the first event of the prediction log has them, with secrets masked.

    Args:
        settings: of the scorer.
        others: more settings of the engine.
    """
    values = mask_secrets({**dataclasses.asdict(settings), **others})
    return {**values, CONFIGURATIONS: mask_configuration(settings.configured_decorators)}


def run(main: Callable[[Interrupts], int], *, until_exit: bool = False) -> int:
    """Run a command of an engine and report what ends it.

    Args:
        main: does the work; its argument knows the signals that may end it.
        until_exit: whether the process ends after this, so that no signal may change its exit code any more.

    Returns:
        The exit code of `main`, or of the error that ended it; see `model_etl.errors`.
    """
    interrupts = Interrupts()
    if until_exit:
        interrupts.handle_until_exit()
    try:
        with contextlib.nullcontext() if until_exit else interrupts.handled():
            exit_code = main(interrupts)
    except (Exception, Interrupted) as exc:  # noqa: BLE001  the last resort, as in the command line of one machine
        failure: BaseException = interrupts.raised or exc
        interrupts.decide(failure)
        exit_code = report_failure(failure)
    interrupts.report(exit_code)
    flush_standard_streams()
    return exit_code
