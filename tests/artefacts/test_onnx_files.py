"""A file of ONNX predicts what ONNX Runtime itself predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.artefacts import LOANS, RISK, score, write_schema
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from model_etl.artefacts.options import ArtefactOptions
from model_etl.errors import ConfigurationError, ModelUnavailable
from model_etl.scoring.model_loading import load_model

NUMBERS = LOANS[["age", "income (monthly)"]].fillna(0)
PROPERTIES = {"age": "number", "income": "number"}
TWO = [{"age": 30, "income": 1000.5}, {"age": 50.5, "income": 4000}]
ROWS = np.array([[30, 1000.5], [50.5, 4000]], dtype=np.float32)


@pytest.fixture(scope="module")
def onnx() -> Any:
    """Return the converter of scikit-learn's estimators."""
    pytest.importorskip("onnxruntime")
    return pytest.importorskip("skl2onnx")


@pytest.fixture(scope="module")
def convert(onnx: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that writes an estimator of two numbers as a file of ONNX."""
    folder = tmp_path_factory.mktemp("onnx")

    def write(estimator: Any, types: Any = None, **options: Any) -> Path:
        types = types or [("X", onnx.common.data_types.FloatTensorType([None, 2]))]
        model = onnx.convert_sklearn(estimator, initial_types=types, **options)
        path: Path = folder / f"m{len(list(folder.iterdir()))}.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return write


def own(path: Path, feeds: dict[str, Any]) -> list[Any]:
    """Return what ONNX Runtime itself predicts."""
    onnxruntime = pytest.importorskip("onnxruntime")
    answers: list[Any] = onnxruntime.InferenceSession(str(path)).run(None, feeds)
    return answers


def test_a_pipeline_with_an_input_for_each_column(onnx: Any, convert: Any, tmp_path: Path) -> None:
    """Numbers, integers and texts, a missing number and an unseen category: as the runtime, and as scikit-learn."""
    kinds = onnx.common.data_types
    steps = [("n", StandardScaler(), ["age", "id"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["purpose"])]
    data = LOANS[["age", "id", "purpose"]].fillna(30)
    estimator = make_pipeline(ColumnTransformer(steps), LogisticRegression()).fit(data, RISK)
    types = [
        ("age", kinds.FloatTensorType([None, 1])),
        ("id", kinds.Int64TensorType([None, 1])),
        ("purpose", kinds.StringTensorType([None, 1])),
    ]
    path = convert(estimator, types)
    records = [{"age": 30.5, "id": 4, "purpose": "car"}, {"age": 20, "id": 0, "purpose": "boat"}]
    outputs, rejects = score(
        f"onnx:{path}", [*records, {"id": 1, "purpose": "car"}], outputs=("prediction", "probability")
    )
    assert rejects == ["input_schema: age: Field required"]
    feeds = {
        "age": np.array([[30.5], [20]], np.float32),
        "id": np.array([[4], [0]]),
        "purpose": np.array([["car"], ["boat"]], object),
    }
    labels, probabilities = own(path, feeds)
    assert [output["prediction"] for output in outputs] == labels.tolist()
    assert [output["probability_low"] for output in outputs] == [answer["low"] for answer in probabilities]
    schema = write_schema(tmp_path / "s.json", "id", "purpose", age=["number", "null"], id="integer", purpose="string")
    outputs, rejects = score(str(path), [{"id": 1, "purpose": "car"}, records[0]], schema=schema)
    assert rejects == []
    assert outputs[1]["prediction"] == labels[0]


def test_one_matrix_takes_the_properties_in_their_order(convert: Any, tmp_path: Path) -> None:
    """Columns without names get them from the schema; a number that was missing is NaN for the model."""
    path = convert(RandomForestClassifier(2, random_state=0).fit(NUMBERS.to_numpy(), np.arange(8) % 2 + 3))
    with pytest.raises(ConfigurationError, match="has 2 columns, but does not name them"):
        load_model(str(path))
    schema = write_schema(tmp_path / "s.json", **PROPERTIES)
    outputs, _ = score(str(path), TWO, schema=schema, outputs=("prediction", "probability"))
    labels, probabilities = own(path, {"X": ROWS})
    assert outputs == [
        {"prediction": label, "probability_3": answer[3], "probability_4": answer[4]}
        for label, answer in zip(labels.tolist(), probabilities, strict=True)
    ]
    with pytest.raises(ConfigurationError, match=r"has 2 columns without names, but .* has 3 properties"):
        load_model(
            str(path), artefact=ArtefactOptions(schema=write_schema(tmp_path / "t.json", **PROPERTIES, id="integer"))
        )


def test_regressions_and_probabilities_without_names(convert: Any, tmp_path: Path) -> None:
    """A regression predicts numbers; probabilities that no class has a name for are not guessed."""
    schema = write_schema(tmp_path / "s.json", **PROPERTIES)
    path = convert(LinearRegression().fit(NUMBERS.to_numpy(), np.arange(8.0)))
    outputs, _ = score(str(path), TWO, schema=schema)
    assert [output["prediction"] for output in outputs] == own(path, {"X": ROWS})[0].ravel().tolist()
    classifier = LogisticRegression(max_iter=5000).fit(NUMBERS.to_numpy(), RISK)
    path = convert(classifier, options={"zipmap": False})
    outputs, _ = score(str(path), TWO, schema=schema)
    assert [output["prediction"] for output in outputs] == own(path, {"X": ROWS})[0].tolist()
    with pytest.raises(ConfigurationError, match=r"asks for probabilities, but .* has none"):
        load_model(str(path), artefact=ArtefactOptions(schema=schema, outputs=("probability",)))


def graph(onnx: Any, path: Path, inputs: Any, outputs: Any, opset: int = 13) -> str:
    """Write a graph that passes its first input on; inputs and outputs are (type, shape)."""
    helper = pytest.importorskip("onnx.helper")
    made = [helper.make_tensor_value_info(f"in{n}", *of) for n, of in enumerate(inputs)]
    ends = [helper.make_tensor_value_info(f"out{n}", *of) for n, of in enumerate(outputs)]
    nodes = [helper.make_node("Identity", ["in0"], [end.name]) for end in ends]
    model = helper.make_model(
        helper.make_graph(nodes, "g", made, ends), opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )
    path.write_bytes(model.SerializeToString())
    return str(path)


FLOAT, INT8, STRING = 1, 3, 8


@pytest.mark.parametrize(
    ("inputs", "outputs", "opset", "words"),
    [
        ([(FLOAT, [None, 2, 2])], [(FLOAT, [None, 2, 2])], 13, "not a table of numbers or texts"),
        ([(FLOAT, [None, "n"])], [(FLOAT, [None, "n"])], 13, "does not give the number of columns"),
        ([(FLOAT, [5, 1])], [(FLOAT, [5, 1])], 13, "takes 5 records at a time"),
        ([(FLOAT, [None, 3])], [(FLOAT, [None, 3])], 13, "not one value for each record"),
        ([(FLOAT, [None, 1]), (FLOAT, [None, 2])], [(FLOAT, [None, 1])], 13, "in1 has 2 columns"),
        ([(FLOAT, [None, 1])], [(FLOAT, [None, 1])], 999, "ONNX Runtime .* cannot read it"),
    ],
)  # fmt: skip
def test_wrong_shapes(onnx: Any, inputs: Any, outputs: Any, opset: int, words: str, tmp_path: Path) -> None:
    """Inputs that are not columns, and outputs that are not predictions, end with exit code 69."""
    with pytest.raises(ModelUnavailable, match=words) as raised:
        load_model(graph(onnx, tmp_path / "m.onnx", inputs, outputs, opset))
    assert opset == 13 or "install --upgrade onnxruntime" in raised.value.remedy


def test_integers_texts_and_one_record_at_a_time(onnx: Any, tmp_path: Path) -> None:
    """A small integer that the model has no room for is a reject; a model of one record is asked for each."""
    path = graph(onnx, tmp_path / "i.onnx", [(INT8, [1, 1])], [(INT8, [1, 1])])
    outputs, rejects = score(path, [{"in0": 1}, {"in0": 300}, {"in0": -128}])
    assert outputs == [{"prediction": 1}, {"prediction": -128}]
    assert rejects == ["predict: in0 is beyond int8, the type of the model's input"]
    text = graph(onnx, tmp_path / "t.onnx", [(STRING, [None, 1])], [(STRING, [None, 1])])
    assert score(text, [{"in0": "ä"}, {"in0": ""}])[0] == [{"prediction": "ä"}, {"prediction": ""}]
    nullable = write_schema(tmp_path / "s.json", in0=["string", "null"])
    with pytest.raises(ConfigurationError, match=r"in0 may be null, but .* has no missing values"):
        load_model(text, artefact=ArtefactOptions(schema=nullable))


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 50, b'{"a": 1}'])
def test_damaged_files(onnx: Any, content: bytes, tmp_path: Path) -> None:
    """A file that is not a model ends with exit code 69, and the message names it."""
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"cannot load the model .*m\.onnx: "):
        load_model(f"{tmp_path}/m.onnx")
