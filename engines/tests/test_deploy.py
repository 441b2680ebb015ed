"""The files in deploy/: built, read strictly, linted, their references resolved, and their containers run here.

There is no cluster. What stands for it: the types and checks of Kubernetes', Argo Workflows' and Argo Events' own code
(deploy_validate/), Argo's own linter, and processes of this machine with a real MinIO in the place of containers.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_references import Document, References, pods
from deploy_run import Node, Run
from deploy_tools import DEPLOY, ROOT, argo, build, reader, run

sys.path.insert(0, str(ROOT / "tests"))
from helpers import minio_server
from helpers.s3_fixtures import Bucket

from model_etl.settings.options import ENVIRONMENT_PREFIX, OPTIONS

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first ones build Argo's linter
BROUGHT = yaml.safe_load((DEPLOY / "secrets.yaml").read_text())
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
STEPS = ["prepare", "train", "test", "score", "publish"]
VERSION = re.search(r"(?m)^PIPELINE_VERSION=(.+)$", (DEPLOY / "base" / "settings.env").read_text())[1]
SETOSA = {"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}
AGAIN, FOR_GOOD = {74, 75}, {1, 2, 65, 66, 69, 73, 77, 78}


def built(name: str) -> list[Document]:
    """Build an overlay; once a session."""
    if name not in _BUILT:
        _BUILT[name] = list(yaml.safe_load_all(build(DEPLOY / "overlays" / name)))
    return copy.deepcopy(_BUILT[name])


_BUILT: dict[str, list[Document]] = {}


def of(documents: Sequence[Document], kind: str, name: str) -> Any:
    """Find a document."""
    return next(doc for doc in documents if doc["kind"] == kind and doc["metadata"]["name"].startswith(name))


def read(*arguments: str, documents: Sequence[Document]) -> str:
    """Have the strict reader look at documents."""
    return run([reader(), *arguments], yaml.safe_dump_all(documents))


def refused(*arguments: str, documents: Sequence[Document]) -> str:
    """Give what the strict reader has against documents."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        read(*arguments, documents=documents)
    return str(failed.value.stderr)


# Building and reading


def test_the_overlays_are_those_of_the_readme() -> None:
    """There is an overlay for a cluster at hand and one for each cloud, and each says which Secrets it wants."""
    assert set(OVERLAYS) == {"local", "aws", "gcp", "azure"} == set(BROUGHT)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_valid(overlay: str) -> None:
    """Every document is of a known kind, has known fields and values only, and passes Argo Events' own checks."""
    documents = built(overlay)
    read("check", documents=documents)
    kinds = {doc["kind"] for doc in documents}
    assert {"CronJob", "CronWorkflow", "WorkflowTemplate", "Sensor", "EventSource", "EventBus"} <= kinds


@pytest.mark.parametrize("overlay", ["local", "aws", "gcp"])
def test_flink_goes_with_every_overlay_that_has_s3(overlay: str, tmp_path: Path) -> None:
    """The component for Flink is in the local overlay, and can be added to the others."""
    lines = {"resources": [os.path.relpath(DEPLOY / "overlays" / overlay, tmp_path)], "namespace": "model-etl"}
    if overlay != "local":
        lines["components"] = [os.path.relpath(DEPLOY / "components" / "flink", tmp_path)]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    documents = list(yaml.safe_load_all(build(tmp_path)))
    read("check", documents=documents)
    assert References(documents, BROUGHT[overlay]).faults() == []
    worker = of(documents, "Deployment", "flink-taskmanager")["spec"]["template"]["spec"]["containers"][1]
    config = of(documents, "ConfigMap", "model-etl")["metadata"]["name"]
    assert worker["image"].endswith(f"model_etl-beam:{VERSION}")
    assert worker["envFrom"][0]["configMapRef"]["name"] == config


def _misspelt_in_the_sensor(documents: list[Document]) -> None:
    resource = of(documents, "Sensor", "arrivals")["spec"]["triggers"][0]["template"]["k8s"]["source"]["resource"]
    resource["spec"]["workflowTemplateReff"] = resource["spec"].pop("workflowTemplateRef")


