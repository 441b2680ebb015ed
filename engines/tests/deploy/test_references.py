"""Every reference in the manifests leads to an object that exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from deploy_manifests import (
    EXTERNAL_SECRETS,
    OVERLAYS,
    build_overlay,
    find,
    pipeline_task,
    pipeline_template,
    pod_spec,
    sensor_spec,
)
from deploy_references import Document, References

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first tests build Argo's linter


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_reference_leads_somewhere(overlay: str) -> None:
    """Every object that a document names exists, or is on the list of Secrets that the user creates."""
    assert References(build_overlay(overlay), EXTERNAL_SECRETS[overlay]).faults() == []


def _without(documents: list[Document], kind: str, name: str) -> None:
    documents.remove(find(documents, kind, name))


BROKEN: dict[str, Callable[[list[Document]], Any]] = {
    "no ConfigMap": lambda docs: _without(docs, "ConfigMap", "model-etl"),
    "no Secret": lambda docs: _without(docs, "Secret", "model-etl-storage"),
    "no ServiceAccount": lambda docs: _without(docs, "ServiceAccount", "model-etl"),
    "may not create workflows": lambda docs: _without(docs, "RoleBinding", "model-etl-sensor"),
    "no Role": lambda docs: _without(docs, "Role", "model-etl-executor"),
    "no EventBus": lambda docs: _without(docs, "EventBus", "model-etl"),
    "no WorkflowTemplate": lambda docs: find(docs, "CronWorkflow", "pipeline")["spec"]["workflowSpec"].update(
        workflowTemplateRef={"name": "pipelines"}
    ),
    "no EventSource": lambda docs: sensor_spec(docs)["dependencies"][0].update(eventName="objects"),
    "no dependency": lambda docs: sensor_spec(docs)["triggers"][0]["template"]["k8s"]["parameters"][0]["src"].update(
        dependencyName="subject"
    ),
    "nothing to fill": lambda docs: sensor_spec(docs)["triggers"][0]["template"]["k8s"]["parameters"][0].update(
        dest="spec.arguments.parameters.1.value"
    ),
    "keeps the value in the manifest": lambda docs: sensor_spec(docs)["triggers"][0]["template"]["k8s"].pop(
        "parameters"
    ),
    "not each dependency once": lambda docs: sensor_spec(docs)["triggers"][1]["template"].update(conditions="object"),
    "no ConfigMap calendars": lambda docs: find(docs, "EventSource", "calendar")["spec"]["calendar"]["night"][
        "persistence"
    ]["configMap"].update(name="calendars"),
    "no task scored": lambda docs: pipeline_task(docs, "publish").update(depends="scored && score-on-flink"),
    "has no parameter": lambda docs: sensor_spec(docs)["triggers"][0]["template"]["k8s"]["source"]["resource"]["spec"][
        "arguments"
    ]["parameters"][0].update(name="key"),
    "no task trian": lambda docs: pipeline_task(docs, "test").update(depends="trian"),
    "nothing before it is tasks.test": lambda docs: pipeline_task(docs, "score").update(depends="train"),
    "but the template takes": lambda docs: pipeline_task(docs, "publish").pop("arguments"),
    "no template evaluate": lambda docs: pipeline_task(docs, "test").update(template="evaluate"),
    "nothing is workflow.parameters.treshold": lambda docs: pipeline_template(docs)["templates"][3]["container"].update(
        args=["--threshold={{workflow.parameters.treshold}}"]
    ),
    "cannot be written": lambda docs: pipeline_template(docs)["templates"][1]["outputs"]["parameters"][0].update(
        valueFrom={"path": "/elsewhere/input"}
    ),
    "no variable PIPELINE_ROOT": lambda docs: find(docs, "ConfigMap", "model-etl")["data"].pop("PIPELINE_ROOT"),
    "no volume tmp": lambda docs: pod_spec(docs, "CronJob", "score").pop("volumes"),
    "ConfigMap model-etl": lambda docs: find(docs, "ConfigMap", "model-etl")["data"].update(
        AWS_ENDPOINT_URL_S3="http://mini:9000"
    ),
    "no Service minio with port 9000": lambda docs: find(docs, "Service", "minio")["spec"]["ports"][0].update(
        port=9001
    ),
    "no Service flink with port 8099": lambda docs: find(docs, "Service", "flink")["spec"]["ports"].pop(),
    "no port jobs": lambda docs: pod_spec(docs, "Deployment", "flink-jobmanager")["containers"][1]["ports"].pop(),
    "its selector fits []": lambda docs: find(docs, "Service", "flink")["spec"]["selector"].update({"a": "b"}),
    "no pod with": lambda docs: find(docs, "NetworkPolicy", "flink")["spec"]["podSelector"]["matchExpressions"][0][
        "values"
    ].append("flink"),
    "its selector does not fit": lambda docs: find(docs, "Deployment", "minio")["spec"]["selector"].update(
        matchLabels={"app.kubernetes.io/part-of": "model-etl"}
    ),
    "no container scores": lambda docs: find(docs, "CronJob", "score")["spec"]["jobTemplate"]["spec"][
        "podFailurePolicy"
    ]["rules"][1]["onExitCodes"].update(containerName="scores"),
    "another namespace": lambda docs: find(docs, "RoleBinding", "model-etl-executor")["subjects"][0].update(
        namespace="argo"
    ),
    "not one": lambda docs: find(docs, "CronJob", "score")["metadata"].update(namespace="default"),
    "with the key AWS_KEY": lambda docs: find(docs, "EventSource", "arrivals")["spec"]["minio"]["object"][
        "accessKey"
    ].update(key="AWS_KEY"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_reference_is_found(fault: str) -> None:
    """A reference to an object that does not exist is reported, whatever its kind."""
    documents = build_overlay("local")
    BROKEN[fault](documents)
    assert any(fault in line for line in References(documents, {}).faults())


def test_a_secret_that_nobody_wants_is_told_of() -> None:
    """A Secret that is listed but used nowhere is reported."""
    assert "AWS" in str(EXTERNAL_SECRETS["gcp"])
    assert References(build_overlay("gcp"), {**EXTERNAL_SECRETS["gcp"], "other": []}).faults() == [
        "the Secret other is listed, but used nowhere"
    ]
