"""Tests of the iris model: answers as scikit-learn gives, in batches or singly, from a file of numbers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sklearn
from pydantic import ValidationError
from sklearn.datasets import load_iris
from sklearn.svm import SVC

from iris_model import __version__, svc
from iris_model.iris_predict import IrisModel
from iris_model.parameters import FEATURES, PARAMETERS_FILE, ModelFileError, load_parameters
from iris_model.schemas import IrisModelInput, IrisModelOutput
from iris_model.svc import SupportVectorClassifier
from iris_model.train import GAMMA, PENALTY_C, main, train

Floats = npt.NDArray[np.float64]

SETOSA = {"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}


@pytest.fixture(scope="module")
def model() -> IrisModel:
    return IrisModel()


@pytest.fixture(scope="module")
def iris_rows() -> Floats:
    rows: Floats = load_iris().data
    return rows


@pytest.fixture(scope="module")
def reference() -> Any:
    """A classifier that scikit-learn itself fits and evaluates."""
    data = load_iris()
    return SVC(gamma=GAMMA, C=PENALTY_C, decision_function_shape="ovo").fit(data.data, data.target)


def records_of(rows: Floats) -> list[SimpleNamespace]:
    """Plain objects with attributes, as an application may pass instead of pydantic ones."""
    return [SimpleNamespace(**dict(zip(FEATURES, row, strict=True))) for row in rows.tolist()]


def species_in(outputs: list[Any]) -> list[str]:
    return [output["species"] for output in outputs]


def grid() -> Floats:
    """11 x 7 x 13 x 9 points around the data, where the species meet."""
    axes = np.linspace(4, 8, 11), np.linspace(2, 4.5, 7), np.linspace(0.5, 7, 13), np.linspace(0.1, 2.6, 9)
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 4)


def near() -> Floats:
    return np.random.RandomState(1).uniform(0.01, 10, (20_000, 4))


def far() -> Floats:
    return np.random.RandomState(2).uniform(0.01, 100, (20_000, 4))


@pytest.mark.parametrize("points", [grid, near, far])
def test_agrees_with_scikit_learn(model: IrisModel, reference: Any, points: Callable[[], Floats]) -> None:
    rows = points()
    expected = load_iris().target_names[reference.predict(rows)].tolist()
    assert species_in(model.predict_batch(records_of(rows))) == expected


def test_agrees_with_scikit_learn_on_the_iris_set(
    model: IrisModel, reference: Any, iris_rows: Floats
) -> None:
    expected = load_iris().target_names[reference.predict(iris_rows)].tolist()
    assert species_in(model.predict_batch(records_of(iris_rows))) == expected


@pytest.mark.parametrize("points", [grid, near, far])
def test_decision_values_are_those_of_scikit_learn(reference: Any, points: Callable[[], Floats]) -> None:
    rows = points()
    decisions = SupportVectorClassifier(load_parameters()).decisions(rows)
    np.testing.assert_allclose(decisions, reference.decision_function(rows), rtol=0, atol=1e-9)


def test_ties_go_to_the_first_class() -> None:
    # 0 beats 1, 2 beats 0, 1 beats 2: a vote each.
    assert svc._class_of_pattern(3, [(0, 1), (0, 2), (1, 2)])[0b101] == 0
    # 1 beats 0, 1 beats 2, 0 beats 2.
    assert svc._class_of_pattern(3, [(0, 1), (0, 2), (1, 2)])[0b110] == 1


def test_predicts_setosa(model: IrisModel) -> None:
    assert model.predict(IrisModelInput(**SETOSA)) == IrisModelOutput(species="setosa")


def test_predict_and_predict_batch_agree(model: IrisModel, iris_rows: Floats) -> None:
    inputs = [IrisModelInput(**dict(zip(FEATURES, row, strict=True))) for row in iris_rows.tolist()]
    singly = [model.predict(one).model_dump() for one in inputs]
    assert singly == model.predict_batch(inputs)


def test_predict_columns_agrees(model: IrisModel, iris_rows: Floats) -> None:
    columns = {name: iris_rows[:, place] for place, name in enumerate(FEATURES)}
    assert model.predict_columns(columns)["species"].tolist() == species_in(
        model.predict_batch(records_of(iris_rows))
    )


@pytest.mark.parametrize("count", [0, 1, svc.CHUNK_ROWS, svc.CHUNK_ROWS + 1, 3 * svc.CHUNK_ROWS - 1])
def test_chunks_keep_number_and_order(model: IrisModel, iris_rows: Floats, count: int) -> None:
    rows = np.resize(iris_rows, (count, 4))
    once = species_in(model.predict_batch(records_of(iris_rows)))
    assert species_in(model.predict_batch(records_of(rows))) == [once[i % len(once)] for i in range(count)]


@pytest.mark.parametrize("value", [0, -1, 100.5, "wide", None, float("nan"), float("inf")])
@pytest.mark.parametrize("field", FEATURES)
def test_bad_values_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        IrisModelInput.model_validate({**SETOSA, field: value})


def test_missing_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="petal_width"):
        IrisModelInput.model_validate({name: SETOSA[name] for name in FEATURES[:3]})


def test_metadata(model: IrisModel) -> None:
    assert (model.qualified_name, model.version) == ("iris_model", __version__)
    assert model.input_schema is IrisModelInput
    assert model.output_schema is IrisModelOutput
    assert model.display_name
    assert model.description


def test_predicting_imports_no_scikit_learn() -> None:
    program = (
        "import sys\n"
        "from iris_model.iris_predict import IrisModel\n"
        "model = IrisModel()\n"
        f"model.predict(model.input_schema(**{SETOSA}))\n"
        f"model.predict_batch([model.input_schema(**{SETOSA})])\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('sklearn', 'scipy', 'joblib')])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    files = tmp_path / "first.json", tmp_path / "second.json"
    for file in files:
        command = [sys.executable, "-m", "iris_model.train", "--output", str(file)]
        subprocess.run(command, check=True, capture_output=True)
    assert files[0].read_bytes() == files[1].read_bytes()
    if load_parameters().training.library == f"scikit-learn {sklearn.__version__}":
        assert files[0].read_bytes() == PARAMETERS_FILE.read_bytes()


def test_shipped_parameters_are_those_of_a_training() -> None:
    # Another version of scikit-learn or another processor may differ in the last digits.
    shipped, trained = load_parameters(), train()
    assert shipped.n_support == trained.n_support
    assert shipped.support_vectors == trained.support_vectors
    np.testing.assert_allclose(shipped.dual_coefficients, trained.dual_coefficients, rtol=0, atol=1e-6)
    np.testing.assert_allclose(shipped.intercepts, trained.intercepts, rtol=0, atol=1e-6)


def test_a_trained_file_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    assert main(["--output", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]
    assert IrisModel(file).predict(IrisModelInput(**SETOSA)).species == "setosa"


def test_unwritable_output_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "no" / "such" / "folder.json"
    assert main(["--output", str(file)]) == 1
    assert str(file) in capsys.readouterr().err


def test_missing_scikit_learn_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert main(["--output", str(tmp_path / "mine.json")]) == 1
    assert "iris-model[train]" in capsys.readouterr().err


def without_intercept(document: dict[str, Any]) -> None:
    document["intercepts"].pop()


def with_short_vector(document: dict[str, Any]) -> None:
    document["support_vectors"][3].pop()


def with_missing_vector(document: dict[str, Any]) -> None:
    document["support_vectors"].pop()


def with_short_coefficients(document: dict[str, Any]) -> None:
    document["dual_coefficients"][1].pop()


def with_nan(document: dict[str, Any]) -> None:
    document["dual_coefficients"][0][0] = float("nan")


def with_text(document: dict[str, Any]) -> None:
    document["gamma"] = "wide"


def with_swapped_features(document: dict[str, Any]) -> None:
    document["features"].reverse()


def with_repeated_class(document: dict[str, Any]) -> None:
    document["classes"][1] = "setosa"


def without_gamma(document: dict[str, Any]) -> None:
    del document["gamma"]


@pytest.mark.parametrize(
    "damage",
    [
        without_intercept,
        with_short_vector,
        with_missing_vector,
        with_short_coefficients,
        with_nan,
        with_text,
        with_swapped_features,
        with_repeated_class,
        without_gamma,
    ],
)
def test_damaged_numbers_are_refused(tmp_path: Path, damage: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(PARAMETERS_FILE.read_bytes())
    damage(document)
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"damaged\.json"):
        IrisModel(file)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\x80\x04pickle", PARAMETERS_FILE.read_bytes()[:-40]]
)
def test_files_that_are_no_model_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "damaged.json"
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"damaged\.json"):
        IrisModel(file)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.json"):
        IrisModel(tmp_path / "none.json")