MISSPELT: dict[str, Callable[[list[Document]], Any]] = {
    "concurrencypolicy": lambda docs: of(docs, "CronJob", "score")["spec"].update(concurrencypolicy="Forbid"),
    "readOnlyRootFileSystem": lambda docs: of(docs, "WorkflowTemplate", "pipeline")["spec"]["templateDefaults"][
        "container"
    ]["securityContext"].update(readOnlyRootFileSystem=True),
    "timeZone": lambda docs: of(docs, "CronWorkflow", "pipeline")["spec"].update(timeZone="Etc/UTC"),
    "bucketName": lambda docs: of(docs, "EventSource", "arrivals")["spec"]["minio"]["object"].update(bucketName="x"),
    "workflowTemplateReff": _misspelt_in_the_sensor,
    "replica": lambda docs: of(docs, "EventBus", "model-etl")["spec"]["jetstream"].update(replica=1),
    "CronJobb": lambda docs: of(docs, "CronJob", "score").update(kind="CronJobb"),
    "quarter": lambda docs: of(docs, "CronJob", "score")["spec"].update(startingDeadlineSeconds="a quarter"),
    "more than one": lambda docs: of(docs, "EventSource", "arrivals")["spec"].update(
        webhook={"object": {"port": "80", "endpoint": "/", "method": "POST"}}
    ),
}


@pytest.mark.parametrize("word", MISSPELT)
def test_what_is_misspelt_is_refused(word: str) -> None:
    """A field, kind or value that there is not, in any of the documents, is an error that names it."""
    documents = built("local")
    MISSPELT[word](documents)
    said = refused("check", documents=documents)
    assert word in said or "of type int64" in said


# References


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_reference_leads_somewhere(overlay: str) -> None:
    """What a document names is there, or is on the list of Secrets to be brought."""
    assert References(built(overlay), BROUGHT[overlay]).faults() == []


def _template(documents: list[Document]) -> Any:
    return of(documents, "WorkflowTemplate", "pipeline")["spec"]


def _task(documents: list[Document], name: str) -> Any:
    return next(task for task in _template(documents)["templates"][0]["dag"]["tasks"] if task["name"] == name)


def _pod(documents: list[Document], kind: str, name: str) -> Any:
    return next(pod.spec for pod in pods(documents) if pod.where == f"{kind} {name}")


def _sensor(documents: list[Document]) -> Any:
    return of(documents, "Sensor", "arrivals")["spec"]


def _without(documents: list[Document], kind: str, name: str) -> None:
    documents.remove(of(documents, kind, name))


