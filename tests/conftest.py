"""The fixtures and hooks of every test."""

from __future__ import annotations

import os
import subprocess
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("helpers")

from helpers.command import IRIS, Etl, Result  # noqa: E402  (registered first)
from helpers.s3_fixtures import (  # noqa: E402, F401  (fixtures and hooks)
    bucket,
    certificate,
    proxy,
    pytest_collection_finish,
    pytest_configure,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
    s3_server,
    tls_proxy,
)
from helpers.waiting import HangingRuns  # noqa: E402

os.environ.pop("PYTHONUNBUFFERED", None)  # what a user's command prints is buffered


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Take twice as many workers as there are processors: half of the tests wait for something."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow tests last, in an order in which those that wait and those that compute take turns."""

    def order(item: pytest.Item) -> tuple[bool, int]:
        slow = item.get_closest_marker("slow") is not None
        return slow, zlib.crc32(item.nodeid.encode()) if slow else 0

    items.sort(key=order)


@pytest.fixture
def etl(tmp_path: Path) -> Etl:
    """Return the command line in an empty folder."""
    return Etl(tmp_path)


@pytest.fixture
def iris(etl: Etl) -> Callable[..., Result]:
    """Return a function that runs the iris model."""

    def run(*arguments: str, **options: Any) -> Result:
        return etl("run", "--model", IRIS, *arguments, **options)

    return run


@pytest.fixture
def score(etl: Etl) -> Callable[..., Result]:
    """Return a function that runs a model of tests/models, by default one that answers y = x."""

    def run(*arguments: str, model: str = "failing_models:Good", **options: Any) -> Result:
        return etl("run", "-m", model, *arguments, **options)

    return run


@pytest.fixture
def hanging(etl: Etl) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts runs, which hang at their negative record while they hold their files."""
    with HangingRuns(etl) as runs:
        yield runs.start
