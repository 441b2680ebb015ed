"""The scripts that a run over loans replaces: `pandas`, all in memory, or `chunks` of pyarrow, in constant memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import joblib

BLOCK = 2 << 20


def pandas_whole(pipeline: Any, source: str, target: str) -> None:
    """Read, predict and write a whole file with pandas."""
    import pandas as pd  # noqa: PLC0415

    frame = pd.read_csv(source, parse_dates=["opened_on"])
    found = frame[["loan_id"]].copy()
    found["defaulted"] = pipeline.predict(frame)
    found["probability"] = pipeline.predict_proba(frame)[:, 1]
    found.to_csv(target, index=False)


def arrow_chunks(pipeline: Any, source: str, target: str) -> None:
    """Read, predict and write blocks with pyarrow; the types of columns are named, since a block may lack a value."""
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    names = ("credit_score", "open_accounts", "income")
    types = {**dict.fromkeys(names, pa.float64()), "opened_on": pa.date32()}
    options = csv.ConvertOptions(column_types=types, strings_can_be_null=True)
    writer = None
    for block in csv.open_csv(source, csv.ReadOptions(block_size=BLOCK), convert_options=options):
        probability = pipeline.predict_proba(block.to_pandas())[:, 1]
        columns = [block.column("loan_id"), pa.array((probability > 0.5).astype("int64")), pa.array(probability)]
        found = pa.RecordBatch.from_arrays(columns, names=["loan_id", "defaulted", "probability"])
        writer = writer or csv.CSVWriter(target, found.schema)
        writer.write_batch(found)
    if writer is not None:
        writer.close()


if __name__ == "__main__":
    kind, source_name, target_name = sys.argv[1:]
    here = Path(__file__).resolve().parent.parent
    sys.path.append(str(here))  # the pipeline has a function of loan_models
    loaded = joblib.load(here / "data" / "loans.joblib")
    {"pandas": pandas_whole, "chunks": arrow_chunks}[kind](loaded, source_name, target_name)