BROKEN: dict[str, Callable[[list[Document]], Any]] = {
    "no ConfigMap": lambda docs: _without(docs, "ConfigMap", "model-etl"),
    "no Secret": lambda docs: _without(docs, "Secret", "model-etl-storage"),
    "no ServiceAccount": lambda docs: _without(docs, "ServiceAccount", "model-etl"),
    "may not create workflows": lambda docs: _without(docs, "RoleBinding", "model-etl-sensor"),
    "no Role": lambda docs: _without(docs, "Role", "model-etl-executor"),
    "no EventBus": lambda docs: _without(docs, "EventBus", "model-etl"),
    "no WorkflowTemplate": lambda docs: of(docs, "CronWorkflow", "pipeline")["spec"]["workflowSpec"].update(
        workflowTemplateRef={"name": "pipelines"}
    ),
    "no EventSource": lambda docs: _sensor(docs)["dependencies"][0].update(eventName="objects"),
    "no dependency": lambda docs: _sensor(docs)["triggers"][0]["template"]["k8s"]["parameters"][0]["src"].update(
        dependencyName="subject"
    ),
    "nothing to fill": lambda docs: _sensor(docs)["triggers"][0]["template"]["k8s"]["parameters"][0].update(
        dest="spec.arguments.parameters.1.value"
    ),
    "has no parameter": lambda docs: _sensor(docs)["triggers"][0]["template"]["k8s"]["source"]["resource"]["spec"][
        "arguments"
    ]["parameters"][0].update(name="key"),
    "no task trian": lambda docs: _task(docs, "test").update(depends="trian"),
    "nothing before it is tasks.test": lambda docs: _task(docs, "score").update(depends="train"),
    "but the template takes": lambda docs: _task(docs, "publish").pop("arguments"),
    "no template evaluate": lambda docs: _task(docs, "test").update(template="evaluate"),
    "nothing is workflow.parameters.treshold": lambda docs: _template(docs)["templates"][3]["container"].update(
        args=["--threshold={{workflow.parameters.treshold}}"]
    ),
    "cannot be written": lambda docs: _template(docs)["templates"][1]["outputs"]["parameters"][0].update(
        valueFrom={"path": "/elsewhere/input"}
    ),
    "no variable PIPELINE_ROOT": lambda docs: of(docs, "ConfigMap", "model-etl")["data"].pop("PIPELINE_ROOT"),
    "no volume tmp": lambda docs: _pod(docs, "CronJob", "score").pop("volumes"),
    "ConfigMap model-etl": lambda docs: of(docs, "ConfigMap", "model-etl")["data"].update(
        AWS_ENDPOINT_URL_S3="http://mini:9000"
    ),
    "no Service minio with port 9000": lambda docs: of(docs, "Service", "minio")["spec"]["ports"][0].update(port=9001),
    "no Service flink with port 8099": lambda docs: of(docs, "Service", "flink")["spec"]["ports"].pop(),
    "no port jobs": lambda docs: _pod(docs, "Deployment", "flink-jobmanager")["containers"][1]["ports"].pop(),
    "its selector fits []": lambda docs: of(docs, "Service", "flink")["spec"]["selector"].update({"a": "b"}),
    "no pod with": lambda docs: of(docs, "NetworkPolicy", "flink")["spec"]["podSelector"]["matchExpressions"][0][
        "values"
    ].append("flink"),
    "its selector does not fit": lambda docs: of(docs, "Deployment", "minio")["spec"]["selector"].update(
        matchLabels={"app.kubernetes.io/part-of": "model-etl"}
    ),
    "no container scores": lambda docs: of(docs, "CronJob", "score")["spec"]["jobTemplate"]["spec"]["podFailurePolicy"][
        "rules"
    ][1]["onExitCodes"].update(containerName="scores"),
    "another namespace": lambda docs: of(docs, "RoleBinding", "model-etl-executor")["subjects"][0].update(
        namespace="argo"
    ),
    "not one": lambda docs: of(docs, "CronJob", "score")["metadata"].update(namespace="default"),
    "with the key AWS_KEY": lambda docs: of(docs, "EventSource", "arrivals")["spec"]["minio"]["object"][
        "accessKey"
    ].update(key="AWS_KEY"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_reference_is_found(fault: str) -> None:
    """Each kind of reference that leads nowhere is told of."""
    documents = built("local")
    BROKEN[fault](documents)
    assert any(fault in line for line in References(documents, {}).faults())


def test_a_secret_that_nobody_wants_is_told_of() -> None:
    """The list of Secrets to be brought holds none too many, and none too few."""
    assert "AWS" in str(BROUGHT["gcp"])
    assert References(built("gcp"), {**BROUGHT["gcp"], "other": []}).faults() == [
        "no one uses the Secret other that is to be brought"
    ]


# Argo's linter


def lint(documents: Sequence[Document], folder: Path) -> tuple[int, str]:
    """Have Argo's own linter look at documents; it needs no cluster."""
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    kinds = "workflowtemplates,cronworkflows,workflows"
    done = subprocess.run(
        [argo(), "lint", "--offline", "--no-color", f"--kinds={kinds}", str(file)],
        capture_output=True, text=True, check=False, env={"HOME": str(folder), "PATH": os.defpath},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def submitted(documents: Sequence[Document]) -> Document:
    """Give the workflow that the Sensor submits."""
    resource = _sensor(list(documents))["triggers"][0]["template"]["k8s"]["source"]["resource"]
    return {**resource, "metadata": {**resource["metadata"], "namespace": "model-etl"}}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_argo_lints_the_workflows(overlay: str, tmp_path: Path) -> None:
    """Argo's linter finds nothing in the template, in the CronWorkflow, and in what the Sensor submits."""
    documents = built(overlay)
    code, said = lint([*documents, submitted(documents)], tmp_path)
    assert (code, "no linting errors" in said) == (0, True), said


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda docs: _task(docs, "test").update(depends="trian"), "trian"),
        (lambda docs: _task(docs, "score").update(depends="train"), "model-version"),
        (lambda docs: of(docs, "CronWorkflow", "pipeline")["spec"].update(schedules=["15 2 * *"]), "cron"),
        (lambda docs: _template(docs).update(entrypoint="pipelines"), "pipelines"),
        (lambda docs: of(docs, "CronWorkflow", "pipeline")["spec"].update(schedule="15 2 * * *", typo=1), "typo"),
    ],
    ids=["depends", "order", "schedule", "entrypoint", "field"],
)
def test_argo_lint_finds_mistakes(fault: Callable[[list[Document]], Any], told: str, tmp_path: Path) -> None:
    """The linter is no formality: a mistake in what it looks at makes it fail, and it says where."""
    documents = built("local")
    fault(documents)
    code, said = lint(documents, tmp_path)
    assert code != 0
    assert told in said


