"""The fitted regression as plain numbers in a JSON file.

Reading JSON runs no code, a change to it shows in a diff, and every float comes back exactly.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from delivery_model.features import city_key, feature_names

PARAMETERS_FILE = Path(__file__).with_name("delivery_ridge.json")
"""The parameters that ship with the package."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class ModelFileError(ValueError):
    """A parameters file cannot be read or does not hold a usable model; the message names the file."""


class TrainingFacts(BaseModel):
    """Where the numbers come from. It holds no date, so that training again gives the same file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: str
    rows: int = Field(gt=0)
    ridge_penalty: Finite
    holdout_rows: int = Field(gt=0)
    holdout_mean_absolute_error: Finite = Field(description="In minutes.")
    holdout_interval_coverage: Finite = Field(description="Share of true times from low to high.")


class DeliveryParameters(BaseModel):
    """A fitted ridge regression.

    Attributes:
        cities: the cities that have a coefficient of their own.
        rain_mm_mean: mean rain of the training deliveries in mm, which stands for unknown rain.
        max_distance_km: longest route of the training deliveries in km.
        max_items: most items of a training delivery.
        coefficients: minutes for each unit of each feature, in the order of ``features.feature_names``.
        low_offset: minutes from the prediction to the lower end of the 80 % interval, at most 0.
        high_offset: minutes from the prediction to its upper end, at least 0.
        training: where the numbers come from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["delivery-ridge/1"] = "delivery-ridge/1"
    cities: tuple[str, ...]
    rain_mm_mean: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    max_distance_km: Positive
    max_items: int = Field(gt=0)
    coefficients: dict[str, Finite]
    low_offset: Annotated[float, Field(le=0, allow_inf_nan=False)]
    high_offset: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    training: TrainingFacts

    @model_validator(mode="after")
    def _names_agree(self) -> "DeliveryParameters":
        if len({city_key(city) for city in self.cities}) != len(self.cities):
            raise ValueError("cities must differ by more than case and spacing")
        expected = feature_names(self.cities)
        if tuple(self.coefficients) != expected:
            raise ValueError(f"coefficients must be those of {', '.join(expected)}, in this order")
        return self


def load_parameters(file: Path = PARAMETERS_FILE) -> DeliveryParameters:
    """Read and check a parameters file.

    Raises:
        ModelFileError: the file is missing, unreadable, no JSON, or its numbers do not fit together.
    """
    try:
        return DeliveryParameters.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ModelFileError(f"cannot read the model file {file}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        detail = f"{field}: {first['msg']}" if field else first["msg"]
        raise ModelFileError(f"the model file {file} is not usable: {detail}") from error


def save_parameters(parameters: DeliveryParameters, file: Path) -> None:
    """Write a parameters file; equal parameters give equal bytes, and a reader never sees half a file.

    Raises:
        OSError: the file cannot be written.
    """
    document = parameters.model_dump(mode="json")
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8"))
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
