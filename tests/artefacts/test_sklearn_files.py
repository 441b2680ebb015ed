"""A file of scikit-learn predicts what the estimator itself predicts, and runs no code that nobody trusts."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from helpers.artefacts import LOANS, RISK, UNSEEN, loan_frame, loan_pipeline, loans, score, write_schema
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor, VotingRegressor
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

from model_etl.artefacts.options import ArtefactOptions
from model_etl.artefacts.sklearn_columns import columns_of_estimator
from model_etl.errors import ConfigurationError, ModelEtlError, ModelUnavailable
from model_etl.scoring.model_loading import load_model

NUMBERS = LOANS[["age", "income (monthly)"]].fillna(0)
TWO = [{"age": 30, "income (monthly)": 1000.5}, {"age": 50.5, "income (monthly)": 4000}]
FRAME = NUMBERS.iloc[:0].reindex([0, 1]).assign(**{"age": [30, 50.5], "income (monthly)": [1000.5, 4000]})


def pickled(estimator: Any, path: Path) -> dict[str, Any]:
    """Save an estimator by joblib; return what trusts it."""
    joblib.dump(estimator, path)
    return {"trust_pickle": hashlib.sha256(path.read_bytes()).hexdigest()}


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """Return a pipeline with numbers, categories and texts."""
    return loan_pipeline()


@pytest.fixture(scope="module")
def skops_io() -> Any:
    """Return the module of skops, whose import takes seconds."""
    return pytest.importorskip("skops.io")


@pytest.fixture(scope="module")
def skops_file(skops_io: Any, pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the pipeline as a file of skops."""
    path: Path = tmp_path_factory.mktemp("skops") / "loans.skops"
    skops_io.dump(pipeline, path)
    return path


def test_a_pipeline_predicts_as_the_estimator_does(pipeline: Any, skops_file: Path) -> None:
    """Numbers, texts, missing values and unseen categories: predictions and probabilities are those of scikit-learn."""
    outputs, rejects = score(f"sklearn:{skops_file}", loans(), outputs=("prediction", "probability"))
    assert rejects == []
    assert [output["prediction"] for output in outputs] == pipeline.predict(loan_frame()).tolist()
    found = [[output["probability_high"], output["probability_low"]] for output in outputs]
    np.testing.assert_allclose(found, pipeline.predict_proba(loan_frame()), rtol=1e-12)


def test_what_the_pipeline_cannot_read_is_rejected(skops_file: Path) -> None:
    """A category that the encoder does not know, a text that is missing and a number that is a text are rejects."""
    good = loans()[0]
    bad = [{**good, "purpose": "boat"}, {**good, "note": None}, {**good, "age": "old"}, {**good, "purpose": None}]
    outputs, rejects = score(str(skops_file), [good, *bad])
    assert len(outputs) == 1
    assert [reason.partition(": ")[2].split(":")[0] for reason in rejects] == ["purpose", "note", "age", "purpose"]


def test_a_pickle_predicts_the_same(pipeline: Any, tmp_path: Path) -> None:
    """A file of joblib, whose digest is trusted, predicts as the estimator does."""
    trusted = pickled(pipeline, tmp_path / "loans.joblib")
    outputs, _ = score(str(tmp_path / "loans.joblib"), loans(), **trusted)
    assert [output["prediction"] for output in outputs] == pipeline.predict(loan_frame()).tolist()


