"""pandas in chunks.

python pandas_chunks.py MODEL INPUT OUTPUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import iris_models
import numpy as np
import pandas as pd
from iris_models import FIELDS, SPECIES

ROWS = 100_000


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    estimator = iris_models.load(model)
    species = np.array(SPECIES, dtype=object)
    with (
        pd.read_json(source, lines=True, chunksize=ROWS) as chunks,
        Path(output).open("w", encoding="utf-8") as out,
    ):
        for chunk in chunks:
            numbers = estimator.predict(chunk[list(FIELDS)].to_numpy())
            pd.DataFrame({"species": species[numbers]}).to_json(out, orient="records", lines=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
