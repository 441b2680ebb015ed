"""Decorators of ml_base around a model: their order, their configuration, and how they are called."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from helpers.command import MODELS, ROOT, Etl

from model_etl.errors import ConfigurationError, ModelUnavailable
from model_etl.records.batch import Batch, Source
from model_etl.scoring.model_loading import load_model
from model_etl.scoring.model_step import MLModelTransformer
from model_etl.settings.job_config import JobConfig
from model_etl.settings.sources import merge_settings

CONFIG = """
model = "decorated:Batches"

[decorators."decorated:Rate"]
rate = 10
password = "hunter2"
[decorators."decorated:PlusOne"]
by = 0.5
"""


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tests load the models."""
    monkeypatch.syspath_prepend(str(MODELS))


def predict(model: str, *decorators: str, records: int = 2) -> tuple[list[Any], list[str]]:
    """Return the outputs of records 1, 2 and so on, and the calls that were made."""
    loaded = load_model(f"decorated:{model}", decorators={f"decorated:{name}": {} for name in decorators})
    from decorated import CALLS  # noqa: PLC0415

    CALLS.clear()
    texts = [json.dumps({"x": number}).encode() for number in range(1, records + 1)]
    batch = Batch(Source("in", "0" * 32, "ldjson"), range(1, records + 1), range(records), texts, texts)
    scored = MLModelTransformer(model=loaded).predict(loaded.input.decode_batch(batch))
    assert not scored.rejected
    return [json.loads(output)["y"] for output in scored.outputs], list(CALLS)


@pytest.mark.parametrize("model", ["Alone", "Batches", "Columns", "Frames"])
@pytest.mark.parametrize(
    ("decorators", "expected"),
    [
        (("Renamed",), [2, 4]),
        (("PlusOne",), [3, 5]),
        (("Doubled",), [4, 8]),
        (("PlusOne", "Doubled"), [6, 10]),
        (("Doubled", "PlusOne"), [5, 9]),
        (("Renamed", "PlusOne", "Renamed"), [3, 5]),
        (("WholeFrames",), [4, 8]),
        (("WholeFrames", "PlusOne", "Doubled"), [10, 18]),
    ],
)
def test_decorators_apply_in_the_order_given(model: str, decorators: tuple[str, ...], expected: list[float]) -> None:
    """The first is the innermost, and none is passed by, whatever the model and the others can do at once."""
    if model == "Frames":
        pytest.importorskip("pandas")
    assert predict(model, *decorators)[0] == expected


@pytest.mark.parametrize(
    ("model", "decorators", "calls"),
    [
        ("Batches", (), ["model.predict_batch"]),
        ("Batches", ("Renamed",), ["model.predict_batch"]),
        ("Columns", ("Renamed",), ["model.predict_columns"]),
        ("Batches", ("Doubled",), ["doubled.predict_batch", "model.predict_batch"]),
        ("Columns", ("Doubled",), ["doubled.predict_batch", "model.predict_columns"]),
        ("Batches", ("Doubled", "Renamed", "WholeFrames"), ["doubled.predict_batch"] * 2 + ["model.predict_batch"]),
        ("Batches", ("WholeFrames",), ["doubled.predict_batch", "model.predict_batch"]),
        ("Batches", ("PlusOne",), []),
    ],
)
def test_batches_go_through_as_batches(model: str, decorators: tuple[str, ...], calls: list[str]) -> None:
    """A batch is one call down to the model, unless a decorator has predict alone."""
    made = [call for call in predict(model, *decorators, records=3)[1] if call != "model.predict"]
    assert made == calls


@pytest.mark.parametrize("model", ["Duck", "Older"])
def test_any_model_can_be_decorated(model: str) -> None:
    """A model of the older generation, or one that only has the attributes, is wrapped as one of ml_base is."""
    loaded = load_model(f"generations:{model}", decorators={"decorated:Renamed": {}})
    assert (loaded.name, loaded.predict({"x": 2.0})) == ("renamed", {"y": 4.0})


def test_frames_go_through_as_frames() -> None:
    """A decorator with predict_frame around a model with predict_frame gets the frame."""
    pytest.importorskip("pandas")
    assert predict("Frames", "WholeFrames")[1] == ["whole.predict_frame", "model.predict_frame"]


