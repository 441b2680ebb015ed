"""MLflow: the model as a pyfunc, on pandas data frames.

python mlflow_pyfunc.py MODEL INPUT OUTPUT

The first run stores the estimators as MLflow models; all others only load one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import iris_models
import numpy as np
import pandas as pd
from iris_models import FIELDS, SPECIES

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")


def folder(model: str) -> Path:
    """Return the path of an MLflow model."""
    return iris_models.path(model).with_suffix(".mlflow")


def save() -> None:
    """Store the estimators as MLflow models."""
    import mlflow.sklearn  # noqa: PLC0415  not in a run that is measured
    from mlflow.models import infer_signature  # noqa: PLC0415

    example = pd.DataFrame([[5.1, 3.5, 1.4, 0.2]], columns=list(FIELDS))
    signature = infer_signature(example, np.array([0]))
    for model in iris_models.MODELS:
        if not folder(model).exists():
            part = folder(model).with_suffix(f".{os.getpid()}")
            # Its default format refuses classes that it does not know; these are our own.
            mlflow.sklearn.save_model(
                iris_models.load(model), part, signature=signature, serialization_format="cloudpickle"
            )
            part.replace(folder(model))


def main(model: str, source: str, output: str) -> None:
    """Score a file."""
    if not folder(model).exists():
        save()
    import mlflow.pyfunc  # noqa: PLC0415

    pyfunc = mlflow.pyfunc.load_model(str(folder(model)))
    numbers = pyfunc.predict(pd.read_json(source, lines=True))
    species = np.array(SPECIES, dtype=object)
    pd.DataFrame({"species": species[numbers]}).to_json(output, orient="records", lines=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
