"""Resolves every reference in built manifests, and reports those that lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Document = dict[str, Any]
ARGO_VARIABLES = {"workflow.uid", "workflow.name"}
"""The variables in the templates that Argo itself fills in."""


class Pod(NamedTuple):
    """The description of a pod in a document.

    Attributes:
        where: kind and name of the document.
        labels: the pod's labels.
        spec: the pod's spec.
    """

    where: str
    labels: Mapping[str, str]
    spec: Mapping[str, Any]


def container_of(template: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the container of a workflow's template, merged with the templateDefaults."""
    own, common = template["container"], defaults.get("container", {})
    env = {item["name"]: item for item in (*common.get("env", ()), *own.get("env", ()))}
    return {"name": "main", **common, **own, "env": list(env.values())}


def pods(documents: Sequence[Document]) -> Iterator[Pod]:
    """Yield the pods that documents describe."""
    for document in documents:
        where, spec = f"{document['kind']} {document['metadata']['name']}", document.get("spec", {})
        if document["kind"] == "WorkflowTemplate":
            steps = [template for template in spec["templates"] if "container" in template]
            containers = [
                {**container_of(step, spec.get("templateDefaults", {})), "name": step["name"]} for step in steps
            ]
            yield Pod(where, spec.get("podMetadata", {}).get("labels", {}), {**spec, "containers": containers})
        elif document["kind"] in ("Deployment", "CronJob"):
            template = spec["template"] if document["kind"] == "Deployment" else spec["jobTemplate"]["spec"]["template"]
            yield Pod(where, template["metadata"].get("labels", {}), template["spec"])


