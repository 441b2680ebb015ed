"""Runs that get a signal at some moment of their lives, and what must agree after them."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from helpers.command import Etl
from helpers.s3_fixtures import Bucket
from helpers.waiting import slowdown

EARLIER = b"earlier\n"
RECORDS = 20_000
GOOD = b'{"x": 1.0}\n' * RECORDS
BAD = GOOD + b"{\n"
WHOLE = b'{"y":1.0}\n' * RECORDS
MODELS = ("failing_models:GoodBatch", "lingering_models:LeavesThread", "lingering_models:CleansUpSlowly")
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
NAMES = ("out.json", "out.log.ldjson", "out.rejects.ldjson", "report.json")


@dataclass(frozen=True)
class Shot:
    """A run, and when it gets which signals."""

    number: signal.Signals
    model: str
    workers: int
    bad: bool
    twice: bool
    delay_s: float
    """Seconds after the start, or after the output was published."""
    after_publishing: bool

    @classmethod
    def draw(cls, rng: random.Random, duration_s: float) -> Shot:
        """Draw one; half of them hit while files are published or after that."""
        after = rng.random() < 0.5
        delay = rng.uniform(0, 0.3) if after else rng.uniform(0.01, 1.1 * duration_s)
        twice, bad = rng.random() < 0.2, rng.random() < 0.3
        return cls(rng.choice(SIGNALS), rng.choice(MODELS), rng.choice((1, 2)), bad, twice, delay, after)


@dataclass
class Outcome:
    """How a run ended: its exit code, what it said, and the files that it has published."""

    code: int
    err: str
    seconds: float
    """From the last signal on."""
    files: Mapping[str, bytes] = field(default_factory=dict)


def run_locally(folder: Path, shot: Shot) -> list[str]:
    """Run a shot on files of a new folder; name what does not agree, or was left."""
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


def run_on_s3(folder: Path, bucket: Bucket, shot: Shot) -> list[str]:
    """Run a shot on objects of a bucket, below the name of a new folder; name what does not agree."""

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


def fire(etl: Etl, shot: Shot, uri: Callable[[str], str], read: Callable[[str], bytes | None]) -> Outcome:
    """Run a shot.

    Args:
        etl: the command.
        shot: the shot.
        uri: gives the name of a file of the run.
        read: gives the content of a file of the run, or None if there is none.
    """
    files = ("-i", uri("bad.json" if shot.bad else "in.json"), "-o", uri("out.json"), "--report", uri("report.json"))
    command = ("run", "-m", shot.model, *files, "--workers", str(shot.workers))
    run = etl.popen(*command, env={"PYTHONDONTWRITEBYTECODE": "1"})
    watched = "out.rejects.ldjson" if shot.bad else "out.json"
    while shot.after_publishing and run.poll() is None and read(watched) in (None, EARLIER):
        time.sleep(0.002)
    time.sleep(shot.delay_s)
    run.send_signal(shot.number)
    if shot.twice:
        time.sleep(0.6)
        run.send_signal(shot.number)
    start = time.monotonic()
    try:
        _, err = run.communicate(timeout=15 * slowdown())
    except subprocess.TimeoutExpired:
        run.kill()
        _, err = run.communicate()
        raise AssertionError(f"it did not end: {shot}: {err.decode()}") from None
    found = {name: content for name in NAMES if (content := read(name)) is not None}
    return Outcome(run.returncode, err.decode(), time.monotonic() - start, found)


def disagreements(shot: Shot, outcome: Outcome) -> list[str]:
    """Name what does not agree in code, message, report and files."""
    found = _of_the_report(outcome)
    error = f"model-etl: error: stopped by {shot.number.name}; nothing was published\n"
    at_once = f"model-etl: error: stopped at once by {shot.number.name}\n"
    if outcome.code == 0:
        expected = not shot.bad and outcome.err == "" and _is_published(outcome)
    elif outcome.code == 65:
        expected = (
            shot.bad
            and outcome.err.startswith("model-etl: error: 1 of ")
            and outcome.err.count("model-etl: ") == 1
            and _is_untouched(outcome, "out.rejects.ldjson", "report.json")
            and "out.rejects.ldjson" in outcome.files
            and outcome.files["out.rejects.ldjson"].count(b"\n") == 1
        )
    elif outcome.code == 1:  # while Python itself starts, Ctrl-C is an exception like any other
        expected = shot.number == signal.SIGINT and _is_early(outcome.err) and _is_untouched(outcome)
    elif outcome.code == -shot.number:  # before the command handles signals
        expected = _is_early(outcome.err) and _is_untouched(outcome)
    elif outcome.code == 128 + shot.number:
        said = outcome.err == error or (shot.twice and outcome.err == at_once) or _is_early(outcome.err)
        expected = said and _is_untouched(outcome, "report.json")
    else:
        expected = False
    if not expected:
        found.append(f"code {outcome.code}, files {sorted(outcome.files)}, output {outcome.files['out.json'][:20]!r}")
    if outcome.seconds > 9 * slowdown():
        found.append(f"it took {outcome.seconds:.1f} s to end")
    return [f"{problem}: {shot}: {outcome.err}" for problem in found]


def _is_early(err: str) -> bool:
    """Whether the interpreter, not the command, was interrupted."""
    starts = ("Fatal Python error: init", "Could not import runpy", "Error processing line")
    return err == "" or err.startswith(starts) or (err.endswith("KeyboardInterrupt\n") and "model_etl/" not in err)


def _is_published(outcome: Outcome) -> bool:
    log = outcome.files.get("out.log.ldjson", b"")
    return (
        outcome.files["out.json"] == WHOLE
        and log.count(b"\n") == RECORDS + 1
        and set(outcome.files) == {"out.json", "out.log.ldjson", "report.json"}
    )


def _is_untouched(outcome: Outcome, *others: str) -> bool:
    return outcome.files["out.json"] == EARLIER and set(outcome.files) <= {"out.json", *others}


def _of_the_report(outcome: Outcome) -> list[str]:
    text = outcome.files.get("report.json")
    if text is None:
        return []
    report = json.loads(text)
    status = "published" if outcome.code == 0 else "failed"
    if (report["exit_code"], report["status"]) != (outcome.code, status):
        return [f"the report says {report['status']}, {report['exit_code']}"]
    return []
