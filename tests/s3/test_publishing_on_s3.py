"""What is published to a bucket, when, and by which of two runs."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from helpers.proxy import Proxy
from helpers.s3_runs import BAD, EARLIER, FILES, INPUT, OUTPUT, S3, ended, kinds
from helpers.waiting import slowdown, wait_for

from model_etl.pipeline.strategy import SHUTDOWN_GRACE_S


def test_nothing_is_seen_before_all_is_there(s3: S3, proxy: Proxy) -> None:
    """While the last part is on its way no new object shows; then the log does before the output."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", BAD)
    name = s3.bucket.name
    part = proxy.fault("delay response", f"PUT /{name}/out.json partNumber", times=1, seconds=2)
    log = proxy.fault("delay response", f"POST /{name}/out.log.ldjson uploadId", times=1, seconds=2)
    run = s3.start("--max_errors", "1", through=proxy)
    wait_for(lambda: part.hits, run)
    assert (s3.bucket.keys(), s3.bucket.get("out.json")) == ({"in.json", "out.json"}, EARLIER)
    assert sorted(s3.uploads()) == sorted(FILES)
    wait_for(lambda: log.hits, run)
    time.sleep(0.2)
    assert s3.bucket.keys() == {"in.json", *FILES}
    assert s3.bucket.get("out.json") == EARLIER
    assert ended(run) == (0, "")
    assert s3.bucket.get("out.json") == OUTPUT
    assert (s3.uploads(), s3.left()) == ([], [])
    done = [
        line.partition("?")[0] for line in kinds(proxy, s3.bucket) if line.startswith("POST") and "uploadId" in line
    ]
    assert done == ["POST out.rejects.ldjson", "POST out.log.ldjson", "POST out.json"]


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--if_exists", "fail"), 73),
        (("--if_exists", "skip"), 0),
        (("--dry_run",), 0),
        (("check",), 0),
        (("check", "--if_exists", "fail"), 73),
        (("--expect_version", "2.0"), 69),
        (("-i", "{}missing.json"), 66),
        (("-i", "{}none/"), 66),
        (("-o", "{}"), 78),
        (("-o", "{}in.json/.."), None),
        (("--keep", "y"), 78),
        (("--limit", "0"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_publishes_nothing(s3: S3, flags: tuple[str, ...], code: int | None) -> None:
    """Whatever skips, tries or refuses leaves the old output, no object, no upload, no lock and no temporary file."""
    s3.bucket.put("out.json", EARLIER)
    more = [flag.format(s3.bucket.uri("")) for flag in flags]
    arguments = s3.arguments(*(flag for flag in more if flag != "check"))
    arguments[0] = "check" if "check" in flags else "run"
    done = s3.etl(*arguments, env=s3.env())
    assert "Traceback" not in done.err
    assert (done.code == code) if code is not None else (done.code not in (0, 1)), done.err
    assert (done.err == "") == (code == 0)
    s3.check_untouched()


def test_an_earlier_runs_rejects_go(s3: S3) -> None:
    """A run without rejects removes those of the run before, and one with too many publishes its rejects alone."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", BAD)
    assert s3().code == 65
    assert s3.bucket.keys() == {"in.json", "out.json", "out.rejects.ldjson"}
    assert s3.bucket.get("out.json") == EARLIER
    assert s3.bucket.get("out.rejects.ldjson").count(b"\n") == 1
    s3.bucket.put("in.json", INPUT)
    assert s3("--dry_run").code == 0
    assert s3.bucket.exists("out.rejects.ldjson")
    assert s3().code == 0
    assert s3.bucket.keys() == {"in.json", "out.json", "out.log.ldjson"}
    assert (s3.uploads(), s3.left()) == ([], [])


def test_what_was_not_there_at_first_is_not_overwritten(s3: S3, proxy: Proxy) -> None:
    """With --if_exists fail an output that somebody else publishes meanwhile stays."""
    part = proxy.fault("delay response", f"PUT /{s3.bucket.name}/out.json partNumber", times=1, seconds=1)
    run = s3.start("--if_exists", "fail", through=proxy)
    wait_for(lambda: part.hits, run)
    s3.bucket.put("out.json", EARLIER)
    assert ended(run)[0] == 73
    s3.check_untouched()


@pytest.fixture
def hanging(s3: S3) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a run that hangs while it holds its files."""

    def start(*flags: str, through: Proxy | None = None) -> subprocess.Popen[bytes]:
        s3.bucket.put("slow.json", b'{"x":-1}\n')
        run = s3.start("-m", "failing_models:Hangs", "-i", s3.bucket.uri("slow.json"), *flags, through=through)
        wait_for((s3.etl.folder / "hanging").exists, run)
        (s3.etl.folder / "hanging").unlink()
        return run

    return start


def test_runs_with_the_same_output_do_not_overlap(s3: S3, hanging: Callable[..., Any], proxy: Proxy) -> None:
    """The second one leaves with 75 or waits; a run that holds the log or the rejects counts, too."""
    run = hanging("--prediction_log", "none", "--rejects", s3.bucket.uri("shared.json"))
    for flags in (
        ("--report", "report.json"),
        ("-b", s3.bucket.name, "-o", "out.json"),
        ("-o", s3.bucket.uri("b.json"), "--prediction_log", s3.bucket.uri("shared.json")),
    ):
        start = time.monotonic()
        done = s3(*flags)
        assert (done.code, "another run is writing s3://" in done.err) == (75, True), (flags, done.err)
        assert time.monotonic() - start < 5 * slowdown()
    report = json.loads((s3.etl.folder / "report.json").read_bytes())
    assert (report["exit_code"], report["error"]["type"]) == (75, "TryAgain")
    assert run.poll() is None
    # The same key at another endpoint is another object, as far as anybody knows.
    assert s3(through=proxy).code == 0
    threading.Timer(1, run.kill).start()
    done = s3("--lock_wait", "20")
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get("out.json") == OUTPUT
    assert s3.left() == [name for name in s3.left() if s3.locks() == 1]  # the killed one's for shared.json


def test_a_lock_knows_a_server_by_any_spelling(s3: S3, hanging: Callable[..., Any]) -> None:
    """An endpoint with a slash at its end, or in capitals, is the same one."""
    hanging()
    endpoint = s3.bucket.server.endpoint
    for same in (f"{endpoint}/", endpoint.replace("http", "HTTP")):
        done = s3("--endpoint_url", same)
        assert (done.code, "another run is writing s3://" in done.err) == (75, True), (same, done.err)


def test_a_lock_is_of_one_key(s3: S3, hanging: Callable[..., Any]) -> None:
    """Another key in the same folder, or the same key in another bucket, is free."""
    hanging()
    assert s3("-o", s3.bucket.uri("out.json2"), "--output_format", "ldjson").code == 0
    other = f"{s3.bucket.name}-2"
    s3.bucket.client.make_bucket(other)
    assert s3("-o", f"s3://{other}/out.json").code == 0
    for found in s3.bucket.client.list_objects(other):
        s3.bucket.client.remove_object(other, found.object_name)
    s3.bucket.client.remove_bucket(other)


@pytest.mark.slow
def test_many_runs_take_turns(s3: S3) -> None:
    """Runs that wait for the same output all succeed, one after the other."""
    runs = [s3.start("--lock_wait", "50") for _ in range(4)]
    assert [ended(run, 60) for run in runs] == [(0, "")] * 4
    assert s3.bucket.get("out.json") == OUTPUT
    assert (s3.uploads(), s3.left()) == ([], [])


def test_a_killed_run_is_cleared_up_by_the_next(s3: S3, proxy: Proxy) -> None:
    """After kill -9 in mid-upload the old object is there, and the next run leaves no parts of the dead one."""
    s3.bucket.put("out.json", EARLIER)
    part = proxy.fault("delay response", f"PUT /{s3.bucket.name}/out.json partNumber", times=1)
    run = s3.start(through=proxy)
    wait_for(lambda: part.hits, run)
    time.sleep(0.2)
    run.kill()
    run.communicate()
    assert s3.bucket.get("out.json") == EARLIER
    assert sorted(s3.uploads()) == sorted(FILES)
    proxy.clear()
    done = s3(through=proxy)
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get("out.json") == OUTPUT
    assert (s3.uploads(), s3.left()) == ([], [])


def test_check_clears_up_or_leaves_alone(s3: S3, hanging: Callable[..., Any]) -> None:
    """`check` beside a run that writes takes nothing of it away."""
    run = hanging()
    arguments = s3.arguments()
    arguments[0] = "check"
    assert s3.etl(*arguments, env=s3.env()).code == 0
    assert sorted(s3.uploads()) == sorted(FILES)
    run.send_signal(signal.SIGTERM)
    assert ended(run)[0] == 143
    assert (s3.uploads(), s3.left()) == ([], [])


MOMENTS = {
    "looking": ("delay response", "HEAD /{}/in.json"),
    "reading": ("stall response", "GET /{}/in.json"),
    "beginning": ("delay response", "POST /{}/out.log.ldjson?uploads"),
    "sending": ("delay response", "PUT /{}/out.json partNumber"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_at_a_bad_moment(s3: S3, proxy: Proxy, moment: str, number: signal.Signals, code: int) -> None:
    """A signal while the server hangs ends the run soon; old output, no upload, no lock, no temporary file."""
    s3.bucket.put("out.json", EARLIER)
    s3.bucket.put("in.json", b'{"x":1}\n' * 500_000)
    kind, match = MOMENTS[moment]
    fault = proxy.fault(kind, match.format(s3.bucket.name), at=2_000_000, times=1)
    run = s3.start(through=proxy)
    wait_for(lambda: fault.hits, run)
    time.sleep(0.3)
    start = time.monotonic()
    run.send_signal(number)
    assert ended(run) == (code, f"model-etl: error: stopped by {number.name}; nothing was published\n")
    assert time.monotonic() - start < (SHUTDOWN_GRACE_S + 3) * slowdown()
    if moment == "beginning":  # the server has begun an upload, and nobody here was told its id: it has no parts
        assert s3.uploads() == ["out.log.ldjson"]
        s3.bucket.client._abort_multipart_upload(s3.bucket.name, "out.log.ldjson", *s3.bucket.uploads("out.log.ldjson"))
    s3.check_untouched()
