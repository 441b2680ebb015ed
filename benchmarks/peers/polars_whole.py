"""polars, the whole file at once.

python polars_whole.py MODEL INPUT OUTPUT
"""

from __future__ import annotations

import sys

import iris_models
import polars as pl
from iris_models import FIELDS, SPECIES


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    estimator = iris_models.load(model)
    frame = pl.read_ndjson(source, schema=dict.fromkeys(FIELDS, pl.Float64))
    numbers = estimator.predict(frame.to_numpy())
    pl.DataFrame({"species": pl.Series(SPECIES).gather(numbers)}).write_ndjson(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
