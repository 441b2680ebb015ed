"""Beam: what fails ends with its exit code, and publishes and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from acceptance import ENVIRONMENT, ROOT, SCORING, Results
from beam_runs import FLOWER, IRIS, SMALL, TWO, beam, command_of, write_flowers


def test_a_killed_worker_publishes_nothing(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """A worker process that is killed in mid-job fails the job, and the earlier output stays unchanged."""
    path, _ = accepted
    (tmp_path / "out-00000-of-00001.json").write_text("yesterday's\n")
    command = command_of("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, *TWO)
    process = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.kill(worker_of(process.pid, tmp_path), signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 69
    assert b"nothing was published" in err, err[-2000:]
    assert [file.name for file in tmp_path.glob("out*")] == ["out-00000-of-00001.json"]
    assert (tmp_path / "out-00000-of-00001.json").read_text() == "yesterday's\n"


def worker_of(launcher: int, folder: Path) -> int:
    """Wait until the workers of a launcher write results, and return the process id of one worker."""
    until = time.monotonic() + 120
    while not list(folder.glob("*staged*/*")):
        assert time.monotonic() < until, "nothing was written"
        time.sleep(0.01)
    listed = subprocess.run(["ps", "-eww", "-o", "pid,ppid,args"], capture_output=True, text=True, check=True)
    table = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
    workers = {pid: parent for pid, parent, command in table if "sdk_worker_main" in command}
    own = {pid for pid, parent in workers.items() if int(parent) == launcher}  # some are shells that wait for a worker
    return int(next(pid for pid in workers if {pid, workers[pid]} & own and pid not in workers.values()))


def started(source: Path, folder: Path, staged: str) -> subprocess.Popen[bytes]:
    """Start a job that writes out.json, and wait until its staged files are there."""
    command = command_of("--input", source, "--output", folder / "out.json", *SMALL, *SCORING)
    job = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list(folder.glob(staged)):
        assert job.poll() is None
        time.sleep(0.02)
    return job


def test_two_jobs_with_one_output_exclude_each_other(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """The second job ends with exit code 75 at once, or waits for the first; neither removes the other's files."""
    path, _ = accepted
    first = started(path, tmp_path, "*staged*")
    second = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING)
    assert second.returncode == 75
    assert "another run is writing" in second.stderr
    third = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, "--lock_wait", 120)
    assert (first.wait(timeout=120), third.returncode) == (0, 0), third.stderr
    assert not list(tmp_path.glob("*staged*"))


def test_leftovers_of_a_killed_launcher_are_removed(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """The next job removes the staged files of a launcher that was killed."""
    path, _ = accepted
    killed = started(path, tmp_path, "out.staged*/*")
    killed.kill()
    killed.wait()
    assert list(tmp_path.glob("*staged*"))
    small = write_flowers(tmp_path / "in.json", FLOWER)
    assert beam("--input", small, "--output", tmp_path / "out.json", *IRIS).returncode == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "in.json",
        "out-00000-of-00001.json",
        "out.log-00000-of-00001.ldjson",
    ]


def test_stopping_the_launcher_publishes_nothing(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """A job that SIGTERM ends in mid-stream has exit code 143 and leaves no file."""
    path, _ = accepted
    command = command_of("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING)
    process = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("*staged*")) and process.poll() is None:
        time.sleep(0.05)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err.decode()
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_a_failure_of_the_storage(tmp_path: Path) -> None:
    """A worker that cannot write ends the job with exit code 74, and nothing is published."""
    source = write_flowers(tmp_path / "in.json", *[FLOWER] * 20_000)
    limited = ["bash", "-c", 'ulimit -f 100; exec "$@"', "bash"]
    command = [*limited, *command_of("--input", source, "--output", tmp_path / "out.json", *IRIS)]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 74, done.stderr
    assert "nothing was published" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["in.json"]


def test_rejects_are_not_tolerated_unless_asked_for(tmp_path: Path) -> None:
    """A rejected record ends the job with exit code 65 and a rejects file; the earlier predictions stay."""
    source = write_flowers(tmp_path / "in.json", FLOWER, {"sepal_length": "long"})
    (tmp_path / "out.json").write_text("yesterday's\n")
    done = beam("--input", source, "--output", tmp_path / "out.json", "--shards", 1, *IRIS)
    assert done.returncode == 65
    assert "1 of 2 records were rejected, 0 are tolerated; nothing was published" in done.stderr
    assert f"record 2 of {source}, input_schema" in done.stderr
    assert json.loads((tmp_path / "out.rejects.ldjson").read_text())["position"] == 2
    assert (tmp_path / "out.json").read_text() == "yesterday's\n"
    assert {file.name for file in tmp_path.iterdir()} == {"in.json", "out.json", "out.rejects.ldjson"}


FAILURES: list[tuple[str, dict[str, object], int, str]] = [
    ("no input", {"--input": "nowhere.json"}, 66, "cannot read"),
    ("no pattern", {"--input": "nowhere-*.json"}, 66, "nowhere-*.json"),
    ("no model", {"--model": "iris_model:Nobody"}, 69, "Nobody"),
    ("no such rule", {"--rules": "acceptance_model:Nobody"}, 78, "Nobody"),
    ("no format", {"--output": "out"}, 2, "cannot derive the format of"),
    ("misspelt", {"--ruels": "acceptance_model:NoGiants"}, 2, "Did you mean --rules?"),
    ("both", {"--join": None, "--keep": "id"}, 78, "exclude each other"),
    ("no job service", {"--runner": "PortableRunner", "--job_endpoint": "127.0.0.1:1"}, 75, "cannot be reached"),
    ("unknown runner", {"--runner": "NoSuchRunner"}, 2, "NoSuchRunner"),
    ("a name in common", {"--join": None, "--model": "acceptance_model:Echo"}, 78, "both have a field 'id'"),
    ("Google without its extra", {"--output": "gs://bucket/out.json"}, 74, "apache-beam[gcp]"),
    ("Dataflow without a region", {"--runner": "DataflowRunner"}, 2, "Missing required option: region"),
    ("input is output", {"--output": "in.json", "--shards": 1}, 2, "is an input too"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "code", "message"), [case[1:] for case in FAILURES], ids=[f[0] for f in FAILURES])
def test_failures(tmp_path: Path, options: dict[str, object], code: int, message: str) -> None:
    """A mistake ends the job with its exit code and one message without a traceback; nothing is published."""
    write_flowers(tmp_path / "in.json", {"id": 1, **FLOWER})
    arguments = {"--input": "in.json", "--output": "out.json", "--model": IRIS[1], **options}
    for name in ("--input", "--output"):
        arguments[name] = arguments[name] if "://" in str(arguments[name]) else tmp_path / str(arguments[name])
    done = beam(*(part for pair in arguments.items() for part in pair if part is not None))
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["in.json"]
