"""Models for the tests of numbers beyond floats."""

# ruff: noqa: D102

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from format_models import Score, Scorer
from pydantic import BaseModel

from model_etl.rules import ALLOW, BusinessRule, Decision, Prediction, withhold


class Loose(BaseModel):
    id: str
    amount: float


class LooseOne(Scorer):
    """Refuses negative amounts until FIXED is set."""

    display_name = "Loose"
    qualified_name = "loose"
    input_schema = Loose


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