# What every pod has


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_confined(overlay: str) -> None:
    """No container is root or may become it, images are pinned, memory has a limit, and roots cannot be written to."""
    for pod in pods(built(overlay)):
        assert pod.spec["securityContext"]["runAsNonRoot"] is True, pod.where
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod.where
        for container in pod.spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context.get("readOnlyRootFilesystem") or container["image"].startswith("flink:"), container["name"]
            assert "memory" in container["resources"]["limits"]
            assert re.search(r":(?!latest|VERSION)[\w.-]+$", container["image"]), container["image"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_version_is_everywhere_the_same(overlay: str) -> None:
    """The version of settings.env is in labels, settings and our images' tags; all images come from one registry."""
    documents = built(overlay)
    template = _template(documents)
    assert of(documents, "ConfigMap", "model-etl")["data"]["PIPELINE_VERSION"] == VERSION
    for labels in (template["workflowMetadata"]["labels"], template["podMetadata"]["labels"]):
        assert labels["app.kubernetes.io/version"] == VERSION
    images = {container["image"] for pod in pods(documents) for container in pod.spec["containers"]}
    ours = {image for image in images if "model_etl" in image}
    assert len(ours) >= 2
    assert {image.rpartition(":")[2] for image in ours} == {VERSION}
    (registry,) = {image.rpartition("/")[0] for image in ours}
    assert bool(registry) == (overlay != "local"), "all come from where the overlay says"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_settings_are_options(overlay: str) -> None:
    """Every MODEL_ETL_ variable is an option of model-etl, which would pass over others in silence."""
    names = of(built(overlay), "ConfigMap", "model-etl")["data"]
    given = {name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in names if name.startswith(ENVIRONMENT_PREFIX)}
    assert {"input_file", "model", "job"} <= given <= set(OPTIONS)
    assert not given & {"output_file", "report", "prediction_log", "rejects"}, "each that scores has its own"


@pytest.mark.parametrize("code", [0, *sorted(AGAIN | FOR_GOOD), 137, -1])
def test_only_what_may_pass_is_tried_again(code: int) -> None:
    """Storage that fails (74, 75) and pods that are lost are tried again, what a user must mend is not."""
    documents = built("local")
    again = json.loads(read("retry", str(code), documents=documents))
    assert again == dict.fromkeys(STEPS, code in AGAIN or code == -1)
    for name in ("score", "beam"):
        policy = of(documents, "CronJob", name)["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]
        (rule,) = [rule for rule in policy["rules"] if "onExitCodes" in rule]
        assert (rule["action"], rule["onExitCodes"]["operator"]) == ("FailJob", "In")
        assert set(rule["onExitCodes"]["values"]) == FOR_GOOD


def test_one_component_more_or_less() -> None:
    """With Argo, the CronJob waits to be started by hand, so that a night is not scored twice; without, it runs."""
    assert of(built("local"), "CronJob", "score")["spec"]["suspend"] is True
    (alone,) = [doc for doc in yaml.safe_load_all(build(DEPLOY / "base")) if doc["kind"] == "CronJob"]
    assert not alone["spec"].get("suspend")
    assert alone["spec"]["concurrencyPolicy"] == "Forbid"


# Running


@pytest.fixture(scope="module")
def server() -> Iterator[minio_server.Server]:
    """Give a MinIO with the keys of the local overlay's Secret."""
    found = minio_server.find()
    assert found.by != "moto", f"these tests want a real MinIO: {found.failed}"
    with minio_server.start(found, "TEST", "ASDFGHJKL") as started:
        yield started


@pytest.fixture
def bucket(server: minio_server.Server) -> Bucket:
    """Name a bucket that does not exist yet."""
    return Bucket(f"test-{secrets.token_hex(8)}", server, server.client())


def node_of(overlay: str, bucket: Bucket, folder: Path) -> Node:
    """Give a machine for the containers of an overlay; of the manifests, only addresses and places change."""
    keys = {"AWS_ACCESS_KEY_ID": bucket.server.key, "AWS_SECRET_ACCESS_KEY": bucket.server.secret}
    here, uri = bucket.server.endpoint, f"s3://{bucket.name}"
    documents, folder = built(overlay), folder / overlay
    if overlay == "local":
        return Node(documents, folder, {"http://minio:9000": here, "s3://model-etl": uri})
    if overlay == "aws":  # what the role of the ServiceAccount, and Amazon's own address, come to
        identity = {**keys, "AWS_ENDPOINT_URL_S3": here}
        return Node(documents, folder, {"s3://BUCKET": uri, "REGION": "us-east-1"}, identity=identity)
    if overlay == "gcp":
        places = {"https://storage.googleapis.com": here, "s3://BUCKET": uri, "auto": "us-east-1"}
        return Node(documents, folder, places, secrets={"model-etl-storage": keys})
    return Node(documents, folder, {"/data": f"{folder}/data"})


class Readers:
    """What readers of the results see, wherever these lie.

    Args:
        node: what ran.
        bucket: where the results are, unless the node has a folder.
    """

    def __init__(self, node: Node, bucket: Bucket) -> None:
        self._data = node.folder / "data"
        self._bucket = bucket
        self._local = f"{self._data}" in str(node.documents)

    def names(self) -> set[str]:
        """Name all files."""
        if self._local:
            return {str(path.relative_to(self._data)) for path in self._data.rglob("*") if path.is_file()}
        return self._bucket.keys()

    def get(self, name: str) -> bytes:
        """Read a file."""
        name = name.removeprefix(f"s3://{self._bucket.name}/").removeprefix(f"{self._data}/")
        return (self._data / name).read_bytes() if self._local else self._bucket.get(name)

    def put(self, name: str, content: bytes) -> None:
        """Write a file."""
        if self._local:
            (self._data / name).write_bytes(content)
        else:
            self._bucket.put(name, content)

    def published(self, name: str = "nightly") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Read the manifest and the predictions that it names, whose digests must be right."""
        manifest = json.loads(self.get(f"published/{name}/manifest.json"))
        for about in manifest["files"].values():
            content = self.get(about["name"])
            assert (len(content), hashlib.sha256(content).hexdigest()) == (about["bytes"], about["sha256"])
        lines = self.get(manifest["files"]["output"]["name"]).splitlines()
        return manifest, [json.loads(line) for line in lines]


@pytest.fixture
def local(bucket: Bucket, tmp_path: Path) -> tuple[Node, Readers]:
    """Give the local overlay with its example data."""
    node = node_of("local", bucket, tmp_path)
    done = node.cron_job("example")
    assert done.code == 0, done.err
    return node, Readers(node, bucket)


def nightly(node: Node, **parameters: str) -> Run:
    """Run what the CronWorkflow starts."""
    spec = copy.deepcopy(node.document("CronWorkflow", "pipeline")["spec"]["workflowSpec"])
    spec["arguments"] = {"parameters": [{"name": name, "value": value} for name, value in parameters.items()]}
    return node.workflow(spec)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_pipeline_runs(overlay: str, bucket: Bucket, tmp_path: Path) -> None:
    """Each container of the DAG does its part, and the manifest tells version, model, counts and files."""
    node = node_of(overlay, bucket, tmp_path)
    readers = Readers(node, bucket)
    example = node if overlay == "local" else node_of("local", bucket, tmp_path)
    assert example.cron_job("example").code == 0
    if overlay == "azure":
        for name in ("training/iris.csv", "incoming/nightly.json"):
            (node.folder / "data" / name).parent.mkdir(parents=True)
            readers.put(name, bucket.get(name))
    done = nightly(node)
    assert (done.names, done.last.code) == (STEPS, 0), done.last.err
    manifest, predictions = readers.published()
    assert manifest["pipeline"] == {"version": VERSION, "run": done.uid, "workflow": f"pipeline-{done.uid[:5]}"}
    assert manifest["counts"] == {"read": 150, "written": 150, "rejected": 0, "withheld": 0}
    assert manifest["model"]["version"] == manifest["model"]["tested"]["model_version"]
    assert manifest["model"]["version"].startswith("1.0.0+")
    assert manifest["model"]["tested"]["accuracy"] > 0.9
    assert manifest["report"]["status"] == "published"
    assert "ASDFGHJKL" not in json.dumps(manifest)
    species = [line["species"] for line in predictions]
    assert sum(species[50 * n] == name for n, name in enumerate(("setosa", "versicolor", "virginica"))) == 3
    log = readers.get(manifest["files"]["log"]["name"]).splitlines()
    assert any(manifest["model"]["version"] in line.decode() for line in log)
    assert len(log) >= 150


def test_a_model_under_the_threshold_is_not_used(local: tuple[Node, Readers]) -> None:
    """The workflow ends with the test, says by how much, and what was published before stays."""
    node, readers = local
    assert nightly(node).last.code == 0
    before = {name: readers.get(name) for name in readers.names() if name.startswith("published/")}
    done = nightly(node, threshold="1.0")
    assert (done.names, done.last.code) == (["prepare", "train", "test"], 65)
    assert "is under the threshold, 1.0; nothing is scored or published" in done.last.err
    assert "Traceback" not in done.last.err
    assert {name: readers.get(name) for name in readers.names() if name.startswith("published/")} == before
    facts = json.loads(readers.get(f"runs/{done.uid}/evaluation.json"))
    assert facts["right"] < facts["records"] == int(re.search(r"of (\d+) records", done.last.err)[1])


def test_a_second_run_replaces_the_first_as_a_whole(local: tuple[Node, Readers]) -> None:
    """A reader's manifest names files of one run only; those of the run before are still there for who reads them."""
    node, readers = local
    first_run = nightly(node)
    first, _ = readers.published()
    readers.put("incoming/nightly.json", json.dumps(SETOSA).encode() + b"\n")
    second_run = nightly(node)
    second, predictions = readers.published()
    assert [first["pipeline"]["run"], second["pipeline"]["run"]] == [first_run.uid, second_run.uid]
    assert predictions == [{"species": "setosa"}]
    assert first["model"]["version"] == second["model"]["version"], "the same records to train with: the same model"
    for about in first["files"].values():
        assert hashlib.sha256(readers.get(about["name"])).hexdigest() == about["sha256"]
    assert {name.split("/")[2] for name in (about["uri"].partition("//")[2] for about in second["files"].values())} == {
        "nightly"
    }


@pytest.mark.parametrize(
    ("step", "file", "code"),
    [("score", "model.json", 69), ("publish", "predictions.json", 65), ("publish", "evaluation.json", 65)],
)
def test_what_was_changed_on_its_way_is_not_published(
    local: tuple[Node, Readers], step: str, file: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was not tested, or results that are not as reported: the manifest goes on naming the run before."""
    node, readers = local
    assert nightly(node).last.code == 0
    first, _ = readers.published()
    contained = Node.contained

    def damaged(self: Node, name: str, container: Any, pod: Any) -> Any:
        if name == step:
            place = f"runs/{self.environment(container)['PIPELINE_RUN']}/{file}"
            readers.put(place, readers.get(place).replace(b"+", b"-") + b"\n")
        return contained(self, name, container, pod)

    monkeypatch.setattr(Node, "contained", damaged)
    done = nightly(node)
    assert (done.last.name, done.last.code) == (step, code)
    assert ("nothing is published" in done.last.err) == (step == "publish")
    assert readers.published()[0] == first


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
    local: tuple[Node, Readers], name: str, content: bytes, code: int, told: str
) -> None:
    """Labelled records and the input are looked at before anything is trained."""
    node, readers = local
    readers.put(name, content)
    done = nightly(node)
    assert (done.names, done.last.code) == (["prepare"], code)
    assert told in done.last.err
    assert "Traceback" not in done.last.err


def test_a_missing_setting_is_named(local: tuple[Node, Readers]) -> None:
    """Without a root, the first step says which variable it misses and where that comes from."""
    node, _ = local
    del node.document("ConfigMap", "model-etl")["data"]["PIPELINE_ROOT"]
    done = nightly(node)
    assert (done.last.name, done.last.code) == ("prepare", 78)
    assert "PIPELINE_ROOT is not set" in done.last.err


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_cron_job_scores(overlay: str, bucket: Bucket, tmp_path: Path) -> None:
    """The container of the CronJob scores the night's input as the settings say, and says nothing."""
    node = node_of(overlay, bucket, tmp_path)
    readers = Readers(node, bucket)
    bucket.client.make_bucket(bucket.name)
    if overlay == "azure":
        for name in ("incoming", "scored"):
            (node.folder / "data" / name).mkdir(parents=True)
    readers.put("incoming/nightly.json", json.dumps(SETOSA).encode())
    done = node.cron_job("score")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert readers.get("scored/nightly.json") == b'{"species":"setosa"}\n'
    assert json.loads(readers.get("scored/nightly.report.json"))["job"] == "nightly"


# A new object


def arrived(node: Node, event: Any) -> Any:
    """Give the workflow that Argo Events' own code makes of an event with the overlay's Sensor, or None."""
    file = node.folder / "event.json"
    file.write_text(json.dumps(event))
    return json.loads(read("arrive", str(file), documents=node.documents))


def test_a_new_object_is_scored(local: tuple[Node, Readers], bucket: Bucket) -> None:
    """What MinIO tells of an object with an odd name becomes, by the Sensor, a workflow that scores it."""
    node, readers = local
    source = node.document("EventSource", "arrivals")["spec"]["minio"]["object"]
    listener = bucket.server.client()
    told: list[Any] = []

    def listen() -> None:
        with (
            contextlib.suppress(Exception),
            listener.listen_bucket_notification(
                bucket.name, source["filter"]["prefix"], source["filter"]["suffix"], source["events"]
            ) as events,
        ):
            told.append(next(iter(events)))

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    key = "incoming/a b+c%20ä/d=1.json"
    for _ in range(50):  # until the server listens, nobody hears
        bucket.put(key, json.dumps(SETOSA).encode() + b"\n")
        listening.join(timeout=0.2)
        if told:
            break
    workflow = arrived(node, {"notification": told[0]["Records"]})
    assert workflow["metadata"]["generateName"] == "arrival-"
    done = node.workflow(workflow["spec"])
    assert (done.names, done.last.code) == (STEPS, 0), done.last.err
    manifest, predictions = readers.published("arrivals/a b+c%20ä/d=1.json")
    assert predictions == [{"species": "setosa"}]
    assert manifest["input"]["name"] == f"s3://{bucket.name}/{key}"
    assert not [name for name in readers.names() if name.startswith("published/nightly")]


EVENTS = {
    "aws": {
        "body": {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "incoming/a+b%25.json"}}}]}
    },
    "gcp": {"attributes": {"eventType": "OBJECT_FINALIZE"}, "body": {"name": "incoming/a b%.json"}},
    "azure": {
        "body": {
            "subject": "/blobServices/default/containers/data/blobs/incoming/a b%.json",
            "data": {"api": "FlushWithClose"},
        }
    },
}


