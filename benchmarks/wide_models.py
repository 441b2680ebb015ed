"""A table of 100 columns and a gradient-boosted model over it: 60 numbers, 30 texts, 10 dates. Makes and trains it.

    python benchmarks/wide_models.py       # trains it, if data/wide.joblib is missing

Half the columns lack some values. The predictions are those of scikit-learn's HistGradientBoostingRegressor.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from date_features import wide_days
from ml_base import MLModel
from pydantic import BaseModel, create_model
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder

from model_etl.frames import to_frame

DATA = Path(__file__).resolve().parent / "data"
PIPELINE = DATA / "wide.joblib"
INTS = [f"count_{number:02}" for number in range(30)]
FLOATS = [f"amount_{number:02}" for number in range(30)]
TEXTS = [f"kind_{number:02}" for number in range(30)]
DATES = [f"day_{number:02}" for number in range(10)]
COLUMNS = [*INTS, *FLOATS, *TEXTS, *DATES]
LACKING = COLUMNS[::2]
_MISSING = 0.05
_TRAINED_ON = 5000


def rows(count: int, seed: int) -> tuple[pd.DataFrame, Any]:
    """Make rows, and the value of each that the model learns."""
    chance = np.random.default_rng(seed)
    columns: dict[str, Any] = {"row_id": [f"R{number:08d}" for number in range(count)]}
    for number, name in enumerate(INTS):
        columns[name] = pd.array(chance.poisson(2 + 7 * number, count), dtype="Int64")
    for number, name in enumerate(FLOATS):
        columns[name] = np.round(np.exp(chance.normal(1 + number / 4, 0.8, count)), 2)
    for number, name in enumerate(TEXTS):
        columns[name] = chance.choice([f"kind {letter}" for letter in "abcdefghijklmnopqrst"[: 3 + number % 17]], count)
    for name in DATES:
        columns[name] = (np.datetime64("2015-01-01") + chance.integers(0, 3650, count)).astype(str)
    frame = pd.DataFrame(columns)
    value = frame["count_03"] + 2 * frame["amount_01"] - 3 * (frame["kind_05"] == "kind b") + chance.normal(0, 1, count)
    for name in LACKING:
        frame.loc[chance.random(count) < _MISSING, name] = None
    return frame, value.to_numpy("float64")


def train() -> None:
    """Fit the pipeline on a frame as `read_csv` gives it, if it is missing."""
    if PIPELINE.exists():
        return
    DATA.mkdir(exist_ok=True)
    frame, value = rows(_TRAINED_ON, seed=0)
    path = DATA / "wide-training.csv"
    frame.to_csv(path, index=False)
    texts = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
    )
    columns = [
        ("numbers", "passthrough", [*INTS, *FLOATS]),
        ("texts", texts, TEXTS),
        ("dates", FunctionTransformer(wide_days), DATES),
    ]
    pipeline = Pipeline([("columns", ColumnTransformer(columns)), ("model", HistGradientBoostingRegressor())])
    pipeline.fit(pd.read_csv(path, parse_dates=DATES)[COLUMNS], value)
    joblib.dump(pipeline, PIPELINE)


_TYPES: dict[str, Any] = {
    **dict.fromkeys(INTS, int),
    **dict.fromkeys(FLOATS, float),
    **dict.fromkeys(TEXTS, str),
    **dict.fromkeys(DATES, date),
}
_FIELDS: dict[str, Any] = {
    name: (kind | None, None) if name in LACKING else (kind, ...) for name, kind in _TYPES.items()
}
Row = create_model("Row", __doc__="A row of the table.", **_FIELDS)


class Value(BaseModel):
    """What the model predicts."""

    value: float


class WideModel(MLModel):
    """Predicts frames."""

    display_name = "Value of a row"
    qualified_name = "wide_model"
    description = "A value of 100 columns."
    version = "1.0.0"
    input_schema = Row
    output_schema = Value

    def __init__(self) -> None:
        self._pipeline = joblib.load(PIPELINE)

    def predict(self, data: Any) -> Value:
        """Predict one row."""
        return Value(value=float(self.predict_frame(to_frame([data]))[0]))

    def predict_frame(self, frame: Any) -> Any:
        """Predict a frame."""
        return self._pipeline.predict(frame)


if __name__ == "__main__":
    train()
    sys.exit()
