"""A machine without room for one more process or thread: try again later, and nothing is published."""

from __future__ import annotations

import os

import pytest
from helpers.command import Etl

LIMITS = """
import errno, os, threading

def limited(function, count, error):
    left = [count]
    def call(*arguments):
        if not left[0]:
            raise error
        left[0] -= 1
        return function(*arguments)
    return call

os.fork = limited(os.fork, int(os.environ["FORKS"]), BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"))
threading._start_new_thread = limited(
    threading._start_new_thread, int(os.environ["THREADS"]), RuntimeError("can't start new thread")
)
"""


@pytest.mark.parametrize(
    ("forks", "threads", "workers"),
    [(0, 99, 1), (0, 99, 4), (1, 99, 4), (3, 99, 4), (99, 0, 1), (99, 2, 1), (99, 2, 2)],
)
def test_no_room_for_more(etl: Etl, forks: int, threads: int, workers: int) -> None:
    """The message names the limit to raise, and is not the report of a bug."""
    (etl.folder / "site").mkdir()
    etl.write("site/sitecustomize.py", LIMITS)
    etl.write("in.json", b'{"x": 1}\n')
    path = os.pathsep.join(("site", etl.environment()["PYTHONPATH"]))
    env = {"PYTHONPATH": path, "FORKS": str(forks), "THREADS": str(threads), "PYTHONDONTWRITEBYTECODE": "1"}
    model = ("-m", "failing_models:GoodBatch", "-i", "in.json", "-o", "out.json")
    done = etl("run", *model, "--workers", str(workers), env=env)
    assert (done.code, "ulimit -u" in done.err) == (75, True), done.err
    assert ("Traceback" in done.err, "bug" in done.err) == (False, False)
    assert etl.files() == {"in.json", "site/sitecustomize.py"}
