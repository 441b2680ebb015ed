"""`model-etl init`: a package of one's own that passes its test and scores at once."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.command import ROOT, Etl

from model_etl.cli.main import main

joblib = pytest.importorskip("joblib")
SAMPLE = ROOT / "model_etl" / "new_package" / "templates" / "sample.csv"


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Etl:
    """Return a folder with samples, and a pipeline for columns with odd names."""
    pd = pytest.importorskip("pandas")
    compose = pytest.importorskip("sklearn.compose")
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import OneHotEncoder  # noqa: PLC0415
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415

    etl = Etl(tmp_path_factory.mktemp("packages"))
    shutil.copy(SAMPLE, etl.folder / "customers.csv")
    frame = pd.read_csv(SAMPLE).rename(columns={"income": "Net income", "churned": "class"})
    frame["class"] = frame["class"].map({True: "yes", False: "no"})
    frame.to_csv(etl.folder / "odd.csv", index=False)
    columns = compose.make_column_transformer(
        (SimpleImputer(), ["age", "Net income"]),
        (OneHotEncoder(handle_unknown="ignore"), ["country", "customer_since"]),  # its dates are texts
    )
    pipeline = make_pipeline(columns, DecisionTreeClassifier(random_state=0))
    pipeline.fit(frame.drop(columns="class"), frame["class"])
    joblib.dump(pipeline, etl.folder / "pipeline.joblib")
    return etl


@pytest.fixture(scope="session")
def by_record(files: Etl) -> Etl:
    """Return the folder of a package whose model predicts records."""
    return _made(files, "by_record", "--data", "customers.csv", "--target", "churned")


@pytest.fixture(scope="session")
def by_frame(files: Etl) -> Etl:
    """Return the folder of a package whose model predicts frames."""
    return _made(files, "by-frame", "--data", "odd.csv", "--target", "class", "--frame")


@pytest.fixture(scope="session")
def wrapped(files: Etl) -> Etl:
    """Return the folder of a package that wraps the pipeline."""
    trusted = _digest(files, "pipeline.joblib")
    return _made(files, "wrapped", "--data", "odd.csv", "--from", "pipeline.joblib", "--trust_pickle", trusted)


def _made(files: Etl, name: str, *arguments: str) -> Etl:
    """Write a package in this process, which has imported scikit-learn already."""
    with _current_folder(files.folder):
        assert main(["init", name, *arguments]) == 0
    return Etl(files.folder / name)


@contextlib.contextmanager
def _current_folder(folder: Path) -> Iterator[None]:
    current = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(current)


def _digest(files: Etl, name: str) -> str:
    return hashlib.sha256((files.folder / name).read_bytes()).hexdigest()


@pytest.mark.slow
def test_the_code_is_clean(files: Etl, by_record: Etl, by_frame: Etl, wrapped: Etl) -> None:
    """ruff, its formatter and mypy in strict mode have nothing to say."""
    folders = [package.folder.name for package in (by_record, by_frame, wrapped)]
    for arguments in (("check",), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", *folders]
        done = subprocess.run(command, cwd=files.folder, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    names = [word for name in folders for word in ("-p", name.replace("-", "_"))]
    command = [sys.executable, "-m", "mypy", "--config-file", "wrapped/pyproject.toml", *names]
    environment = {**os.environ, "MYPYPATH": ":".join(folders)}
    done = subprocess.run(command, cwd=files.folder, env=environment, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_its_own_test_passes(by_frame: Etl) -> None:
    """The test in the new folder passes, without an installation of the package."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=by_frame.folder, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_a_wrapped_pipeline_predicts_what_it_predicts_itself(files: Etl, wrapped: Etl) -> None:
    """The predictions of a run are those of the pipeline for the frame that pandas reads, gaps and renames included."""
    import pandas as pd  # noqa: PLC0415

    pipeline = joblib.load(files.folder / "pipeline.joblib")
    expected = list(pipeline.predict(pd.read_csv(files.folder / "odd.csv").drop(columns="class")))
    with _current_folder(wrapped.folder):
        assert main(["-i", "../odd.csv", "-o", "out.json", "-m", "wrapped.model:WrappedModel"]) == 0
    assert [line["prediction"] for line in wrapped.lines("out.json")] == expected
    version = f"1.0.0+{_digest(files, 'pipeline.joblib')[:12]}"
    assert wrapped.lines("out.log.ldjson")[0]["data"]["model"]["version"] == version


