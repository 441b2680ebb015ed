"""A pipeline as people have it: a data frame with missing values, categories and a date. Makes its data and trains it.

    python benchmarks/loan_models.py       # trains it, if data/loans-pipeline.joblib is missing

The predictions are those of scikit-learn's logistic regression on made-up loans.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from date_features import loan_dates
from ml_base import MLModel
from pydantic import BaseModel, Field
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from model_etl.frames import to_frame

DATA = Path(__file__).resolve().parent / "data"
PIPELINE = DATA / "loans-pipeline.joblib"
NUMBERS = ["age", "income", "amount", "term_months", "credit_score", "open_accounts", "late_payments"]
TEXTS = ["purpose", "employment", "region"]
_PURPOSES = ["car", "home", "education", "medical", "debt consolidation", "other"]
_REGIONS = ["north", "south", "east", "west", "Île-de-France", "Córdoba, AR"]
_MISSING = {"income": 0.05, "credit_score": 0.08, "employment": 0.04, "opened_on": 0.02, "open_accounts": 0.03}


def loans(count: int, seed: int) -> tuple[pd.DataFrame, Any]:
    """Make loans, and for each whether it defaults."""
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "loan_id": [f"L{number:08d}" for number in range(count)],
            "age": chance.integers(18, 85, count),
            "income": np.round(np.exp(chance.normal(10.4, 0.6, count)), 2),
            "amount": np.round(np.exp(chance.normal(9, 0.9, count)), 2),
            "term_months": chance.choice([12, 24, 36, 48, 60, 72], count),
            "purpose": chance.choice(_PURPOSES, count),
            "employment": chance.choice(["employed", "self-employed", "unemployed", "retired"], count),
            "region": chance.choice(_REGIONS, count),
            "opened_on": (np.datetime64("2015-01-01") + chance.integers(0, 3650, count)).astype(str),
            "credit_score": pd.array(np.round(chance.normal(650, 80, count)).clip(300, 850), dtype="Int64"),
            "open_accounts": pd.array(chance.poisson(6, count), dtype="Int64"),
            "late_payments": chance.poisson(0.6, count),
        }
    )
    risk = 0.6 * frame["late_payments"] + frame["amount"] / frame["income"] - (frame["credit_score"] - 650) / 90 - 2
    defaulted = chance.random(count) < 1 / (1 + np.exp(-risk.astype("float64")))
    for name, share in _MISSING.items():
        frame.loc[chance.random(count) < share, name] = None
    return frame, defaulted.to_numpy("int64")


def train() -> None:
    """Fit the pipeline on a frame as `read_csv` gives it, if it is missing."""
    if PIPELINE.exists():
        return
    DATA.mkdir(exist_ok=True)
    frame, defaulted = loans(5000, seed=0)
    path = DATA / "loans-training.csv"
    frame.to_csv(path, index=False)
    texts = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
        ("texts", texts, TEXTS),
        ("date", make_pipeline(FunctionTransformer(loan_dates), SimpleImputer()), ["opened_on"]),
    ]
    pipeline = Pipeline([("columns", ColumnTransformer(columns)), ("model", LogisticRegression(max_iter=500))])
    pipeline.fit(pd.read_csv(path, parse_dates=["opened_on"])[[*NUMBERS, *TEXTS, "opened_on"]], defaulted)
    joblib.dump(pipeline, PIPELINE)


class Loan(BaseModel):
    """A loan."""

    age: int = Field(ge=0, le=120)
    income: float | None = None
    amount: float = Field(gt=0)
    term_months: int
    purpose: str
    employment: str | None = None
    region: str
    opened_on: date | None = None
    credit_score: int | None = None
    open_accounts: int | None = None
    late_payments: int = 0


class Default(BaseModel):
    """Whether it is likely to default."""

    defaulted: int
    probability: float


class LoanModel(MLModel):
    """Predicts frames by two calls of the pipeline, as a script does that asks for classes and for probabilities."""

    display_name = "Loan default"
    qualified_name = "loan_model"
    description = "The probability of default."
    version = "1.0.0"
    input_schema = Loan
    output_schema = Default

    def __init__(self) -> None:
        self._pipeline = joblib.load(PIPELINE)

    def predict(self, data: Loan) -> Default:
        """Predict one loan."""
        found = self.predict_frame(to_frame([data]))
        return Default(defaulted=int(found["defaulted"][0]), probability=float(found["probability"][0]))

    def predict_frame(self, frame: Any) -> dict[str, Any]:
        """Predict a frame."""
        return {"defaulted": self._pipeline.predict(frame), "probability": self._pipeline.predict_proba(frame)[:, 1]}


class LoanModelOneCall(LoanModel):
    """Predicts frames by one call of the pipeline."""

    def predict_frame(self, frame: Any) -> dict[str, Any]:
        """Predict a frame."""
        probability = self._pipeline.predict_proba(frame)[:, 1]
        return {"defaulted": (probability > 0.5).astype("int64"), "probability": probability}


class LoanModelBatch(MLModel):
    """Predicts lists of records, of which it makes a frame; calls the pipeline twice."""

    display_name = LoanModel.display_name
    qualified_name = LoanModel.qualified_name
    description = LoanModel.description
    version = LoanModel.version
    input_schema = Loan
    output_schema = Default

    def __init__(self) -> None:
        self._pipeline = joblib.load(PIPELINE)

    def predict(self, data: Loan) -> Default:
        """Predict one loan."""
        return Default(**self.predict_batch([data])[0])

    def predict_batch(self, records: Sequence[Loan]) -> list[dict[str, Any]]:
        """Predict some loans."""
        frame = to_frame(records)
        classes = self._pipeline.predict(frame).tolist()
        probabilities = self._pipeline.predict_proba(frame)[:, 1].tolist()
        return [
            {"defaulted": defaulted, "probability": probability}
            for defaulted, probability in zip(classes, probabilities, strict=True)
        ]


if __name__ == "__main__":
    train()
