"""Evaluates the fitted regression."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from delivery_model.features import DeliveryRecord, FeatureBuilder, Features, Floats
from delivery_model.parameters import DeliveryParameters


@dataclass(frozen=True)
class Scores:
    """Predictions for ``n`` deliveries.

    Attributes:
        features: what they were predicted from.
        contributions: minutes that each feature (row) adds for each delivery (column).
        minutes: predicted minutes, not below 0, rounded to hundredths, as are
        low: the lower ends of the 80 % intervals, and
        high: their upper ends.
    """

    features: Features
    contributions: Floats
    minutes: Floats
    low: Floats
    high: Floats


class DeliveryRegression:
    """Predicts minutes as a weighted sum of features.

    A delivery gets exactly the same result alone or among others: every step works number by number, and
    the sum over features always runs in their order, which a matrix product would not promise.
    """

    def __init__(self, parameters: DeliveryParameters) -> None:
        self.builder = FeatureBuilder(parameters.cities, parameters.rain_mm_mean)
        self._coefficients: Floats = np.array(list(parameters.coefficients.values()), dtype=np.float64)
        self._low_offset = parameters.low_offset
        self._high_offset = parameters.high_offset

    def score(self, records: Sequence[DeliveryRecord]) -> Scores:
        """Predict at least one delivery."""
        features = self.builder.build(records)
        contributions = features.values * self._coefficients[:, np.newaxis]
        minutes: Floats = reduce(np.add, contributions)
        return Scores(
            features,
            contributions,
            _presentable(minutes),
            _presentable(minutes + self._low_offset),
            _presentable(minutes + self._high_offset),
        )


def _presentable(minutes: Floats) -> Floats:
    # Adding 0 turns a rounded -0.0 into 0.0.
    presentable: Floats = np.maximum(np.round(minutes, 2), 0.0) + 0.0
    return presentable
