"""What the loan model takes and gives."""

import datetime
from typing import Literal

from pydantic import BaseModel, Field


class LoanInput(BaseModel):
    """An application for a loan.

    ``purpose`` and ``employment`` are any text: a category that the training has not seen is not an error.
    """

    age: int = Field(ge=18, le=120)
    income: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="Yearly, in euros.")
    amount: float = Field(gt=0, allow_inf_nan=False, description="In euros.")
    months: int = Field(ge=1, le=480, description="Time to repay it.")
    credit_score: int | None = Field(default=None, ge=300, le=850)
    purpose: str
    employment: str | None = None
    customer_since: datetime.date | None = None


class LoanOutput(BaseModel):
    """The more probable outcome, and the probability that the loan defaults."""

    outcome: Literal["default", "repaid"]
    probability: float = Field(ge=0, le=1)
