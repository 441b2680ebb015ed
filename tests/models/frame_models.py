"""Models that predict data frames, and what some of them answer instead."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from ml_base import MLModel
from pydantic import BaseModel, Field

from model_etl.frames import to_frame


class Loan(BaseModel):
    """A record as people have it: numbers, categories and a date, some of them missing."""

    age: int = Field(ge=0, le=120)
    income: float | None = None
    purpose: Literal["car", "home"]
    employment: str | None = None
    opened_on: date | None = None
    accounts: int | None = None


class Risk(BaseModel):
    """How risky a loan is."""

    risk: float
    group: str | None


class ByFrame(MLModel):
    """Reads a pandas frame, and answers with one."""

    display_name = "Risk"
    qualified_name = "risk"
    description = "Rates loans."
    version = "1.0.0"
    input_schema = Loan
    output_schema: type[BaseModel] = Risk

    def __init__(self) -> None:
        """Need nothing."""

    def predict(self, data: Loan) -> BaseModel:
        """Rate one loan."""
        frame = pd.DataFrame(self.predict_frame(to_frame([data])))
        return self.output_schema(**frame.astype(object).where(frame.notna(), None).to_dict("records")[0])

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans; one of 13 years is more than it can bear."""
        if (frame["age"] == 13).any():
            raise ArithmeticError("13")
        days = (pd.Timestamp("2026-01-01") - frame["opened_on"]).dt.days.fillna(0)
        risk = frame["income"].fillna(1000) / 1000 + frame["age"] + days / 1000 + frame["accounts"].fillna(2)
        return pd.DataFrame({"risk": risk, "group": frame["employment"]})


class ByRecord(ByFrame):
    """Predicts one record at a time."""

    predict_frame = None  # type: ignore[assignment]

    def predict(self, data: Loan) -> BaseModel:
        """Rate one loan."""
        return ByFrame().predict(data)


class ByBatch(ByRecord):
    """Makes the frame itself."""

    def predict_batch(self, records: Any) -> Any:
        """Rate many loans."""
        answer = ByFrame().predict_frame(to_frame(records))
        return [
            {"risk": risk, "group": None if group != group else group}  # noqa: PLR0124  NaN
            for risk, group in zip(answer["risk"], answer["group"], strict=True)
        ]


class ByNullableFrame(ByFrame):
    """Wants the nullable types of pandas."""

    frame = "pandas_nullable"


class ByPolars(ByFrame):
    """Wants a polars frame."""

    frame = "polars"

    def predict_frame(self, frame: pl.DataFrame) -> Any:
        """Rate many loans."""
        days = (pl.lit(date(2026, 1, 1)) - pl.col("opened_on")).dt.total_days().fill_null(0)
        risk = pl.col("income").fill_null(1000) / 1000 + pl.col("age") + days / 1000 + pl.col("accounts").fill_null(2)
        return frame.select(risk=risk, group=pl.col("employment"))


class ByArrow(ByFrame):
    """Wants an Arrow table."""

    frame = "pyarrow"

    def predict_frame(self, frame: pa.Table) -> Any:
        """Rate many loans."""
        return {
            "risk": ByFrame.predict_frame(self, frame.to_pandas(date_as_object=False))["risk"],
            "group": frame["employment"],
        }


class OnlyRisk(BaseModel):
    """One number."""

    risk: float


class SeriesAnswer(ByFrame):
    """Answers with a series."""

    output_schema = OnlyRisk

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return super().predict_frame(frame)["risk"]

    def predict(self, data: Loan) -> BaseModel:
        """Rate one loan."""
        return OnlyRisk(risk=self.predict_frame(to_frame([data]))[0])


class ArrayAnswer(SeriesAnswer):
    """Answers with an array."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return super().predict_frame(frame).to_numpy()


class MatrixAnswer(ByFrame):
    """Answers with an array of two dimensions."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return np.asarray(super().predict_frame(frame).astype(object).where(lambda f: f.notna(), None))


class Sorted(ByFrame):
    """Answers in another order, as its index shows."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return super().predict_frame(frame).sort_values("risk", ascending=False)


class Reindexed(ByFrame):
    """Answers with an index of its own."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return super().predict_frame(frame).set_index(pd.Index(range(7, 7 + len(frame))))


class Short(ByFrame):
    """Forgets the last loan."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return super().predict_frame(frame)[:-1]


class Text(ByFrame):
    """Answers with a text."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return "high"


class Lacking(ByFrame):
    """Answers without a column that the output schema requires."""

    def predict_frame(self, frame: Any) -> Any:
        """Return one of two columns."""
        return {"risk": [0.5] * len(frame)}


class UnknownFrame(ByFrame):
    """Wants a frame that nobody makes."""

    frame = "spark"


class Nested(BaseModel):
    """A record with a field that Arrow has no type for."""

    items: list[int] | str


class ArrowOfNested(ByArrow):
    """Wants an Arrow table of such records."""

    input_schema = Nested  # type: ignore[assignment]


class ByDump(ByRecord):
    """Lets pandas find the types of each batch: a column of numbers that are all missing is not numeric."""

    def predict_batch(self, records: Any) -> Any:
        """Rate many loans."""
        incomes = pd.DataFrame([{"income": record.income} for record in records])["income"]
        return [{"risk": 1.0 if incomes.dtype == object else 2.0, "group": None}] * len(records)


class ByRank(ByFrame):
    """Rates each loan against the others of its batch."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return pd.DataFrame({"risk": frame["age"].rank(pct=True), "group": frame["employment"]})


class ByChance(ByFrame):
    """Throws dice."""

    def predict_frame(self, frame: Any) -> Any:
        """Rate many loans."""
        return pd.DataFrame({"risk": np.random.default_rng().random(len(frame)), "group": frame["employment"]})
