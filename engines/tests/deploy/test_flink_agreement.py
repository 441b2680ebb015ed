"""Flink's manifests, the exit codes of the program and the documentation say the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from deploy_manifests import build_overlay, find, pipeline_template, pod_spec
from deploy_tools import DEPLOY, ROOT

from model_etl.errors import ModelEtlError, ModelUnavailable, StorageFailure, TryAgain

pytestmark = pytest.mark.timeout(1200)  # where nothing is built yet, the first tests build Argo's linter

ENGINES_PAGE = (ROOT / "docs" / "engines.md").read_text()
README = (DEPLOY / "README.md").read_text()
BUG, USAGE = 1, 2


def exit_codes(error: type[ModelEtlError] = ModelEtlError) -> Iterator[int]:
    """Yield the exit codes of all errors."""
    yield error.exit_code
    for below in error.__subclasses__():
        yield from exit_codes(below)


def beam_arguments() -> dict[str, list[str]]:
    """Return the arguments of each container that submits the Beam job."""
    documents = build_overlay("local")
    (step,) = [item for item in pipeline_template(documents)["templates"] if item["name"] == "score-on-flink"]
    return {"step": step["container"]["args"], "job": pod_spec(documents, "CronJob", "beam")["containers"][0]["args"]}


def named_ports(container: dict[str, Any]) -> dict[str, int]:
    """Return the ports of a container by name."""
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def containers(name: str) -> dict[str, Any]:
    """Return the containers of a Deployment by name."""
    return {item["name"]: item for item in pod_spec(build_overlay("local"), "Deployment", name)["containers"]}


def test_every_exit_code_is_tried_again_or_not() -> None:
    """Each exit code of the program is one that the manifests retry, or one that ends the job: none is forgotten."""
    documents = build_overlay("local")
    policy = find(documents, "CronJob", "beam")["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    (final,) = [set(rule["onExitCodes"]["values"]) for rule in policy if "onExitCodes" in rule]
    (step,) = [item for item in pipeline_template(documents)["templates"] if item["name"] == "score-on-flink"]
    retried = set(map(int, re.findall(r'"(\d+)"', step["retryStrategy"]["expression"])))
    assert retried == {StorageFailure.exit_code, TryAgain.exit_code}
    assert final | retried == {BUG, USAGE, *exit_codes()}
    assert not final & retried


def test_the_documentation_names_the_exit_codes() -> None:
    """The codes in the page of the engines are those of the errors, and the retried ones are in deploy/README.md."""
    assert f"with exit code {TryAgain.exit_code}, or waits" in ENGINES_PAGE
    dies = f"dies ends the job with {ModelUnavailable.exit_code}, a full disk with {StorageFailure.exit_code}"
    assert dies in " ".join(ENGINES_PAGE.split())
    assert f"ends with {StorageFailure.exit_code} or {TryAgain.exit_code}" in " ".join(README.split())


def test_both_ways_to_submit_the_job_are_the_same() -> None:
    """The pipeline's step and the CronJob give Beam the same options: endpoints, workers and parallelism."""
    options = {
        name: [
            argument
            for argument in arguments
            if re.match("--(runner|job_|artifact_|environment_|parallelism)", argument)
        ]
        for name, arguments in beam_arguments().items()
    }
    assert options["step"] == options["job"]
    assert len(options["job"]) == 6


def test_the_endpoints_are_those_of_flink() -> None:
    """The job goes to the ports of the job server, and the workers are where the manifest starts them."""
    service = {port["name"]: port["port"] for port in find(build_overlay("local"), "Service", "flink")["spec"]["ports"]}
    worker = containers("flink-taskmanager")["worker"]
    pool = named_ports(worker)["workers"]
    for arguments in beam_arguments().values():
        assert f"--job_endpoint=flink:{service['jobs']}" in arguments
        assert f"--artifact_endpoint=flink:{service['artifacts']}" in arguments
        assert f"--environment_config=localhost:{pool}" in arguments
    assert f"--service_port={pool}" in worker["args"]
    text = " ".join(ENGINES_PAGE.split())
    assert f"--job_endpoint HOST:{service['jobs']} --environment_type EXTERNAL --environment_config HOST:{pool}" in text
    assert worker["command"][2] in text


def test_the_slots_carry_the_job() -> None:
    """All TaskManagers together have as many slots as the job has parallelism."""
    (properties,) = containers("flink-taskmanager")["taskmanager"]["env"]
    slots = int(re.findall(r"numberOfTaskSlots: (\d+)", properties["value"])[0])
    replicas = find(build_overlay("local"), "Deployment", "flink-taskmanager")["spec"]["replicas"]
    for arguments in beam_arguments().values():
        assert f"--parallelism={slots * replicas}" in arguments


def test_the_documentation_names_the_versions() -> None:
    """The versions of Flink and Beam in the documentation are those of the images and of the requirements."""
    flink = containers("flink-taskmanager")["taskmanager"]["image"].removeprefix("flink:").partition("-")[0]
    beam = containers("flink-jobmanager")["jobserver"]["image"].rpartition(":")[2]
    assert f"| Flink {flink} |" in ENGINES_PAGE
    assert f"| Beam {beam} |" in ENGINES_PAGE
    assert f"apache-beam[gcp]=={beam}" in ENGINES_PAGE
    assert f"Flink {flink.rpartition('.')[0]} with Beam's job server for {flink.rpartition('.')[0]}" in " ".join(
        README.split()
    )
