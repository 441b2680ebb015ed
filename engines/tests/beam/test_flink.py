"""Beam on a real Flink cluster: one JobManager, two TaskManagers, and one of these killed in mid-job."""

from __future__ import annotations

import filecmp
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance import ENVIRONMENT, ROOT, SCORING, Results, run_on_one_machine
from beam_runs import SMALL, beam, command_of, results_in
from flink_cluster import FlinkCluster

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def cluster() -> Iterator[FlinkCluster]:
    """Return a running cluster whose workers find model_etl and the test's model."""
    with FlinkCluster(env={"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}) as started:
        yield started


def test_flink_gives_what_one_machine_gives(
    accepted: tuple[Path, Results], cluster: FlinkCluster, tmp_path: Path
) -> None:
    """100,000 records on two TaskManagers give the predictions, events and rejects of the single-machine run."""
    path, expected = accepted
    done = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, *cluster.options())
    assert done.returncode == 0, done.stderr
    assert results_in(tmp_path) == expected


def test_a_killed_taskmanager_changes_nothing(
    accepted: tuple[Path, Results], cluster: FlinkCluster, tmp_path: Path
) -> None:
    """No record is lost or doubled when a TaskManager is killed, because Flink restarts its tasks."""
    path, expected = accepted
    before = {job["jid"] for job in cluster.jobs()}
    pieces = ["--max_errors", "10%", "--split_bytes", str(1 << 18)]
    mark = tmp_path / "scoring"
    slow = {"ACCEPTANCE_DELAY": "0.2", "ACCEPTANCE_MARK": str(mark)}
    options = cluster.options(env={**slow, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]})
    command = command_of("--input", path, "--output", tmp_path / "out.json", *pieces, *SCORING, *options)
    launcher = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        job = cluster.wait("the job", lambda: [job["jid"] for job in cluster.jobs() if job["jid"] not in before])[0]
        cluster.wait("predictions", mark.exists, timeout=120)
        time.sleep(2)
        victim = cluster.running_taskmanager(job)
        cluster.kill(victim)
        assert launcher.poll() is None, "the job was over before the TaskManager was killed"
        _, err = launcher.communicate(timeout=300)
    finally:
        launcher.kill()
    assert launcher.returncode == 0, err
    assert results_in(tmp_path) == expected
    assert cluster.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"], "Flink did not notice"


RECORDS = int(os.environ.get("FLINK_TEST_RECORDS", "5000000"))
JOB_TIMEOUT_S = 300 + RECORDS // 5_000
IRIS = ["--model", "iris_model.iris_predict:IrisModel", "--keep", "id"]


def write_flowers(path: Path, records: int) -> None:
    """Write records with different numbers as JSON Lines."""
    draw = random.Random(11).uniform
    with path.open("w", encoding="utf-8") as file:
        for start in range(0, records, 10_000):
            shapes = [
                f'"sepal_length":{draw(4, 8):.1f},"sepal_width":{draw(2, 4):.1f},"petal_length":{draw(1, 7):.1f},'
                f'"petal_width":{draw(0.2, 3):.1f}}}\n'
                for _ in range(100)
            ]
            numbers = range(start, min(start + 10_000, records))
            file.writelines(f'{{"id":{number},{shapes[number % 100]}' for number in numbers)


@pytest.mark.timeout(2 * JOB_TIMEOUT_S)
def test_millions_of_records_keep_their_order_when_a_taskmanager_is_killed(
    cluster: FlinkCluster, tmp_path: Path
) -> None:
    """Five million records on TaskManagers with 384 MB of heap, one of them killed, give the single machine's bytes."""
    cluster.start_taskmanager("tm-3")  # the test before this one may have killed another
    cluster.wait("two TaskManagers", lambda: len(cluster.get("/taskmanagers")["taskmanagers"]) > 1)
    source = tmp_path / "in.json"
    write_flowers(source, RECORDS)
    before = {job["jid"] for job in cluster.jobs()}
    options = cluster.options(env={"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]})
    command = command_of("--input", source, "--output", tmp_path / "out.json", *IRIS, *options)
    launcher = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        job = cluster.wait("the job", lambda: [job["jid"] for job in cluster.jobs() if job["jid"] not in before])[0]
        cluster.wait("files", lambda: len(list(tmp_path.glob("out.staged-*/*"))) > 2, timeout=300)
        cluster.kill(cluster.running_taskmanager(job))
        _, err = launcher.communicate(timeout=JOB_TIMEOUT_S)
    finally:
        launcher.kill()
    assert launcher.returncode == 0, err
    pieces = sorted(tmp_path.glob("out-*.json"))
    assert len(pieces) > 1
    with (tmp_path / "joined.json").open("wb") as joined:
        for piece in pieces:
            with piece.open("rb") as file:
                shutil.copyfileobj(file, joined)
    run_on_one_machine("-i", source, "-o", tmp_path / "single.json", *IRIS, "--prediction_log", "none")
    assert filecmp.cmp(tmp_path / "joined.json", tmp_path / "single.json", shallow=False)
    assert cluster.get(f"/jobs/{job}/exceptions")["exceptionHistory"]["entries"], "Flink did not notice"
    assert not list(tmp_path.glob("*staged*"))
    shutil.rmtree(tmp_path)  # gigabytes
