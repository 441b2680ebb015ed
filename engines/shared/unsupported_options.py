"""The options of `model-etl run` that an engine does not support: they are refused, wherever they were set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from model_etl.errors import UsageError
from model_etl.settings.job_config import DEFAULTS
from model_etl.settings.options import OPTIONS

Engine = Literal["Beam", "Kafka", "MapReduce"]
_STORAGE = "set the variables AWS_* for the launcher and the workers"
_TABLES = "it reads CSV and TSV as their standards have them; have the tables converted to Parquet"
_TOPICS = "it reads and writes topics, not files"
_RECORD_SIZE = "a record of more than 64 MiB is rejected"
_KAFKA_REJECTS = "rejects go to the errors topic, and never end it"
UNSUPPORTED: Mapping[str, Mapping[Engine, str]] = {
    "input_file": {"Kafka": _TOPICS},
    "output_file": {"Kafka": _TOPICS},
    "input_format": {"Kafka": "each message is a JSON object"},
    "tsv_quotes": {"Kafka": "each message is a JSON object"},
    **{
        name: {"Beam": _TABLES, "Kafka": "each message is a JSON object", "MapReduce": _TABLES}
        for name in ("delimiter", "encoding", "null_values", "decimal", "no_header")
    },
    "self_test": dict.fromkeys(("Beam", "Kafka", "MapReduce"), "try the model before: model-etl check --self_test"),
    "output_format": {"Kafka": "each message is a JSON object", "MapReduce": "it writes JSON Lines"},
    "input_compression": {"Kafka": _TOPICS},
    "output_compression": {"Kafka": _TOPICS},
    "if_exists": {"Kafka": _TOPICS},
    "on_empty": {"Kafka": _TOPICS},
    "max_record_size": {
        "Beam": _RECORD_SIZE,
        "Kafka": "the brokers limit messages: message.max.bytes",
        "MapReduce": _RECORD_SIZE,
    },
    "limit": {"Kafka": "it scores messages until it is stopped"},
    "rejects": {"Kafka": _KAFKA_REJECTS},
    "csv_formulas": {"Kafka": "predictions are messages of JSON"},
    "max_errors": {"Kafka": _KAFKA_REJECTS},
    "report": {"Kafka": "--report_every writes its reports to standard error"},
    "bucket": {"Beam": "write names as s3://BUCKET/KEY", "Kafka": _TOPICS, "MapReduce": "write names as s3://BUCKET/KEY"},
    **{
        name: {"Beam": _STORAGE, "Kafka": _TOPICS, "MapReduce": _STORAGE}
        for name in ("key", "secret_key", "endpoint_url", "connect_timeout", "read_timeout", "retries")
    },
    "dry_run": {"Kafka": "give it another --prefix to try it"},
    "workers": {
        "Beam": "the runner starts the workers: --direct_num_workers",
        "Kafka": "start more processes, which share the partitions",
        "MapReduce": "the runner starts the tasks: --num-cores",
    },
    "model_python": {
        "Beam": "install the engine beside the model, or send the model's package to the workers: --extra_package",
        "Kafka": "install the engine beside the model",
        "MapReduce": "install the engine beside the model, and name the Python of the tasks: --python-bin",
    },
    "model_timeout": {
        "Beam": "set a timeout of the runner",
        "MapReduce": "set mapreduce.task.timeout",
    },
    "lock_wait": {"Kafka": _TOPICS},
    "max_runtime": {
        "Beam": "set a time limit of the runner",
        "Kafka": "it scores messages until it is stopped",
        "MapReduce": "set a time limit of the runner",
    },
    **{
        name: {}
        for name in (
            "model", "expect_version", "rules", "decorator", "join", "keep", "prediction_log", "log_inputs", "redact",
            "job", "schema", "outputs", "trust", "trust_pickle",
        )
    },
}  # fmt: skip
"""What to do instead, or why not, by the name of the option and of the engine; what is not here is supported. Each
option of a run has an entry, so that a new option is not forgotten."""


def supported_options(engine: Engine) -> tuple[str, ...]:
    """Return the names of the options of `model-etl run` that an engine supports."""
    return tuple(name for name in OPTIONS if engine not in UNSUPPORTED.get(name, {}))


def refuse_unsupported(engine: Engine, values: Mapping[str, Any]) -> None:
    """Check that no option is set that the engine would have to ignore.

    Args:
        engine: the engine.
        values: the options that are set anywhere, by name. A value that is the default changes nothing.

    Raises:
        UsageError: naming the first such option.
    """
    for name, value in values.items():
        if value != DEFAULTS.get(name):
            _refuse(engine, name)


def refuse_unsupported_flags(engine: Engine, arguments: Iterable[str]) -> None:
    """Check that no argument which the engine's parser does not know is a flag of an option that it does not support.

    Args:
        engine: the engine.
        arguments: of the command line.

    Raises:
        UsageError: naming the first such option.
    """
    for text in arguments:
        if text.startswith("--"):
            _refuse(engine, text.partition("=")[0][2:].replace("-", "_"))


def _refuse(engine: Engine, name: str) -> None:
    reason = UNSUPPORTED.get(name, {}).get(engine)
    if reason:
        option = OPTIONS[name]
        raise UsageError(
            f"{engine} does not support {option.flag}: {reason}",
            f"Remove the flag, the variable {option.variable}, or {name} from the --config file.",
        )
