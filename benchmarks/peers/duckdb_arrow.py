"""duckdb: one SQL statement with the model as an Arrow function.

python duckdb_arrow.py MODEL INPUT OUTPUT
"""

from __future__ import annotations

import sys

import duckdb
import iris_models
import numpy as np
import pyarrow as pa
from duckdb.sqltypes import DOUBLE, VARCHAR
from iris_models import FIELDS, SPECIES

COLUMNS = ", ".join(f"{name}: 'DOUBLE'" for name in FIELDS)


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    estimator = iris_models.load(model)
    species = pa.array(SPECIES)

    def predict(a: pa.ChunkedArray, b: pa.ChunkedArray, c: pa.ChunkedArray, d: pa.ChunkedArray) -> pa.Array:
        return species.take(pa.array(estimator.predict(np.column_stack([a, b, c, d]))))

    with duckdb.connect() as connection:
        connection.create_function("predict", predict, [DOUBLE] * len(FIELDS), VARCHAR, type="arrow")
        connection.execute(
            f"""
            COPY (
                SELECT predict({", ".join(FIELDS)}) AS species
                FROM read_json('{source}', format = 'newline_delimited', columns = {{{COLUMNS}}})
            ) TO '{output}' (FORMAT json)
            """  # noqa: S608  our own names
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
