"""The manifests are valid, confined and consistent, and fail for good or are retried as they should.

There is no cluster. The types and checks are those of the code of Kubernetes, Argo Workflows and Argo Events
(deploy_validate/), and Argo's own linter.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_manifests import (
    EXTERNAL_SECRETS,
    OVERLAYS,
    STEPS,
    STEPS_WITH_FLINK,
    VERSION,
    build_overlay,
    build_with,
    find,
    pipeline_task,
    pipeline_template,
    read_strictly,
    reading_error,
    submitted,
)
from deploy_references import Document, References, pods
from deploy_tools import DEPLOY, argo, build

from model_etl.settings.option import ENVIRONMENT_PREFIX
from model_etl.settings.options import OPTIONS

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first tests build Argo's linter

TOKEN_ANNOTATION = "workflows.argoproj.io/service-account-token.name"
RETRIED_CODES, FINAL_CODES = {74, 75}, {1, 2, 65, 66, 69, 73, 77, 78}


def test_the_overlays_are_those_of_the_readme() -> None:
    """There is an overlay for a cluster at hand and one for each cloud, and each lists the Secrets that it needs."""
    assert set(OVERLAYS) == {"local", "aws", "gcp", "azure"} == set(EXTERNAL_SECRETS)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_valid(overlay: str) -> None:
    """Every document has only known kinds, fields and values, and passes the checks of Argo Events' own code."""
    documents = build_overlay(overlay)
    read_strictly("check", documents=documents)
    kinds = {doc["kind"] for doc in documents}
    assert {"CronJob", "CronWorkflow", "WorkflowTemplate", "Sensor", "EventSource", "EventBus"} <= kinds


@pytest.mark.parametrize("overlay", ["local", "aws", "gcp"])
def test_flink_goes_with_every_overlay_that_has_s3(overlay: str, tmp_path: Path) -> None:
    """The Flink component is part of the local overlay, and can be added to the overlays of AWS and Google."""
    documents = build_with(overlay, [] if overlay == "local" else ["flink"], tmp_path)
    read_strictly("check", documents=documents)
    assert References(documents, EXTERNAL_SECRETS[overlay]).faults() == []
    worker = find(documents, "Deployment", "flink-taskmanager")["spec"]["template"]["spec"]["containers"][1]
    config = find(documents, "ConfigMap", "model-etl")["metadata"]["name"]
    assert worker["image"].endswith(f"model_etl-beam:{VERSION}")
    assert worker["envFrom"][0]["configMapRef"]["name"] == config
    (step,) = [item for item in pipeline_template(documents)["templates"] if item["name"] == "score-on-flink"]
    assert step["container"]["image"] == worker["image"]


def test_flink_needs_no_argo(tmp_path: Path) -> None:
    """The Flink component can be used without the pipeline, whose step it would add."""
    documents = build_with("base", ["flink"], tmp_path)
    read_strictly("check", documents=documents)
    assert not [document for document in documents if document["kind"] == "WorkflowTemplate"]


