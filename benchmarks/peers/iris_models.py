"""The three estimators that ours and all peers predict with: trained once, on the same data, and stored.

python benchmarks/peers/iris_models.py    # trains those that are not there yet
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SPECIES = ("setosa", "versicolor", "virginica")  # an estimator gives numbers: places in here
MODELS = ("logistic_regression", "svc", "forest")
SEED = 20190920

_FOLDER = Path(__file__).resolve().parent.parent / "data" / "models"


def path(name: str) -> Path:
    """Return the path of an estimator."""
    return _FOLDER / f"{name}.joblib"


def load(name: str) -> Any:
    """Return an estimator."""
    import joblib  # noqa: PLC0415  those who only want the names need not wait for it

    return joblib.load(path(name))


def train() -> None:
    """Fit and store what is not there yet, or was made by other versions."""
    import joblib  # noqa: PLC0415
    import numpy  # noqa: PLC0415
    import sklearn  # noqa: PLC0415
    from sklearn.datasets import load_iris  # noqa: PLC0415
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.svm import SVC  # noqa: PLC0415

    estimators = {
        "logistic_regression": LogisticRegression(max_iter=1000),
        "svc": SVC(gamma=0.001, C=100.0),  # the original's
        "forest": RandomForestClassifier(n_estimators=100, random_state=SEED),
    }
    data = load_iris()
    versions, mark = f"scikit-learn {sklearn.__version__}, numpy {numpy.__version__}", _FOLDER / "versions.txt"
    if _FOLDER.exists() and not (mark.exists() and mark.read_text("utf-8") == versions):
        shutil.rmtree(_FOLDER)
    _FOLDER.mkdir(parents=True, exist_ok=True)
    mark.write_text(versions, "utf-8")
    for name in MODELS:
        if not path(name).exists():
            part = path(name).with_suffix(f".{os.getpid()}")
            joblib.dump(estimators[name].fit(data.data, data.target), part)
            part.replace(path(name))


if __name__ == "__main__":
    train()
