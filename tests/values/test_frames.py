"""A model that predicts data frames gives what it gives record by record, from every format and among other records."""

from __future__ import annotations

import json
from pathlib import Path

import joblib
import pandas as pd
import pytest
from helpers.command import Etl
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

RECORDS = [
    {"age": 30, "income": 1500.5, "purpose": "car", "employment": "employed", "opened_on": "2020-02-29", "accounts": 3},
    {"age": 31, "purpose": "home"},
    {"age": 32, "income": None, "purpose": "home", "employment": None, "opened_on": None, "accounts": None},
    {"age": 120, "income": 0.1, "purpose": "car", "employment": "self, employed", "opened_on": "1969-12-31"},
]
RISKS = [33.7455, 34.0, 35.0]
ALIKE = ["ByFrame", "ByBatch", "ByNullableFrame", "ByPolars", "ByArrow", "MatrixAnswer", "Sorted"]


@pytest.fixture
def loans(etl: Etl) -> Etl:
    """Write the records into the current folder."""
    etl.write("loans.json", RECORDS * 5)
    return etl


def predictions(etl: Etl, model: str, name: str = "loans.json", *more: str) -> list[dict[str, object]]:
    """Run a model over a file."""
    run = etl("run", "-i", name, "-o", "out.json", "-m", f"frame_models:{model}", "--if_exists", "replace", *more)
    assert (run.code, run.err) == (0, "")
    return [{**row, "risk": round(row["risk"], 9)} if "risk" in row else row for row in etl.lines("out.json")]


@pytest.mark.parametrize("model", ALIKE)
def test_each_kind_of_frame_gives_the_same_predictions(loans: Etl, model: str) -> None:
    """pandas, polars and Arrow, and each kind of answer, give what the model gives record by record."""
    assert predictions(loans, model) == predictions(loans, "ByRecord")


@pytest.mark.parametrize("model", ["SeriesAnswer", "ArrayAnswer"])
def test_a_single_output_needs_no_frame(loans: Etl, model: str) -> None:
    """A series or an array is the column of the only output field."""
    expected = [{"risk": row["risk"]} for row in predictions(loans, "ByRecord")]
    assert predictions(loans, model) == expected


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_record_that_the_model_refuses_costs_only_itself(etl: Etl, workers: str) -> None:
    """The frame is halved until the record is alone."""
    etl.write("loans.json", [*RECORDS, {"age": 13, "purpose": "car"}, *RECORDS])
    more = ("--max_errors", "1", "--workers", workers)
    assert len(predictions(etl, "ByFrame", "loans.json", *more)) == 8
    [reject] = etl.lines("out.rejects.ldjson")
    assert (reject["position"], reject["stage"], reject["type"]) == (5, "predict", "ArithmeticError")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("Reindexed", "with another index than that of the frame"),
        ("Short", "returned 19 values of 'risk' for 20 records"),
        ("Text", "returned str, not a column for each of risk, group"),
        ("Lacking", "returned no column 'group' for the output schema"),
    ],
)
def test_a_wrong_answer_predicts_nothing(loans: Etl, model: str, message: str) -> None:
    """An answer that does not belong to the records, as its length or index shows, is never published."""
    run = loans("run", "-i", "loans.json", "-o", "out.json", "-m", f"frame_models:{model}", "--max_errors", "100%")
    assert run.code == 69
    assert message in run.err
    assert not (loans.folder / "out.json").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("UnknownFrame", "frame is 'spark', not one of pandas, pandas_nullable, polars, pyarrow"),
        ("ArrowOfNested", "a frame of pyarrow has no type for the values of items"),
    ],
)
def test_a_frame_that_cannot_be_made_ends_the_run_at_once(loans: Etl, model: str, message: str) -> None:
    """The model cannot be loaded, and the message says why."""
    run = loans("run", "-i", "loans.json", "-o", "out.json", "-m", f"frame_models:{model}")
    assert run.code == 69
    assert message in run.err
    assert not (loans.folder / "out.json").exists()


