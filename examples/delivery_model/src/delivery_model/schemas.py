"""What the delivery time model takes and gives."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Vehicle = Literal["bike", "car", "van"]


class DeliveryModelInput(BaseModel):
    """One delivery.

    Raises:
        pydantic.ValidationError: a required field is missing, or a value is of a wrong type or out of range.
    """

    distance_km: float = Field(ge=0, le=500, allow_inf_nan=False, description="Length of the route in km.")
    # Without an upper bound a huge integer would pass here and overflow as a float later.
    items: int = Field(ge=1, le=10_000, description="Number of items delivered.")
    city: str = Field(description="City in free text; case and spacing do not matter.")
    vehicle: Vehicle = Field(description="Means of transport.")
    rain_mm: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] | None = Field(
        default=None, description="Rain on the day in mm; if unknown, the training mean is used."
    )
    note: str | None = Field(
        default=None, description="Free text; the words fragile, stairs and urgent have an effect."
    )
    express: bool = Field(default=False, description="Whether express delivery was booked.")


class DeliveryModelOutput(BaseModel):
    """The predicted time of one delivery, in minutes rounded to hundredths.

    ``low`` to ``high`` is to hold the true time of four deliveries in five.
    """

    minutes: float = Field(ge=0, description="Predicted time in minutes.")
    low: float = Field(ge=0, description="Lower end of the 80 % interval in minutes.")
    high: float = Field(ge=0, description="Upper end of the 80 % interval in minutes.")
    comment: str | None = Field(description="What makes the prediction less certain, if anything.")
