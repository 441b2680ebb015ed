"""`model-etl check`: what a person should know before the first night."""

from __future__ import annotations

import gzip
import itertools
import re
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.command import IRIS, MODELS, SETOSA, Etl

from model_etl.formats.missing_columns import missing_columns
from model_etl.job.check import check_job
from model_etl.job.run import run_job
from model_etl.schema.fields import Field, Fields
from model_etl.settings.job_config import JobConfig, ScoringSettings

NAMES = list(SETOSA)
ROW = [str(value) for value in SETOSA.values()]
AGE = {"age": Field("integer")}


@pytest.mark.parametrize(
    ("names", "fields", "described"),
    [
        (["Age"], AGE, "lacks age; it has Age"),
        ([" age "], AGE, "lacks age; it has ' age '"),
        (["AGE", "Name"], {**AGE, "name": Field("text")}, "lacks age, name; it has AGE, Name"),
        (["agee"], AGE, "lacks age; it has agee"),
        (["height"], AGE, "lacks age"),
        (
            ["income_2"],
            {"income": Field("number"), "income_1": Field("number")},
            "lacks income, income_1; it has income_2",
        ),
        (["given name"], {"given_name": Field("text")}, "lacks given_name; it has 'given name'"),
        ([], AGE, "lacks age"),
        ([], {f"f{n}": Field("text") for n in range(30)}, "and 10 more"),
    ],
)
def test_what_names_lack(names, fields, described) -> None:
    """Each name that is there instead is named once; capitals and punctuation come before typing mistakes."""
    missing = missing_columns(names, fields)
    assert described in missing.describe(missing.required)


def test_any_alias_of_a_field_will_do() -> None:
    """A field with several names is missing only if all of them are; an optional field is not required."""
    fields = Fields({"years": Field("integer"), "age": Field("integer"), "b": Field("text", required=False)})
    fields.aliases = (("age", "years"), ("b",))
    assert missing_columns(["years"], fields).required == ()
    assert missing_columns(["x"], fields).required == ("age",)
    assert missing_columns(["years"], fields).optional == ("b",)


def _table(name: str, names: list[str]) -> bytes:
    separator = "\t" if ".tsv" in name else ","
    return "\n".join([separator.join(names), *[separator.join(ROW)] * 3, ""]).encode()


@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "in.parquet", "in.json"])
def test_a_wrong_header_is_one_message(etl: Etl, name: str) -> None:
    """The message names what is missing and what is there instead, once for all records."""
    names = ["Sepal Length", *NAMES[1:]]
    if name == "in.parquet":
        pq.write_table(
            pa.table({key: [value] * 3 for key, value in zip(names, SETOSA.values(), strict=True)}), etl.folder / name
        )
    elif name == "in.json":
        etl.write(name, [dict(zip(names, SETOSA.values(), strict=True))] * 3)
    else:
        etl.write(name, _table(name, names))
    run = etl("check", "-i", name, "-o", "out.json", "-m", IRIS, "--max_errors", "100%")
    thing = "records 1 to 3 of in.json lack" if name == "in.json" else f"the header of {name} lacks"
    pronoun = "they have" if name == "in.json" else "it has"
    assert (run.code, run.out) == (65, b"")
    assert run.err.splitlines()[0] == f"model-etl: error: {thing} sepal_length; {pronoun} 'Sepal Length'"


def test_each_input_has_its_header_checked(etl: Etl) -> None:
    """The first records come from the first input, but a later one with another header is found too."""
    (etl.folder / "in").mkdir()
    etl.write("in/a.csv", _table("a.csv", NAMES) + b"\n".join([",".join(ROW).encode()] * 200))
    etl.write("in/b.csv", _table("b.csv", [*NAMES[:3], "PetalWidth"]))
    run = etl("check", "-i", "in", "-o", "out.json", "-m", IRIS)
    assert run.code == 65
    assert "the header of in/b.csv lacks petal_width; it has PetalWidth\n" in run.err


def test_what_a_good_check_shows(etl: Etl) -> None:
    """Unread columns, optional fields without one, predictions and an estimate are in the output."""
    etl.write("mine.py", OPTIONAL)
    etl.write("in.csv", "x,Y,id\n1,2,7\n3,,8\n")
    run = etl("check", "-i", "in.csv", "-o", "out.json", "-m", "mine:Optional", "--redact", "secret")
    lines = run.out.decode().splitlines()
    assert (run.code, run.err) == (0, "")
    assert "missing  in.csv lacks y; it has Y (optional: it is null)" in lines
    assert "unread   in.csv has Y, id, which the model does not read" in lines
    assert 'sample   record 1: {"z":1.0,"secret":"[redacted]"}' in lines
    assert any(re.fullmatch(r"estimate 2 records, .*, output \d+ bytes, log \d+ bytes", line) for line in lines)
    assert etl.files() == {"mine.py", "in.csv"}


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz", "in.parquet"])
@pytest.mark.parametrize("seconds", [1.0, 0.05])
def test_the_estimate_is_near_the_truth(tmp_path: Path, monkeypatch, name: str, seconds: float) -> None:
    """Records and size of the log are known within a fifth, whether a second is enough for all records or not."""
    monkeypatch.setattr("model_etl.job.estimate._ENOUGH_S", seconds)
    looks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: next(looks) / 1000)  # however long this machine takes
    monkeypatch.setattr("model_etl.job.estimate.time", clock)
    monkeypatch.syspath_prepend(MODELS)
    values = [round(number / 7, 3) for number in range(60_000)]
    if name == "in.parquet":
        pq.write_table(pa.table({"x": values}), tmp_path / name)
    else:
        text = "\n".join(["x", *map(str, values), ""]).encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    config = JobConfig(str(tmp_path / name), str(tmp_path / "out.json"), ScoringSettings("failing_models:GoodBatch"))
    found = re.search(r"estimate (?:about )?([\d,]+) records, .* log ([\d.,]+) MB", "\n".join(check_job(config)))
    assert found
    assert int(found[1].replace(",", "")) == pytest.approx(60_000, rel=0.2)
    _, failure = run_job(config)
    assert failure is None
    assert float(found[2]) == pytest.approx((tmp_path / "out.log.ldjson").stat().st_size / 1e6, rel=0.2)


OPTIONAL = """
from ml_base import MLModel
from pydantic import BaseModel
class In(BaseModel):
    x: float
    y: float | None = None
class Out(BaseModel):
    z: float
    secret: str
class Optional(MLModel):
    display_name = qualified_name = description = version = "1"
    input_schema, output_schema = In, Out
    def __init__(self): pass
    def predict(self, data):
        return Out(z=data.x + (data.y or 0), secret="s")
"""
