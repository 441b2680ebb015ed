"""The options of Kafka's verbs, beside those of scoring that all engines share."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from typing_extensions import override

from model_etl.engines.kafka.connection import Connection
from model_etl.engines.kafka.group import ProcessorSettings
from model_etl.engines.kafka.metrics import parse_endpoint
from model_etl.engines.kafka.processor import ModelSettings
from model_etl.engines.kafka.topics import PREFIX
from model_etl.engines.shared.options import ENGINE_CONFIG, SCORING_NAMES, merge_engine_settings, scorer_settings
from model_etl.engines.shared.unsupported_options import refuse_unsupported_flags, supported_options
from model_etl.errors import ConfigurationError, UsageError
from model_etl.settings import arguments
from model_etl.settings.arguments import add_grouped_options, add_options
from model_etl.settings.job_config import defaults_of
from model_etl.settings.option import Option, option_table
from model_etl.settings.options import OPTIONS
from model_etl.settings.sources import merge_settings
from model_etl.settings.values import parse_bool, parse_positive_int, parse_positive_seconds, parse_seconds

_GROUP = "Kafka"
_CONNECTION = option_table(
    Option("bootstrap_servers", _GROUP, "addresses of brokers, separated by commas", metavar="HOST:PORT"),
    Option(
        "client_config", _GROUP, "TOML file with the settings of the connection, such as user and password",
        file=True, metavar="FILE",
    ),
)  # fmt: skip
_OWN = option_table(
    Option("prefix", _GROUP, "start of the topics' names", metavar="NAME"),
    Option("partitions", _GROUP, "partitions of each new topic", parse=parse_positive_int, metavar="N"),
    Option("replication_factor", _GROUP, "replicas of each new topic", parse=parse_positive_int, metavar="N"),
    Option("max_records", _GROUP, "most messages in a batch", parse=parse_positive_int, metavar="N"),
    Option(
        "session_timeout", _GROUP, "silence after which a process loses its partitions",
        parse=parse_positive_seconds, metavar="SECONDS",
    ),
    Option(
        "rebalance_timeout", _GROUP, "how long a batch may take", parse=parse_positive_seconds, metavar="SECONDS"
    ),
    Option(
        "report_every", _GROUP, "interval of the reports on standard error; 0 for none",
        parse=parse_seconds, metavar="SECONDS",
    ),
    Option(
        "grace", _GROUP, "how long a batch may take to finish after a signal",
        parse=parse_positive_seconds, metavar="SECONDS",
    ),
    Option(
        "metrics_port", _GROUP, "serve metrics for Prometheus at this port, of 127.0.0.1 unless a host is given",
        parse=parse_endpoint, metavar="[HOST:]PORT",
    ),
    Option(
        "exactly_once", _GROUP, "send results in transactions", parse=parse_bool, switch=True
    ),
)  # fmt: skip
DEFAULTS: dict[str, Any] = {
    "prefix": PREFIX,
    "partitions": 1,
    "replication_factor": 1,
    "report_every": 60.0,
    "grace": 25.0,
    "metrics_port": None,
    **defaults_of(ProcessorSettings),
}
"""The defaults of Kafka's own options, by name."""
_LOG = dataclasses.replace(
    OPTIONS["prediction_log"], choices=("none",), metavar=None, help="none for no log, which otherwise is a topic"
)
_NAMES = {*SCORING_NAMES, "prediction_log", "model_timeout"} - {"model"}
ALL_SCORING = tuple(name for name in supported_options("Kafka") if name in _NAMES)
"""Names of the options of scoring, without that of the model."""


class Parser(arguments.Parser):
    """The parser of a verb, with the options of the connection.

    Args:
        verb: name of the verb.
        description: one sentence for the help.
        scoring: names of options of scoring that the verb takes beside those of the models; None if it has no models.
    """

    def __init__(self, verb: str, description: str, scoring: Collection[str] | None = None) -> None:
        super().__init__(prog=f"python -m model_etl.engines.kafka {verb}", description=description)
        self._own: dict[str, Option] = {}
        if scoring is not None:
            self._add_models(scoring)
        self._kafka = self.add_argument_group(_GROUP)
        add_options(self._kafka, _CONNECTION.values())

    def own(self, *names: str) -> None:
        """Add options of Kafka, which environment variables may give too."""
        options = {name: _OWN[name] for name in names}
        self._own |= options
        add_options(self._kafka, options.values(), DEFAULTS)

    def _add_models(self, scoring: Collection[str]) -> None:
        model = dataclasses.replace(
            OPTIONS["model"],
            repeatable=True,
            help="class of a model; repeat it for more models, which share the other options",
        )
        config = dataclasses.replace(
            ENGINE_CONFIG,
            repeatable=True,
            help="TOML file with options of model-etl run as keys; repeat it with a model in each file",
        )
        add_grouped_options(self, [model, *({**OPTIONS, _LOG.name: _LOG}[name] for name in scoring), config])

    @override
    def describe_unknown(self, unknown: Sequence[str]) -> str:
        refuse_unsupported_flags("Kafka", unknown)
        return super().describe_unknown(unknown)

    @override
    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse arguments; Kafka's own options that are not given are those of the environment, or the defaults.

        Raises:
            ConfigurationError: if a variable has a value that its option does not take.
        """
        parsed = super().parse_args(args, namespace)
        defaults = {name: DEFAULTS[name] for name in self._own}
        vars(parsed).update(merge_settings(vars(parsed), defaults=defaults, options=self._own))
        return parsed


def connection_of(parsed: argparse.Namespace) -> Connection:
    """Return how to reach Kafka.

    Raises:
        ConfigurationError: if no server is given, or a setting of the connection is not valid.
    """
    return Connection.of(parsed.bootstrap_servers, parsed.client_config)


def models_of(parsed: argparse.Namespace) -> list[ModelSettings]:
    """Return the settings of each model: those of each `--model`, or of each `--config`.

    Raises:
        UsageError: if both are given several times.
        ConfigurationError: if there is no model, or a setting is not valid.
    """
    models, files = parsed.model or [None], parsed.config or [None]
    if len(models) > 1 and len(files) > 1:
        raise UsageError(
            "--model and --config are both given several times", "Name each model in a file of its own, or all here."
        )
    return [_settings_of_model(parsed, model, file) for model in models for file in files]


def _settings_of_model(parsed: argparse.Namespace, model: str | None, file: str | None) -> ModelSettings:
    values = merge_engine_settings("Kafka", argparse.Namespace(**{**vars(parsed), "model": model, "config": file}))
    log = values.get("prediction_log")
    if log not in (None, "none"):
        raise ConfigurationError(
            f"prediction_log is {log}, but the prediction log of Kafka is a topic",
            "Leave the option out, or set it to none for no log.",
        )
    settings = vars(scorer_settings(values, log=log is None))
    return ModelSettings(**settings, model_timeout=values.get("model_timeout"))
