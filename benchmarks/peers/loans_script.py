"""The scripts that a run over loans replaces, as people write them.

python loans_script.py WAY PIPELINE INPUT OUTPUT
"""

from __future__ import annotations

import sys
from typing import Any

import joblib

BLOCK = 2 << 20
ROWS = 50_000
KEPT = "loan_id"
DATE = "opened_on"


def pandas_whole(pipeline: Any, source: str, target: str) -> None:
    """Read, predict and write a whole file with pandas."""
    import pandas as pd  # noqa: PLC0415

    parquet = source.endswith(".parquet")
    frame = pd.read_parquet(source) if parquet else pd.read_csv(source, parse_dates=[DATE])
    found = _predicted(pipeline, frame)
    if parquet:
        found.to_parquet(target, index=False)
    else:
        found.to_csv(target, index=False)


def pandas_chunks(pipeline: Any, source: str, target: str) -> None:
    """Read, predict and write JSON Lines with pandas, some rows at a time."""
    import pandas as pd  # noqa: PLC0415

    types = dict.fromkeys(("income", "credit_score", "open_accounts"), "float64")
    with (
        pd.read_json(source, lines=True, chunksize=ROWS, dtype=types, convert_dates=[DATE]) as chunks,
        open(target, "w", encoding="utf-8") as file,  # noqa: PTH123
    ):
        for chunk in chunks:
            _predicted(pipeline, chunk).to_json(file, orient="records", lines=True, double_precision=15)


def polars_whole(pipeline: Any, source: str, target: str) -> None:
    """Read and write a whole file with polars, and predict a frame of pandas."""
    import polars as pl  # noqa: PLC0415

    frame = pl.read_csv(source, try_parse_dates=True)
    rows = frame.to_pandas()
    classes, probabilities = pipeline.predict(rows), pipeline.predict_proba(rows)[:, 1]
    columns = {"defaulted": pl.Series(classes), "probability": pl.Series(probabilities)}
    frame.select(KEPT).with_columns(**columns).write_csv(target)


def duckdb_whole(pipeline: Any, source: str, target: str) -> None:
    """Read and write a whole file with duckdb, and predict a frame of pandas."""
    import duckdb  # noqa: PLC0415

    found = _predicted(pipeline, duckdb.sql(f"select * from '{source}'").df())  # noqa: S608, F841  the next line reads it
    duckdb.sql(f"copy found to '{target}'")


def arrow_chunks(pipeline: Any, source: str, target: str) -> None:
    """Read, predict and write blocks with pyarrow; the types of columns are named, since a block may lack a value."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    names = ("credit_score", "open_accounts", "income")
    types = {**dict.fromkeys(names, pa.float64()), DATE: pa.date32()}
    options = csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    writer = None
    for block in csv.open_csv(source, csv.ReadOptions(block_size=BLOCK), convert_options=options):
        probability = pipeline.predict_proba(block.to_pandas())[:, 1]
        columns = [block.column(KEPT), pa.array((probability > 0.5).astype("int64")), pa.array(probability)]
        found = pa.RecordBatch.from_arrays(columns, names=[KEPT, "defaulted", "probability"])
        writer = writer or csv.CSVWriter(target, found.schema)
        writer.write_batch(found)
    if writer is not None:
        writer.close()


def wide_pandas(pipeline: Any, source: str, target: str) -> None:
    """Read, predict and write the table of 100 columns with pandas."""
    import pandas as pd  # noqa: PLC0415

    frame = pd.read_csv(source, parse_dates=[f"day_{number:02}" for number in range(10)])
    found = frame[["row_id"]].copy()
    found["value"] = pipeline.predict(frame)
    found.to_csv(target, index=False)


def _predicted(pipeline: Any, frame: Any) -> Any:
    found = frame[[KEPT]].copy()
    found["defaulted"] = pipeline.predict(frame)
    found["probability"] = pipeline.predict_proba(frame)[:, 1]
    return found


WAYS = {
    "pandas": pandas_whole,
    "pandas_chunks": pandas_chunks,
    "polars": polars_whole,
    "duckdb": duckdb_whole,
    "arrow_chunks": arrow_chunks,
    "wide": wide_pandas,
}


if __name__ == "__main__":
    way, pipeline_name, source_name, target_name = sys.argv[1:]
    WAYS[way](joblib.load(pipeline_name), source_name, target_name)
