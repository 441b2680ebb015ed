"""Signals at random moments of the whole life of a run: exit code, message, report and files always agree."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.command import Etl
from helpers.s3_fixtures import Bucket
from helpers.signal_runs import BAD, EARLIER, GOOD, Shot, disagreements, fire

SEED = 14
AT_ONCE = 2
"""How many runs at the same time."""


def _local(folder: Path, shot: Shot) -> list[str]:
    etl = Etl(folder)
    folder.mkdir()
    etl.write("in.json", GOOD)
    etl.write("bad.json", BAD)
    etl.write("out.json", EARLIER)

    def read(name: str) -> bytes | None:
        path = folder / name
        return path.read_bytes() if path.exists() else None

    problems = disagreements(shot, fire(etl, shot, str, read))
    if not shot.twice and (left := [name for name in etl.files() if name.endswith(".part")]):
        problems.append(f"{left} was left: {shot}")
    return problems


def _s3(folder: Path, bucket: Bucket, shot: Shot) -> list[str]:
    class OnS3(Etl):
        def environment(self, **more: str) -> dict[str, str]:
            return super().environment(**bucket.env, TMPDIR=str(folder), **more)

    folder.mkdir()
    prefix = f"{folder.name}/"
    bucket.put(f"{prefix}{'bad' if shot.bad else 'in'}.json", BAD if shot.bad else GOOD)
    bucket.put(f"{prefix}out.json", EARLIER)

    def read(name: str) -> bytes | None:
        return bucket.get(prefix + name) if bucket.exists(prefix + name) else None

    return disagreements(shot, fire(OnS3(folder), shot, lambda name: bucket.uri(prefix + name), read))


def _shots(count: int) -> list[Shot]:
    rng = random.Random(SEED)
    return [Shot.draw(rng, 1.5) for _ in range(count)]


def test_signals_at_random_moments(tmp_path: Path) -> None:
    """Of a run on local files: it has published all and says so, or nothing and says so."""
    count = int(os.environ.get("SIGNAL_RUNS", "20"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda item: _local(tmp_path / str(item[0]), item[1]), enumerate(_shots(count)))
        assert [problem for problems in found for problem in problems] == []


def test_signals_at_random_moments_on_s3(tmp_path: Path, bucket: Bucket) -> None:
    """Of a run on a bucket: the same."""
    count = int(os.environ.get("SIGNAL_RUNS", "10"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda item: _s3(tmp_path / str(item[0]), bucket, item[1]), enumerate(_shots(count)))
        assert [problem for problems in found for problem in problems] == []