def test_the_line_of_the_crontab_runs(by_record: Etl) -> None:
    """What cron would run scores the sample that the user named."""
    line = (by_record.folder / "crontab").read_text().splitlines()[-1]
    command = re.fullmatch(r"15 2 \* \* \*  (.*)", line)
    assert command
    done = subprocess.run(command[1], shell=True, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert by_record.lines("out.json") == [{"prediction": False}] * 8


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("taken",), 73, "taken exists, and is not an empty folder\n"),
        (("json",), 2, "there is a module json already"),
        (("new", "--data", "none.csv"), 66, "none.csv"),
        (("new", "--data", "empty.json"), 65, "empty.json has no records\n"),
        (("new", "--data", "bad.json"), 65, "record 2 of bad.json"),
        (("new", "--data", "customers.csv", "--target", "churn"), 2, "has no churn, which --target names\n"),
        (("new", "--from", "pipeline.joblib"), 78, "--from is given without --data\n"),
        (("new", "--data", "odd.csv", "--from", "model.onnx"), 2, "--from takes a pickle"),
        (("new", "--data", "odd.csv", "--from", "pipeline.joblib"), 78, "its SHA-256 is "),
        (("new", "--data", "odd.csv", "--from", "evil.pkl", "--trust_pickle", "0" * 64), 78, "evil.pkl is not the"),
        (("new", "--data", "customers.csv", "--from", "pipeline.joblib", "--trust_pickle", "DIGEST"), 65,
         "the sample customers.csv lacks Net income; it has income\n"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, tuple) else None,
)  # fmt: skip
def test_what_is_refused_leaves_nothing(files: Etl, capfd, arguments: tuple[str, ...], code: int, message: str) -> None:
    """The message names the cause; no folder is made, and no pickle is loaded that is not trusted."""
    (files.folder / "taken").mkdir(exist_ok=True)
    files.write("taken/file", b"")
    files.write("empty.json", b"")
    files.write("bad.json", b'{"a": 1}\n{"a"\n')
    files.write("evil.pkl", b"cos\nsystem\n(S'touch loaded'\ntR.")
    digest = _digest(files, "pipeline.joblib")
    before = set(files.folder.iterdir())
    with _current_folder(files.folder):
        assert main(["init", *(word.replace("DIGEST", digest) for word in arguments)]) == code
    out, err = capfd.readouterr()
    assert message.replace("Net income", "'Net income'") in err
    assert out == ""
    assert set(files.folder.iterdir()) == before


def test_a_model_that_cannot_predict_its_sample_is_not_written(etl: Etl, monkeypatch, capfd) -> None:
    """A pipeline that fails for the sample ends the command with its own message, and leaves nothing."""
    code = "class Failing:\n    def predict(self, frame):\n        raise ValueError('odd')\n"
    etl.write("failing_pipeline.py", code)
    monkeypatch.syspath_prepend(etl.folder)
    joblib.dump(importlib.import_module("failing_pipeline").Failing(), etl.folder / "p.pkl")
    etl.write("in.json", [{"x": 1.0}, {"x": 2.0}])
    before = set(etl.folder.iterdir())
    with _current_folder(etl.folder):
        words = ("--data", "in.json", "--from", "p.pkl", "--trust_pickle", _digest(etl, "p.pkl"))
        assert main(["init", "new", *words]) == 69
    err = capfd.readouterr().err
    assert "p.pkl does not predict the sample in.json; nothing was written" in err
    assert "ValueError: odd" in err
    assert set(etl.folder.iterdir()) == before


def test_a_sample_of_objects_is_kept_as_objects(etl: Etl) -> None:
    """From a JSON array, nested values and all, a package is made whose sample is JSON Lines."""
    etl.write("in.json", json.dumps([{"a": [1, 2], "b": {"c": None}, "d": 1.5}, {"a": [], "b": {}, "d": 2}]))
    _made(etl, "new", "--data", "in.json", "--input_format", "json")
    assert Etl(etl.folder / "new" / "data").lines("sample.jsonl")[1] == {"a": [], "b": {}, "d": 2}
    assert "--input_format json" in (etl.folder / "new" / "crontab").read_text()


GERMAN = "1,5;Köln;NA;ja\n2;Ulm;-7,25;nein\n"
GERMAN_OPTIONS = ("--delimiter", ";", "--encoding", "cp1252", "--decimal", ",", "--null_values", "NA")


