"""Models for benchmarks: the iris model as the original had it, and a dear one, evaluated by scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from iris_model.schemas import IrisModelInput, IrisModelOutput
from ml_base import MLModel
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

_FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
_measurements = attrgetter(*_FIELDS)


class IrisSvc(MLModel):
    """scikit-learn's support vector classifier, fitted to the iris data set anew: that takes milliseconds."""

    display_name = "Iris Model"
    qualified_name = "iris_svc"
    description = "Predicts the species of an iris flower with scikit-learn's SVC."
    version = "1.0.0"
    input_schema = IrisModelInput
    output_schema = IrisModelOutput

    def __init__(self) -> None:
        data = load_iris()
        self._classifier = self._untrained().fit(data.data, data.target)
        self._species = data.target_names.tolist()
        self._outputs = [{"species": name} for name in self._species]

    @staticmethod
    def _untrained() -> Any:
        return SVC(gamma=0.001, C=100.0)

    def predict(self, data: IrisModelInput) -> IrisModelOutput:
        """Predict one record, as the original's model does: one array of one row."""
        row = np.array([data.sepal_length, data.sepal_width, data.petal_length, data.petal_width]).reshape(1, -1)
        return IrisModelOutput(species=self._species[int(self._classifier.predict(row)[0])])

    def predict_batch(self, records: Sequence[Any]) -> list[dict[str, str]]:
        """Predict many records in one call."""
        rows = np.array(list(map(_measurements, records)), dtype=np.float64)
        return [self._outputs[number] for number in self._classifier.predict(rows).tolist()]


class IrisForest(IrisSvc):
    """A random forest of 100 trees: dear to ask, on one processor."""

    display_name = "Iris Forest"
    qualified_name = "iris_forest"
    description = "Predicts the species of an iris flower with a random forest."

    @staticmethod
    def _untrained() -> Any:
        return RandomForestClassifier(100, random_state=0, n_jobs=1)
