"""Runs against S3 that are interrupted or killed, and the runs after them."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from case import PUBLISHED
from helpers.command import Etl
from helpers.proxy import Fault, Proxy
from helpers.records import EARLIER, LARGE, MIDDLE, THREE
from helpers.s3_fixtures import Bucket
from helpers.waiting import slowdown, wait_for
from s3_place import begin, check_whole, complete, objects, part, unfinished_uploads


@dataclass
class Job:
    """The command that the tests of interrupted runs start, with its bucket."""

    etl: Etl
    bucket: Bucket
    proxy: Proxy

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start it through the proxy, with its default time-outs."""
        tmp = self.etl.folder / "tmp"
        tmp.mkdir(exist_ok=True)
        files = ("-i", self.bucket.uri("in.json"), "-o", self.bucket.uri("out.json"))
        env = {**self.bucket.env_through(self.proxy), "TMPDIR": str(tmp), "PYTHONDONTWRITEBYTECODE": "1"}
        return self.etl.popen("run", "-m", "failing_models:GoodBatch", *files, *arguments, env=env)

    def start_into(self, fault: Fault) -> subprocess.Popen[bytes]:
        """Start it, and wait until a fault that makes it hang has struck."""
        run = self.start()
        wait_for(lambda: fault.hits)
        time.sleep(0.2)
        return run

    def locks(self) -> list[Path]:
        """Give the files in the folder for temporary files."""
        return [path for path in (self.etl.folder / "tmp").rglob("*") if path.is_file()]

    def check_next(self) -> None:
        """Check that the next run is as if nothing had been."""
        self.proxy.clear()
        run = self.start()
        _, err = run.communicate(timeout=30)
        assert (run.returncode, err) == (0, b"")
        check_whole(self.bucket, THREE)
        assert self.bucket.keys() == {"in.json", *PUBLISHED}
        assert self.locks() == []


@pytest.fixture
def job(etl: Etl, bucket: Bucket, proxy: Proxy) -> Job:
    """Give a command whose input and earlier outputs are there."""
    bucket.put("in.json", THREE)
    for key, content in EARLIER.items():
        bucket.put(key, content)
    return Job(etl, bucket, proxy)


PLACES = {
    "the first question": "HEAD in.json",
    "the headers of the input": "GET in.json",
    "the beginning of an upload": begin(),
    "a part": part(),
    "the question after earlier rejects": "HEAD out.rejects",
    "the log's completion": complete("out.log.ldjson"),
    "the completion": complete(),
}


def _end(run: subprocess.Popen[bytes], seconds: float = 9) -> tuple[int, str]:
    """Wait for its end, which must come in a few seconds, though the time-outs allow minutes."""
    try:
        _, err = run.communicate(timeout=seconds * slowdown())
    except subprocess.TimeoutExpired:
        run.kill()
        run.communicate()
        pytest.fail("it took too long to end")
    return run.returncode, err.decode()


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_signal_while_the_server_hangs(job: Job, place: str) -> None:
    """A server that says nothing cannot keep a run alive, whatever the time-outs are."""
    run = job.start_into(job.proxy.fault("delay response", PLACES[place]))
    run.send_signal(signal.SIGTERM)
    code, err = _end(run)
    assert code == 143, err
    assert err.count("model-etl: error: stopped by SIGTERM; ") == 1
    if "completion" in place:  # the server has done what was asked
        assert "may have been published" in err
    else:
        assert err == "model-etl: error: stopped by SIGTERM; nothing was published\n"
        assert objects(job.bucket) == {"in.json": THREE, **EARLIER}
    assert set(unfinished_uploads(job.bucket)) <= ({"out.json"} if "beginning" in place else set())
    assert job.locks() == []
    job.check_next()


@pytest.mark.slow
def test_a_signal_while_nothing_answers_any_more(job: Job) -> None:
    """A server that answers no request any more, not for the run report either, keeps a run for 9 seconds at most."""
    fault = job.proxy.fault("delay response", "GET in.json")
    run = job.start("--report", job.bucket.uri("report.json"))
    wait_for(lambda: fault.hits)
    job.proxy.fault("delay response")
    time.sleep(0.2)
    run.send_signal(signal.SIGTERM)
    code, err = _end(run)
    assert (code, err.startswith("model-etl: error: stopped by SIGTERM; nothing was published\n")) == (143, True)
    assert objects(job.bucket) == {"in.json": THREE, **EARLIER}


@pytest.mark.slow
def test_a_time_limit_though_the_server_drips(job: Job) -> None:
    """A server that sends a byte now and then is never too late for the time-outs, but for --max_runtime."""
    job.bucket.put("in.json", LARGE)
    job.proxy.fault("stall response", "GET in.json", at=MIDDLE)
    code, err = _end(job.start("--max_runtime", "5"), 15)
    assert (code, err.count("--max_runtime"), err.count("nothing was published")) == (75, 1, 1)
    assert objects(job.bucket) == {"in.json": LARGE, **EARLIER}


@pytest.mark.slow
def test_a_signal_in_the_middle_of_the_input(job: Job) -> None:
    """An input that stops to come cannot keep a run alive."""
    job.bucket.put("in.json", LARGE)
    run = job.start_into(job.proxy.fault("stall response", "GET in.json", at=MIDDLE))
    run.send_signal(signal.SIGTERM)
    assert _end(run) == (143, "model-etl: error: stopped by SIGTERM; nothing was published\n")
    assert objects(job.bucket) == {"in.json": LARGE, **EARLIER}
    assert (unfinished_uploads(job.bucket), job.locks()) == ([], [])


@pytest.mark.slow
def test_a_second_signal_while_the_server_hangs(job: Job) -> None:
    """A second signal ends a run at once, even while it publishes, and the next run clears up after it."""
    run = job.start_into(job.proxy.fault("delay response", complete("out.log.ldjson")))
    run.send_signal(signal.SIGTERM)
    time.sleep(0.7)
    run.send_signal(signal.SIGTERM)
    code, err = _end(run, 3)
    assert (code, err.count("stopped")) == (143, 1)
    assert job.bucket.get("out.json") == EARLIER["out.json"]
    job.check_next()
    assert unfinished_uploads(job.bucket) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "note", [None, b"", b"{", bytes(4), b"[]", b'{"upload": 7}', b'{"upload": "unknown"}'], ids=repr
)
def test_a_run_after_a_crash(job: Job, note: bytes | None) -> None:
    """What a killed run left does not trouble the next one, even if a power cut took what was in the lock."""
    run = job.start_into(job.proxy.fault("delay response", part()))
    run.kill()
    run.communicate()
    assert objects(job.bucket) == {"in.json": THREE, **EARLIER}
    for lock in job.locks():
        if note is not None:
            lock.write_bytes(note)
    job.check_next()
    if note is None:
        assert unfinished_uploads(job.bucket) == []


@pytest.mark.slow
def test_a_run_after_one_that_could_not_clear_up(job: Job) -> None:
    """Uploads that a failed run could not end, since the server did not let it, are ended by the next run."""
    for match in (part(), "DELETE uploadId"):
        job.proxy.fault("answer", match)
    run = job.start("--retries", "0")
    run.communicate(timeout=30)
    assert run.returncode == 75
    assert unfinished_uploads(job.bucket) == ["out.json", "out.log.ldjson", "out.rejects.ldjson"]
    job.check_next()
    assert unfinished_uploads(job.bucket) == []