def test_the_step_on_flink_is_tried_again_as_the_others() -> None:
    """The component's copy of the retry strategy is that of the other steps."""
    templates = {item["name"]: item for item in pipeline_template(build_overlay("local"))["templates"]}
    assert templates["score-on-flink"]["retryStrategy"] == templates["score"]["retryStrategy"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kafka_messages_go_with_every_overlay(overlay: str, tmp_path: Path) -> None:
    """The component for Kafka messages can be added to every overlay."""
    documents = build_with(overlay, ["kafka-events"], tmp_path)
    read_strictly("check", documents=documents)
    assert References(documents, EXTERNAL_SECRETS[overlay]).faults() == []
    code, output = lint([*documents, *submitted(documents)], tmp_path)
    assert (code, "no linting errors" in output) == (0, True), output


def test_a_night_is_scored_once(tmp_path: Path) -> None:
    """One schedule is in force: the calendar's with Argo Events, else the CronWorkflow's, else the CronJob's."""
    documents = build_overlay("local")
    night = find(documents, "EventSource", "calendar")["spec"]["calendar"]["night"]
    workflow, job = (
        find(documents, kind, name)["spec"] for kind, name in (("CronWorkflow", "pipeline"), ("CronJob", "score"))
    )
    assert (night["schedule"], night["timezone"]) == (*workflow["schedules"], workflow["timezone"])
    assert (night["schedule"], night["timezone"]) == (job["schedule"], job["timeZone"])
    assert workflow["suspend"] is job["suspend"] is True
    with_argo = find(build_with("base", ["argo"], tmp_path), "CronWorkflow", "pipeline")["spec"]
    assert not with_argo.get("suspend")


def _misspelt_in_the_sensor(documents: list[Document]) -> None:
    resource = find(documents, "Sensor", "arrivals")["spec"]["triggers"][0]["template"]["k8s"]["source"]["resource"]
    resource["spec"]["workflowTemplateReff"] = resource["spec"].pop("workflowTemplateRef")


MISSPELT: dict[str, Callable[[list[Document]], Any]] = {
    "concurrencypolicy": lambda docs: find(docs, "CronJob", "score")["spec"].update(concurrencypolicy="Forbid"),
    "readOnlyRootFileSystem": lambda docs: find(docs, "WorkflowTemplate", "pipeline")["spec"]["templateDefaults"][
        "container"
    ]["securityContext"].update(readOnlyRootFileSystem=True),
    "timeZone": lambda docs: find(docs, "CronWorkflow", "pipeline")["spec"].update(timeZone="Etc/UTC"),
    "bucketName": lambda docs: find(docs, "EventSource", "arrivals")["spec"]["minio"]["object"].update(bucketName="x"),
    "workflowTemplateReff": _misspelt_in_the_sensor,
    "replica": lambda docs: find(docs, "EventBus", "model-etl")["spec"]["jetstream"].update(replica=1),
    "CronJobb": lambda docs: find(docs, "CronJob", "score").update(kind="CronJobb"),
    "quarter": lambda docs: find(docs, "CronJob", "score")["spec"].update(startingDeadlineSeconds="a quarter"),
    "more than one": lambda docs: find(docs, "EventSource", "arrivals")["spec"].update(
        webhook={"object": {"port": "80", "endpoint": "/", "method": "POST"}}
    ),
}


@pytest.mark.parametrize("word", MISSPELT)
def test_what_is_misspelt_is_refused(word: str) -> None:
    """A misspelt field, kind or value in any document is an error that names it."""
    documents = build_overlay("local")
    MISSPELT[word](documents)
    output = reading_error("check", documents=documents)
    assert word in output or "of type int64" in output


def lint(documents: Sequence[Document], folder: Path) -> tuple[int, str]:
    """Run Argo's own linter on documents; return its exit code and output. It needs no cluster."""
    file = folder / "manifests.yaml"
    file.write_text(yaml.safe_dump_all(documents))
    kinds = "workflowtemplates,cronworkflows,workflows"
    done = subprocess.run(
        [argo(), "lint", "--offline", "--no-color", f"--kinds={kinds}", str(file)],
        capture_output=True, text=True, check=False, env={"HOME": str(folder), "PATH": os.defpath},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_argo_lints_the_workflows(overlay: str, tmp_path: Path) -> None:
    """Argo's linter accepts the template, the CronWorkflow and the workflows that the Sensor submits."""
    documents = build_overlay(overlay)
    code, output = lint([*documents, *submitted(documents)], tmp_path)
    assert (code, "no linting errors" in output) == (0, True), output


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda docs: pipeline_task(docs, "test").update(depends="trian"), "trian"),
        (lambda docs: pipeline_task(docs, "score").update(depends="train"), "model-version"),
        (lambda docs: find(docs, "CronWorkflow", "pipeline")["spec"].update(schedules=["15 2 * *"]), "cron"),
        (lambda docs: pipeline_template(docs).update(entrypoint="pipelines"), "pipelines"),
        (lambda docs: find(docs, "CronWorkflow", "pipeline")["spec"].update(schedule="15 2 * * *", typo=1), "typo"),
    ],
    ids=["depends", "order", "schedule", "entrypoint", "field"],
)
def test_argo_lint_finds_mistakes(fault: Callable[[list[Document]], Any], told: str, tmp_path: Path) -> None:
    """Argo's linter fails on a mistake, and names it."""
    documents = build_overlay("local")
    fault(documents)
    code, output = lint(documents, tmp_path)
    assert code != 0
    assert told in output


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_confined(overlay: str) -> None:
    """No container runs as root, image versions are pinned, memory is limited, and root file systems are read-only."""
    for pod in pods(build_overlay(overlay)):
        assert pod.spec["securityContext"]["runAsNonRoot"] is True, pod.where
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod.where
        for container in pod.spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context.get("readOnlyRootFilesystem") or container["image"].startswith("flink:"), container["name"]
            assert "memory" in container["resources"]["limits"]
            assert re.search(r":(?!latest|VERSION)[\w.-]+(@sha256:[0-9a-f]{64})?$", container["image"]), container[
                "image"
            ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_model_has_a_token_of_the_cluster(overlay: str) -> None:
    """No pod mounts a token of its ServiceAccount; Argo's executor has one, which allows to report results only."""
    documents = build_overlay(overlay)
    for pod in pods(documents):
        assert pod.spec["automountServiceAccountToken"] is False, pod.where
    account = pipeline_template(documents)["executor"]["serviceAccountName"]
    token = find(documents, "ServiceAccount", account)["metadata"]["annotations"][TOKEN_ANNOTATION]
    secret = find(documents, "Secret", token)
    assert secret["type"] == "kubernetes.io/service-account-token"
    assert secret["metadata"]["annotations"]["kubernetes.io/service-account.name"] == account
    assert "data" not in secret
    bound = {
        subject["name"]: find(documents, "Role", document["roleRef"]["name"])["rules"]
        for document in documents
        if document["kind"] == "RoleBinding"
        for subject in document["subjects"]
    }
    assert "model-etl" not in bound, "the account of the models has no rights in the cluster"
    assert [(rule["resources"], rule["verbs"]) for rule in bound[account]] == [
        (["workflowtaskresults"], ["create", "patch"])
    ]


def test_minio_is_reached_by_our_own_pods_only() -> None:
    """A NetworkPolicy closes MinIO, whose keys are public, to all but model_etl and the listener to its events."""
    (policy,) = [
        document["spec"]
        for document in build_overlay("local")
        if document["kind"] == "NetworkPolicy" and document["metadata"]["name"] == "minio"
    ]
    assert policy["podSelector"] == {"matchLabels": {"app.kubernetes.io/name": "minio"}}
    assert (policy["policyTypes"], policy.get("egress", [])) == (["Ingress", "Egress"], [])
    (rule,) = policy["ingress"]
    assert [peer["podSelector"]["matchLabels"] for peer in rule["from"]] == [
        {"app.kubernetes.io/part-of": "model-etl"},
        {"eventsource-name": "arrivals"},
    ]
    assert rule["ports"] == [{"port": "s3"}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_version_is_everywhere_the_same(overlay: str) -> None:
    """Labels, settings and image tags have the version of settings.env, and all images come from one registry."""
    documents = build_overlay(overlay)
    template = pipeline_template(documents)
    assert find(documents, "ConfigMap", "model-etl")["data"]["PIPELINE_VERSION"] == VERSION
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
    """Every MODEL_ETL_ variable is an option of model-etl, which refuses unknown variables."""
    names = find(build_overlay(overlay), "ConfigMap", "model-etl")["data"]
    given = {name.removeprefix(ENVIRONMENT_PREFIX).lower() for name in names if name.startswith(ENVIRONMENT_PREFIX)}
    assert {"input_file", "model", "job"} <= given <= set(OPTIONS)
    assert not given & {"output_file", "report", "prediction_log", "rejects"}, "each that scores has its own"


@pytest.mark.parametrize("code", [0, *sorted(RETRIED_CODES | FINAL_CODES), 137, -1])
def test_only_what_may_pass_is_tried_again(code: int) -> None:
    """A failure of storage or a lost pod is retried; a failure that a user must fix is not."""
    documents = build_overlay("local")
    again = json.loads(read_strictly("retry", str(code), documents=documents))
    assert again == dict.fromkeys({*STEPS, *STEPS_WITH_FLINK}, code in RETRIED_CODES or code == -1)
    for name in ("score", "beam"):
        policy = find(documents, "CronJob", name)["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]
        (rule,) = [rule for rule in policy["rules"] if "onExitCodes" in rule]
        assert (rule["action"], rule["onExitCodes"]["operator"]) == ("FailJob", "In")
        assert set(rule["onExitCodes"]["values"]) == FINAL_CODES


def test_one_component_more_or_less() -> None:
    """The CronJob is suspended where Argo starts the runs, and runs by itself where there is no Argo."""
    assert find(build_overlay("local"), "CronJob", "score")["spec"]["suspend"] is True
    (alone,) = [doc for doc in yaml.safe_load_all(build(DEPLOY / "base")) if doc["kind"] == "CronJob"]
    assert not alone["spec"].get("suspend")
    assert alone["spec"]["concurrencyPolicy"] == "Forbid"