LOANS = """
from datetime import date

import joblib
from ml_base import MLModel
from pydantic import BaseModel

from model_etl.frames import to_frame

class Loan(BaseModel):
    age: int
    income: float | None = None
    employment: str | None = None
    opened_on: date | None = None

class Default(BaseModel):
    probability: float

class Pipeline(MLModel):
    display_name = qualified_name = description = "loans"
    version = "1.0.0"
    input_schema, output_schema = Loan, Default

    def __init__(self):
        self.pipe = joblib.load("pipeline.joblib")

    def predict(self, data):
        return Default(probability=self.predict_frame(to_frame([data]))[0])

    def predict_frame(self, frame):
        return self.pipe.predict_proba(frame)[:, 1]
"""


def train(folder: Path) -> None:
    """Fit a pipeline that fills in what is missing, on a frame as notebooks read it."""
    rows = {"age": [20, 30, 40, 50] * 3, "income": [1.0, None, 3.0, 2.0] * 3, "employment": ["a", "b", None, "b"] * 3}
    steps = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), ["age", "income"]),
            (
                "texts",
                make_pipeline(
                    SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(handle_unknown="ignore")
                ),
                ["employment"],
            ),
        ]
    )
    pipe = make_pipeline(steps, LogisticRegression()).fit(pd.DataFrame(rows), [0, 1, 1, 0] * 3)
    joblib.dump(pipe, folder / "pipeline.joblib")


def test_a_pipeline_predicts_alone_what_it_predicts_in_company(etl: Etl) -> None:
    """A text that is missing in every record of a batch is as missing as one among others."""
    train(etl.folder)
    etl.write("loans.py", LOANS)
    rows = [{"age": 40}, {"age": 41, "income": 2.5, "employment": "a", "opened_on": "2020-01-01"}, {"age": 42}]

    def scored(records: list[dict[str, object]]) -> list[float]:
        etl.write("in.json", records)
        run = etl("run", "-i", "in.json", "-o", "out.json", "-m", "loans:Pipeline", "--if_exists", "replace")
        assert (run.code, run.err) == (0, "")
        return [row["probability"] for row in map(json.loads, (etl.folder / "out.json").read_text().splitlines())]

    alone = [scored([row])[0] for row in rows]
    assert scored(rows) == pytest.approx(alone, rel=1e-12)


def checked(etl: Etl, model: str) -> tuple[int, str]:
    """Check a model; give the exit code and all that it wrote."""
    run = etl("check", "-i", "loans.json", "-o", "out.json", "-m", f"frame_models:{model}", "--max_errors", "100%")
    return run.code, run.out.decode() + run.err


@pytest.mark.parametrize("model", ["ByFrame", "ByBatch", "ByPolars"])
def test_check_says_that_batches_do_not_matter(loans: Etl, model: str) -> None:
    """A model whose predictions are the same alone and among others passes."""
    code, text = checked(loans, model)
    assert code == 0
    assert "batches  20 records have the same predictions alone and among others" in text


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("ByDump", 'record 2 of loans.json it predicts {"risk":1.0,"group":null} alone, and {"risk":2.0'),
        ("ByRank", 'record 1 of loans.json it predicts {"risk":1.0,"group":"employed"} alone, and {"risk":0.5'),
        ("ByChance", "does not predict the same twice: for record 1 of loans.json"),
    ],
)
def test_check_names_a_model_whose_predictions_depend_on_the_batch(loans: Etl, model: str, message: str) -> None:
    """The record and both predictions are in the message."""
    code, text = checked(loans, model)
    assert code == 69
    assert message in text


def test_check_passes_over_records_that_fail_in_any_company(etl: Etl) -> None:
    """A record that the model refuses alone, and among others, does not depend on them."""
    etl.write("loans.json", [*RECORDS, {"age": 13, "purpose": "car"}, {"age": 500}])
    assert checked(etl, "ByFrame")[0] == 0
