"""The MapReduce job on a real Hadoop with HDFS and YARN on one machine; see hadoop_cluster.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from acceptance import ENVIRONMENT, ROOT, SCORING, Results
from hadoop_cluster import HadoopCluster
from java_jars import Unavailable
from test_mapreduce import counts_in, counts_of, results_of


@pytest.fixture(scope="module")
def hadoop() -> Iterator[HadoopCluster]:
    """Return a running cluster."""
    try:
        with HadoopCluster() as cluster:
            yield cluster
    except Unavailable as exc:
        pytest.skip(f"Hadoop cannot run here: {exc}")


def run(cluster: HadoopCluster, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command on a cluster, whose tasks find the model by PYTHONPATH, and check that it succeeds."""
    workers = ["--python-bin", sys.executable, "--cmdenv", f"PYTHONPATH={ENVIRONMENT['PYTHONPATH']}"]
    done = subprocess.run(
        [sys.executable, "-m", "model_etl.engines.mapreduce", "-r", "hadoop", *workers, *map(str, arguments)],
        env={**ENVIRONMENT, **cluster.environment}, cwd=ROOT, capture_output=True, check=False, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_acceptance_with_a_killed_task(hadoop: HadoopCluster, accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """A task whose process is killed is tried again, and the results are those of the single-machine run."""
    path, expected = accepted
    scoring = ["--model", "mapreduce_models:Killed", *SCORING[2:]]
    output = tmp_path / "out.json"
    done = run(hadoop, "-v", path, "--output", output, "--split_bytes", 5_000_000, "--max_errors", "10%", *scoring)
    assert "Failed map tasks=1" in done.stderr
    assert "Launched map tasks=3" in done.stderr
    assert results_of(tmp_path) == expected
    outcomes = expected.outcomes()
    assert f"written={outcomes['completed']}\n" in done.stderr
    assert hadoop.hadoop("fs", "-ls", "-R", "/user").count("part-") == 0, "records were left on HDFS"


def test_counts_of_a_file_on_hdfs(hadoop: HadoopCluster, accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """A reduce step counts the records of a file on HDFS as in the results of the single-machine run."""
    path, expected = accepted
    hadoop.hadoop("fs", "-mkdir", "-p", "/data")
    hadoop.hadoop("fs", "-put", path, "/data/in.json")
    output = tmp_path / "counts.json"
    source = "hdfs:///data/in.json"
    options = ["--output", output, "--split_bytes", 5_000_000, "--max_errors", "10%", *SCORING]
    done = run(hadoop, "-v", "--count", source, *options)
    assert "Launched map tasks=2" in done.stderr
    assert "Launched reduce tasks=1" in done.stderr
    assert counts_in(output.read_text()) == counts_of(expected)
