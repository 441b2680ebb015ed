"""Runs over files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from helpers.command import Etl, Result
from helpers.many_files import grow, xs


@pytest.fixture
def three(etl: Etl) -> Etl:
    """Return the command line in a folder with three small inputs."""
    grow(etl, {"in/b.json": xs(3), "in/a.json": xs(1, 2), "in/c.json": xs(4, 5, 6)})
    return etl


@pytest.fixture
def score_in_json(etl: Etl, score: Callable[..., Result]) -> Callable[..., Result]:
    """Return a function that scores two records of in.json into out.json unless its arguments name others."""
    etl.write("in.json", b'{"x":1}\n{"x":2}\n')

    def run(*arguments: str, **options: Any) -> Result:
        return score("-i", "in.json", "-o", "out.json", *arguments, **options)

    return run


@pytest.fixture
def other(etl: Etl, hanging: Callable[..., subprocess.Popen[bytes]]) -> Callable[..., subprocess.Popen[bytes]]:
    """Return a function that starts another run, which hangs while it holds its files."""

    def start(*arguments: str, output: str = "out.json") -> subprocess.Popen[bytes]:
        etl.write("slow.json", b'{"x":-1}\n')
        return hanging("-i", "slow.json", "-o", output, *arguments)

    return start
