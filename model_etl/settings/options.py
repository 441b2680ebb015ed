"""The options of a run, each described once.

The command line, the help, the environment variables, the TOML keys, the engines' options and docs/options.md all come
from `OPTIONS`. The default of an option is that of the field of the same name in `JobConfig`, `ScoringSettings` or
`StorageSettings`; see `model_etl.settings.job_config`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

from model_etl.errors import MASK, mask_urls, printable
from model_etl.evidence.prediction_log import LogInputs
from model_etl.formats import FORMATS, INPUT_FORMATS
from model_etl.formats.compression import COMPRESSIONS
from model_etl.formats.csv_dialect import check_encoding
from model_etl.formats.output_layout import CsvFormulas
from model_etl.publishing.publication import IfExists
from model_etl.records.dialect import DecimalSeparator
from model_etl.settings.option import ENVIRONMENT_PREFIX, EVIDENCE, FILES, RUN, SCORING, STORAGE, Option, option_table
from model_etl.settings.values import (
    MaxErrors,
    parse_bool,
    parse_delimiter,
    parse_digest,
    parse_names,
    parse_outputs,
    parse_positive_int,
    parse_positive_seconds,
    parse_record_size,
    parse_retries,
    parse_seconds,
)

_KAFKA_VARIABLES = (
    "BOOTSTRAP_SERVERS", "CLIENT_CONFIG", "PREFIX", "PARTITIONS", "REPLICATION_FACTOR", "MAX_RECORDS",
    "SESSION_TIMEOUT", "REBALANCE_TIMEOUT", "REPORT_EVERY", "GRACE", "METRICS_PORT", "EXACTLY_ONCE",
    "SECURITY_PROTOCOL", "SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD", "SSL_CAFILE", "SSL_CERTFILE",
    "SSL_KEYFILE", "SSL_PASSWORD",
)  # fmt: skip
OTHER_VARIABLES = frozenset(ENVIRONMENT_PREFIX + name for name in (*_KAFKA_VARIABLES, "PYTHON"))
"""Variables that are not options of a run: those of `engines/kafka`, which may be set for all programs, and tests'."""
_HARMLESS_URL = re.compile(r"https?://[\w.\[\]:-]+(/[\w./~-]*)?")
"""A URL that has neither user names nor queries, and is not a secret in the wrong option."""


_MODEL_CLASS = "PACKAGE.MODULE:CLASS"

