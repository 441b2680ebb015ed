"""Signals at random moments of the whole life of a run: exit code, message, report and files always agree."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.s3_fixtures import Bucket
from helpers.signal_runs import Shot, run_locally, run_on_s3

SEED = 14
AT_ONCE = 2
"""How many runs at the same time."""


def _shots(count: int) -> list[Shot]:
    rng = random.Random(SEED)
    return [Shot.draw(rng, 1.5) for _ in range(count)]


def test_signals_at_random_moments(tmp_path: Path) -> None:
    """Of a run on local files: it has published all and says so, or nothing and says so."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda item: run_locally(tmp_path / str(item[0]), item[1]), enumerate(_shots(20)))
        assert [problem for problems in found for problem in problems] == []


def test_signals_at_random_moments_on_s3(tmp_path: Path, bucket: Bucket) -> None:
    """Of a run on a bucket: the same."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda item: run_on_s3(tmp_path / str(item[0]), bucket, item[1]), enumerate(_shots(10)))
        assert [problem for problems in found for problem in problems] == []
