"""Dask bag, with its own scheduler: as many processes as there are cores.

python dask_bag.py MODEL INPUT OUTPUT
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import dask
import dask.bag as db
import iris_models
import parts
from iris_models import FIELDS, SPECIES

BLOCK = "8MiB"


def predict(records: Iterable[dict[str, float]], estimator: Any) -> list[dict[str, Any]]:
    """Predict a partition."""
    rows = [[record[name] for name in FIELDS] for record in records]
    return [{"species": SPECIES[number]} for number in estimator.predict(rows)]


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    folder = f"{output}.parts"
    records = db.read_text(source, blocksize=BLOCK).map(json.loads)
    predictions = records.map_partitions(predict, dask.delayed(iris_models.load)(model))
    predictions.map(json.dumps).to_textfiles(f"{folder}/*.ldjson", last_endline=True)
    parts.join(folder, "*.ldjson", output)


if __name__ == "__main__":
    main(*sys.argv[1:])
