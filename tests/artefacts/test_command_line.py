"""A model that is a file works in every command as a class does: output, log, report, workers, check, S3."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.command import Etl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from model_etl.artefacts import predictor
from model_etl.artefacts.file import ArtefactFile
from model_etl.artefacts.options import ArtefactOptions
from model_etl.errors import ModelUnavailable
from model_etl.runtime.environment import install_command
from model_etl.scoring.model_loading import load_model

RECORDS = [{"a": float(n), "b": n % 3} for n in range(40)]
PROPERTIES = {
    "type": "object",
    "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
    "required": ["a", "b"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a classifier of two columns as a file of ONNX, which is loaded fastest."""
    pytest.importorskip("onnxruntime")
    skl2onnx = pytest.importorskip("skl2onnx")
    data = np.array([[r["a"], r["b"]] for r in RECORDS], dtype=np.float32)
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(
        data, np.where(data[:, 0] > 20, "late", "early")
    )
    path: Path = tmp_path_factory.mktemp("model") / "when.onnx"
    path.write_bytes(skl2onnx.to_onnx(estimator, data[:1]).SerializeToString())
    return path


@pytest.fixture
def folder(etl: Etl, model: Path) -> Etl:
    """Return a folder with the model, its schema and records, of which one has no `b`."""
    etl.write("when.onnx", model.read_bytes())
    etl.write("schema.json", json.dumps(PROPERTIES))
    etl.write("in.json", [*RECORDS, {"a": 1}])
    return etl


def test_a_run_with_evidence(folder: Etl) -> None:
    """Output, rejects, log and report are those of any model; first event and report have the file's digest."""
    files = [
        "-i",
        "in.json",
        "-o",
        "out.csv",
        "-m",
        "onnx:when.onnx",
        "--schema",
        "schema.json",
        "--report",
        "report.json",
    ]
    more = ["--outputs", "probability,prediction", "--keep", "a", "--max_errors", "1", "--workers", "2"]
    result = folder("run", *files, *more)
    assert (result.code, result.err) == (0, "")
    lines = (folder.folder / "out.csv").read_text().splitlines()
    assert lines[0] == "a,prediction,probability_early,probability_late"
    assert [line.split(",")[1] for line in lines[1:]] == ["early"] * 21 + ["late"] * 19
    assert folder.lines("out.rejects.ldjson")[0]["message"] == "b: Field required"
    digest = hashlib.sha256((folder.folder / "when.onnx").read_bytes()).hexdigest()
    first, event, *_ = folder.lines("out.log.ldjson")
    report = json.loads((folder.folder / "report.json").read_text())
    assert first["data"]["model"] == report["model"]
    assert report["model"]["version"] == digest[:16]
    assert event["source"] == f"/model_etl/when/{digest[:16]}"
    artefact = report["model"]["artefact"]
    assert (artefact["kind"], artefact["sha256"]) == ("onnx", digest)
    assert artefact["library"].startswith("onnxruntime ")


def test_check_and_describe(folder: Etl) -> None:
    """With a drafted schema, check scores the first records and describe shows it. Both know the expected digest."""
    folder.write("in.json", RECORDS)
    folder.write("schema.json", folder("schema", "--from", "in.json").out)
    digest = hashlib.sha256((folder.folder / "when.onnx").read_bytes()).hexdigest()
    more = ["-m", "when.onnx", "--schema", "schema.json", "--expect_version", digest]
    checked = folder("check", "-i", "in.json", "-o", "out.json", *more)
    assert checked.code == 0, checked.err
    assert b"40 records have the same predictions alone and among others" in checked.out
    described = json.loads(folder("describe", *more).out)
    assert described["artefact"]["sha256"] == digest
    assert list(described["input_schema"]["properties"]) == ["a", "b"]
    with pytest.raises(ModelUnavailable, match="but 0000 is expected"):
        load_model(
            str(folder.folder / "when.onnx"),
            expect_version="0000",
            artefact=ArtefactOptions(schema=str(folder.folder / "schema.json")),
        )


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-m", "when.onnx"], 78, "model-etl schema --from"),
        (["-m", "when.onnx", "--outputs", "prediction,weights"], 2, "is not a list of prediction and probability"),
        (["-m", "m.pkl", "--trust_pickle", "abc"], 2, "is not a SHA-256"),
    ],
)
def test_mistakes_have_no_traceback(arguments: list[str], code: int, words: str, folder: Etl) -> None:
    """A mistake is one message with its remedy, and leaves no file."""
    before = folder.files()
    result = folder("run", "-i", "in.json", "-o", "out.json", *arguments)
    assert (result.code, words in result.err, "Traceback" in result.err) == (code, True, False), result.err
    assert folder.files() == before


@pytest.mark.parametrize(
    ("reference", "module", "extra"),
    [
        ("onnx:m.onnx", "onnxruntime", "onnx"),
        ("sklearn:m.skops", "skops", "sklearn"),
        ("xgboost:m.ubj", "xgboost", "xgboost"),
        ("lightgbm:m.txt", "lightgbm", "lightgbm"),
    ],
)
def test_a_missing_library_is_answered_with_its_command(
    reference: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is not installed is exit code 69, with the very command that installs it."""
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    kind, _, name = reference.partition(":")
    Path(name).write_bytes(b"PK\5\6" + b"\0" * 18 if kind == "sklearn" else b"tree")
    with pytest.raises(ModelUnavailable, match=f"{module} is not installed") as raised:
        load_model(reference)
    assert raised.value.remedy == f"Install it: {install_command(f'model-etl[{extra}]')}"


def test_a_library_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library whose own libraries are missing says what is missing, and not that it is not installed."""

    def fail(name: str) -> Any:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr(predictor.importlib, "import_module", fail)
    with pytest.raises(ModelUnavailable, match=r"lightgbm cannot be imported: libgomp\.so\.1"):
        predictor.import_library("lightgbm", "lightgbm", ArtefactFile("m.txt", Path("m.txt"), "", 0))


@pytest.mark.s3
def test_a_model_in_a_bucket(folder: Etl, bucket: Any, model: Path) -> None:
    """It is fetched once for all workers, and its copy is gone afterwards; a missing one is exit code 69."""
    bucket.put("models/when.onnx", model.read_bytes())
    name = bucket.uri("models/when.onnx")
    temporary = folder.folder / "tmp"
    temporary.mkdir()
    env = {**bucket.env, "TMPDIR": str(temporary)}
    more = ["-i", "in.json", "--schema", "schema.json", "--max_errors", "1"]
    result = folder("run", "-o", "out.json", "-m", f"onnx:{name}", *more, "--workers", "2", env=env)
    assert (result.code, result.err) == (0, "")
    assert len(folder.lines("out.json")) == len(RECORDS)
    first = folder.lines("out.log.ldjson")[0]["data"]["model"]
    assert first["reference"] == f"onnx:{name}"
    assert first["artefact"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert first["qualified_name"] == "when"
    assert list(temporary.glob("model_etl*")) == []
    missing = folder("describe", "-m", f"{name}.onnx", env=env)
    assert (missing.code, "cannot load the model" in missing.err) == (69, True)
