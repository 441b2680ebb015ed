"""Files of XGBoost and LightGBM predict what their estimators predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.artefacts import score, write_schema

from model_etl.artefacts.options import ArtefactOptions
from model_etl.errors import ConfigurationError, ModelUnavailable
from model_etl.scoring.model_loading import load_model

DATA = pd.DataFrame({"age": np.arange(60.0) % 17, "monthly_income": np.arange(60.0) * 7 % 31}).mask(
    np.arange(120).reshape(60, 2) % 11 == 0
)
TARGETS = {
    "two": (DATA["age"].fillna(3) % 3 > 1).astype(int),
    "three": DATA["monthly_income"].fillna(0).astype(int) % 3,
    "number": DATA["monthly_income"].fillna(9) / 3,
}
RECORDS = [{name: None if np.isnan(value) else value for name, value in row.items()} for row in DATA.to_dict("records")]
RECORDS[0] = {}
"""Missing values are null, or not there."""


@pytest.fixture(scope="module", params=["xgboost", "lightgbm"])
def library(request: pytest.FixtureRequest) -> Any:
    """Return each library."""
    return pytest.importorskip(request.param)


def trained(library: Any, target: str, data: Any = DATA) -> Any:
    """Return a small fitted estimator."""
    kind = "Regressor" if target == "number" else "Classifier"
    if library.__name__ == "xgboost":
        return getattr(library, f"XGB{kind}")(n_estimators=3, n_jobs=1).fit(data, TARGETS[target])
    options = {"n_estimators": 3, "min_child_samples": 2, "verbose": -1, "n_jobs": 1}
    return getattr(library, f"LGBM{kind}")(**options).fit(data, TARGETS[target])


def saved(estimator: Any, folder: Path, suffix: str = "") -> str:
    """Save an estimator in the format of its library; return the reference."""
    if type(estimator).__name__.startswith("XGB"):
        path = folder / f"m{suffix or '.ubj'}"
        estimator.save_model(path)
        return f"xgboost:{path}"
    estimator.booster_.save_model(folder / "m.txt")
    return f"lightgbm:{folder}/m.txt"


@pytest.mark.parametrize("target", ["two", "three", "number"])
def test_a_booster_predicts_as_the_estimator_does(library: Any, target: str, tmp_path: Path) -> None:
    """Classes and numbers, with missing values, are those of the library; columns have the names of the training."""
    estimator = trained(library, target)
    wanted = ("prediction",) if target == "number" else ("prediction", "probability")
    outputs, rejects = score(saved(estimator, tmp_path), RECORDS, outputs=wanted)
    assert rejects == []
    data = DATA.copy()
    data.iloc[0] = np.nan
    assert [output["prediction"] for output in outputs] == estimator.predict(data).tolist()
    if target != "number":
        found = [[value for name, value in output.items() if name != "prediction"] for output in outputs]
        np.testing.assert_allclose(found, estimator.predict_proba(data), rtol=1e-6)
        assert list(outputs[0])[1:] == [f"probability_{number}" for number in range(len(found[0]))]


def test_names_with_spaces(tmp_path: Path) -> None:
    """LightGBM replaces the spaces in names; a schema with the names of the data brings them back."""
    library = pytest.importorskip("lightgbm")
    estimator = trained(library, "two", DATA.rename(columns={"monthly_income": "monthly income"}))
    schema = write_schema(tmp_path / "s.json", **{"id": "integer", "monthly income": "number", "age": "number"})
    outputs, rejects = score(saved(estimator, tmp_path), [{"age": 5, "monthly income": 3}], schema=schema)
    assert rejects == []
    assert outputs[0]["prediction"] == estimator.booster_.predict(np.array([[5, 3]])).round()[0]


def test_json_of_xgboost(tmp_path: Path) -> None:
    """Both formats of save_model are read."""
    estimator = trained(pytest.importorskip("xgboost"), "three")
    outputs, _ = score(saved(estimator, tmp_path, ".json"), RECORDS[1:])
    assert [output["prediction"] for output in outputs] == estimator.predict(DATA[1:]).tolist()


def test_columns_without_names(library: Any, tmp_path: Path) -> None:
    """A booster that was trained with an array takes the properties of the schema in their order."""
    estimator = trained(library, "two", DATA.to_numpy())
    reference = saved(estimator, tmp_path)
    with pytest.raises(ConfigurationError, match="has 2 columns, but does not name them"):
        load_model(reference)
    schema = write_schema(tmp_path / "s.json", "a", a="number", b=["integer", "null"])
    outputs, rejects = score(reference, [{"a": 5, "b": 3}, {"a": 4.5}, {"a": None}], schema=schema)
    assert [output["prediction"] for output in outputs] == estimator.predict(np.array([[5, 3], [4.5, np.nan]])).tolist()
    assert len(rejects) == 1
    wrong = write_schema(tmp_path / "t.json", a="string", b="number")
    with pytest.raises(ConfigurationError, match=r"a is a string in .*t\.json, but a number in"):
        load_model(reference, artefact=ArtefactOptions(schema=wrong))


def test_probabilities_of_a_regression(library: Any, tmp_path: Path) -> None:
    """A number has no probability: exit code 78 names the objective."""
    with pytest.raises(ConfigurationError, match="has none: its objective is reg"):
        load_model(saved(trained(library, "number"), tmp_path), artefact=ArtefactOptions(outputs=("probability",)))


def test_columns_of_categories_are_refused(library: Any, tmp_path: Path) -> None:
    """The numbers that stand for categories are those of the training data, so that nothing is guessed."""
    data = DATA.assign(kind=pd.Categorical(["u", "v", "w"] * 20))
    if library.__name__ == "xgboost":
        estimator = library.XGBClassifier(n_estimators=2, enable_categorical=True).fit(data, TARGETS["two"])
    else:
        estimator = library.LGBMClassifier(n_estimators=2, min_child_samples=2, verbose=-1).fit(data, TARGETS["two"])
    with pytest.raises(ModelUnavailable, match="it has columns of categories"):
        load_model(saved(estimator, tmp_path))


def test_damaged_files(library: Any, tmp_path: Path) -> None:
    """A file that is not a model, or a part of one, ends with exit code 69 and without a traceback."""
    reference = saved(trained(library, "two"), tmp_path)
    path = Path(reference.partition(":")[2])
    content = path.read_bytes()
    for damaged in (b"", b"hello", content[:100], content[: len(content) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ModelUnavailable, match=r"cannot load the model .*m\.") as raised:
            load_model(reference)
        assert "Stack trace" not in str(raised.value)
