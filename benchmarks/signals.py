"""Signals at random moments of runs, many more than the tests have: does all agree afterwards?

python benchmarks/signals.py [RUNS] [SEED]
"""

from __future__ import annotations

import collections
import random
import secrets
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from helpers import minio_server
from helpers.s3_fixtures import Bucket
from helpers.signal_runs import Shot, run_locally, run_on_s3

AT_ONCE = 3
"""How many runs at the same time."""


def main(count: int, seed: int) -> int:
    """Run that many shots, half of them on S3; return how many of them did not agree."""
    rng = random.Random(seed)
    shots = [Shot.draw(rng, 2.0) for _ in range(count)]
    found: list[str] = []
    done: collections.Counter[str] = collections.Counter()
    start = time.monotonic()
    with minio_server.start(minio_server.find()) as server, tempfile.TemporaryDirectory() as folder:
        bucket = Bucket(f"signals-{secrets.token_hex(4)}", server, server.client())
        bucket.client.make_bucket(bucket.name)

        def run(item: tuple[int, Shot]) -> None:
            number, shot = item
            run_folder = Path(folder) / str(number)
            problems = run_on_s3(run_folder, bucket, shot) if number % 2 else run_locally(run_folder, shot)
            found.extend(problems)
            done["S3" if number % 2 else "local"] += 1
            print(number, *problems, flush=True)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(run, enumerate(shots)))
    print(*found, sep="\n")
    print(f"{dict(done)} runs, {len(found)} disagreements, {time.monotonic() - start:.0f} s")
    return len(found)


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[1:]]
    sys.exit(min(1, main(given[0] if given else 500, given[1] if given[1:] else 1)))
