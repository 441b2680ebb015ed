"""Scoring a 500 MB object from MinIO against scoring the same file from the disk, and its memory and temporary disk.

Exits with 1 if it takes more than 1.3 times as long, holds over 10% more memory than a fifth of the object does, or
uses temporary disk. The server runs on this machine and takes its share of the processor.
"""

from __future__ import annotations

import os
import sys
import threading
from functools import partial
from pathlib import Path
from statistics import median

import common
from results import Results

sys.path.insert(0, str(common.ROOT / "tests"))

from helpers import minio_server

CLAIM = 1.3
GROWTH = 0.10
LARGE = 6_600_000
"""Records, of 83 bytes each."""
BUCKET = "benchmark"


class Watch(threading.Thread):
    """Looks ten times a second how much disk the temporary files of our children take, those without a name too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._stop_asked = threading.Event()
        self.most = 0

    def run(self) -> None:
        """Look until stopped."""
        while not self._stop_asked.wait(0.1):
            self.most = max(self.most, self._size())

    def _size(self) -> int:
        named = sum(path.stat().st_size for path in self._folder.rglob("*") if path.is_file())
        unnamed = 0
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                target = str(link.readlink())
                if target.startswith(f"{self._folder}/") and target.endswith(" (deleted)"):
                    unnamed += link.stat().st_size
            except OSError:  # it was closed meanwhile, or belongs to another process
                continue
        return named + unnamed

    def stop(self) -> None:
        """End looking."""
        self._stop_asked.set()
        self.join()


def measured(source: str | Path, folder: Path, *options: str) -> tuple[common.Run, int]:
    """Score an input; give what it took, and the most bytes that its temporary files had."""
    watch = Watch(folder)
    watch.start()
    run = common.score(source, *options)
    watch.stop()
    return run, watch.most


def main() -> int:
    """Run the benchmark."""
    options = common.parsed(common.options(__doc__, rounds=3))
    results = Results("s3", options)
    count = common.scaled(LARGE, options)
    files = {"large": common.records(count), "small": common.records(count // 5)}
    found = minio_server.find()
    with minio_server.start(found) as server, common.folder() as temporary:
        client = server.client()
        client.make_bucket(BUCKET)
        for name, path in files.items():
            client.fput_object(BUCKET, f"{name}.json", str(path))
        os.environ.update(
            AWS_ACCESS_KEY_ID=server.key,
            AWS_SECRET_ACCESS_KEY=server.secret,
            AWS_ENDPOINT_URL_S3=server.endpoint,
            TMPDIR=str(temporary),
        )
        spools: dict[str, list[int]] = {"small": [], "large": []}

        def from_bucket(name: str, *options: str) -> common.Run:
            run, most = measured(f"s3://{BUCKET}/{name}.json", temporary, *options)
            spools[name].append(most)
            return run

        ways = {
            "from the disk": partial(common.score, files["large"]),
            "from MinIO": partial(from_bucket, "large"),
            "a fifth of it, from MinIO": partial(from_bucket, "small"),
            "from the disk, no log": partial(common.score, files["large"], *common.NO_LOG),
            "from MinIO, no log": partial(from_bucket, "large", *common.NO_LOG),
        }
        runs = common.in_turn(ways, options.rounds)
        whole = common.score(f"s3://{BUCKET}/large.json", "--prediction_log", f"s3://{BUCKET}/out.log.ldjson")
    disk, minio, fifth, disk_no_log, minio_no_log = runs.values()
    size = files["large"].stat().st_size / 1e6
    results.say(
        f"{count:,} records, {size:.0f} MB, medians of {options.rounds} rounds; the predictions go to the disk."
    )
    results.table(
        ["input", "seconds", "processor", "MiB"],
        [
            [name, *(common.spread([getattr(run, what) for run in timings]) for what in ("seconds", "cpu", "mib"))]
            for name, timings in runs.items()
        ],
    )
    results.say(f"With its log sent to MinIO too, once: {whole.seconds:.1f} s, {whole.mib:.0f} MiB.")
    for log, remote, local in (("on", minio, disk), ("off", minio_no_log, disk_no_log)):
        times = common.ratios([run.seconds for run in remote], [run.seconds for run in local])
        text = f"from MinIO at most {CLAIM} times as long as from the disk, log {log}"
        results.claim(text, common.spread(times), held=median(times) <= CLAIM)
    growth = median(run.mib for run in minio) / median(run.mib for run in fifth) - 1
    text = f"memory of reading an object within {GROWTH:.0%} of a fifth's"
    results.claim(text, f"{growth:+.1%}", held=growth <= GROWTH)
    most = max(map(max, spools.values()))
    results.claim("no temporary disk for reading an object", f"{most:,} bytes", held=most == 0)
    return results.end()


if __name__ == "__main__":
    sys.exit(main())
