"""Models as their libraries save them, trained with tiny data, and scored by the steps of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from model_etl.artefacts.options import ArtefactOptions
from model_etl.records.batch import Batch, Source
from model_etl.scoring.scorer import ScoringSteps

LOANS = pd.DataFrame(
    {
        "age": [23.0, 35, None, 51, 44, 29, 61, 38],
        "income (monthly)": [1200.0, 2500, 1800, 4000, 3100, 900, 2700, 2200],
        "employment": ["none", "employed", "self", "employed", np.nan, "none", "self", "employed"],
        "purpose": ["car", "home", "car", "home", "home", "car", "home", "car"],
        "note": ["new car", "house", "old car", "big house", "house", "car", "flat", "used car"],
        "opened_on": pd.to_datetime(
            ["2020-01-01", "2021-05-03", None, "2019-02-28", "2024-02-29"] + ["2022-07-01"] * 3
        ),
        "id": range(8),
    }
)
RISK = np.array(["high", "low", "high", "low", "low", "high", "low", "high"])
"""The labels of the loans."""
UNSEEN = {
    "age": None,
    "income (monthly)": 1e6,
    "employment": "emperor",
    "purpose": "car",
    "note": "",
    "opened_on": None,
}
"""A loan as no other: values that are missing, and a category that nobody has seen."""


def years(frame: Any) -> Any:
    """Return the years of dates, 0 where they are missing: a step of the user's own."""
    return frame.apply(lambda column: (column.dt.year - 2020) / 10).fillna(0)


def loan_pipeline(*, dates: bool = False) -> Any:
    """Return a fitted pipeline with numbers, texts, categories and, if wanted, dates."""
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income (monthly)"]),
            ("any", OneHotEncoder(handle_unknown="ignore"), ["employment"]),
            ("known", OneHotEncoder(), ["purpose"]),
            ("text", CountVectorizer(), "note"),
            *([("dates", FunctionTransformer(years), ["opened_on"])] if dates else []),
        ]
    )
    return make_pipeline(columns, LogisticRegression()).fit(LOANS, RISK)


def records_of(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame as the records of a file of JSON Lines."""
    return [json.loads(line) for line in frame.to_json(orient="records", lines=True, date_format="iso").splitlines()]


def loans() -> list[dict[str, Any]]:
    """Return the loans as records; dates are written as dates."""
    frame = LOANS.assign(opened_on=LOANS["opened_on"].dt.strftime("%Y-%m-%d").where(LOANS["opened_on"].notna(), None))
    return [*records_of(frame), UNSEEN]


def loan_frame() -> Any:
    """Return the frame that pandas makes of the same loans."""
    frame = pd.DataFrame({name: [*LOANS[name], UNSEEN.get(name)] for name in LOANS})
    return frame.assign(opened_on=pd.to_datetime(frame["opened_on"]))


def score(reference: str, records: list[dict[str, Any]], **options: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the predictions of records, and the reasons of the rejects."""
    steps = ScoringSteps(reference, artefact=ArtefactOptions(**options))
    documents = [json.dumps(record).encode() for record in records]
    numbers = range(len(records))
    done = steps(Batch(Source("in.json", "0" * 32, "ldjson"), numbers, numbers, documents, documents))
    return [json.loads(line) for line in done.outputs], [f"{r.stage}: {r.message}" for r in done.rejected]


def write_schema(path: Path, *required: str, closed: bool = False, **properties: Any) -> str:
    """Write a JSON Schema; a property that is a text is a type."""
    declared = {
        name: {"type": value} if isinstance(value, (str, list)) else value for name, value in properties.items()
    }
    schema = {"type": "object", "properties": declared, "required": list(required or declared)}
    path.write_text(json.dumps({**schema, "additionalProperties": False} if closed else schema))
    return str(path)
