"""The pipeline's containers, run as processes of this machine with a real S3 server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from deploy_manifests import OVERLAYS, STEPS, VERSION
from deploy_results import SETOSA, ResultFiles, make_node, run_nightly
from deploy_run import Node
from helpers.s3_fixtures import Bucket

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first tests build Argo's linter


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pipeline_runs(overlay: str, bucket: Bucket, tmp_path: Path) -> None:
    """The containers of the pipeline publish predictions, and a manifest with version, model, counts and files."""
    node = make_node(overlay, bucket, tmp_path)
    files = ResultFiles(node, bucket)
    example = node if overlay == "local" else make_node("local", bucket, tmp_path)
    assert example.cron_job("example").code == 0
    if overlay == "azure":
        for name in ("training/iris.csv", "incoming/nightly.json"):
            (node.folder / "data" / name).parent.mkdir(parents=True)
            files.put(name, bucket.get(name))
    done = run_nightly(node)
    assert (done.names, done.last.code) == (STEPS, 0), done.last.err
    manifest, predictions = files.published()
    assert manifest["pipeline"] == {"version": VERSION, "run": done.uid, "workflow": f"pipeline-{done.uid[:5]}"}
    assert manifest["counts"] == {"read": 150, "written": 150, "rejected": 0, "withheld": 0}
    assert manifest["model"]["version"] == manifest["model"]["tested"]["model_version"]
    assert manifest["model"]["version"].startswith("1.0.0+")
    assert manifest["model"]["tested"]["accuracy"] > 0.9
    assert manifest["report"]["status"] == "published"
    assert "ASDFGHJKL" not in json.dumps(manifest)
    species = [line["species"] for line in predictions]
    assert sum(species[50 * n] == name for n, name in enumerate(("setosa", "versicolor", "virginica"))) == 3
    log = files.get(manifest["files"]["log"]["name"]).splitlines()
    assert any(manifest["model"]["version"] in line.decode() for line in log)
    assert len(log) >= 150


def test_a_model_under_the_threshold_is_not_used(local: tuple[Node, ResultFiles]) -> None:
    """A model that is not accurate enough ends the workflow with the reason, and what is published stays."""
    node, files = local
    assert run_nightly(node).last.code == 0
    before = {name: files.get(name) for name in files.names() if name.startswith("published/")}
    done = run_nightly(node, threshold="1.0")
    assert (done.names, done.last.code) == (["prepare", "train", "test"], 65)
    assert "is under the threshold, 1.0; nothing is scored or published" in done.last.err
    assert "Traceback" not in done.last.err
    assert {name: files.get(name) for name in files.names() if name.startswith("published/")} == before
    facts = json.loads(files.get(f"runs/{done.uid}/evaluation.json"))
    assert f"of {facts['records']} records" in done.last.err
    assert facts["right"] < facts["records"]


def test_a_second_run_replaces_the_first_as_a_whole(local: tuple[Node, ResultFiles]) -> None:
    """A published manifest names the files of one run only, and the earlier run's files remain for its files."""
    node, files = local
    first_run = run_nightly(node)
    first, _ = files.published()
    files.put("incoming/nightly.json", json.dumps(SETOSA).encode() + b"\n")
    second_run = run_nightly(node)
    second, predictions = files.published()
    assert [first["pipeline"]["run"], second["pipeline"]["run"]] == [first_run.uid, second_run.uid]
    assert predictions == [{"species": "setosa"}]
    assert first["model"]["version"] == second["model"]["version"], "the same records to train with: the same model"
    for about in first["files"].values():
        assert hashlib.sha256(files.get(about["name"])).hexdigest() == about["sha256"]
    assert {name.split("/")[2] for name in (about["uri"].partition("//")[2] for about in second["files"].values())} == {
        "nightly"
    }


@pytest.mark.parametrize(
    ("step", "file", "code"),
    [("score", "model.json", 69), ("publish", "predictions.json", 65), ("publish", "evaluation.json", 65)],
)
def test_what_was_changed_on_its_way_is_not_published(
    local: tuple[Node, ResultFiles], step: str, file: str, code: int
) -> None:
    """An untested model or changed results are not published: the manifest still names the run before."""
    node, files = local
    assert run_nightly(node).last.code == 0
    first, _ = files.published()

    def damage(run: str) -> None:
        place = f"runs/{run}/{file}"
        files.put(place, files.get(place).replace(b"+", b"-") + b"\n")

    node.before[step] = damage
    done = run_nightly(node)
    assert (done.last.name, done.last.code) == (step, code)
    assert ("nothing is published" in done.last.err) == (step == "publish")
    assert files.published()[0] == first


def test_results_that_disagree_with_their_counts_are_not_published(local: tuple[Node, ResultFiles]) -> None:
    """Files whose lines are not the report's counts, and counts that do not add up, are not published."""
    node, files = local

    def damage(run: str) -> None:
        place = f"runs/{run}/report.json"
        report = json.loads(files.get(place))
        report["counts"] |= {"written": 151, "rejected": 1}
        files.put(place, json.dumps(report).encode())

    node.before["publish"] = damage
    done = run_nightly(node)
    assert (done.last.name, done.last.code) == ("publish", 65), done.last.err
    assert (
        "read: 150 reported, 152 found; written: 151 reported, 150 found; rejected: 1 reported, 0 found; nothing is"
        in done.last.err
    )
    assert not [name for name in files.names() if name.endswith("manifest.json")]


@pytest.mark.parametrize(
    ("name", "content", "code", "told"),
    [
        ("training/iris.csv", b"sepal_length,sepal_width,petal_length,petal_width,species\n1,1,1,x,setosa\n", 65,
         "line 2: petal_width: Input should be a valid number"),
        ("training/iris.csv", b"sepal_length,sepal_width,petal_length,petal_width,species\n1,1,1,1,setosa\n", 65,
         "records to train with is a versicolor or a virginica"),
        ("incoming/nightly.json", b'{"sepal_length": "long"}\n', 65, "incoming/nightly.json"),
    ],
    ids=["number", "too few", "input"],
)  # fmt: skip
def test_bad_data_ends_the_run_at_once(
    local: tuple[Node, ResultFiles], name: str, content: bytes, code: int, told: str
) -> None:
    """Invalid labelled records or input end the run before anything is trained."""
    node, files = local
    files.put(name, content)
    done = run_nightly(node)
    assert (done.names, done.last.code) == (["prepare"], code)
    assert told in done.last.err
    assert "Traceback" not in done.last.err


def test_a_missing_setting_is_named(local: tuple[Node, ResultFiles]) -> None:
    """A missing setting ends the first step with the name of the variable."""
    node, _ = local
    del node.document("ConfigMap", "model-etl")["data"]["PIPELINE_ROOT"]
    done = run_nightly(node)
    assert (done.last.name, done.last.code) == ("prepare", 78)
    assert "PIPELINE_ROOT is not set" in done.last.err


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_cron_job_scores(overlay: str, bucket: Bucket, tmp_path: Path) -> None:
    """The CronJob scores the night's input as the settings say, and prints nothing."""
    node = make_node(overlay, bucket, tmp_path)
    files = ResultFiles(node, bucket)
    bucket.client.make_bucket(bucket.name)
    if overlay == "azure":
        for name in ("incoming", "scored"):
            (node.folder / "data" / name).mkdir(parents=True)
    files.put("incoming/nightly.json", json.dumps(SETOSA).encode())
    done = node.cron_job("score")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert files.get("scored/nightly.json") == b'{"species":"setosa"}\n'
    assert json.loads(files.get("scored/nightly.report.json"))["job"] == "nightly"
