"""Tests of the loan model: it is trained first, in a copy of the package, and then scored as a user scores it."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
import sklearn.base
from sklearn.exceptions import InconsistentVersionWarning

EXAMPLE = Path(__file__).parents[1]
SAMPLE = EXAMPLE / "data" / "loans.csv"
MODEL = "loans_model.model:LoanModel"
LAST_DIGITS = 1e-12
"""Linear algebra may sum a row of a matrix in another order than a row alone."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder with the package, which is trained there."""
    folder: Path = tmp_path_factory.mktemp("loans")
    ignored = shutil.ignore_patterns("pipeline.joblib", "self_test.jsonl", "__pycache__")
    shutil.copytree(EXAMPLE / "loans_model", folder / "loans_model", ignore=ignored)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        assert import_module("loans_model.train").main() == 0
        yield folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return import_module("loans_model.model").LoanModel()


@pytest.fixture(scope="module")
def expected(folder: Path) -> pd.DataFrame:
    """Return what the pipeline itself predicts for the sample, as pandas reads it."""
    pipeline = joblib.load(folder / "loans_model" / "pipeline.joblib")
    loans = pd.read_csv(SAMPLE, parse_dates=["customer_since"])
    probabilities = pipeline.predict_proba(loans)
    return pd.DataFrame(
        {
            "loan_id": loans["loan_id"],
            "outcome": pipeline.predict(loans),
            "probability": probabilities[:, list(pipeline.classes_).index("default")],
        }
    )


def model_etl(folder: Path, work: Path, *arguments: str) -> str:
    """Run the command in another folder, as if the package were installed, and return what it prints."""
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "model_etl", *arguments],
        cwd=work,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def assert_same(scored: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(scored, expected, check_dtype=False, rtol=0, atol=LAST_DIGITS)


def test_sample_has_missing_values_and_unseen_categories(folder: Path) -> None:
    loans = pd.read_csv(SAMPLE)
    synthetic = import_module("loans_model.synthetic")
    for column in synthetic.MISSING_SHARES:
        assert loans[column].isna().any(), column
    assert set(loans["purpose"]) - set(synthetic.PURPOSES)
    assert set(loans["employment"].dropna()) - set(synthetic.EMPLOYMENTS)


def test_predictions_are_those_of_the_pipeline(folder: Path, tmp_path: Path, expected: pd.DataFrame) -> None:
    model_etl(
        folder,
        tmp_path,
        *("run", "-i", str(SAMPLE), "-o", "out.csv", "-m", MODEL, "--keep", "loan_id"),
        *("--self_test", str(folder / "loans_model" / "self_test.jsonl")),
    )
    assert_same(pd.read_csv(tmp_path / "out.csv"), expected)


def test_the_file_alone_has_the_same_predictions(
    folder: Path, tmp_path: Path, expected: pd.DataFrame
) -> None:
    """`--model sklearn:` needs no class; the pipeline has a step of its own, so a schema tells the types."""
    file = folder / "loans_model" / "pipeline.joblib"
    (tmp_path / "schema.json").write_text(model_etl(folder, tmp_path, "schema", "--from", str(SAMPLE)))
    model_etl(
        folder,
        tmp_path,
        *("run", "-i", str(SAMPLE), "-o", "out.csv", "-m", f"sklearn:{file}", "--schema", "schema.json"),
        *("--trust_pickle", hashlib.sha256(file.read_bytes()).hexdigest()),
        *("--outputs", "prediction,probability", "--keep", "loan_id"),
    )
    names = {"prediction": "outcome", "probability_default": "probability"}
    scored = pd.read_csv(tmp_path / "out.csv").rename(columns=names)
    assert_same(scored[["loan_id", "outcome", "probability"]], expected)


def test_each_loan_has_the_same_prediction_alone_as_in_company(model: Any, expected: pd.DataFrame) -> None:
    loans = pd.read_csv(SAMPLE).astype(object)
    records = loans.where(loans.notna(), None).drop(columns="loan_id").to_dict("records")
    alone = [model.predict(model.input_schema.model_validate(record)).model_dump() for record in records]
    assert_same(pd.DataFrame(alone), expected[["outcome", "probability"]])


def test_training_again_gives_the_same_predictions(folder: Path, tmp_path: Path) -> None:
    import_module("loans_model.train").main(tmp_path)
    again = (tmp_path / "self_test.jsonl").read_text()
    assert again == (folder / "loans_model" / "self_test.jsonl").read_text()


def test_the_version_tells_which_pipeline_predicts(folder: Path, model: Any) -> None:
    digest = hashlib.sha256((folder / "loans_model" / "pipeline.joblib").read_bytes()).hexdigest()
    assert model.version == f"{import_module('loans_model').__version__}+{digest[:8]}"


def test_a_missing_pipeline_names_the_command_that_writes_it(model: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"python -m loans_model\.train"):
        type(model)(tmp_path / "none.joblib")


def test_a_pipeline_of_another_scikit_learn_is_refused(
    folder: Path, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = joblib.load(folder / "loans_model" / "pipeline.joblib")
    with monkeypatch.context() as patch:
        patch.setattr(sklearn.base, "__version__", "0.1")
        joblib.dump(pipeline, tmp_path / "old.joblib")
    with pytest.raises(InconsistentVersionWarning, match=r"0\.1"):
        type(model)(tmp_path / "old.joblib")
