"""Models for the tests of the formats."""

# ruff: noqa: D102, UP045

from __future__ import annotations

import os
from typing import Any, Optional

from ml_base import MLModel
from pydantic import BaseModel, Field


class Record(BaseModel):
    id: str
    amount: float
    count: Optional[int] = None
    tags: list[str] = Field(default_factory=list)


class Score(BaseModel):
    score: float


class Scorer(MLModel):
    """Gives the amount back; refuses negative ones until FIXED is set."""

    display_name = "Scorer"
    qualified_name = "scorer"
    description = "Gives the amount back."
    version = "1.0.0"
    input_schema = Record
    output_schema = Score

    def __init__(self) -> None:
        pass

    def predict(self, data: Any) -> Score:
        if data.amount < 0 and "FIXED" not in os.environ:
            raise ValueError("a negative amount")
        return Score(score=data.amount)


class Loose(BaseModel):
    id: str
    amount: Any = None


class LooseScorer(Scorer):
    """Takes any amount; scores the length of the id."""

    input_schema = Loose

    def predict(self, data: Any) -> Score:
        return Score(score=len(data.id))

    def predict_batch(self, records: Any) -> list[dict[str, float]]:
        return [{"score": float(len(r.id))} for r in records]
