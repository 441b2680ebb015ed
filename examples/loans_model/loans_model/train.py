"""Fits the pipeline to made-up loans, and writes it with a self-test: ``python -m loans_model.train``."""

import json
import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from loans_model.features import CATEGORIES, COLUMNS, DATES, NUMBERS, years_before
from loans_model.synthetic import make_loans

TRAINING_SEED, TRAINING_LOANS = 7, 4000
HOLDOUT_SEED, HOLDOUT_LOANS = 8, 2000
SELF_TEST_LOANS = 10
TOLERANCE = 1e-9
"""Linear algebra libraries differ in the last digits."""


def make_model() -> Pipeline:
    """Return the pipeline, not fitted: missing numbers are medians, a missing category is one of its own."""
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS),
            (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
            (make_pipeline(FunctionTransformer(years_before), SimpleImputer(), StandardScaler()), DATES),
        ),
        LogisticRegression(),
    )


def known_records(pipeline: Pipeline, loans: pd.DataFrame) -> list[dict[str, object]]:
    """Return the lines of a self-test: each loan with the prediction of the pipeline itself."""
    inputs = json.loads(loans[COLUMNS].to_json(orient="records", date_format="iso"))
    for record in inputs:
        record["customer_since"] = record["customer_since"] and record["customer_since"][:10]
    default = list(pipeline.classes_).index("default")
    outcomes = pipeline.predict(loans[COLUMNS]).tolist()
    probabilities = pipeline.predict_proba(loans[COLUMNS])[:, default].tolist()
    return [
        {"input": record, "output": {"outcome": outcome, "probability": probability}}
        for record, outcome, probability in zip(inputs, outcomes, probabilities, strict=True)
    ]


def main(folder: Path = Path(__file__).parent) -> int:
    """Train, write ``pipeline.joblib`` and ``self_test.jsonl`` into a folder, and print the accuracy."""
    loans, outcomes = make_loans(TRAINING_LOANS, TRAINING_SEED)
    pipeline = make_model().fit(loans[COLUMNS], outcomes)
    joblib.dump(pipeline, folder / "pipeline.joblib")
    new, new_outcomes = make_loans(HOLDOUT_LOANS, HOLDOUT_SEED)
    lines = [{"tolerance": TOLERANCE}, *known_records(pipeline, new.head(SELF_TEST_LOANS))]
    self_test = "".join(f"{json.dumps(line)}\n" for line in lines)
    (folder / "self_test.jsonl").write_text(self_test, encoding="utf-8")
    accuracy = pipeline.score(new[COLUMNS], new_outcomes)
    print(f"{folder / 'pipeline.joblib'}: accuracy {accuracy:.3f} on {HOLDOUT_LOANS} further loans")
    return 0


if __name__ == "__main__":
    sys.exit(main())
