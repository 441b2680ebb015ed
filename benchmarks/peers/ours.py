"""The estimators of `iris_models` as models of ours."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

import iris_models
import numpy as np
from iris_model.schemas import IrisModelInput, IrisModelOutput
from iris_models import FIELDS, SPECIES
from ml_base import MLModel

_measurements = attrgetter(*FIELDS)
_SPECIES = np.array(SPECIES, dtype=object)


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

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Predict many records in one call."""
        rows = np.column_stack([columns[name] for name in FIELDS])
        return {"species": _SPECIES[self._estimator.predict(rows)]}


class LogisticRegressionModel(_Model):
    """A cheap one."""

    qualified_name = "logistic_regression"


class SVCModel(_Model):
    """The original's."""

    qualified_name = "svc"


class ForestModel(_Model):
    """A dear one: a random forest of a hundred trees."""

    qualified_name = "forest"