@pytest.mark.parametrize("overlay", EVENTS)
def test_each_cloud_tells_of_an_object_its_own_way(overlay: str, bucket: Bucket, tmp_path: Path) -> None:
    """From the messages of the clouds, the Sensor takes the object's name in the way that prepare reads it."""
    workflow = arrived(node_of(overlay, bucket, tmp_path), EVENTS[overlay])
    (parameter,) = workflow["spec"]["arguments"]["parameters"]
    assert parameter == {
        "name": "object",
        "value": "incoming/a+b%25.json" if overlay == "aws" else "incoming%2Fa+b%25.json",
    }


@pytest.mark.parametrize(
    ("overlay", "event"),
    [
        ("aws", {"body": {"Service": "Amazon S3", "Event": "s3:TestEvent"}}),
        ("gcp", {"attributes": {"eventType": "OBJECT_DELETE"}, "body": {"name": "incoming/a.json"}}),
        ("gcp", {"attributes": {"eventType": "OBJECT_FINALIZE"}, "body": {"name": "published/a.json"}}),
        ("azure", {"body": {**EVENTS["azure"]["body"], "data": {"api": "CreateFile"}}}),
        (
            "azure",
            {"body": {"subject": "/blobServices/default/containers/data/blobs/runs/a", "data": {"api": "PutBlob"}}},
        ),
    ],
    ids=["tied", "deleted", "published", "not whole", "handed on"],
)
def test_what_is_no_arrival_starts_nothing(overlay: str, event: Any, bucket: Bucket, tmp_path: Path) -> None:
    """Tests, deletions, files that are not whole, and what the pipeline itself writes are passed over."""
    assert arrived(node_of(overlay, bucket, tmp_path), event) is None


