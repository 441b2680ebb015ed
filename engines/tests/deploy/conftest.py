"""The storage of the deployment tests, and the local overlay with its example data."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploy_results import ResultFiles, make_node
from deploy_run import Node
from helpers import minio_server
from helpers.s3_fixtures import Bucket


@pytest.fixture(scope="session")
def server() -> Iterator[minio_server.Server]:
    """Return an S3 server with the keys of the local overlay's Secret."""
    found = minio_server.find()
    assert found.by != "moto", f"these tests want a real MinIO: {found.failed}"
    with minio_server.start(found, "TEST", "ASDFGHJKL") as started:
        yield started


@pytest.fixture
def bucket(server: minio_server.Server) -> Bucket:
    """Return a bucket that does not exist yet."""
    return Bucket(f"test-{secrets.token_hex(8)}", server, server.client())


@pytest.fixture
def local(bucket: Bucket, tmp_path: Path) -> tuple[Node, ResultFiles]:
    """Return the local overlay with its example data, and its files."""
    node = make_node("local", bucket, tmp_path)
    done = node.cron_job("example")
    assert done.code == 0, done.err
    return node, ResultFiles(node, bucket)
