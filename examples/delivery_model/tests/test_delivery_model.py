"""Tests of the delivery time model: alone as in batches, optional and text fields, training, broken files."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from delivery_model import __version__, synthetic
from delivery_model.parameters import PARAMETERS_FILE, ModelFileError, load_parameters
from delivery_model.predict import CHUNK_ROWS, DeliveryTimeModel
from delivery_model.schemas import DeliveryModelInput, DeliveryModelOutput
from delivery_model.synthetic import make_deliveries
from delivery_model.train import main, train

SAMPLE = Path(__file__).parents[1] / "data" / "deliveries.csv"
PLAIN: dict[str, Any] = {"distance_km": 5.0, "items": 2, "city": "Zürich", "vehicle": "bike", "rain_mm": 0.0}


@pytest.fixture(scope="module")
def model() -> DeliveryTimeModel:
    return DeliveryTimeModel()


def sample_inputs() -> list[DeliveryModelInput]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [DeliveryModelInput.model_validate({k: v or None for k, v in row.items()}) for row in rows]


def minutes(model: DeliveryTimeModel, **changes: object) -> float:
    return float(model.predict(DeliveryModelInput(**{**PLAIN, **changes})).minutes)


def test_sample_data_are_what_they_are_meant_to_be(model: DeliveryTimeModel) -> None:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    assert all(row["order_id"].startswith("00") for row in rows)
    assert any("\n" in row["note"] and '"' in row["note"] and "," in row["note"] for row in rows)
    assert any(row["rain_mm"] == "" for row in rows)
    assert all(output["minutes"] > 0 for output in model.predict_batch(sample_inputs()))


def test_plain_delivery(model: DeliveryTimeModel) -> None:
    output = model.predict(DeliveryModelInput(**PLAIN))
    # From the coefficients: intercept, Zürich, bike, 5 km by bike, 2 items.
    expected = 18.730659 + 2.017716 - 3.310838 + 5 * 3.59317 + 2 * 0.985371
    assert output.minutes == round(expected, 2)
    assert output.low == round(expected - 5.26012, 2)
    assert output.high == round(expected + 5.22523, 2)
    assert output.comment is None


def test_predict_and_predict_batch_agree_exactly(model: DeliveryTimeModel) -> None:
    deliveries = make_deliveries(1000, seed=7)
    inputs = [DeliveryModelInput.model_validate(vars(delivery)) for delivery in deliveries]
    inputs += sample_inputs()
    singly = [model.predict(one).model_dump() for one in inputs]
    assert model.predict_batch(inputs) == singly
    outputs, internals = model.predict_batch_with_internals(inputs)
    assert outputs == singly
    assert len(internals) == len(inputs)


@pytest.mark.parametrize("count", [0, 1, CHUNK_ROWS, CHUNK_ROWS + 1])
def test_chunks_keep_number_and_order(model: DeliveryTimeModel, count: int) -> None:
    deliveries = make_deliveries(50, seed=8)
    once = model.predict_batch(deliveries)
    records = [deliveries[place % 50] for place in range(count)]
    assert model.predict_batch(records) == [once[place % 50] for place in range(count)]
    outputs, internals = model.predict_batch_with_internals(records)
    assert (len(outputs), len(internals)) == (count, count)


def test_takes_records_of_any_kind(model: DeliveryTimeModel) -> None:
    data = DeliveryModelInput(**PLAIN)
    record: Any = SimpleNamespace(**data.model_dump())
    assert model.predict_batch([record]) == [model.predict(data).model_dump()]


def test_outputs_fit_the_schema(model: DeliveryTimeModel) -> None:
    for output in model.predict_batch(sample_inputs()):
        checked = DeliveryModelOutput.model_validate(output, strict=True)
        assert checked.low <= checked.minutes <= checked.high


def test_minutes_are_never_negative(model: DeliveryTimeModel) -> None:
    lightest = DeliveryModelInput(
        distance_km=0, items=1, city="Reykjavík", vehicle="bike", rain_mm=0, note="urgent", express=True
    )
    output = model.predict(lightest)
    assert output.low == 0.0
    assert str(output.low) == "0.0"


def test_internals_add_up_and_are_json(model: DeliveryTimeModel) -> None:
    outputs, internals = model.predict_batch_with_internals(sample_inputs())
    for output, internal in zip(outputs, internals, strict=True):
        assert sum(internal["contributions"].values()) == pytest.approx(output["minutes"], abs=0.01)
    assert json.loads(json.dumps(internals, allow_nan=False)) == internals


def test_internals_tell_what_was_reckoned_with(model: DeliveryTimeModel) -> None:
    known = DeliveryModelInput(**{**PLAIN, "city": " zürich", "note": "Stairs!"})
    unknown = DeliveryModelInput(distance_km=0, items=1, city="Nowhere", vehicle="van")
    _, (first, second) = model.predict_batch_with_internals([known, unknown])
    assert (first["city"], first["rain_mm"]) == ("Zürich", 0.0)
    assert set(first["contributions"]) == {
        "intercept",
        "city=Zürich",
        "vehicle=bike",
        "distance_km*bike",
        "items",
        "note:stairs",
    }
    assert (second["city"], second["rain_mm"]) == (None, load_parameters().rain_mm_mean)
    assert set(second["contributions"]) == {"intercept", "vehicle=van", "items", "rain_mm"}


@pytest.mark.parametrize("city", ["zürich", "ZÜRICH", "  Zürich\t", "Zu\u0308rich"])
def test_city_is_found_however_it_is_written(model: DeliveryTimeModel, city: str) -> None:
    assert minutes(model, city=city) == minutes(model, city="Zürich")


@pytest.mark.parametrize("city", ["東京", "Łódź", "København", "Reykjavík"])
def test_cities_beyond_ascii_have_an_effect(model: DeliveryTimeModel, city: str) -> None:
    assert minutes(model, city=city) != minutes(model, city="Nowhere")


@pytest.mark.parametrize("city", ["", "Nowhere", "İstanbul", "🏙", "Zürich West"])
def test_unknown_city_gets_the_general_intercept(model: DeliveryTimeModel, city: str) -> None:
    output = model.predict(DeliveryModelInput(**{**PLAIN, "city": city}))
    coefficients = load_parameters().coefficients
    assert output.minutes == pytest.approx(minutes(model) - coefficients["city=Zürich"], abs=0.011)
    assert output.comment == "city not known to the model"


def test_unknown_rain_is_taken_as_the_mean(model: DeliveryTimeModel) -> None:
    output = model.predict(DeliveryModelInput(**{**PLAIN, "rain_mm": None}))
    assert output.minutes == minutes(model, rain_mm=load_parameters().rain_mm_mean)
    assert output.comment == "rain not known, the mean is assumed"


def test_comments_are_joined(model: DeliveryTimeModel) -> None:
    output = model.predict(DeliveryModelInput(distance_km=400, items=1, city="Nowhere", vehicle="van"))
    assert output.comment == (
        "city not known to the model; rain not known, the mean is assumed;"
        " further or larger than anything in the training data"
    )


@pytest.mark.parametrize(
    "note", ["urgent", "URGENT!", "very\nurgent, please", "urgent urgent", "今日 urgent"]
)
def test_word_in_note_counts_once(model: DeliveryTimeModel, note: str) -> None:
    effect = load_parameters().coefficients["note:urgent"]
    assert minutes(model, note=note) == pytest.approx(minutes(model) + effect, abs=0.011)


@pytest.mark.parametrize("note", [None, "", "insurgent", "unfragile", "downstairs", "🙂"])
def test_other_notes_do_not_count(model: DeliveryTimeModel, note: str | None) -> None:
    assert minutes(model, note=note) == minutes(model)


def test_express_is_faster(model: DeliveryTimeModel) -> None:
    assert minutes(model, express=True) < minutes(model)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("distance_km", -0.1),
        ("distance_km", 500.1),
        ("distance_km", float("nan")),
        ("distance_km", None),
        ("items", 0),
        ("items", 1.5),
        ("items", 10**400),
        ("city", None),
        ("vehicle", "train"),
        ("rain_mm", -1),
        ("rain_mm", float("nan")),
        ("rain_mm", float("inf")),
        ("note", 5),
        ("express", "perhaps"),
    ],
)
def test_bad_values_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        DeliveryModelInput.model_validate({**PLAIN, field: value})


def test_metadata(model: DeliveryTimeModel) -> None:
    assert model.qualified_name == "delivery_model"
    assert model.version == __version__
    assert model.input_schema is DeliveryModelInput
    assert model.output_schema is DeliveryModelOutput
    assert model.display_name
    assert "synthetic" in model.description


def test_training_again_gives_the_same_bytes(tmp_path: Path) -> None:
    files = tmp_path / "first.json", tmp_path / "second.json"
    for file in files:
        command = [sys.executable, "-m", "delivery_model.train", "--output", str(file)]
        subprocess.run(command, check=True, capture_output=True)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"first.json", "second.json"}


def test_shipped_parameters_are_those_of_a_training() -> None:
    # Numbers are cut to six decimals, far above where linear algebra libraries differ, but one that lies
    # at the very edge could still fall to either side elsewhere.
    shipped, trained = load_parameters(), train()
    assert trained.coefficients == pytest.approx(shipped.coefficients, abs=2e-6, rel=0)
    assert trained.low_offset == pytest.approx(shipped.low_offset, abs=2e-6)
    assert trained.high_offset == pytest.approx(shipped.high_offset, abs=2e-6)
    assert trained.cities == shipped.cities
    assert trained.rain_mm_mean == shipped.rain_mm_mean


def test_training_finds_what_the_data_were_made_with() -> None:
    found = train().coefficients
    for vehicle, minutes_per_km in synthetic.VEHICLE_MINUTES_PER_KM.items():
        assert found[f"distance_km*{vehicle}"] == pytest.approx(minutes_per_km, abs=0.1)
    for word, effect in synthetic.NOTE_MINUTES.items():
        assert found[f"note:{word}"] == pytest.approx(effect, abs=0.6)
    assert found["express"] == pytest.approx(synthetic.EXPRESS_MINUTES, abs=0.6)


def test_interval_holds_about_four_in_five(model: DeliveryTimeModel) -> None:
    deliveries = make_deliveries(3000, seed=99)
    outputs = model.predict_batch(deliveries)
    pairs = zip(deliveries, outputs, strict=True)
    inside = sum(output["low"] <= delivery.minutes <= output["high"] for delivery, output in pairs)
    assert 0.77 < inside / len(deliveries) < 0.83


def test_a_trained_file_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.json"
    assert main(["--output", str(file)]) == 0
    assert str(file) in capsys.readouterr().out
    assert DeliveryTimeModel(file).predict(DeliveryModelInput(**PLAIN)).minutes > 0


def test_unwritable_output_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "no" / "such" / "folder.json"
    assert main(["--output", str(file)]) == 1
    assert str(file) in capsys.readouterr().err


def without_coefficient(document: dict[str, Any]) -> None:
    del document["coefficients"]["items"]


def with_other_coefficient(document: dict[str, Any]) -> None:
    document["coefficients"]["weight_kg"] = 1.0


def with_nan(document: dict[str, Any]) -> None:
    document["coefficients"]["items"] = float("nan")


def with_repeated_city(document: dict[str, Any]) -> None:
    document["cities"].append("ZÜRICH")


def with_reversed_interval(document: dict[str, Any]) -> None:
    document["low_offset"] = 1.0


@pytest.mark.parametrize(
    "damage",
    [without_coefficient, with_other_coefficient, with_nan, with_repeated_city, with_reversed_interval],
)
def test_damaged_numbers_are_refused(tmp_path: Path, damage: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(PARAMETERS_FILE.read_bytes())
    damage(document)
    file = tmp_path / "damaged.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ModelFileError, match=r"damaged\.json"):
        DeliveryTimeModel(file)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x80\x04pickle", PARAMETERS_FILE.read_bytes()[:-40]])
def test_files_that_are_no_model_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "damaged.json"
    file.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"damaged\.json"):
        DeliveryTimeModel(file)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.json"):
        DeliveryTimeModel(tmp_path / "none.json")
