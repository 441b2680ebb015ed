"""The manifests of deploy/: built, found by kind and name, and read strictly."""

from __future__ import annotations

import copy
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_references import Document, pods
from deploy_tools import DEPLOY, build, reader, run

EXTERNAL_SECRETS = yaml.safe_load((DEPLOY / "secrets.yaml").read_text())
OVERLAYS = sorted(path.name for path in (DEPLOY / "overlays").iterdir())
STEPS = ["prepare", "train", "test", "score", "publish"]
STEPS_WITH_FLINK = ["prepare", "train", "test", "score-on-flink", "publish"]
(VERSION,) = re.findall(r"(?m)^PIPELINE_VERSION=(.+)$", (DEPLOY / "base" / "settings.env").read_text())

_CACHE: dict[str, list[Document]] = {}


def build_overlay(name: str) -> list[Document]:
    """Return the documents of an overlay, which is built once a session."""
    if name not in _CACHE:
        _CACHE[name] = list(yaml.safe_load_all(build(DEPLOY / "overlays" / name)))
    return copy.deepcopy(_CACHE[name])


def build_with(overlay: str, components: Sequence[str], folder: Path) -> list[Document]:
    """Return the documents of an overlay, or of the base, to which a user adds components; `folder` is empty."""
    source = DEPLOY / ("base" if overlay == "base" else f"overlays/{overlay}")
    lines = {
        "namespace": "model-etl",
        "resources": [os.path.relpath(source, folder)],
        "components": [os.path.relpath(DEPLOY / "components" / name, folder) for name in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(lines))
    return list(yaml.safe_load_all(build(folder)))


def find(documents: Sequence[Document], kind: str, name: str) -> Any:
    """Return the first document of a kind whose name starts with `name`."""
    return next(doc for doc in documents if doc["kind"] == kind and doc["metadata"]["name"].startswith(name))


def read_strictly(*arguments: str, documents: Sequence[Document]) -> str:
    """Run a command of the strict reader on documents, and return what it printed."""
    return run([reader(), *arguments], yaml.safe_dump_all(documents))


def reading_error(*arguments: str, documents: Sequence[Document]) -> str:
    """Return the error with which the strict reader refuses documents."""
    with pytest.raises(subprocess.CalledProcessError) as failed:
        read_strictly(*arguments, documents=documents)
    return str(failed.value.stderr)


def pipeline_template(documents: list[Document]) -> Any:
    """Return the spec of the pipeline's WorkflowTemplate."""
    return find(documents, "WorkflowTemplate", "pipeline")["spec"]


def pipeline_task(documents: list[Document], name: str) -> Any:
    """Return a task of the pipeline by its name."""
    return next(task for task in pipeline_template(documents)["templates"][0]["dag"]["tasks"] if task["name"] == name)


def pod_spec(documents: list[Document], kind: str, name: str) -> Any:
    """Return the spec of the pod that a document makes."""
    return next(pod.spec for pod in pods(documents) if pod.where == f"{kind} {name}")


def sensor_spec(documents: list[Document]) -> Any:
    """Return the spec of the Sensor."""
    return find(documents, "Sensor", "arrivals")["spec"]


def submitted(documents: Sequence[Document]) -> list[Document]:
    """Return the workflows that the Sensor submits."""
    triggers = sensor_spec(list(documents))["triggers"]
    resources = [trigger["template"]["k8s"]["source"]["resource"] for trigger in triggers]
    return [{**resource, "metadata": {**resource["metadata"], "namespace": "model-etl"}} for resource in resources]
