"""A machine for the containers of each overlay, and the files that they leave in its storage."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

from deploy_manifests import build_overlay
from deploy_run import Node, Run
from helpers.s3_fixtures import Bucket

SETOSA = {"sepal_length": 4.4, "sepal_width": 2.9, "petal_length": 1.4, "petal_width": 0.2}


def make_node(overlay: str, bucket: Bucket, folder: Path, **places: str) -> Node:
    """Return a machine for the containers of an overlay; only addresses and locations differ from the manifests.

    Args:
        overlay: its name.
        bucket: the storage, if the overlay uses one.
        folder: for the containers' folders.
        places: more addresses in the local overlay, and their replacements.
    """
    keys = {"AWS_ACCESS_KEY_ID": bucket.server.key, "AWS_SECRET_ACCESS_KEY": bucket.server.secret}
    here, uri = bucket.server.endpoint, f"s3://{bucket.name}"
    documents, folder = build_overlay(overlay), folder / overlay
    if overlay == "local":
        return Node(documents, folder, {"http://minio:9000": here, "s3://model-etl": uri, **places})
    if overlay == "aws":  # what the role of the ServiceAccount, and Amazon's own address, come to
        identity = {**keys, "AWS_ENDPOINT_URL_S3": here}
        return Node(documents, folder, {"s3://BUCKET": uri, "REGION": "us-east-1"}, identity=identity)
    if overlay == "gcp":
        google = {"https://storage.googleapis.com": here, "s3://BUCKET": uri, "auto": "us-east-1"}
        return Node(documents, folder, google, secrets={"model-etl-storage": keys})
    return Node(documents, folder, {"/data": f"{folder}/data"})


class ResultFiles:
    """The files in the storage of a machine: in its bucket, or in its folder `data`.

    Args:
        node: the machine.
        bucket: the bucket, if the overlay of the machine uses one.
    """

    def __init__(self, node: Node, bucket: Bucket) -> None:
        self._data = node.folder / "data"
        self._bucket = bucket
        self._local = f"{self._data}" in str(node.documents)

    def names(self) -> set[str]:
        """Return the names of all files."""
        if self._local:
            return {str(path.relative_to(self._data)) for path in self._data.rglob("*") if path.is_file()}
        return self._bucket.keys()

    def get(self, name: str) -> bytes:
        """Return the content of a file."""
        name = name.removeprefix(f"s3://{self._bucket.name}/").removeprefix(f"{self._data}/")
        return (self._data / name).read_bytes() if self._local else self._bucket.get(name)

    def put(self, name: str, content: bytes) -> None:
        """Write a file."""
        if self._local:
            (self._data / name).write_bytes(content)
        else:
            self._bucket.put(name, content)

    def published(self, name: str = "nightly") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the manifest, and the predictions that it names; check the digests of all its files."""
        manifest = json.loads(self.get(f"published/{name}/manifest.json"))
        lines = []
        for role, described in manifest["files"].items():
            for about in described.get("files", [described]):
                content = self.get(about["name"])
                assert (len(content), hashlib.sha256(content).hexdigest()) == (about["bytes"], about["sha256"])
                lines += content.splitlines() if role == "output" else ()
        return manifest, [json.loads(line) for line in lines]


def run_nightly(node: Node, **parameters: str) -> Run:
    """Run the workflow that the CronWorkflow starts."""
    spec = copy.deepcopy(node.document("CronWorkflow", "pipeline")["spec"]["workflowSpec"])
    spec["arguments"] = {"parameters": [{"name": name, "value": value} for name, value in parameters.items()]}
    return node.workflow(spec)
