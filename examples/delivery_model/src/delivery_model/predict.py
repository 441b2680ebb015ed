"""The delivery time model as applications see it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from ml_base import MLModel

from delivery_model import __version__
from delivery_model.features import UNKNOWN_CITY, DeliveryRecord
from delivery_model.parameters import PARAMETERS_FILE, load_parameters
from delivery_model.regression import DeliveryRegression, Scores
from delivery_model.schemas import DeliveryModelInput, DeliveryModelOutput

CHUNK_ROWS = 4096
"""Deliveries whose features are held at once: about 1.3 MB of numbers."""

_REMARKS = (
    "city not known to the model",
    "rain not known, the mean is assumed",
    "further or larger than anything in the training data",
)
# The comment for every combination of remarks: bit i of its index stands for remark i.
_COMMENTS: tuple[str | None, ...] = tuple(
    "; ".join(remark for bit, remark in enumerate(_REMARKS) if index >> bit & 1) or None
    for index in range(2 ** len(_REMARKS))
)


class DeliveryOutput(TypedDict):
    """The fields of ``DeliveryModelOutput``."""

    minutes: float
    low: float
    high: float
    comment: str | None


class DeliveryTimeModel(MLModel):  # type: ignore[misc]  # ml_base has no type hints
    """Predicts the time of a delivery in minutes. It learnt from synthetic data, not from real deliveries.

    Args:
        parameters_file: a file written by ``train-delivery-model``; by default the one in the package.

    Raises:
        delivery_model.parameters.ModelFileError: the file is missing or broken.
    """

    def __init__(self, parameters_file: Path = PARAMETERS_FILE) -> None:
        parameters = load_parameters(parameters_file)
        self._regression = DeliveryRegression(parameters)
        self._max_distance_km = parameters.max_distance_km
        self._max_items = parameters.max_items

    @property
    def display_name(self) -> str:
        """Name for people."""
        return "Delivery Time Model"

    @property
    def qualified_name(self) -> str:
        """Name for programs."""
        return "delivery_model"

    @property
    def description(self) -> str:
        """What the model does, in a sentence."""
        return "Predicts the time a delivery takes in minutes; an example, trained on synthetic data."

    @property
    def version(self) -> str:
        """Version of the package, which is also that of the parameters in it."""
        return __version__

    @property
    def input_schema(self) -> type[DeliveryModelInput]:
        """Schema of one input record."""
        return DeliveryModelInput

    @property
    def output_schema(self) -> type[DeliveryModelOutput]:
        """Schema of one prediction."""
        return DeliveryModelOutput

    def predict(self, data: DeliveryModelInput) -> DeliveryModelOutput:
        """Predict the time of one delivery: to the last digit what ``predict_batch`` gives for it."""
        return DeliveryModelOutput(**self.predict_batch([data])[0])

    def predict_batch(self, records: Sequence[DeliveryRecord]) -> list[DeliveryOutput]:
        """Predict the times of many deliveries at once.

        Args:
            records: validated records with the fields of ``DeliveryModelInput`` as attributes.

        Returns:
            A mapping of the fields of ``DeliveryModelOutput`` for each record, in the same order.
        """
        outputs: list[DeliveryOutput] = []
        for scores in self._scores(records):
            outputs += self._outputs(scores)
        return outputs

    def predict_batch_with_internals(
        self, records: Sequence[DeliveryRecord]
    ) -> tuple[list[DeliveryOutput], list[Mapping[str, Any]]]:
        """Predict as ``predict_batch`` does, and tell how each prediction came about.

        Returns:
            The outputs, and for each of them a mapping that can be written as JSON: ``contributions``, the
            minutes (rounded to 0.0001) that each feature present adds, which sum up to the prediction unless
            that was raised to 0; ``city``, the known city, or None; ``rain_mm``, the rain reckoned with.
        """
        outputs: list[DeliveryOutput] = []
        internals: list[Mapping[str, Any]] = []
        for scores in self._scores(records):
            outputs += self._outputs(scores)
            internals += self._internals(scores)
        return outputs, internals

    def _scores(self, records: Sequence[DeliveryRecord]) -> Iterator[Scores]:
        for start in range(0, len(records), CHUNK_ROWS):
            yield self._regression.score(records[start : start + CHUNK_ROWS])

    def _outputs(self, scores: Scores) -> list[DeliveryOutput]:
        return [
            {"minutes": minutes, "low": low, "high": high, "comment": comment}
            for minutes, low, high, comment in zip(
                scores.minutes.tolist(),
                scores.low.tolist(),
                scores.high.tolist(),
                self._comments(scores),
                strict=True,
            )
        ]

    def _comments(self, scores: Scores) -> Iterator[str | None]:
        features = scores.features
        beyond = (features.distance_km > self._max_distance_km) | (features.items > self._max_items)
        remarks = (features.city_numbers == UNKNOWN_CITY) + 2 * features.rain_unknown + 4 * beyond
        return map(_COMMENTS.__getitem__, remarks.tolist())

    def _internals(self, scores: Scores) -> Iterator[Mapping[str, Any]]:
        builder, features = self._regression.builder, scores.features
        cities = (*builder.cities, None)  # UNKNOWN_CITY is -1, the last place
        rows = zip(
            np.round(scores.contributions.T, 4).tolist(),
            (features.values.T != 0).tolist(),
            features.city_numbers.tolist(),
            features.rain_mm.tolist(),
            strict=True,
        )
        for contributions, present, city_number, rain_mm in rows:
            yield {
                "contributions": {
                    name: minutes
                    for name, minutes, holds in zip(builder.names, contributions, present, strict=True)
                    if holds
                },
                "city": cities[city_number],
                "rain_mm": rain_mm,
            }