def test_dates_need_a_schema_and_are_dates(tmp_path: Path) -> None:
    """A step of one's own tells no types: the schema does, and dates reach it as dates."""
    pipeline = loan_pipeline(dates=True)
    trusted = pickled(pipeline, tmp_path / "dates.pkl")
    with pytest.raises(ConfigurationError, match="does not give the types of opened_on") as raised:
        score(f"sklearn:{tmp_path}/dates.pkl", loans(), **trusted)
    assert "model-etl schema --from" in raised.value.remedy
    optional = {"type": ["string", "null"], "format": "date"}
    number, text = ["number", "null"], ["string", "null"]
    fields = {"income (monthly)": number, "age": number, "employment": text, "purpose": "string", "note": "string"}
    schema = write_schema(tmp_path / "schema.json", "purpose", "note", **fields, opened_on=optional)
    outputs, rejects = score(f"sklearn:{tmp_path}/dates.pkl", loans(), schema=schema, **trusted)
    assert rejects == []
    assert [output["prediction"] for output in outputs] == pipeline.predict(loan_frame()).tolist()


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (LogisticRegression(max_iter=5000), RISK == "low"),
        (make_pipeline(StandardScaler(), LogisticRegression()), np.arange(8) % 3 + 1),
        (RandomForestRegressor(2, random_state=0), np.arange(8) / 3),
        (make_pipeline(StandardScaler(), Ridge()), np.arange(8)),
        (KMeans(2, n_init=1, random_state=0), None),
        (GridSearchCV(make_pipeline(StandardScaler(), LinearSVC()), {"linearsvc__C": [1]}, cv=2), RISK),
        (make_pipeline(FeatureUnion([("s", StandardScaler()), ("v", VarianceThreshold())]), Ridge()), range(8)),
        (make_pipeline(ColumnTransformer([("n", StandardScaler(), [0])], remainder="passthrough"), Ridge()), range(8)),
        (make_pipeline(ColumnTransformer([("n", StandardScaler(), make_column_selector("inc"))]), Ridge()), range(8)),
        (make_pipeline(ColumnTransformer([("n", StandardScaler(), slice(0, 2))]), Ridge()), range(8)),
    ],
    ids=["classifier", "whole numbers", "regressor", "pipeline", "clusters", "search", "union", "columns by number",
         "columns by pattern", "columns by slice"],
)  # fmt: skip
def test_estimators_of_every_kind(estimator: Any, target: Any, tmp_path: Path) -> None:
    """Classifiers of texts, numbers and booleans, regressors, clusters, searches and unions predict as they are."""
    estimator.fit(NUMBERS, target)
    outputs, rejects = score(f"sklearn:{tmp_path}/m.joblib", TWO, **pickled(estimator, tmp_path / "m.joblib"))
    assert rejects == []
    found = [output["prediction"] for output in outputs]
    assert found == estimator.predict(FRAME).tolist()
    assert {type(value) for value in found} == {type(value) for value in estimator.predict(FRAME).tolist()}


def test_columns_without_names_get_them_from_the_schema(tmp_path: Path) -> None:
    """An estimator that was trained with an array takes the properties of the schema in their order."""
    model = LinearRegression().fit(NUMBERS.to_numpy(), np.arange(8))
    trusted = pickled(model, tmp_path / "m.pkl")
    with pytest.raises(ConfigurationError, match="has 2 columns, but does not name them"):
        score(f"{tmp_path}/m.pkl", [], **trusted)
    schema = write_schema(tmp_path / "s.json", **{"age": "number", "income (monthly)": "number"})
    outputs, _ = score(f"{tmp_path}/m.pkl", TWO, schema=schema, **trusted)
    assert [output["prediction"] for output in outputs] == model.predict(FRAME.to_numpy()).tolist()


def columns(estimator: Any, data: Any = LOANS) -> dict[str, Any]:
    """Return what an estimator tells of its columns."""
    found = columns_of_estimator(estimator.fit(data, RISK))
    assert found is not None
    return {column.name: (column.type, column.nullable, column.values) for column in found.columns}


