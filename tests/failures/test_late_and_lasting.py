"""What lasts too long is ended, and what is decided stays so."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest
from helpers.command import Etl
from helpers.waiting import slowdown, wait_for

RUN = ("run", "-m", "failing_models:GoodBatch", "-i", "in.json", "-o", "out.json")


@pytest.mark.parametrize("source", ["FIFO without a peer", "silent pipe", "waiting for a lock", "output nobody reads"])
def test_a_time_limit(etl: Etl, source: str) -> None:
    """A run that waits for ever ends with 75, and publishes nothing."""
    arguments = ["--max_runtime", "2", "--report", "report.json"]
    etl.write("in.json", b'{"x": 1}\n')
    other = None
    if source == "FIFO without a peer":
        (etl.folder / "in.json").unlink()
        os.mkfifo(etl.folder / "in.json")
    elif source == "silent pipe":
        arguments += ["-i", "-"]
    elif source == "output nobody reads":
        os.mkfifo(etl.folder / "out.json")
        arguments += ["--output_format", "ldjson"]
    else:
        etl.write("bad.json", b'{"x": -1}\n')
        other = etl.popen(*RUN, "-m", "failing_models:Hangs", "-i", "bad.json")
        wait_for((etl.folder / "hanging").exists)
        arguments += ["--lock_wait", "60"]
    run = etl.popen(*RUN, *arguments, stdin=subprocess.PIPE)
    _wait(run, 12)
    err = run.stderr.read().decode() if run.stderr else ""
    run.communicate()
    if other is not None:
        other.kill()
        other.communicate()
    remark = "a part may have been published" if source.startswith("output") else "nothing was published"
    assert err == f"model-etl: error: the run was stopped after 2 s (--max_runtime); {remark}\n"
    assert run.returncode == 75
    report = etl.lines("report.json")[0]
    assert (report["status"], report["exit_code"], report["error"]["type"]) == ("failed", 75, "TimeIsUp")
    assert "out.json" not in etl.files()


def _wait(run: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        run.kill()
        pytest.fail("it did not end")


def test_a_run_within_its_time(etl: Etl) -> None:
    """A run that ends in time is as any other."""
    etl.write("in.json", b'{"x": 1}\n')
    done = etl(*RUN, "--max_runtime", "60", "--workers", "2")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("rejects", [False, True])
def test_a_process_that_hangs_at_its_end(etl: Etl, *, rejects: bool) -> None:
    """A signal ends it in time, with the exit code of its run."""
    etl.write("in.json", b"{\n" if rejects else b'{"x": 1}\n')
    run = etl.popen(*RUN, "-m", "lingering_models:HangsAtExit", "--report", "report.json")
    wait_for((etl.folder / "report.json").exists)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    start = time.monotonic()
    _, err = run.communicate(timeout=15 * slowdown())
    assert time.monotonic() - start < 9 * slowdown()
    assert (run.returncode, b"stopped" in err) == (65 if rejects else 0, False)
    assert etl.lines("report.json")[0]["exit_code"] == run.returncode


def test_a_second_signal_though_nobody_reads_standard_error(etl: Etl) -> None:
    """Neither a full pipe nor a thread that waits for it keeps the process alive."""
    etl.write("in.json", b'{"x": -1}\n')
    read_end, write_end = os.pipe()
    command = etl.command(*RUN, "-m", "lingering_models:FillsStandardError")
    run = subprocess.Popen(command, cwd=etl.folder, env=etl.environment(), stderr=write_end)
    wait_for((etl.folder / "hanging").exists)
    time.sleep(0.5)
    run.send_signal(signal.SIGTERM)
    time.sleep(3)
    run.send_signal(signal.SIGTERM)
    start = time.monotonic()
    _wait(run, 15)
    os.close(read_end)
    os.close(write_end)
    assert (run.returncode, time.monotonic() - start < 3 * slowdown()) == (143, True)


def test_an_input_that_is_replaced_by_one_like_it(etl: Etl) -> None:
    """An input of the same size and time is another one, and the run is to be repeated."""
    path = etl.write("in.json", b'{"x": 1}\n' * 3000)
    status = path.stat()
    run = etl.popen(*RUN, "-m", "failing_models:Slow")
    wait_for((etl.folder / "hanging").exists)

    def replace() -> None:
        path.write_bytes(b'{"x": 2}\n' * 3000)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    thread = threading.Thread(target=replace)
    thread.start()
    _, err = run.communicate(timeout=60)
    thread.join()
    assert (run.returncode, b"was changed" in err) == (75, True)
