"""Models for the tests of numbers beyond floats."""

# ruff: noqa: D102

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from ml_base import MLModel
from pydantic import BaseModel

from model_etl.rules import ALLOW, BusinessRule, Decision, Prediction, withhold


class Loose(BaseModel):
    id: str
    amount: float


class Score(BaseModel):
    score: float


class LooseOne(MLModel):
    """Refuses negative amounts until FIXED is set."""

    display_name = "Loose"
    qualified_name = "loose"
    description = "Gives the amount back."
    version = "1.0.0"
    input_schema = Loose
    output_schema = Score

    def __init__(self) -> None:
        pass

    def predict(self, data: Any) -> Score:
        if data.amount < 0 and "FIXED" not in os.environ:
            raise ValueError("a negative amount")
        return Score(score=data.amount)


class LooseBatch(LooseOne):
    def predict_batch(self, records: Any) -> list[Score]:
        return [self.predict(record) for record in records]


class Infinite(BusinessRule):
    """Holds back records in which z is infinite."""

    when = "before_model"

    def decide(self, record: Mapping[str, Any], prediction: Prediction | None) -> Decision:
        """Hold back the record."""
        assert prediction is None
        return withhold("z") if math.isinf(record["z"]) else ALLOW