@pytest.mark.parametrize(
    ("estimator", "data", "expected"),
    [
        (OneHotEncoder(), LOANS[["purpose"]], {"purpose": ("string", False, ("car", "home"))}),
        (OneHotEncoder(handle_unknown="ignore"), LOANS[["purpose"]], {"purpose": ("string", True, None)}),
        (OneHotEncoder(), LOANS[["employment"]], {"employment": ("string", True, ("employed", "none", "self"))}),
        (OrdinalEncoder(), LOANS[["id"]], {"id": ("integer", False, tuple(range(8)))}),
        (StandardScaler(), LOANS[["age"]], {"age": ("number", True, None)}),
        (make_pipeline(StandardScaler(), LogisticRegression()), LOANS[["id"]], {"id": ("number", False, None)}),
        (HistGradientBoostingClassifier(max_iter=1), LOANS[["age"]], {"age": ("number", True, None)}),
        (make_pipeline(FunctionTransformer(), StandardScaler()), LOANS[["id"]], {"id": ("number", True, None)}),
        (make_pipeline("passthrough", StandardScaler()), LOANS[["id"]], {"id": ("number", True, None)}),
        (make_pipeline(FunctionTransformer(np.abs), StandardScaler()), LOANS[["id"]], {"id": (None, False, None)}),
    ],
)  # fmt: skip
def test_what_an_estimator_tells_of_its_columns(estimator: Any, data: Any, expected: Any) -> None:
    """Types, missing values and categories come from the first step that looks into a column."""
    assert columns(estimator, data) == expected


def test_meta_estimators_tell_names_but_no_types() -> None:
    """What an estimator passes on to others may be anything."""
    model = VotingRegressor([("a", LinearRegression())]).fit(NUMBERS, range(8))
    found = columns_of_estimator(model)
    assert found is not None
    assert [column.type for column in found.columns] == [None, None]


class Marker:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: str) -> None:
        """Name the file."""
        self.path = path

    def __reduce__(self) -> Any:
        """Write the file when it is loaded."""
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["evil.pkl", "evil.joblib", "evil.PICKLE", "evil.skops", "evil.bin", "evil.onnx"])
def test_a_malicious_pickle_is_never_loaded(name: str, tmp_path: Path) -> None:
    """Whatever its name says, a pickle runs no code unless its digest is trusted."""
    pytest.importorskip("onnxruntime")
    path, marker = tmp_path / name, tmp_path / "marker"
    path.write_bytes(pickle.dumps(Marker(str(marker))))
    scheme = "" if name.endswith("onnx") else "sklearn:"
    with pytest.raises((ConfigurationError, ModelUnavailable)) as raised:
        load_model(f"{scheme}{path}")
    assert raised.value.exit_code in (69, 78)
    if name.lower().endswith((".pkl", ".joblib", ".pickle")):
        assert f"--trust_pickle {hashlib.sha256(path.read_bytes()).hexdigest()}" in raised.value.remedy
        with pytest.raises(ModelUnavailable, match="is not the file that is trusted"):
            load_model(f"{scheme}{path}", artefact=ArtefactOptions(trust_pickle="0" * 64))
    assert not marker.exists()


def test_a_type_that_skops_does_not_trust_is_named(skops_io: Any, tmp_path: Path) -> None:
    """A function of the user's own is in no list of trusted types: the message has the option that adds it."""
    model = make_pipeline(FunctionTransformer(joblib.hash), LogisticRegression())
    skops_io.dump(model, tmp_path / "m.skops")
    with pytest.raises(ConfigurationError, match=r"types that are not trusted: joblib.hashing\.hash") as raised:
        load_model(f"{tmp_path}/m.skops")
    assert "--trust joblib.hashing.hash" in raised.value.remedy
    with pytest.raises(ModelUnavailable, match="is not fitted"):  # it was loaded
        load_model(f"{tmp_path}/m.skops", artefact=ArtefactOptions(trust=("joblib.hashing.hash",)))


