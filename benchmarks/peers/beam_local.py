"""Apache Beam: RunInference with its handler for scikit-learn, on the local runner in this process.

python beam_local.py MODEL INPUT OUTPUT

FnApiRunner is named because DirectRunner first tries to download Prism. The order of a collection is not defined.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import apache_beam as beam
import iris_models
import numpy as np
import parts
from apache_beam.ml.inference.base import PredictionResult, RunInference
from apache_beam.ml.inference.sklearn_inference import ModelFileType, SklearnModelHandlerNumpy
from apache_beam.options.pipeline_options import PipelineOptions
from iris_models import FIELDS, SPECIES

BATCH = (100, 10_000)


def row(line: str) -> np.ndarray:
    """Make an example of a line."""
    record = json.loads(line)
    return np.array([record[name] for name in FIELDS])


def text(result: PredictionResult) -> str:
    """Make a line of a prediction."""
    return json.dumps({"species": SPECIES[result.inference]})


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    folder = tempfile.mkdtemp(prefix="beam-", dir=Path(output).parent)
    handler = SklearnModelHandlerNumpy(
        model_uri=str(iris_models.path(model)),
        model_file_type=ModelFileType.JOBLIB,
        min_batch_size=BATCH[0],
        max_batch_size=BATCH[1],
    )
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        (
            pipeline
            | "read" >> beam.io.ReadFromText(source)
            | "decode" >> beam.Map(row)
            | "predict" >> RunInference(handler)
            | "encode" >> beam.Map(text)
            | "write" >> beam.io.WriteToText(f"{folder}/part")
        )
    parts.join(folder, "part-*", output)


if __name__ == "__main__":
    main(*sys.argv[1:])
