"""The command on a bucket, with a folder for temporary files of its own."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from helpers.command import Etl, Result
from helpers.proxy import Proxy
from helpers.s3_fixtures import Bucket
from helpers.waiting import slowdown

INPUT = b'{"x":1}\n{"x":2}\n'
OUTPUT = b'{"y":1.0}\n{"y":2.0}\n'
BAD = b'{"x":1}\n{"x":"wide"}\n{"x":2}\n'
EARLIER = b"earlier\n"
MODEL = ("--model", "failing_models:GoodBatch")
PART = 8 << 20
LINES = "application/x-ndjson"
FILES = ("out.json", "out.log.ldjson", "out.rejects.ldjson")


class S3:
    """Runs the command on a bucket, with a folder for temporary files of its own."""

    def __init__(self, etl: Etl, bucket: Bucket, temporary: Path) -> None:
        self.etl = etl
        self.bucket = bucket
        self.temporary = temporary
        self.started: list[subprocess.Popen[bytes]] = []

    def env(self, through: Proxy | None = None, **more: str) -> dict[str, str]:
        """Give the environment of the command."""
        env = self.bucket.env_through(through) if through else self.bucket.env
        return {**env, "TMPDIR": str(self.temporary), "PYTHONDONTWRITEBYTECODE": "1", **more}

    def arguments(self, *more: str) -> list[str]:
        """Score in.json of the bucket into out.json unless told otherwise."""
        return ["run", *MODEL, "-i", self.bucket.uri("in.json"), "-o", self.bucket.uri("out.json"), *more]

    def __call__(self, *more: str, through: Proxy | None = None, **env: str) -> Result:
        """Run it to its end."""
        return self.etl(*self.arguments(*more), env=self.env(through, **env))

    def start(self, *more: str, through: Proxy | None = None, **env: str) -> subprocess.Popen[bytes]:
        """Start it; it is killed at the end of the test if it still runs."""
        self.started.append(self.etl.popen(*self.arguments(*more), env=self.env(through, **env)))
        return self.started[-1]

    def uploads(self) -> list[str]:
        """Name the files of a run whose upload was not ended."""
        return [key for key in FILES for _ in self.bucket.uploads(key)]

    def left(self) -> list[str]:
        """Name the temporary files and locks that are there."""
        return [str(path.relative_to(self.temporary)) for path in self.temporary.rglob("*") if path.is_file()]

    def locks(self) -> int:
        """Count the locks that are held or were left."""
        return sum(name.endswith(".lock") for name in self.left())

    def check_untouched(self, keys: set[str] | None = None) -> None:
        """See that the old output is there, that nothing else is, and that nothing is left lying about."""
        assert self.bucket.get("out.json") == EARLIER
        assert self.bucket.keys() == (keys or {"in.json", "out.json"})
        assert self.uploads() == []
        assert self.left() == []


def ended(run: subprocess.Popen[bytes], within: float = 30) -> tuple[int, str]:
    """Wait for a run; give its exit code and what it said."""
    _, err = run.communicate(timeout=within * slowdown())
    return run.returncode, err.decode()


def kinds(proxy: Proxy, bucket: Bucket) -> list[str]:
    """Give the requests seen, without the ids of uploads and parts."""
    found = [f"{r.method} {r.path.removeprefix(f'/{bucket.name}/')}" for r in proxy.requests]
    return [re.sub(r"=[^&]*", "", line) for line in found]


def timeless(log: bytes) -> list[dict[str, Any]]:
    """Give the events of a log without what differs between two runs, and without the names of files."""
    events = [json.loads(line) for line in log.splitlines()]
    for event in events:
        event["id"] = event["id"].rpartition("-")[2] if event["type"] != "model_etl.run.started" else ""
        event.pop("time")
        event.pop("subject")
        for name in ("run_id", "settings"):
            event["data"].pop(name, None)
    return events