def other_version(source: Path, target: Path) -> Path:
    """Copy a file of skops as another version of scikit-learn would have written it."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content.replace(sklearn.__version__.encode(), b"0.99.1"))
    return target


def test_another_version_of_scikit_learn_is_refused(skops_file: Path, tmp_path: Path) -> None:
    """A model of another version names both versions, and the command that installs its own."""
    with pytest.raises(
        ModelUnavailable, match=r"made with scikit-learn 0\.99\.1, and 1\.\d+\.\d+ is installed"
    ) as raised:
        load_model(str(other_version(skops_file, tmp_path / "old.skops")))
    assert "install scikit-learn==0.99.1" in raised.value.remedy
    assert issubclass(InconsistentVersionWarning, UserWarning)


def damage(content: bytes) -> list[bytes]:
    """Return a file's content, damaged in several ways."""
    return [
        content[:-40],
        content[: len(content) // 2],
        b"no model",
        b"\0" * 100,
        content[:20] + b"\xff" * 9 + content[29:],
    ]


@pytest.mark.parametrize("suffix", [".skops", ".joblib"])
def test_damaged_files(suffix: str, skops_file: Path, pipeline: Any, tmp_path: Path) -> None:
    """A file that is cut off or changed is exit code 69, with its name and its digest."""
    buffer = io.BytesIO()
    joblib.dump(pipeline, buffer)
    for number, content in enumerate(damage(skops_file.read_bytes() if suffix == ".skops" else buffer.getvalue())):
        path = tmp_path / f"m{number}{suffix}"
        path.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        options = ArtefactOptions(trust_pickle=digest if suffix == ".joblib" else None)
        with pytest.raises(ModelUnavailable, match=f"cannot load the model .*m{number}") as raised:
            load_model(str(path), artefact=options)
        assert digest in raised.value.remedy
        assert "Traceback" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": 1}, "it holds dict, which has no predict"),
        (LogisticRegression, "it holds .*, which has no predict"),
        (LogisticRegression(), "its LogisticRegression is not fitted"),
        (StandardScaler(), "it holds StandardScaler, which has no predict"),
    ],
    ids=str,
)
def test_files_that_hold_no_model(content: Any, words: str, tmp_path: Path) -> None:
    """An object that is not a fitted estimator ends with exit code 69, and the message says what it is."""
    trusted = pickled(content, tmp_path / "m.pkl")
    with pytest.raises(ModelUnavailable, match=words):
        load_model(f"{tmp_path}/m.pkl", artefact=ArtefactOptions(**trusted))


def test_no_probabilities(tmp_path: Path) -> None:
    """Asking an estimator for what it does not have is exit code 78."""
    trusted = pickled(LinearSVC().fit(NUMBERS, RISK), tmp_path / "m.pkl")
    with pytest.raises(ConfigurationError, match="LinearSVC has no predict_proba"):
        load_model(f"{tmp_path}/m.pkl", artefact=ArtefactOptions(outputs=("probability",), **trusted))


@pytest.mark.parametrize(
    ("reference", "options", "code", "words"),
    [
        ("sklearn:none.skops", {}, 69, "there is no such file"),
        ("sklearn:{}", {}, 78, "is not a known file of scikit-learn"),
        ("sklearn:", {}, 78, "its suffix is not one of"),
        ("onnx:", {}, 69, "names no file"),
        ("onnx:{}", {}, 69, "it is a folder, not a file"),
        ("mlflow:none", {}, 69, "there is no such folder"),
        ("m.skops", {"trust_pickle": "0" * 64}, 78, "loading it runs no code"),
        ("m.onnx", {"trust": ("a.b",)}, 78, "it is for files of skops"),
        ("failing_models:Good", {"schema": "s.json"}, 78, "--schema has no meaning"),
        ("failing_models:Good", {"outputs": ("probability",)}, 78, "--outputs has no meaning"),
        ("s3://bucket/m.skops", {}, 78, "nothing here fetches it"),
        ("m.bin", {}, 2, "does not name a class"),
    ],
)
def test_references_that_name_nothing(reference: str, options: Any, code: int, words: str, tmp_path: Path) -> None:
    """A name that cannot be loaded, and an option that would be ignored, say so."""
    with pytest.raises(ModelEtlError, match=words) as raised:
        load_model(reference.format(tmp_path), artefact=ArtefactOptions(**options))
    assert raised.value.exit_code == code


def test_unseen_is_a_record_of_its_own() -> None:
    """The record of the tests above has what no other loan has."""
    assert UNSEEN["employment"] not in set(LOANS["employment"])
