"""Beam: which files a job publishes, for whom, and what becomes of earlier ones."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from acceptance import lines_of
from beam_runs import FLOWER, IRIS, beam, write_flowers


def test_files_of_an_earlier_run_do_not_stay_among_the_new(tmp_path: Path) -> None:
    """The files of an earlier run are removed, even if the new run writes fewer files and no rejects."""
    source = write_flowers(tmp_path / "in.json", FLOWER)
    for name in ("out-00007-of-00009.json", "out.json", "out.rejects-00000-of-00001.ldjson", "out-of-reach.json"):
        (tmp_path / name).write_text("old\n")
    assert beam("--input", source, "--output", tmp_path / "out.json", *IRIS).returncode == 0
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"in.json", "out-00000-of-00001.json", "out.log-00000-of-00001.ldjson", "out-of-reach.json"}


def test_log_and_rejects_belong_to_their_owner(tmp_path: Path) -> None:
    """Only the user who runs the job may read the prediction log and the rejects, which hold whole records."""
    source = write_flowers(tmp_path / "in.json", FLOWER, {"sepal_length": "long"})
    assert beam("--input", source, "--output", tmp_path / "out.json", "--max_errors", 1, *IRIS).returncode == 0
    modes = {file.name.partition("-")[0]: file.stat().st_mode & 0o777 for file in tmp_path.glob("out*")}
    assert modes == {"out": 0o666 & ~_umask(), "out.log": 0o600, "out.rejects": 0o600}


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_options_of_publishing(tmp_path: Path) -> None:
    """--dry_run, --if_exists, --on_empty, --limit and --report do what they do on one machine."""
    source = write_flowers(tmp_path / "in.json", *[{"id": number, **FLOWER} for number in range(9)])
    options = ["--input", source, "--output", tmp_path / "out.json", "--shards", 1, "--keep", "id", *IRIS]
    report = tmp_path / "report.json"
    assert beam(*options, "--dry_run", "--report", report).returncode == 0
    assert json.loads(report.read_text())["status"] == "dry_run"
    assert not (tmp_path / "out.json").exists()
    assert beam(*options, "--limit", 4, "--report", report).returncode == 0
    assert [json.loads(line)["id"] for line in lines_of([tmp_path / "out.json"])] == [0, 1, 2, 3]
    described = json.loads(report.read_text())
    assert (described["status"], described["exit_code"], described["counts"]["read"]) == ("published", 0, 4)
    digest = hashlib.sha256((tmp_path / "out.json").read_bytes()).hexdigest()
    assert described["files"]["output"]["sha256"] == digest
    assert set(described["files"]) == {"output", "log"}
    failed = beam(*options, "--if_exists", "fail")
    assert (failed.returncode, "exists already" in failed.stderr) == (73, True)
    assert beam(*options, "--if_exists", "skip", "--report", report).returncode == 0
    assert json.loads(report.read_text())["status"] == "skipped"
    assert len(lines_of([tmp_path / "out.json"])) == 4
    source.write_text("")
    assert beam(*options, "--on_empty", "fail").returncode == 65
    assert beam(*options).returncode == 0
    assert (tmp_path / "out.json").read_bytes() == b""
