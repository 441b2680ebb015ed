"""The flags that are not settings of a run: those of the command line alone, and of `model-etl init`."""

from __future__ import annotations

from model_etl.records.dialect import FIELD_NAMES as DIALECT_OPTIONS
from model_etl.settings.option import FILES, RUN, SCORING, STORAGE, Option, option_table
from model_etl.settings.options import CONFIG, OPTIONS

COMMAND_OPTIONS = option_table(
    CONFIG,
    Option(
        "verbose", RUN,
        "print the summary even when standard error is not a terminal",
        short=("-v",), switch=True,
    ),
    Option("quiet", RUN, "print only errors, even on a terminal", short=("-q",), switch=True),
)  # fmt: skip
"""Flags of the command line alone: neither environment variables nor keys of a TOML file."""

INIT_OPTIONS = option_table(
    Option(
        "data", FILES, "a sample of the records to be scored, from which the schemas are drafted", file=True,
        metavar="FILE", everyday=True,
    ),
    Option("target", SCORING, "the field of the sample that the model predicts", metavar="NAME", everyday=True),
    Option(
        "from", SCORING, "a fitted pipeline that the package is to wrap: .joblib, .pkl", file=True, metavar="FILE",
        everyday=True,
    ),
    Option("frame", SCORING, "the model predicts data frames of pandas", switch=True, everyday=True),
)  # fmt: skip
"""Flags of `model-etl init` alone; it also takes `trust_pickle` and `SAMPLE_OPTIONS`."""

SAMPLE_OPTIONS = tuple(
    name
    for name, option in OPTIONS.items()
    if name in ("input_format", "input_compression", "tsv_quotes", "max_record_size", *DIALECT_OPTIONS)
    or option.group == STORAGE
)
"""The names of the options that say how a sample is read."""
