"""Runs the containers of built manifests as processes of this machine.

Command, arguments and environment are those of the manifests, assembled as Kubernetes and Argo do it. Only locations
differ: the container's folders are in the test's folder, and the storage is the test's server.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy_references import Document, container_of, tasks_before
from deploy_tools import DEPLOY, ROOT

CONTAINER_TIMEOUT_S = 300


@dataclass
class Step:
    """The result of a container.

    Attributes:
        name: name of the task, or of the container.
        code: the exit code.
        out: standard output.
        err: standard error.
    """

    name: str
    code: int
    out: str
    err: str


@dataclass
class Run:
    """The result of a workflow.

    Attributes:
        uid: the workflow's id.
        steps: the results of its containers, in the order in which they ran.
    """

    uid: str
    steps: list[Step] = field(default_factory=list)

    @property
    def last(self) -> Step:
        """The last step that ran."""
        return self.steps[-1]

    @property
    def names(self) -> list[str]:
        """The names of the steps that ran."""
        return [step.name for step in self.steps]


@dataclass
class Node:
    """A machine that runs the containers of one overlay.

    Attributes:
        documents: what kustomize built.
        folder: folder of the containers' folders.
        places: texts in the manifests, and their replacements on this machine.
        identity: variables that the cloud or the cluster would set in the pods.
        secrets: the Secrets that the user creates.
        before: by the name of a step, what happens before its container runs; it is called with the PIPELINE_RUN.
    """

    documents: Sequence[Document]
    folder: Path
    places: Mapping[str, str]
    identity: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    before: dict[str, Callable[[str], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        places = {"/tmp": f"{self.folder}/tmp", **self.places}
        pattern = re.compile(rf"(?<![\w/])({'|'.join(map(re.escape, places))})(?![\w-])")
        text = json.dumps(list(self.documents))
        self.documents = json.loads(pattern.sub(lambda found: places[found[1]], text))

    def document(self, kind: str, name: str) -> Document:
        """Return a document; the name of a ConfigMap ends with a digest."""
        return next(
            doc
            for doc in self.documents
            if doc["kind"] == kind and re.fullmatch(rf"{name}(-[a-z0-9]{{10}})?", doc["metadata"]["name"])
        )

    def cron_job(self, name: str) -> Step:
        """Run the container of a CronJob, and return its result."""
        spec = self.document("CronJob", name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        return self.contained(name, spec["containers"][0], spec)

    def workflow(self, spec: Mapping[str, Any]) -> Run:
        """Run the tasks of a workflow until one fails, like Argo's controller, but without retries."""
        template = self.document("WorkflowTemplate", spec["workflowTemplateRef"]["name"])["spec"]
        run = Run(str(uuid.uuid4()))
        known = {"workflow.uid": run.uid, "workflow.name": f"pipeline-{run.uid[:5]}"}
        for item in (*template["arguments"]["parameters"], *spec.get("arguments", {}).get("parameters", ())):
            known[f"workflow.parameters.{item['name']}"] = item["value"]
        templates = {item["name"]: item for item in template["templates"]}
        waiting = list(templates[template["entrypoint"]]["dag"]["tasks"])
        ended: set[str] = set()
        while waiting:
            task = next(task for task in waiting if set(tasks_before(task)) <= ended)
            waiting.remove(task)
            ended.add(task["name"])
            if "when" in task and not _holds(_filled(task["when"], known)):
                continue
            given = {
                f"inputs.parameters.{item['name']}": _filled(item["value"], known)
                for item in task.get("arguments", {}).get("parameters", ())
            }
            step = templates[task["template"]]
            container = _filled(container_of(step, template["templateDefaults"]), {**known, **given})
            run.steps.append(self.contained(task["name"], container, template))
            if run.last.code:
                break
            for output in step.get("outputs", {}).get("parameters", ()):
                path = Path(output["valueFrom"]["path"])
                known[f"tasks.{task['name']}.outputs.parameters.{output['name']}"] = path.read_text()
        return run

    def environment(self, container: Mapping[str, Any]) -> dict[str, str]:
        """Return the environment variables of a container."""
        env: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            if "configMapRef" in source:
                env |= self.document("ConfigMap", source["configMapRef"]["name"])["data"]
            else:
                env |= self._secret(source["secretRef"]["name"])
        for item in container.get("env", ()):
            env[item["name"]] = _expanded(item["value"], env)
        return env

    def _secret(self, name: str) -> dict[str, str]:
        for doc in self.documents:
            if (doc["kind"], doc["metadata"]["name"]) == ("Secret", name):
                return {key: base64.b64decode(value).decode() for key, value in doc["data"].items()}
        return dict(self.secrets.get(name, {}))

    def contained(self, name: str, container: Mapping[str, Any], pod: Mapping[str, Any]) -> Step:
        """Run a container to its end; see `command`."""
        if name in self.before:
            self.before[name](self.environment(container).get("PIPELINE_RUN", ""))
        command, given, tmp = self.command(container, pod)
        done = subprocess.run(
            command, env=given, cwd=tmp, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=CONTAINER_TIMEOUT_S,
        )  # fmt: skip
        return Step(name, done.returncode, done.stdout, done.stderr)

    def command(self, container: Mapping[str, Any], pod: Mapping[str, Any]) -> tuple[list[str], dict[str, str], Path]:
        """Return the command of a container, its environment and its folder, an empty /tmp.

        It has no home folder, and nothing of this process's environment.
        """
        env = self.environment(container)
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            folder = Path(mount["mountPath"])
            if "emptyDir" in volumes[mount["name"]]:
                shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)
        tmp = self.folder / "tmp"
        assert tmp.is_dir(), "nothing is mounted as /tmp, and the root is read-only"
        command = container.get("command") or _entrypoint(container["image"])
        beam = "model_etl-beam:" in container["image"]
        programs = environment_of("beam") / "bin" if beam else Path(sys.executable).parent
        given = {
            **self.identity, **env, "PATH": f"{programs}:/usr/bin:/bin", "TMPDIR": str(tmp),
            "PYTHONPATH": f"{DEPLOY}:{ROOT}" if beam else str(DEPLOY),
            "NO_PROXY": "127.0.0.1", "AWS_EC2_METADATA_DISABLED": "true", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        return [_expanded(text, env) for text in (*command, *container.get("args", ()))], given, tmp


def environment_of(engine: str) -> Path:
    """Return the folder of the environment of an engine."""
    venv = Path(sys.executable).parent.parent
    return venv.with_name(f"{venv.name}-{engine}")  # as the Makefile calls them


def _entrypoint(image: str) -> list[str]:
    """Return the entry point of the image of docker/Dockerfile; the manifests give a command for every other image."""
    assert image.rpartition("/")[2].startswith("model_etl:"), image
    text = (ROOT / "docker" / "Dockerfile").read_text()
    entrypoint: list[str] = json.loads(next(re.finditer(r"(?m)^ENTRYPOINT (.*)$", text))[1])
    return entrypoint


def _expanded(text: str, env: Mapping[str, str]) -> str:
    """Replace $(NAME) as Kubernetes does."""
    return re.sub(r"\$\((\w+)\)", lambda found: env.get(found[1], found[0]), text)


def _holds(condition: str) -> bool:
    """Return whether a task is run; the conditions of the manifests compare two texts."""
    found = re.fullmatch(r"'([\w-]*)' == '([\w-]*)'", condition)
    assert found, condition
    return found[1] == found[2]


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    """Replace {{name}} as Argo does."""
    if isinstance(value, str):
        return re.sub(r"\{\{\s*(.*?)\s*\}\}", lambda found: known[found[1]], value)
    if isinstance(value, dict):
        return {key: _filled(item, known) for key, item in value.items()}
    return [_filled(item, known) for item in value] if isinstance(value, list) else value
