"""The command line's options: those of Kafka, beside those of scoring that all engines share."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from model_etl.cli import main as cli
from model_etl.cli.main import add_option
from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.topics import PREFIX
from model_etl.engines.shared.options import SCORING, settings_of, values_of
from model_etl.engines.shared.scoring import Settings
from model_etl.errors import ConfigurationError, UsageError
from model_etl.settings.job_config import ENVIRONMENT, count, patience, seconds, switch

_OWN: dict[str, tuple[str, Any, Callable[[str], Any]]] = {
    "prefix": ("what the topics' names start with", PREFIX, str),
    "partitions": ("of each topic that is created", 1, count),
    "replication_factor": ("of each topic that is created", 1, count),
    "max_records": ("messages that are scored at a time, at most", 4000, count),
    "session_timeout": ("seconds of silence after which a process loses its partitions", 10.0, patience),
    "rebalance_timeout": ("seconds that a batch may take", 300.0, patience),
    "report_every": ("seconds between two reports on standard error, 0 for none", 60.0, seconds),
    "grace": ("seconds to finish a batch in when asked to stop", 25.0, patience),
}


class Parser(cli.Parser):
    """Knows how to reach Kafka, whatever else a verb wants to know."""

    def __init__(self, verb: str, told: str) -> None:
        super().__init__(prog=f"python -m model_etl.engines.kafka {verb}", description=told, allow_abbrev=False)
        self.add_argument("--bootstrap_servers", metavar="HOST:PORT", help="some brokers, with commas between them")
        self.add_argument(
            "--client_config", metavar="FILE", help="TOML file that says how to reach Kafka, with user and password"
        )

    def own(self, *names: str) -> None:
        """Let it know some of Kafka's options, which the environment may give too."""
        for name in names:
            told, default, read = _OWN[name]
            given = os.environ.get(ENVIRONMENT + name.upper()) or default
            self.add_argument(f"--{name}", type=read, default=given, help=f"{told} ({default})", metavar="X")

    def models(self, *scoring: str) -> None:
        """Let it know the options that say which models, and how they score."""
        told = "the model's class; may be given several times, all with the same other options"
        self.add_argument("--model", "-m", action="append", metavar="PACKAGE.MODULE:CLASS", help=told)
        for name in scoring:
            add_option(self, name)
        told = "TOML file with options of model-etl run as keys; may be given several times, each with a model"
        self.add_argument("--config", action="append", metavar="FILE", help=told)


ALL_SCORING = tuple(name for name in SCORING if name != "model")


def connection_of(options: argparse.Namespace) -> Connection:
    """Put together how to reach Kafka.

    Raises:
        ConfigurationError: if that is not said, or makes no sense.
    """
    return Connection.of(options.bootstrap_servers, options.client_config)


def exactly_once_of(options: argparse.Namespace) -> bool:
    """Tell whether to work exactly once, by the flag or the environment.

    Raises:
        ConfigurationError: if the variable makes no sense.
    """
    variable = f"{ENVIRONMENT}EXACTLY_ONCE"
    try:
        return options.exactly_once or switch(os.environ.get(variable, ""))
    except ValueError as exc:
        raise ConfigurationError(f"the variable {variable}: {exc}", "Set it to yes or no.") from exc


def models_of(options: argparse.Namespace) -> list[Settings]:
    """Give the settings of each model: one a `--model`, or else one a `--config`.

    Raises:
        UsageError: if there are several of both.
        ConfigurationError: if there is no model, or a setting makes no sense.
    """
    models, files = options.model or [], options.config or [None]
    if len(models) > 1 and len(files) > 1:
        raise UsageError(
            "--model and --config are both given several times", "Name each model in a file of its own, or all here."
        )
    found = []
    for model in models or [None]:
        for file in files:
            given = argparse.Namespace(**{**vars(options), "model": model, "config": file})
            values = values_of(given)
            if values.get("prediction_log") not in (None, "none"):
                raise ConfigurationError(
                    f"prediction_log is {values['prediction_log']}, but Kafka's log is a topic",
                    "Leave it out, or say none for no log.",
                )
            known = {name: value for name, value in values.items() if name in SCORING}
            found.append(settings_of(known, log=values.get("prediction_log") != "none"))
    return found
