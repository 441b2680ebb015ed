"""PySpark on two local cores: `mapInPandas`, with the estimator as a broadcast.

python pyspark_local.py MODEL INPUT OUTPUT
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import iris_models
import numpy as np
import pandas as pd
import parts
from pyspark.sql import SparkSession

FIELDS, SPECIES = iris_models.FIELDS, iris_models.SPECIES  # by value: workers do not find our modules


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    spark = SparkSession.builder.master("local[2]").appName("iris").config(map=settings).getOrCreate()
    estimator = spark.sparkContext.broadcast(iris_models.load(model))

    def predict(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        species = np.array(SPECIES, dtype=object)
        for frame in frames:
            yield pd.DataFrame({"species": species[estimator.value.predict(frame[list(FIELDS)].to_numpy())]})

    records = spark.read.schema(", ".join(f"{name} double" for name in FIELDS)).json(source)
    folder = f"{output}.parts"
    records.mapInPandas(predict, schema="species string").write.json(folder)
    spark.stop()
    parts.join(folder, "part-*", output)


if __name__ == "__main__":
    main(*sys.argv[1:])
