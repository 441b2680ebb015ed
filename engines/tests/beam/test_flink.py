"""Beam on a real Flink cluster: one JobManager, two TaskManagers, and one of these killed in mid-job."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance import ENVIRONMENT, ROOT, SCORING, Results
from flink_cluster import FlinkCluster
from test_beam import SMALL, beam, command_of, results_in

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def cluster() -> Iterator[FlinkCluster]:
    """Return a running cluster whose workers find model_etl and the test's model."""
    settings = {"jobmanager.execution.failover-strategy": "full"}  # see docs/engines.md
    with FlinkCluster(env={"PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}, settings=settings) as started:
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
