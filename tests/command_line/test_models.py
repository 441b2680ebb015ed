"""Models of every generation, through the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import IRIS, MODELS, SETOSA, VIRGINICA, Etl

from model_etl.scoring.model_step import MLModelTransformer


@pytest.mark.parametrize("model", ["Older", "OneByOne", "Duck", "Fast"])
def test_every_generation_scores(etl: Etl, model: str) -> None:
    """A model of either generation, or one with the same attributes, runs unmodified."""
    etl.write("in.json", [{"x": 1.0}, {"x": 2.5, "more": "ignored"}])
    run = etl("-i", "in.json", "-o", "out.json", "-m", f"generations:{model}")
    assert (run.code, run.err) == (0, "")
    assert etl.lines("out.json") == [{"y": 2.0}, {"y": 5.0}]


def test_the_older_generation_validates_by_its_own_schema(etl: Etl) -> None:
    """A record that schema.Schema refuses is rejected at the stage input_schema."""
    etl.write("in.json", [{"x": 1.0}, {"x": -1.0}, {"x": "one"}])
    run = etl("-i", "in.json", "-o", "out.json", "-m", "generations:Older", "--max_errors", "2")
    assert run.code == 0
    assert [(r["position"], r["stage"]) for r in etl.lines("out.rejects.ldjson")] == [
        (2, "input_schema"),
        (3, "input_schema"),
    ]


def test_the_older_generation_raises_its_own_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    """Called with one record, what the older model raises comes through."""
    monkeypatch.syspath_prepend(str(MODELS))
    transformer = MLModelTransformer(module_name="generations", class_name="Older")
    assert list(transformer(data={"x": 2.0})) == [{"y": 4.0}]
    with pytest.raises(Exception, match="Failed to validate input data") as raised:
        list(transformer(data={"x": -2.0}))
    assert type(raised.value).__name__ == "MLModelSchemaValidationException"


def test_a_failing_batch_is_split_until_the_guilty_record_is_alone(etl: Etl) -> None:
    """Of 1000 records three fail, one of them by losing its output; all others are predicted, in order."""
    records = [{"x": float(i)} for i in range(1000)]
    records[0]["x"] = records[700]["x"] = -1.0
    etl.write("in.json", records)
    run = etl("-i", "in.json", "-o", "out.json", "-m", "generations:Duck", "--max_errors", "3")
    assert run.code == 0, run.err
    assert [r["position"] for r in etl.lines("out.rejects.ldjson")] == [1, 14, 701]
    assert etl.lines("out.json") == [{"y": r["x"] * 2} for r in records if r["x"] not in (-1.0, 13.0)]


def test_another_version_than_expected_is_refused(etl: Etl) -> None:
    """--expect_version takes the right version and refuses any other, naming both."""
    etl.write("in.json", [SETOSA])
    assert etl("-i", "in.json", "-o", "out.json", "-m", IRIS, "--expect_version", "1.0.0").code == 0
    assert etl("-i", "in.json", "-o", "a.json", "-m", "generations:Older", "--expect_version", "2.7").code == 65
    run = etl("-i", "in.json", "-o", "b.json", "-m", IRIS, "--expect_version", "2.0.0")
    assert run.code == 69
    assert "version 1.0.0, but 2.0.0 is expected" in run.err
    assert "b.json" not in etl.files()


def test_a_model_beside_the_data_is_found(etl: Etl) -> None:
    """A file in the current folder can hold the model, but does not hide an installed package."""
    etl.write("mine.py", "from generations import Duck\nclass Mine(Duck):\n    pass\n")
    etl.write("iris_model.py", "raise SystemError('hidden')\n")
    etl.write("in.json", [{"x": 1.0}])
    assert etl("-i", "in.json", "-o", "out.json", "-m", "mine:Mine").code == 0
    etl.write("iris.json", [SETOSA])
    script = [str(Path(sys.executable).parent / "model-etl"), "-i", "iris.json", "-o", "iris_out.json", "-m", IRIS]
    assert subprocess.run(script, cwd=etl.folder, check=False).returncode == 0


def test_a_regression_with_text_and_optional_fields_works(etl: Etl) -> None:
    """The second example model is of another kind: nothing is shaped like iris."""
    etl.write("in.csv", "order,distance_km,items,city,vehicle,rain_mm,note,express\n007,3.2,2,Zürich,bike,,,true\n")
    model = "delivery_model.predict:DeliveryTimeModel"
    run = etl("-i", "in.csv", "-o", "out.json", "-m", model, "--keep", "order")
    assert (run.code, run.err) == (0, "")
    (record,) = etl.lines("out.json")
    assert record["order"] == "007"
    assert record["low"] < record["minutes"] < record["high"]
    assert "contributions" in etl.lines("out.log.ldjson")[1]["data"]["internals"]


def test_describe_prints_names_version_and_schemas(etl: Etl) -> None:
    """The verb describe gives JSON on standard output."""
    run = etl("describe", "-m", IRIS)
    assert (run.code, run.err) == (0, "")
    told = json.loads(run.out)
    assert (told["qualified_name"], told["version"], told["predict_batch"]) == ("iris_model", "1.0.0", True)
    assert set(told["input_schema"]["properties"]) == set(SETOSA)
    assert told["output_schema"]["properties"]["species"]["enum"][0] == "setosa"


def test_the_iris_model_tells_species_apart(etl: Etl) -> None:
    """Predictions come in the order of the input."""
    etl.write("in.json", [VIRGINICA, SETOSA] * 5000)
    assert etl("-i", "in.json", "-o", "out.json", "-m", IRIS).code == 0
    assert [r["species"] for r in etl.lines("out.json")] == ["virginica", "setosa"] * 5000


@pytest.mark.parametrize("bad", range(5))
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_model_that_changes_its_records_gets_fresh_ones(etl: Etl, bad: int, workers: str) -> None:
    """When a batch fails and is asked again in parts, no part sees what the failed call did to the records."""
    etl.write("in.json", [{"x": -1.0 if number == bad else float(number)} for number in range(5)])
    run = etl(
        *("-i", "in.json", "-o", "out.json", "-m", "failing_models:Doubles"), "--max_errors", "1", "--workers", workers
    )
    assert (run.code, run.err) == (0, "")
    assert etl.lines("out.json") == [{"y": 2.0 * number} for number in range(5) if number != bad]
    assert [reject["position"] for reject in etl.lines("out.rejects.ldjson")] == [bad + 1]
    assert [json.loads(reject["text"]) for reject in etl.lines("out.rejects.ldjson")] == [{"x": -1.0}]
