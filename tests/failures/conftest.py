"""Where the cases of the tables run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("case", "local_place", "s3_place")

from helpers.command import Etl  # noqa: E402
from helpers.s3_fixtures import Bucket  # noqa: E402
from local_place import LocalPlace  # noqa: E402
from s3_place import S3Place  # noqa: E402


@pytest.fixture
def small(etl: Etl) -> Iterator[Path]:
    """Return a disk of 64 KB, where one can be mounted."""
    folder = etl.folder / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def local(etl: Etl) -> LocalPlace:
    """Return an empty folder for a case."""
    return LocalPlace(etl)


@pytest.fixture
def s3(etl: Etl, bucket: Bucket, request: pytest.FixtureRequest) -> Iterator[S3Place]:
    """Return an empty bucket for a case, behind a proxy."""
    with S3Place(etl, bucket, request) as place:
        yield place
