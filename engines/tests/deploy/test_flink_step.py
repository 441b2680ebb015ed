"""The Beam job as a step of the pipeline: its container's command on a real Flink, with the workers of the manifest."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_manifests import STEPS_WITH_FLINK, pod_spec
from deploy_results import ResultFiles, make_node, run_nightly
from deploy_run import Node, environment_of
from flink_cluster import FlinkCluster
from helpers.s3_fixtures import Bucket
from java_jars import free_port

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first tests build Argo's linter


@pytest.fixture(scope="module")
def cluster() -> Iterator[FlinkCluster]:
    """Return a session cluster with one TaskManager, since two of them need a pool of workers each."""
    with FlinkCluster(
        taskmanagers=1, slots=4, attempts=2, python=str(environment_of("beam") / "bin" / "python")
    ) as started:
        yield started


@contextlib.contextmanager
def workers(node: Node, port: int) -> Iterator[None]:
    """Run the pool of workers that the manifest has beside each TaskManager, until the end of the block."""
    pod = pod_spec(list(node.documents), "Deployment", "flink-taskmanager")
    (container,) = [container for container in pod["containers"] if container["name"] == "worker"]
    command, env, tmp = node.command(container, pod)
    with (node.folder / "workers.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command], env=env, cwd=tmp, stdout=log, stderr=log
        )
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, (node.folder / "workers.log").read_text()
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def flink(cluster: FlinkCluster, bucket: Bucket, tmp_path: Path) -> Iterator[tuple[Node, ResultFiles]]:
    """Return the local overlay with its example data, its files, and workers for the cluster."""
    port = free_port()
    places = {"flink:8099": cluster.job_endpoint, "flink:8098": cluster.artifact_endpoint}
    pool = {"localhost:50000": f"localhost:{port}", "50000": str(port)}
    node = make_node("local", bucket, tmp_path, **places, **pool)
    assert node.cron_job("example").code == 0
    (tmp_path / "taskmanager").mkdir()
    with workers(make_node("local", bucket, tmp_path / "taskmanager", **places, **pool), port):
        yield node, ResultFiles(node, bucket)


def test_the_pipeline_scores_on_flink(flink: tuple[Node, ResultFiles]) -> None:
    """With engine=beam the records are scored on Flink by the model that was tested, and published in their order."""
    node, files = flink
    alone = run_nightly(node)
    assert alone.last.code == 0, alone.last.err
    manifest, expected = files.published()
    done = run_nightly(node, engine="beam")
    assert (done.names, done.last.code) == (STEPS_WITH_FLINK, 0), done.last.err
    scored, predictions = files.published()
    assert predictions == expected
    assert scored["pipeline"]["run"] == done.uid
    assert scored["counts"] == manifest["counts"] == {"read": 150, "written": 150, "rejected": 0, "withheld": 0}
    assert scored["model"]["version"] == manifest["model"]["version"] == scored["model"]["tested"]["model_version"]


def test_a_worker_with_another_model_refuses_it(flink: tuple[Node, ResultFiles]) -> None:
    """A worker that finds another model than the tested one ends the job with 69, and nothing is published."""
    node, files = flink

    def replace(_: str) -> None:
        files.put("tested/model.json", files.get("tested/model.json") + b"\n")

    node.before["score-on-flink"] = replace
    done = run_nightly(node, engine="beam")
    assert (done.last.name, done.last.code) == ("score-on-flink", 69), done.last.err
    assert "is expected" in done.last.err
    assert not [name for name in files.names() if name.startswith("published/")]


def test_the_beam_cron_job_scores(flink: tuple[Node, ResultFiles]) -> None:
    """The CronJob of the Beam job scores the night's input on Flink with the model of its image."""
    node, files = flink
    done = node.cron_job("beam")
    assert done.code == 0, done.err
    assert files.get("beam/predictions-00000-of-00001.json").count(b"\n") == 150


def test_an_unreachable_job_service_is_tried_again(bucket: Bucket, tmp_path: Path) -> None:
    """A job service that does not answer ends the step with 75, which Argo tries again."""
    nobody = f"127.0.0.1:{free_port()}"
    node = make_node("local", bucket, tmp_path, **{"flink:8099": nobody, "flink:8098": nobody})
    assert node.cron_job("example").code == 0
    done = run_nightly(node, engine="beam")
    assert (done.last.name, done.last.code) == ("score-on-flink", 75), done.last.err
    assert f"the job service at {nobody} cannot be reached" in done.last.err