class References:
    """The references in the manifests of one overlay.

    Args:
        documents: what kustomize built.
        external_secrets: the Secrets that the user creates, with their keys.
    """

    def __init__(self, documents: Sequence[Document], external_secrets: Mapping[str, Sequence[str]]) -> None:
        self._documents = documents
        self._external_secrets = external_secrets
        self._by_name = {(doc["kind"], doc["metadata"]["name"]): doc for doc in documents}
        self._used_secrets: set[str] = set()

    def faults(self) -> list[str]:
        """Return a line for each reference that is wrong."""
        found = [*self._of_documents()]
        for pod in pods(self._documents):
            found += [f"{pod.where}: {fault}" for fault in self._of_pod(pod)]
        found += [
            f"the Secret {name} is listed, but used nowhere"
            for name in set(self._external_secrets) - self._used_secrets
        ]
        return found

    def _has(self, kind: str, name: str) -> bool:
        return (kind, name) in self._by_name

    def _all(self, kind: str) -> list[Document]:
        return [doc for doc in self._documents if doc["kind"] == kind]

    def _of_documents(self) -> Iterator[str]:
        namespaces = {doc["metadata"].get("namespace") for doc in self._documents if doc["kind"] != "PersistentVolume"}
        if len(namespaces) != 1 or None in namespaces:
            yield f"the namespaces are {namespaces}, not one"
        kinds = {
            "Service": self._of_service, "Deployment": self._of_deployment, "NetworkPolicy": self._of_policy,
            "RoleBinding": self._of_binding, "CronWorkflow": self._of_cron_workflow, "Sensor": self._of_sensor,
            "EventSource": self._of_event_source, "WorkflowTemplate": self._of_template,
            "PersistentVolumeClaim": self._of_claim, "CronJob": self._of_cron_job, "ConfigMap": self._of_settings,
        }  # fmt: skip
        for document in self._documents:
            look = kinds.get(document["kind"])
            for fault in look(document) if look else ():
                yield f"{document['kind']} {document['metadata']['name']}: {fault}"
        for kind in ("Role", "EventSource", "WorkflowTemplate", "ServiceAccount", "ConfigMap", "Secret"):
            rest = str(
                [
                    {**doc, "metadata": doc["metadata"].get("annotations")}
                    for doc in self._documents
                    if doc["kind"] != kind
                ]
            )
            yield from (
                f"nothing refers to the {kind} {doc['metadata']['name']}"
                for doc in self._all(kind)
                if f"'{doc['metadata']['name']}'" not in rest
            )

    # Pods

    def _of_pod(self, pod: Pod) -> Iterator[str]:
        account = pod.spec.get("serviceAccountName")
        if account and not self._has("ServiceAccount", account):
            yield f"no ServiceAccount {account}"
        volumes = {volume["name"]: volume for volume in pod.spec.get("volumes", ())}
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and not self._has("PersistentVolumeClaim", claim):
                yield f"no PersistentVolumeClaim {claim}"
        for container in pod.spec["containers"]:
            for fault in self._of_container(container, volumes):
                yield f"{container['name']}: {fault}"

    def _of_container(self, container: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[str]:
        known: set[str] = set()
        for source in container.get("envFrom", ()):
            if reference := source.get("configMapRef"):
                if not self._has("ConfigMap", reference["name"]):
                    yield f"no ConfigMap {reference['name']}"
                    continue
                known |= set(self._by_name["ConfigMap", reference["name"]].get("data", ()))
            elif reference := source.get("secretRef"):
                keys = self._keys(reference["name"])
                if keys is None and not reference.get("optional"):
                    yield f"no Secret {reference['name']}"
                known |= set(keys or ())
        for variable in container.get("env", ()):
            known.add(variable["name"])
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield from self._of_secret_key(reference)
        texts = [*container.get("command", ()), *container.get("args", ())]
        texts += [variable.get("value", "") for variable in container.get("env", ())]
        for text in texts:
            yield from (f"no variable {name}" for name in set(re.findall(r"\$\((\w+)\)", text)) - known)
            yield from self._of_hosts(text)
        yield from _of_mounts_and_ports(container, volumes)

    def _of_hosts(self, text: str) -> Iterator[str]:
        """Check host names without dots: each is a Service, given with a port or as Flink's JobManager."""
        for host, port in re.findall(r"(?:^|[=/])([a-z][a-z0-9-]*):(\d+)(?!\S*\.)", text):
            ports = {
                item["port"] for item in self._by_name.get(("Service", host), {"spec": {"ports": ()}})["spec"]["ports"]
            }
            if host != "localhost" and int(port) not in ports:
                yield f"no Service {host} with port {port}"
        for host in re.findall(r"rpc\.address: (\S+)", text):
            if not self._has("Service", host):
                yield f"no Service {host}"

    def _keys(self, secret: str) -> set[str] | None:
        self._used_secrets.add(secret)
        if self._has("Secret", secret):
            return set(self._by_name["Secret", secret]["data"])
        return set(self._external_secrets[secret]) if secret in self._external_secrets else None

    def _of_secret_key(self, reference: Mapping[str, str]) -> Iterator[str]:
        if reference["key"] not in (self._keys(reference["name"]) or ()):
            yield f"no Secret {reference['name']} with the key {reference['key']}"

    # Kubernetes' own

    def _selected(self, selector: Mapping[str, Any]) -> list[Pod]:
        def fits(labels: Mapping[str, str]) -> bool:
            return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
                labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", ())
            )

        # Argo Events makes the pods of an EventSource, with this label.
        sources = [
            Pod("EventSource", {"eventsource-name": doc["metadata"]["name"]}, {}) for doc in self._all("EventSource")
        ]
        return [pod for pod in (*pods(self._documents), *sources) if fits(pod.labels)]

    def _of_service(self, document: Document) -> Iterator[str]:
        selected = self._selected({"matchLabels": document["spec"]["selector"]})
        if len(selected) != 1:
            yield f"its selector fits {[pod.where for pod in selected]}"
        offered = {port["name"] for pod in selected for c in pod.spec["containers"] for port in c.get("ports", ())}
        yield from (
            f"no port {port['targetPort']}" for port in document["spec"]["ports"] if port["targetPort"] not in offered
        )

    def _of_deployment(self, document: Document) -> Iterator[str]:
        own = f"Deployment {document['metadata']['name']}"
        if [pod.where for pod in self._selected(document["spec"]["selector"])] != [own]:
            yield "its selector does not fit its own pods, and these only"

    def _of_policy(self, document: Document) -> Iterator[str]:
        selectors = [document["spec"]["podSelector"]]
        selectors += [peer["podSelector"] for rule in document["spec"]["ingress"] for peer in rule["from"]]
        yield from (f"{selector} fits no pod" for selector in selectors if not self._selected(selector))
        for rule in document["spec"]["podSelector"].get("matchExpressions", ()):
            there = {pod.labels.get(rule["key"]) for pod in pods(self._documents)}
            yield from (f"no pod with {rule['key']} {value}" for value in rule["values"] if value not in there)

    def _of_binding(self, document: Document) -> Iterator[str]:
        if not self._has(document["roleRef"]["kind"], document["roleRef"]["name"]):
            yield f"no {document['roleRef']['kind']} {document['roleRef']['name']}"
        for subject in document["subjects"]:
            if not self._has(subject["kind"], subject["name"]):
                yield f"no {subject['kind']} {subject['name']}"
            if subject.get("namespace") != document["metadata"]["namespace"]:
                yield f"{subject['name']} is in another namespace"

    def _of_settings(self, document: Document) -> Iterator[str]:
        for value in document.get("data", {}).values():
            yield from self._of_hosts(value)

    def _of_claim(self, document: Document) -> Iterator[str]:
        volume = self._by_name.get(("PersistentVolume", document["spec"]["volumeName"]))
        if not volume or volume["spec"]["accessModes"] != document["spec"]["accessModes"]:
            yield f"no PersistentVolume {document['spec']['volumeName']} with its access modes"

    def _of_cron_job(self, document: Document) -> Iterator[str]:
        job = document["spec"]["jobTemplate"]["spec"]
        names = {container["name"] for container in job["template"]["spec"]["containers"]}
        for rule in job.get("podFailurePolicy", {}).get("rules", ()):
            if rule.get("onExitCodes", {}).get("containerName", "") not in {"", *names}:
                yield f"no container {rule['onExitCodes']['containerName']}"

    # Argo's

    def _of_call(self, spec: Mapping[str, Any]) -> Iterator[str]:
        """Check that the template of a workflow exists and has the parameters."""
        template = self._by_name.get(("WorkflowTemplate", spec["workflowTemplateRef"]["name"]))
        if not template:
            yield f"no WorkflowTemplate {spec['workflowTemplateRef']['name']}"
            return
        known = {item["name"] for item in template["spec"]["arguments"]["parameters"]}
        for item in spec.get("arguments", {}).get("parameters", ()):
            if item["name"] not in known:
                yield f"the template has no parameter {item['name']}"

    def _of_cron_workflow(self, document: Document) -> Iterator[str]:
        yield from self._of_call(document["spec"]["workflowSpec"])

    def _of_event_source(self, document: Document) -> Iterator[str]:
        spec = document["spec"]
        if not self._has("EventBus", spec["eventBusName"]):
            yield f"no EventBus {spec['eventBusName']}"
        account = spec.get("template", {}).get("serviceAccountName")
        if account and not self._has("ServiceAccount", account):
            yield f"no ServiceAccount {account}"
        for events in (value for key, value in spec.items() if key not in ("eventBusName", "template")):
            for event in events.values():
                for name in ("accessKey", "secretKey", "connectionString", "credentialSecret"):
                    yield from self._of_secret_key(event[name]) if name in event else ()
                yield from self._of_hosts(event.get("endpoint", ""))
                yield from self._of_hosts(event.get("url", ""))
                notes = event.get("persistence", {}).get("configMap", {}).get("name")
                if notes and not self._has("ConfigMap", notes):
                    yield f"no ConfigMap {notes}"

    def _of_sensor(self, document: Document) -> Iterator[str]:
        spec = document["spec"]
        if not self._has("EventBus", spec["eventBusName"]):
            yield f"no EventBus {spec['eventBusName']}"
        for dependency in spec["dependencies"]:
            source = self._by_name.get(("EventSource", dependency["eventSourceName"]), {"spec": {}})["spec"]
            events = [event for value in source.values() if isinstance(value, dict) for event in value]
            if dependency["eventName"] not in events or source["eventBusName"] != spec["eventBusName"]:
                yield f"no EventSource {dependency['eventSourceName']} with {dependency['eventName']} on its bus"
        conditions = [trigger["template"]["conditions"] for trigger in spec["triggers"]]
        if sorted(conditions) != sorted(item["name"] for item in spec["dependencies"]):
            yield f"the conditions of its triggers are {conditions}, not each dependency once"
        for trigger in spec["triggers"]:
            yield from self._of_trigger(trigger["template"], {item["name"] for item in spec["dependencies"]})
        account = spec["template"]["serviceAccountName"]
        allowed = [
            rule["verbs"]
            for binding in self._all("RoleBinding")
            if account in [subject["name"] for subject in binding["subjects"]]
            for rule in self._by_name.get(("Role", binding["roleRef"]["name"]), {"rules": ()})["rules"]
            if "workflows" in rule["resources"]
        ]
        if not self._has("ServiceAccount", account) or allowed != [["create"]]:
            yield f"{account} may not create workflows, or more than that: {allowed}"

    def _of_trigger(self, template: Mapping[str, Any], dependencies: Collection[str]) -> Iterator[str]:
        call = template["k8s"]
        yield from self._of_call(call["source"]["resource"]["spec"])
        given = call["source"]["resource"]["spec"].get("arguments", {}).get("parameters", ())
        filled = [f"spec.arguments.parameters.{number}.value" for number in range(len(given))]
        if len(call.get("parameters", ())) < len(given):
            yield f"{template['name']}: a parameter keeps the value in the manifest"
        for parameter in call.get("parameters", ()):
            if parameter["dest"] not in filled:
                yield f"there is nothing to fill at {parameter['dest']}"
            if parameter["src"]["dependencyName"] not in dependencies:
                yield f"no dependency {parameter['src']['dependencyName']}"

    def _of_template(self, document: Document) -> Iterator[str]:
        spec = document["spec"]
        templates = {template["name"]: template for template in spec["templates"]}
        tasks = {
            task["name"]: task for template in spec["templates"] for task in template.get("dag", {}).get("tasks", ())
        }
        used = {spec["entrypoint"]} | {task["template"] for task in tasks.values()}
        yield from (f"no template {name}" for name in used - set(templates))
        yield from (f"the template {name} is used nowhere" for name in set(templates) - used)
        known = {f"workflow.parameters.{item['name']}" for item in spec["arguments"]["parameters"]} | ARGO_VARIABLES
        defaults = spec.get("templateDefaults", {})
        yield from (f"nothing is {name}" for name in _names(defaults) - known)
        for template in spec["templates"]:
            if "dag" in template:
                continue
            inputs = {item["name"] for item in template.get("inputs", {}).get("parameters", ())}
            known_here = known | {f"inputs.parameters.{name}" for name in inputs}
            yield from (f"{template['name']}: nothing is {name}" for name in _names(template) - known_here)
            mounted = [mount["mountPath"] for mount in container_of(template, defaults).get("volumeMounts", ())]
            for output in template.get("outputs", {}).get("parameters", ()):
                if not output["valueFrom"]["path"].startswith(tuple(f"{path}/" for path in mounted)):
                    yield f"{template['name']}: {output['valueFrom']['path']} cannot be written"
        for task in tasks.values():
            yield from (f"{task['name']}: {fault}" for fault in _of_task(task, tasks, templates, known))