OPTIONS = option_table(
    Option(
        "input_file", FILES,
        "records: a file, a folder or a quoted pattern; - is standard input",
        "the records: a file, a folder or a pattern; `-` is standard input",
        short=("-i",), file=True, metavar="FILE", everyday=True,
    ),
    Option(
        "output_file", FILES,
        "predictions: a file, or a folder with a file for each input; - is standard output",
        "the predictions: a file or a folder; `-` is standard output",
        short=("-o",), file=True, metavar="FILE", everyday=True,
    ),
    Option(
        "input_format", FILES,
        "format of the input, if its name does not show it",
        "the format of the input, if its name does not show it: `ldjson`, `json`, `csv`, `tsv`, `parquet`, or `rejects`"
        " for a rejects file; `-` is read as `ldjson` by default",
        choices=tuple(INPUT_FORMATS),
    ),
    Option(
        "output_format", FILES,
        "format of the output, if its name does not show it",
        "the format of the output, if its name does not show it: `ldjson`, `json`, `csv`, `tsv` or `parquet`; `-` is"
        " written as `ldjson` by default",
        choices=tuple(FORMATS),
    ),
    Option(
        "input_compression", FILES,
        "compression of the input, if its name does not show it",
        "the compression of the input, if its name does not show it: `gzip`, `zstd` or `none`",
        choices=tuple(COMPRESSIONS),
    ),
    Option(
        "output_compression", FILES,
        "compression of the output, if its name does not show it",
        "the compression of the output, if its name does not show it: `gzip`, `zstd` or `none`; in a folder of outputs,"
        " their names change with it",
        choices=tuple(COMPRESSIONS),
    ),
    Option(
        "tsv_quotes", FILES,
        "TSV has quotes around cells with tabs, line ends or quotes, as CSV has",
        "TSV files, read and written, have quotes around cells with tabs, line ends or quotes, as CSV has; without it a"
        " quote is a part of the text",
        parse=parse_bool, switch=True,
    ),
    Option(
        "delimiter", FILES,
        "the character between the cells of a CSV or TSV input",
        "the character between the cells of a CSV or TSV input, such as `;`, `|` or `\\t`; see"
        " [formats.md](formats.md#tables-that-are-written-in-another-way)",
        parse=parse_delimiter, metavar="CHARACTER",
    ),
    Option(
        "encoding", FILES,
        "the encoding of a CSV or TSV input: latin-1, cp1252, utf-16 and others",
        "the encoding of a CSV or TSV input, as Python names it: `latin-1`, `cp1252`, `utf-16` and others",
        parse=check_encoding, metavar="NAME",
    ),
    Option(
        "null_values", FILES,
        "texts that mean null in a CSV or TSV input, besides the empty text",
        "the texts that mean null in a CSV or TSV input, besides the empty text",
        parse=parse_names, metavar="TEXT,TEXT",
    ),
    Option(
        "decimal", FILES,
        "the character before the decimals of numbers in a CSV or TSV input",
        "the character before the decimals of numbers in a CSV or TSV input, `.` or `,`",
        choices=get_args(DecimalSeparator),
    ),
    Option(
        "no_header", FILES,
        "the first row of a CSV or TSV input is a record",
        "the first row of a CSV or TSV input is a record; the columns have the names of the model's fields, in their"
        " order",
        parse=parse_bool, switch=True,
    ),
    Option(
        "if_exists", FILES,
        "what to do if the output exists",
        "what to do if the output exists: `replace` it, `fail` (exit code 73) or `skip` the run (exit code 0)",
        choices=get_args(IfExists),
    ),
    Option(
        "on_empty", FILES,
        "what to do if the input has no records",
        "what to do if the input has no records: `ok` publishes an empty output, `fail` ends with 65",
        choices=("ok", "fail"),
    ),
    Option(
        "max_record_size", FILES,
        "reject records that are longer, in bytes: a number, or 64K, 64M",
        "the most bytes of a record, a number such as `1000000`, `64K` or `64M`, at most `1G`; a record that is longer"
        " is rejected without being kept (see [formats.md](formats.md#long-records))",
        parse=parse_record_size, metavar="BYTES",
    ),
    Option("limit", FILES, "read only the first N records", parse=parse_positive_int, metavar="N"),
    Option(
        "model", SCORING,
        "class of the model, or a file: onnx:FILE, sklearn:FILE, xgboost:FILE, lightgbm:FILE, mlflow:FOLDER",
        "the class of the model, `package.module:ClassName`; the current folder is searched last; or a file,"
        " `onnx:churn.onnx`: [models.md](models.md)",
        short=("-m",), metavar=_MODEL_CLASS, everyday=True,
    ),
    Option(
        "model_python", SCORING,
        "Python interpreter of the environment in which the model is installed",
        "the Python interpreter of the environment in which the model and the rules are installed, such as"
        " `/opt/churn/.venv/bin/python` ([model-environment.md](model-environment.md)); by default model_etl's own",
        file=True, metavar="PYTHON",
    ),
    Option(
        "expect_version", SCORING,
        "refuse to run another version of the model",
        "refuse to run another version of the model (exit code 69); that of a file is its SHA-256, or the first 16"
        " digits",
        metavar="VERSION",
    ),
    Option(
        "schema", SCORING,
        "JSON Schema of the records of a model that is a file",
        "a JSON Schema of the records of a model that is a file: what the file does not say"
        " ([models.md](models.md#the-schema)); `model-etl schema --from FILE` drafts it",
        file=True, metavar="FILE",
    ),
    Option(
        "outputs", SCORING,
        "what a model that is a file returns: prediction, probability, or both",
        "what a model that is a file returns: `prediction`, `probability` (a field for each class), or both",
        parse=parse_outputs, metavar="NAME,NAME",
    ),
    Option(
        "trust", SCORING,
        "a type that a model of skops may contain; repeat it for more types",
        "a type that a model of skops may contain beside those that skops trusts; repeat it for more types",
        repeatable=True, metavar="TYPE",
    ),
    Option(
        "trust_pickle", SCORING,
        "SHA-256 of the model file whose code may run when it is loaded",
        "the SHA-256 of a `.joblib` or `.pkl` file, or of a folder of MLflow, whose code may run when it is loaded",
        parse=parse_digest, metavar="SHA256",
    ),
    Option(
        "rules", SCORING,
        "class of a business rule; repeat it for more rules",
        "the class of a business rule; repeat it for more rules",
        repeatable=True, metavar=_MODEL_CLASS, everyday=True,
    ),
    Option(
        "decorator", SCORING,
        "class of a decorator around the model; repeat it for more, the innermost first",
        "the class of a decorator (`MLModelDecorator` of ml_base) around the model; repeat it for more, the innermost"
        " first. `[decorators]` in the file gives their configurations: [extending.md](extending.md#a-decorator)",
        repeatable=True, metavar=_MODEL_CLASS,
    ),
    Option(
        "self_test", SCORING,
        "file of known records with their predictions, which are scored first",
        "a file of known records with their predictions, which are scored first; a difference ends the run with 69:"
        " [extending.md](extending.md#a-self-test)",
        file=True, metavar="FILE",
    ),
    Option(
        "join", SCORING,
        "write the original record with each prediction",
        "put the original record first in each output record, its values byte for byte; it is an error (78) if the"
        " record and the prediction have a name in common",
        parse=parse_bool, switch=True,
    ),
    Option(
        "keep", SCORING,
        "write these fields of the original record with each prediction",
        "put only these fields of the original record first; a field that a record lacks is null",
        parse=parse_names, metavar="NAME,NAME", everyday=True,
    ),
    Option(
        "prediction_log", EVIDENCE,
        "file for the prediction log, or none for no log; by default beside the output",
        "the file for the prediction log, or `none` for no log; by default it is beside the output: `out.json` gives"
        " `out.log.ldjson`",
        file=True, metavar="FILE|none",
    ),
    Option(
        "log_inputs", EVIDENCE,
        "how the prediction log holds the input records",
        "how the prediction log holds the input records: `full`, `hashed` or `none`",
        choices=get_args(LogInputs),
    ),
    Option(
        "redact", EVIDENCE,
        "fields whose values the prediction log must not hold",
        "the names of fields whose values the prediction log must not hold",
        parse=parse_names, metavar="NAME,NAME",
    ),
    Option(
        "rejects", EVIDENCE,
        "file for the rejects; by default beside the output",
        "the file for the rejects, written only if there are any; by default it is beside the output: `out.json` gives"
        " `out.rejects.ldjson`",
        file=True, metavar="FILE",
    ),
    Option(
        "csv_formulas", SCORING,
        "what to do with texts in CSV and TSV outputs that a spreadsheet would take for formulas",
        "what to do with texts in CSV and TSV outputs that a spreadsheet would take for formulas: `keep` writes them as"
        " they are, `escape` puts a `'` before them",
        choices=get_args(CsvFormulas), metavar="keep|escape",
    ),
    Option(
        "max_errors", EVIDENCE,
        "how many rejects are tolerated: a number, or a percentage of the records read",
        "how many rejects are tolerated: a number, or a percentage (`2%`) of the records read",
        parse=MaxErrors.parse, metavar="N|N%", everyday=True,
    ),
    Option(
        "report", EVIDENCE,
        "file for the run report",
        "the file for the run report in JSON; it is written after a failure too, and costs digests of all files",
        file=True, metavar="FILE",
    ),
    Option(
        "job", EVIDENCE,
        "name of the job, part of the prediction ids",
        "the name of the job, part of the prediction ids",
        metavar="NAME",
    ),
    Option(
        "bucket", STORAGE,
        "bucket of all files that are named without s3:// or file://",
        "the bucket of all files that are named without `s3://` or `file://`",
        short=("-b",), metavar="BUCKET",
    ),
    Option(
        "key", STORAGE,
        "access key; prefer AWS_ACCESS_KEY_ID, because flags show in the process list",
        "the access key; prefer the `AWS_*` variables or a profile, because flags show in the process list",
        short=("-k",), metavar="KEY", secret=True,
    ),
    Option(
        "secret_key", STORAGE,
        "secret key; prefer AWS_SECRET_ACCESS_KEY, because flags show in the process list",
        "the secret key; prefer the `AWS_*` variables or a profile, because flags show in the process list",
        short=("-sk",), metavar="KEY", secret=True,
    ),
    Option(
        "endpoint_url", STORAGE,
        "URL of the server, if it is not Amazon's",
        "the URL of the server, if it is not Amazon's",
        short=("-ep",), metavar="URL", url=True,
    ),
    Option(
        "connect_timeout", STORAGE,
        "how long to wait for a connection",
        "seconds to wait for a connection",
        parse=parse_positive_seconds, metavar="SECONDS",
    ),
    Option(
        "read_timeout", STORAGE,
        "how long to wait for the next bytes of a response",
        "seconds to wait for the next bytes of a response",
        parse=parse_positive_seconds, metavar="SECONDS",
    ),
    Option(
        "retries", STORAGE,
        "how often to repeat a failed request",
        "how often to repeat a failed request, with growing pauses; 0 to 100",
        parse=parse_retries, metavar="N",
    ),
    Option("dry_run", RUN, "do everything except publish", parse=parse_bool, switch=True),
    Option(
        "workers", RUN,
        "number of processes that score, each with its own model",
        "the number of processes that score, each with its own model; see below",
        parse=parse_positive_int, metavar="N",
    ),
    Option(
        "model_timeout", RUN,
        "end the run if the model or a rule takes longer than this for a batch",
        "seconds that the model or a rule may take for a batch of records (with `--workers`, all steps of a batch);"
        " loading the model may take 30 s more; what takes longer ends the run with 69",
        parse=parse_positive_seconds, metavar="SECONDS",
    ),
    Option(
        "lock_wait", RUN,
        "how long to wait for another run with the same output",
        "seconds to wait for another run with the same output; with 0 the run ends with 75 at once",
        parse=parse_seconds, metavar="SECONDS",
    ),
    Option(
        "max_runtime", RUN,
        "end the run if it takes longer",
        "seconds that the run may take; after them it ends with 75, and nothing is published",
        parse=parse_positive_seconds, metavar="SECONDS",
    ),
)  # fmt: skip
"""Every option of a run, by name, in the order of docs/options.md."""

CONFIG = Option(
    "config",
    RUN,
    "TOML file with these options as keys",
    "a TOML file with these options as keys",
    file=True,
    metavar="FILE",
)


def mask_secrets(values: Mapping[str, Any], options: Mapping[str, Option] = OPTIONS) -> dict[str, Any]:
    """Return values of options that may be shown: secrets, and user names and passwords in URLs, are masked.

    Args:
        values: by name of an option.
        options: which of them are secrets.
    """
    return {name: _mask(value, options.get(name)) for name, value in values.items()}


def _mask(value: Any, option: Option | None) -> Any:
    hides = option is not None and (option.secret or (option.url and not _HARMLESS_URL.fullmatch(str(value))))
    if hides and value is not None:
        return MASK
    if isinstance(value, tuple):
        return [_mask(item, option) for item in value]
    return printable(mask_urls(value)) if isinstance(value, str) else value