@pytest.mark.parametrize(
    ("first_row", "more", "target"), [("", ("--no_header",), None), ("a;b;c;class\n", (), "class")], ids=["c1", "a"]
)
def test_a_table_of_another_country_is_a_sample(etl: Etl, capfd, first_row: str, more, target: str | None) -> None:
    """The new package passes its check on a plain sample, and the crontab reads the file as it was written."""
    etl.write("in.csv", (first_row + GERMAN).encode("cp1252"))
    name = f"german_{'with' if target else 'without'}_names"
    words = ("--target", target) if target else ()
    package = _made(etl, name, "--data", "in.csv", *words, *GERMAN_OPTIONS, *more)
    rows = (package.folder / "data" / "sample.csv").read_text(encoding="utf-8").splitlines()
    assert rows == (
        ["a,b,c", "1.5,Köln,", "2,Ulm,-7.25"] if target else ["c1,c2,c3,c4", "1.5,Köln,,ja", "2,Ulm,-7.25,nein"]
    )
    record = json.loads((package.folder / "data" / "record.json").read_text(encoding="utf-8"))
    assert list(record.values()) == [2, "Ulm", -7.25, "nein"][: len(record)]
    with _current_folder(package.folder):
        assert main(_words_of_crontab(package)) == 0, capfd.readouterr().err
    assert len(package.lines("out.json")) == 2


def _words_of_crontab(package: Etl) -> list[str]:
    """Return the arguments of the command in the crontab."""
    words = shlex.split((package.folder / "crontab").read_text(encoding="utf-8").splitlines()[-1].replace(r"\%", "%"))
    return words[words.index("run") :]


@pytest.mark.parametrize("character", ["\n", "\x1b", "\x9b", "\u2028", "\u202e", "\udcff"], ids=ascii)
@pytest.mark.parametrize("place", ["sample", "folder", "above"])
def test_a_name_that_a_crontab_cannot_have_is_refused(etl: Etl, capfd, character: str, place: str) -> None:
    """No name reaches a crontab, where a line break begins another command, or a terminal, which would obey it."""
    odd = f"x{character}* * * * * id #"
    (etl.folder / odd).mkdir()
    sample = etl.write(f"{odd}.csv" if place == "sample" else "in.csv", b"a,b\n1,2\n").name
    folder = {"sample": "new", "folder": f"{odd}/new", "above": "new"}[place]
    before = set(etl.folder.rglob("*"))
    with _current_folder(etl.folder / odd if place == "above" else etl.folder):
        code = main(["init", folder, "--data", str(etl.folder / sample) if place == "above" else sample])
    out, err = capfd.readouterr()
    assert (code, out, "has control characters or is not UTF-8" in err) == (2, "", True)
    assert err.replace("\n", "").isprintable()
    assert set(etl.folder.rglob("*")) == before


def test_a_delimiter_that_is_a_control_character_is_written_as_an_escape(etl: Etl, capfd) -> None:
    """The line of the crontab gives the run the same delimiter, and a terminal nothing to obey."""
    etl.write("in.csv", b"a\x01b\n1\x012\n")
    package = _made(etl, "new", "--data", "in.csv", "--delimiter", "\x01")
    assert capfd.readouterr().out.replace("\n", "").isprintable()
    line = (package.folder / "crontab").read_text(encoding="utf-8").splitlines()[-1]
    flags = line.partition("Model ")[2]
    assert subprocess.run(["sh", "-c", f"printf %s {flags}"], capture_output=True, check=True).stdout == (
        b"--delimiter\x01"
    )


def test_the_digest_of_a_pickle_is_an_option_of_a_run(etl: Etl, capfd) -> None:
    """A text that is not a SHA-256 is refused as in a run, and the variable of the option is read."""
    etl.write("in.json", [{"x": 1.0}])
    etl.write("p.pkl", b"no pickle")
    digest = _digest(etl, "p.pkl")
    with _current_folder(etl.folder), pytest.MonkeyPatch.context() as patch:
        with pytest.raises(SystemExit, match="2"):
            main(["init", "new", "--data", "in.json", "--from", "p.pkl", "--trust_pickle", "abc"])
        patch.setenv("MODEL_ETL_TRUST_PICKLE", digest)
        assert main(["init", "new", "--data", "in.json", "--from", "p.pkl"]) == 69
    assert "is not a SHA-256" in capfd.readouterr().err