@pytest.mark.parametrize(
    "key", ["published/nightly/x/predictions.json", "incoming/", "incoming/%7B%7Bx%7D%7D", "incoming/$(A)"]
)
def test_an_object_elsewhere_is_refused(local: tuple[Node, Readers], key: str) -> None:
    """What does not lie below incoming/, or would be taken for a variable, is not scored: else results start a run."""
    node, _ = local
    done = nightly(node, object=key)
    assert (done.names, done.last.code) == (["prepare"], 2)
    assert "is not to be scored" in done.last.err


# Images


@pytest.mark.parametrize(
    "file", sorted(path.name for path in (DEPLOY / "docker").glob("Dockerfile*") if path.suffix != ".dockerignore")
)
def test_what_an_image_copies_is_there(file: str) -> None:
    """Every source of a COPY is in the folder that the Dockerfile says to build from, and versions are pinned."""
    text = (DEPLOY / "docker" / file).read_text()
    context = ROOT / re.search(rf"(?m)^# +docker build -f deploy/docker/{re.escape(file)} .*?(\S+)$", text)[1]
    sources = [word for line in re.findall(r"(?m)^COPY (?!--from)(.*)", text) for word in line.split()[:-1]]
    assert sources
    assert [source for source in sources if not (context / source).exists()] == []
    if context == ROOT:  # what is not named there does not get into the build
        let_in = re.findall(r"(?m)^!(.*)$", (DEPLOY / "docker" / f"{file}.dockerignore").read_text())
        assert [source for source in sources if not f"{source}/".startswith(tuple(f"{path}/" for path in let_in))] == []
    assert re.search(r"(?m)^USER \d+:\d+$", text)


