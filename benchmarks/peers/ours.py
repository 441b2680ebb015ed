"""The estimators of `iris_models` as models of ours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import iris_models
import numpy as np
from iris_model.schemas import IrisModelInput, IrisModelOutput
from iris_models import FIELDS, SPECIES
from ml_base import MLModel

_measurements = attrgetter(*FIELDS)
_OUTPUTS = tuple({"species": name} for name in SPECIES)


class _Model(MLModel):
    """What the three share."""

    display_name = "Iris Model"
    description = "Predicts the species of an iris flower with an estimator of scikit-learn's."
    version = "1.0.0"
    input_schema = IrisModelInput
    output_schema = IrisModelOutput

    def __init__(self) -> None:
        self._estimator = iris_models.load(self.qualified_name)

    def predict(self, data: IrisModelInput) -> IrisModelOutput:
        """Predict one record, as the original's model does: one array of one row."""
        return IrisModelOutput(species=SPECIES[self._estimator.predict(np.array([_measurements(data)]))[0]])

    def predict_batch(self, records: Sequence[Any]) -> list[dict[str, str]]:
        """Predict many records in one call."""
        values = chain.from_iterable(map(_measurements, records))
        rows = np.fromiter(values, dtype=np.float64, count=len(records) * len(FIELDS)).reshape(-1, len(FIELDS))
        return list(map(_OUTPUTS.__getitem__, self._estimator.predict(rows).tolist()))


class LogisticRegressionModel(_Model):
    """A cheap one."""

    qualified_name = "logistic_regression"


class SVCModel(_Model):
    """The original's."""

    qualified_name = "svc"


class ForestModel(_Model):
    """A dear one: a random forest of a hundred trees."""

    qualified_name = "forest"
