"""Models whose outputs have lists, objects and maps, of which some nights have little."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from model_etl.rules import Decision, withhold


class Point(BaseModel):
    x: float
    y: int | None = None


class Record(BaseModel):
    x: float


class Optionals(BaseModel):
    """Has no required field."""

    age: float | None = None
    income: float | None = None


class Nested(BaseModel):
    """Has a type for each value."""

    total: float
    tags: list[str] = []
    why: list[int] | None = None
    reasons: dict[str, float] = {}
    point: Point | None = None
    points: list[Point] = []


class Score(BaseModel):
    score: float


class Tagger:
    """Has empty lists and objects for small numbers, and none for large ones."""

    display_name = "Tagger"
    qualified_name = "tagger"
    description = "Tags large numbers."
    version = "1.0.0"
    input_schema: Any = Record
    output_schema: Any = Nested

    def predict(self, data: Any) -> Any:
        """Tag it."""
        if data.x < 10:
            return Nested(total=data.x)
        point = Point(x=data.x, y=1)
        return Nested(total=data.x, tags=["big"], why=[1], reasons={"x": 0.5}, point=point, points=[point])


class Lenient(Tagger):
    """Scores any record."""

    input_schema = Optionals
    output_schema = Score

    def predict(self, data: Any) -> Any:
        """Give the age, or 50."""
        return Score(score=data.age or 50)


class Nothing:
    """A rule that withholds each record."""

    when = "after_model"

    def decide(self, _record: Any, _prediction: Any) -> Decision:
        """Withhold it."""
        return withhold("no")
