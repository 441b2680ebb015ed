"""The MapReduce job on a real Hadoop of one machine: HDFS and YARN, see hadoop_cluster.py."""

import subprocess
import sys

import pytest
from acceptance import ENVIRONMENT, ROOT, SCORING
from hadoop_cluster import HadoopCluster
from java_jars import Unavailable
from test_mapreduce import counts_in, counts_of, results_of


@pytest.fixture(scope="module")
def hadoop():
    """Give a running cluster."""
    try:
        with HadoopCluster() as cluster:
            yield cluster
    except Unavailable as exc:
        pytest.skip(f"Hadoop cannot run here: {exc}")


def run(cluster, *arguments, code=0):
    """Run the command line on a cluster, whose machines know the model by PYTHONPATH."""
    workers = ["--python-bin", sys.executable, "--cmdenv", f"PYTHONPATH={ENVIRONMENT['PYTHONPATH']}"]
    done = subprocess.run(
        [sys.executable, "-m", "model_etl.engines.mapreduce", "-r", "hadoop", *workers, *map(str, arguments)],
        env={**ENVIRONMENT, **cluster.environment}, cwd=ROOT, capture_output=True, check=False, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def test_acceptance_with_a_killed_task(hadoop, accepted, tmp_path):
    """A task whose process is killed in its midst is tried again, and the results are those of one machine."""
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


def test_counts_of_a_file_on_hdfs(hadoop, accepted, tmp_path):
    """A file on HDFS that many tasks share is counted as the single-machine run's results are, by a reduce step."""
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