def test_the_pipeline_image_has_what_is_tested() -> None:
    """What the image adds for training is pinned to the versions that these tests ran with."""
    lines = (DEPLOY / "docker" / "requirements.txt").read_text().split()
    tested = (ROOT / "test_requirements.txt").read_text()
    assert any(line.startswith("scikit-learn==") for line in lines)
    assert [line for line in lines if not re.search(rf"(?m)^{re.escape(line)}\b", tested)] == []


def test_flink_and_beam_go_together() -> None:
    """The job server is made for the Flink that runs, and is of the Beam that workers and the job have."""
    images = {c["name"]: c["image"] for pod in pods(built("local")) for c in pod.spec["containers"]}
    flink, beam = re.fullmatch(r"apache/beam_flink([\d.]+)_job_server:([\d.]+)", images["jobserver"]).groups()
    assert images["jobmanager"] == images["taskmanager"]
    assert images["jobmanager"].startswith(f"flink:{flink}.")
    assert f"\napache-beam=={beam}\n" in (ROOT / "engines" / "beam" / "requirements.txt").read_text()


def test_links_lead_somewhere() -> None:
    """Every relative link of deploy/README.md names a file that exists."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (DEPLOY / "README.md").read_text())
    assert links
    assert all((DEPLOY / link).exists() for link in links)
