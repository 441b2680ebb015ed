"""The iris model as applications see it."""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from ml_base import MLModel

from iris_model import __version__
from iris_model.parameters import FEATURES, PARAMETERS_FILE, load_parameters
from iris_model.schemas import IrisModelInput, IrisModelOutput, Species
from iris_model.svc import Floats, Integers, SupportVectorClassifier

_measurements = attrgetter(*FEATURES)

Names: TypeAlias = npt.NDArray[np.object_]


class IrisRecord(Protocol):
    """Anything with the input's fields as attributes, holding values that the input schema accepts."""

    @property
    def sepal_length(self) -> float: ...
    @property
    def sepal_width(self) -> float: ...
    @property
    def petal_length(self) -> float: ...
    @property
    def petal_width(self) -> float: ...


class IrisModel(MLModel):  # type: ignore[misc]  # ml_base has no type hints
    """Predicts the species of an iris flower from four measurements.

    Args:
        parameters_file: a file written by ``train-iris-model``; by default the one in the package.

    Raises:
        iris_model.parameters.ModelFileError: the file is missing or broken.
    """

    def __init__(self, parameters_file: Path = PARAMETERS_FILE) -> None:
        parameters = load_parameters(parameters_file)
        self._classifier = SupportVectorClassifier(parameters)
        self._species: tuple[Species, ...] = parameters.classes
        self._names: Names = np.array(self._species, dtype=object)
        self._outputs: tuple[Mapping[str, Species], ...] = tuple({"species": name} for name in self._species)

    @property
    def display_name(self) -> str:
        """Name for people."""
        return "Iris Model"

    @property
    def qualified_name(self) -> str:
        """Name for programs."""
        return "iris_model"

    @property
    def description(self) -> str:
        """What the model does, in a sentence."""
        return "Predicts the species of an iris flower from the lengths and widths of its sepals and petals."

    @property
    def version(self) -> str:
        """Version of the package, which is also that of the parameters in it."""
        return __version__

    @property
    def input_schema(self) -> type[IrisModelInput]:
        """Schema of one input record."""
        return IrisModelInput

    @property
    def output_schema(self) -> type[IrisModelOutput]:
        """Schema of one prediction."""
        return IrisModelOutput

    def predict(self, data: IrisModelInput) -> IrisModelOutput:
        """Predict the species of one flower."""
        return IrisModelOutput(species=self._species[self._classify([data])[0]])

    def predict_batch(self, records: Sequence[IrisRecord]) -> list[Mapping[str, Species]]:
        """Predict the species of many flowers at once.

        Args:
            records: validated records with the fields of ``IrisModelInput`` as attributes.

        Returns:
            A mapping of the fields of ``IrisModelOutput`` for each record, in the same order. Records of one
            species share one mapping: copy it before changing it.
        """
        return list(map(self._outputs.__getitem__, self._classify(records).tolist()))

    def predict_columns(self, columns: Mapping[str, Floats]) -> dict[str, Names]:
        """Predict the species of many flowers at once, given as columns.

        Args:
            columns: an array of validated values for each field of ``IrisModelInput``, in centimetres, all of one length.

        Returns:
            An array of names for each field of ``IrisModelOutput``, of that length and in that order.
        """
        numbers = np.column_stack([columns[name] for name in FEATURES])
        return {"species": self._names[self._classifier.classify(numbers)]}

    def _classify(self, records: Sequence[IrisRecord]) -> Integers:
        numbers = np.fromiter(
            chain.from_iterable(map(_measurements, records)),
            dtype=np.float64,
            count=len(records) * len(FEATURES),
        )
        return self._classifier.classify(numbers.reshape(-1, len(FEATURES)))
