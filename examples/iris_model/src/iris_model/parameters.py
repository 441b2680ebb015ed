"""The fitted support vector classifier as plain numbers in a JSON file.

JSON, not .npz or a pickle: the file is a few kilobytes, reading it runs no code, a change to it shows in a
diff, and Python writes a float as the shortest text that reads back as exactly the same float.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from iris_model.schemas import Species

PARAMETERS_FILE = Path(__file__).with_name("iris_svc.json")
"""The parameters that ship with the package."""

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
"""The input fields, in the order of the numbers in a support vector."""

Finite = Annotated[float, Field(allow_inf_nan=False)]


class ModelFileError(ValueError):
    """A parameters file cannot be read or does not hold a usable model; the message names the file."""


class TrainingFacts(BaseModel):
    """Where the numbers come from. It holds no date, so that training again writes the same bytes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    rows: int = Field(gt=0)
    library: str
    penalty_c: float = Field(gt=0)
    training_accuracy: float = Field(ge=0, le=1, description="Share of the training rows predicted right.")
    cross_validated_accuracy: float = Field(ge=0, le=1, description="Mean over five stratified folds.")


class SvcParameters(BaseModel):
    """A fitted one-vs-one support vector classifier with an RBF kernel, laid out as scikit-learn does.

    Attributes:
        features: names of the input fields, in the order of a support vector's numbers.
        classes: the species; a lower place wins a tie of votes.
        gamma: width of the kernel ``exp(-gamma * |x - s|**2)``, in 1/cm**2.
        n_support: number of support vectors of each class.
        support_vectors: one row of four centimetres each, grouped by class in the order of ``classes``.
        dual_coefficients: ``len(classes) - 1`` rows, a number for each support vector (``SVC.dual_coef_``).
        intercepts: one for each pair of classes: 0-1, 0-2, 1-2 (``SVC.intercept_``).
        training: where the numbers come from.

    Source of the layout: scikit-learn user guide, "Support Vector Machines", multi-class classification.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["iris-svc/1"] = "iris-svc/1"
    features: tuple[str, ...]
    classes: tuple[Species, Species, Species]
    gamma: float = Field(gt=0, allow_inf_nan=False)
    n_support: tuple[Annotated[int, Field(gt=0)], ...]
    support_vectors: tuple[tuple[Finite, ...], ...]
    dual_coefficients: tuple[tuple[Finite, ...], ...]
    intercepts: tuple[Finite, ...]
    training: TrainingFacts

    @model_validator(mode="after")
    def _shapes_agree(self) -> "SvcParameters":
        classes, vectors = len(self.classes), len(self.support_vectors)
        if self.features != FEATURES:
            raise ValueError(f"features must be {list(FEATURES)}")
        if len(set(self.classes)) != classes:
            raise ValueError("classes must differ")
        if len(self.n_support) != classes or sum(self.n_support) != vectors:
            raise ValueError(f"n_support must be {classes} numbers that add up to {vectors} support vectors")
        if any(len(vector) != len(FEATURES) for vector in self.support_vectors):
            raise ValueError(f"each support vector must hold {len(FEATURES)} numbers")
        if [len(row) for row in self.dual_coefficients] != [vectors] * (classes - 1):
            raise ValueError(f"dual_coefficients must be {classes - 1} rows of {vectors} numbers")
        if len(self.intercepts) != classes * (classes - 1) // 2:
            raise ValueError(f"intercepts must be {classes * (classes - 1) // 2} numbers")
        return self


def load_parameters(file: Path = PARAMETERS_FILE) -> SvcParameters:
    """Read and check a parameters file.

    Raises:
        ModelFileError: the file is missing, unreadable, no JSON, or its numbers do not fit together.
    """
    try:
        return SvcParameters.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ModelFileError(f"cannot read the model file {file}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        detail = f"{field}: {first['msg']}" if field else first["msg"]
        raise ModelFileError(f"the model file {file} is not usable: {detail}") from error


def save_parameters(parameters: SvcParameters, file: Path) -> None:
    """Write a parameters file; equal parameters give equal bytes, and a reader never sees half a file.

    Raises:
        OSError: the file cannot be written.
    """
    text = json.dumps(parameters.model_dump(mode="json"), indent=1, allow_nan=False) + "\n"
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
