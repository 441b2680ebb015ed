"""Two runs with the same output: locks, waiting, and what a killed run left."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.command import Etl, Result
from helpers.waiting import slowdown

from model_etl.errors import StorageFailure
from model_etl.services import local

INPUT = b'{"x":1}\n{"x":2}\n'
OUTPUT = b'{"y":1.0}\n{"y":2.0}\n'
BAD = b'{"x":1}\n{"x":"wide"}\n'
GOOD = "failing_models:Good"


def test_the_second_run_leaves_at_once(etl: Etl, score_in_json: Callable[..., Result], other: Any) -> None:
    """With 75, and it says what to do."""
    other()
    start = time.monotonic()
    done = score_in_json()
    assert done.code == 75
    assert time.monotonic() - start < 3 * slowdown()
    assert "another run is writing out.json" in done.err
    assert "--lock_wait" in done.err
    assert not (etl.folder / "out.json").exists()


def test_the_second_run_leaves_after_its_wait(score_in_json: Callable[..., Result], other: Any) -> None:
    """With 75, when the other one did not end in time."""
    other()
    start = time.monotonic()
    assert score_in_json("--lock_wait", "1").code == 75
    assert time.monotonic() - start > 1


def test_the_second_run_waits(etl: Etl, score_in_json: Callable[..., Result], other: Any) -> None:
    """And succeeds once the other one has ended."""
    run = other()
    threading.Timer(1, run.kill).start()
    done = score_in_json("--lock_wait", "20")
    assert (done.code, done.err) == (0, "")
    assert (etl.folder / "out.json").read_bytes() == OUTPUT


def test_many_runs_at_once_publish_one_after_the_other(etl: Etl) -> None:
    """Each waits for its turn; the output and its log are of the same, last run, and no file is left over."""
    runs = []
    for number in range(6):
        etl.write(f"in{number}.json", b'{"x":%d}\n' % number * 1000)
        arguments = ("-i", f"in{number}.json", "-o", "out.json", "--lock_wait", "50")
        runs.append(etl.popen("run", "-m", GOOD, *arguments))
    for run in runs:
        assert run.communicate(timeout=60)[1] == b""
        assert run.returncode == 0
    lines = etl.lines("out.json")
    assert len(lines) == 1000
    assert len({line["y"] for line in lines}) == 1
    assert etl.lines("out.log.ldjson")[1]["data"]["output"] == lines[0]
    assert etl.files() == {f"in{n}.json" for n in range(6)} | {"out.json", "out.log.ldjson"}


def test_a_shared_log_is_locked_too(score_in_json: Callable[..., Result], other: Any) -> None:
    """Two outputs, one log: the second run would overwrite the first one's events."""
    other("--prediction_log", "log.json", output="other.json")
    done = score_in_json("--prediction_log", "log.json")
    assert (done.code, "another run is writing log.json" in done.err) == (75, True)


def test_another_output_in_the_same_folder_is_free(etl: Etl, score_in_json: Callable[..., Result], other: Any) -> None:
    """A folder is not locked."""
    other(output="other.json")
    assert score_in_json().code == 0
    assert (etl.folder / "out.json").read_bytes() == OUTPUT


@pytest.mark.parametrize("name", ["./sub/../out.json", "link.json", "{}/out.json", "file://{}/out.json"])
def test_the_lock_knows_a_file_by_any_name(
    etl: Etl, score_in_json: Callable[..., Result], other: Any, name: str
) -> None:
    """A link, another spelling, a URI."""
    (etl.folder / "sub").mkdir()
    (etl.folder / "link.json").symlink_to("out.json")
    other("--prediction_log", "none")
    assert score_in_json("-o", name.format(etl.folder), "--prediction_log", "none").code == 75


def test_what_another_run_left_is_taken_over(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """Whatever it held, and although it could be longer."""
    for name in ("out.json", "out.log.ldjson", "out.rejects.ldjson"):
        etl.write(f".{name}.part", b"left by a crash\n" * 1000)
    assert score_in_json().code == 0
    assert (etl.folder / "out.json").read_bytes() == OUTPUT
    assert etl.files() == {"in.json", "out.json", "out.log.ldjson"}


def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system knows no such thing, that is no failure; an error of the disk is one."""
    real = os.fsync

    def fsync(code: int) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{fd}"):
                raise OSError(code, os.strerror(code))
            real(fd)

        return sync

    for code, fine in ((22, True), (5, False)):
        monkeypatch.setattr(os, "fsync", fsync(code))
        stage = local.locate(str(tmp_path / "out")).stage(private=False, media_type="text/plain")
        assert stage.lock()
        with stage.fs.openbin(stage.path, "w") as file:
            file.write(b"%d" % code)
        if fine:
            stage.publish()
        else:
            with pytest.raises(StorageFailure):
                stage.publish()
        stage.discard()
        assert os.listdir(tmp_path) == ["out"]