def tasks_before(task: Mapping[str, Any]) -> list[str]:
    """Return the names of the tasks that end before a task."""
    return [name for name in (task.get("depends") or "").split(" && ") if name]


def _of_mounts_and_ports(container: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[str]:
    mounts = [mount["mountPath"] for mount in container.get("volumeMounts", ())]
    if len(set(mounts)) < len(mounts):
        yield f"two volumes at one of {mounts}"
    yield from (f"no volume {m['name']}" for m in container.get("volumeMounts", ()) if m["name"] not in volumes)
    ports = {port["name"] for port in container.get("ports", ())}
    for action in container.get("readinessProbe", {}).values():
        if isinstance(action, dict) and action["port"] not in ports:
            yield f"no port {action['port']}"


def _of_task(
    task: Document, tasks: Mapping[str, Document], templates: Mapping[str, Document], known: set[str]
) -> Iterator[str]:
    before, waiting = set(), [task]
    while waiting:
        for name in tasks_before(waiting.pop()):
            if name not in tasks:
                yield f"no task {name}"
            elif name not in before:
                before.add(name)
                waiting.append(tasks[name])
    outputs = {
        f"tasks.{name}.outputs.parameters.{item['name']}"
        for name in before
        for item in templates.get(tasks[name]["template"], {}).get("outputs", {}).get("parameters", ())
    }
    given = {item["name"] for item in task.get("arguments", {}).get("parameters", ())}
    wanted = {i["name"] for i in templates.get(task["template"], {}).get("inputs", {}).get("parameters", ())}
    if given != wanted:
        yield f"it gives {sorted(given)}, but the template takes {sorted(wanted)}"
    yield from (f"nothing before it is {name}" for name in _names(task) - outputs - known)


def _names(value: Any) -> set[str]:
    return set(re.findall(r"\{\{\s*(.*?)\s*\}\}", str(value)))
