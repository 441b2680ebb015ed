"""What the iris model takes and gives."""

from typing import Literal

from pydantic import BaseModel, Field

Species = Literal["setosa", "versicolor", "virginica"]


class IrisModelInput(BaseModel):
    """The four measurements of one flower, in centimetres, each above 0 and at most 100.

    Raises:
        pydantic.ValidationError: a measurement is missing, not a number, not finite or out of range.
    """

    sepal_length: float = Field(gt=0, le=100, allow_inf_nan=False, description="Length of the sepal in cm.")
    sepal_width: float = Field(gt=0, le=100, allow_inf_nan=False, description="Width of the sepal in cm.")
    petal_length: float = Field(gt=0, le=100, allow_inf_nan=False, description="Length of the petal in cm.")
    petal_width: float = Field(gt=0, le=100, allow_inf_nan=False, description="Width of the petal in cm.")


class IrisModelOutput(BaseModel):
    """The species the model takes the flower for."""

    species: Species = Field(description="Predicted species of iris.")