@pytest.mark.parametrize(
    ("model", "decorators", "message", "remedy"),
    [
        ("decorated:Alone", {"decorated:Alone": {}}, "it is not an MLModelDecorator", "configuration"),
        ("decorated:Alone", {"decorated:Rate": {"rat": 1}}, "unexpected keyword argument 'rat'", "configuration under"),
        ("decorated:Alone", {"decorated:Rate": {}}, "missing 1 required positional argument: 'rate'", "configuration"),
        ("decorated:Alone", {"no_such:Rate": {}}, "No module named 'no_such'", "Install the package"),
    ],
)
def test_a_decorator_that_cannot_be_used_is_named(
    model: str, decorators: dict[str, dict[str, Any]], message: str, remedy: str
) -> None:
    """The error has both names, the cause and the remedy; the exit code is 69."""
    with pytest.raises(ModelUnavailable) as caught:
        load_model(model, decorators=decorators)
    assert caught.value.message.startswith(f"cannot wrap the model {model} in the decorator {min(decorators)}: ")
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_a_decorator_changes_is_seen_by_the_whole_run(etl: Etl, workers: str) -> None:
    """Input schema, predictions, log and report are those of the decorated model; secrets are masked."""
    etl.write("score.toml", CONFIG)
    (etl.folder / "score.toml").chmod(0o600)
    etl.write("in.csv", "x\n1\n-1\n2\n")
    options = ("--config", "score.toml", "--max_errors", "1", "--report", "report.json", "--workers", workers)
    run = etl("-i", "in.csv", "-o", "out.json", *options)
    assert (run.code, run.err) == (0, "")
    assert etl.lines("out.json") == [{"y": 10.5}, {"y": 20.5}]
    assert [(r["stage"], r["message"]) for r in etl.lines("out.rejects.ldjson")] == [("predict", "x is negative")]
    started = etl.lines("out.log.ldjson")[0]["data"]
    assert started["model"]["decorators"] == ["decorated:Rate", "decorated:PlusOne"]
    assert started["settings"]["decorators"] == {
        "decorated:Rate": {"rate": 10, "password": "***"},
        "decorated:PlusOne": {"by": 0.5},
    }
    report = json.loads((etl.folder / "report.json").read_text())
    assert report["model"]["decorators"] == started["model"]["decorators"]
    assert "hunter2" not in json.dumps(report)


def test_flags_choose_decorators_and_the_file_configures_them(tmp_path: Any) -> None:
    """--decorator has its own order, with the configurations of the file; a decorator cannot be given twice."""
    (tmp_path / "score.toml").write_text(CONFIG)
    flags = {"decorator": ["decorated:PlusOne", "decorated:Doubled"], "input_file": "i", "output_file": "o"}
    config = JobConfig.from_options(**merge_settings(flags, str(tmp_path / "score.toml"), {}))
    assert config.scoring.configured_decorators == {"decorated:PlusOne": {"by": 0.5}, "decorated:Doubled": {}}
    with pytest.raises(ConfigurationError, match="given twice"):
        JobConfig.from_options(input_file="i", output_file="o", model="m:M", decorator=["a:B", "a:B"])
    (tmp_path / "score.toml").write_text('decorators = ["decorated:PlusOne"]')
    with pytest.raises(ConfigurationError, match="must be a table") as caught:
        merge_settings({}, str(tmp_path / "score.toml"), {})
    assert "[decorators." in caught.value.remedy


def test_describe_shows_the_decorated_model(etl: Etl) -> None:
    """Its schema is that of the outermost decorator."""
    etl.write("score.toml", CONFIG)
    (etl.folder / "score.toml").chmod(0o600)
    shown = json.loads(etl("describe", "--config", "score.toml").out)
    assert shown["decorators"] == ["decorated:Rate", "decorated:PlusOne"]
    assert list(shown["input_schema"]["properties"]) == ["x"]


@pytest.fixture
def shops(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that loads the model with rates from SQLite around it."""
    monkeypatch.syspath_prepend(str(ROOT / "examples" / "enrichment"))
    path = tmp_path / "shops.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("create table shops (shop integer primary key, rate real)")
        database.executemany("insert into shops values (?, ?)", [(n, n * 10.0) for n in range(1, 1301)])

    def load(**changed: Any) -> Any:
        configuration = {"database": str(path), "table": "shops", "key": "shop", "fields": ["rate"], **changed}
        decorators = {"sqlite_enrichment:SQLiteEnrichment": configuration}
        return load_model("decorated:Batches", decorators=decorators)

    return load


def scored(model: Any, shops: list[Any]) -> Batch:
    """Score a record for each shop."""
    texts = [json.dumps({"x": 1, "shop": shop}).encode() for shop in shops]
    batch = Batch(Source("in", "0" * 32, "ldjson"), range(1, len(texts) + 1), range(len(texts)), texts, texts)
    return MLModelTransformer(model=model).predict(model.input.decode_batch(batch))


def test_the_example_looks_up_a_batch_at_a_time(shops: Callable[..., Any]) -> None:
    """Fields come from the table by key, as a number or as text; an unknown key rejects its record alone."""
    batch = scored(shops(), [*range(1, 1301), "7", 7])
    assert [json.loads(output)["y"] for output in batch.outputs] == [n * 10 for n in [*range(1, 1301), 7, 7]]
    batch = scored(shops(), [1, 5000, "none", 2])
    assert [json.loads(output)["y"] for output in batch.outputs] == [10, 20]
    assert [(r.position, r.type_name) for r in batch.rejected] == [(2, "LookupError"), (3, "LookupError")]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"table": "stores"}, "no such table"),
        ({"fields": ["rates"]}, "no such column"),
        ({"key": "id"}, "no such column"),
        ({"database": "none.sqlite"}, "there is no database"),
        ({"missing": "skip"}, "neither 'reject' nor 'null'"),
    ],
)
def test_the_example_finds_a_wrong_name_before_the_run(
    shops: Callable[..., Any], changed: dict[str, Any], message: str
) -> None:
    """A database, table or column that does not exist ends the run when the model is loaded."""
    with pytest.raises(ModelUnavailable, match=message):
        shops(**changed)


def test_the_example_leaves_missing_keys_without_values(shops: Callable[..., Any]) -> None:
    """With missing = "null" the model's input schema decides, which here requires the rate."""
    batch = scored(shops(missing="null"), [1, 5000])
    assert [(r.position, r.type_name) for r in batch.rejected] == [(2, "ValidationError")]
