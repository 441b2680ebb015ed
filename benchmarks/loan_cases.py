"""What `loans.py` measures: inputs, the ways to score each, and what is claimed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import damaged_loans
import loan_inputs

LOANS, WIDE = "loans-pipeline.joblib", "wide.joblib"
LOG_OFF, LOG_ON, RECORDS = "model_etl, log off", "model_etl, log on", "model_etl, predict_batch with to_frame, log off"
PANDAS, PANDAS_CHUNKS = "plain pandas", "pandas in chunks"
POLARS, DUCKDB = "polars reads, pandas predicts", "duckdb reads, pandas predicts"
ARROW = "pyarrow in chunks"
CLEAN = "clean"


@dataclass(frozen=True)
class Ours:
    """A run of model_etl.

    Attributes:
        model: the model's class.
        log: whether it writes the prediction log.
        options: more options.
    """

    model: str
    log: bool = False
    options: Sequence[str] = ()


@dataclass(frozen=True)
class Script:
    """A script that does the same.

    Attributes:
        way: its function in `peers/loans_script.py`.
        pipeline: the file of its model.
        environment: the environment of `peers/environments.py` that it needs; empty for that of model_etl.
    """

    way: str
    pipeline: str = LOANS
    environment: str = ""


@dataclass(frozen=True)
class Claim:
    """How two ways compare.

    Attributes:
        slower: the way that takes longer.
        faster: the way that it is divided by.
        least: how many times as long the slower takes at least; None if there is no such limit.
        most: how many times as long it takes at most; None if there is no such limit.
    """

    slower: str
    faster: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Case:
    """Ways to score the same records, which are run in turn.

    Attributes:
        title: what is scored.
        count: how many records.
        source: makes the file of so many records.
        extension: of the input and the output.
        ways: by name; the predictions of all are compared with those of the first.
        claims: what is claimed.
        most_mib: the most memory of model_etl.
        key: the column that is kept.
        sources: the files of those ways that have one of their own.
        same: whether all ways predict the same.
    """

    title: str
    count: int
    source: Callable[[int], Path]
    extension: str
    ways: Mapping[str, Ours | Script]
    claims: Sequence[Claim] = ()
    most_mib: int = 400
    key: str = "loan_id"
    sources: Mapping[str, Callable[[int], Path]] = field(default_factory=dict)
    same: bool = True


MODEL, ONE_CALL, BATCH = "loan_models:LoanModel", "loan_models:LoanModelOneCall", "loan_models:LoanModelBatch"
WIDE_MODEL = "wide_models:WideModel"


def _on_and_off(model: str) -> dict[str, Ours | Script]:
    return {LOG_OFF: Ours(model), LOG_ON: Ours(model, log=True)}


def _csv(count: int, off: float, on: float) -> Case:
    ways = _on_and_off(MODEL)
    claims = [Claim(PANDAS, LOG_OFF, off), Claim(PANDAS, LOG_ON, on)]
    if count == 1_000_000:
        ways[RECORDS] = Ours(BATCH)
        claims.append(Claim(PANDAS, RECORDS, 0.8))
    ways |= {PANDAS: Script("pandas"), POLARS: Script("polars"), DUCKDB: Script("duckdb", environment="loans_duckdb")}
    return Case("CSV", count, loan_inputs.loans_file, "csv", ways, claims)


def _damaged(kind: str, count: int) -> Path:
    return damaged_loans.damaged(count, kind)[0]


_DAMAGED = {kind: f"1% {kind.replace('-', ' ')}" for kind in ("bad-cells", "bad-rows")} | {
    "refused": "a few that only the model refuses"
}
_TOLERANT = ("--max_errors", "5%")

CASES = (
    _csv(300_000, 0.9, 0.75),
    _csv(1_000_000, 1.2, 1.0),
    Case(
        "CSV, one call of the pipeline",
        1_000_000,
        loan_inputs.loans_file,
        "csv",
        {LOG_OFF: Ours(ONE_CALL), ARROW: Script("arrow_chunks")},
        [Claim(ARROW, LOG_OFF, 0.9)],
    ),
    Case(
        "Parquet",
        1_000_000,
        partial(loan_inputs.loans_file, extension="parquet"),
        "parquet",
        {**_on_and_off(MODEL), PANDAS: Script("pandas")},
        [Claim(PANDAS, LOG_OFF, 1.2), Claim(PANDAS, LOG_ON, 0.95)],
        most_mib=500,
    ),
    Case(
        "JSON Lines",
        1_000_000,
        partial(loan_inputs.loans_file, extension="jsonl"),
        "jsonl",
        {LOG_OFF: Ours(MODEL), PANDAS_CHUNKS: Script("pandas_chunks")},
        [Claim(PANDAS_CHUNKS, LOG_OFF, 1.5)],
    ),
    Case(
        "CSV of 100 columns, gradient boosting",
        200_000,
        loan_inputs.wide_file,
        "csv",
        {**_on_and_off(WIDE_MODEL), PANDAS: Script("wide", WIDE)},
        [Claim(PANDAS, LOG_OFF, 1.2), Claim(PANDAS, LOG_ON, 0.95)],
        key="row_id",
    ),
    Case(
        "CSV with damage, log off",
        300_000,
        loan_inputs.loans_file,
        "csv",
        {CLEAN: Ours(MODEL), **{name: Ours(MODEL, options=_TOLERANT) for name in _DAMAGED.values()}},
        [Claim(name, CLEAN, most=damaged_loans.MOST[kind]) for kind, name in _DAMAGED.items()],
        sources={name: partial(_damaged, kind) for kind, name in _DAMAGED.items()},
        same=False,
    ),
)
"""All cases; each claim of speed is of wall-clock seconds, and both sides call the pipeline equally often."""

SMALL, LARGE = 100_000, 5_000_000
GROWTH = 0.10
MEMORY: Mapping[str, tuple[str, bool, int]] = {
    "CSV, log off": ("csv", False, 400),
    "CSV, log on": ("csv", True, 400),
    "Parquet, log off": ("parquet", False, 500),
    "Parquet, log on": ("parquet", True, 500),
    "JSON Lines, log off": ("jsonl", False, 400),
}
"""The runs whose memory is compared from `SMALL` to `LARGE`: extension, log, and the most MiB."""
