"""Signals and crashes at any moment: nothing is half-published, nothing is left lying about, nothing hangs."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from helpers.command import Etl
from helpers.waiting import slowdown, wait_for, wait_until_asleep

from model_etl.pipeline.strategy import SHUTDOWN_GRACE_S

EARLIER = b"earlier\n"
RECORDS = 100_000
INPUT = b'{"x": 1.0}\n' * RECORDS
WHOLE = b'{"y":1.0}\n' * RECORDS
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
ARGUMENTS = ("run", "--model", "failing_models:GoodBatch", "-i", "in.json", "-o", "out.json")
BOUND = SHUTDOWN_GRACE_S + 3


def _start(etl: Etl, *arguments: str, model: str = "GoodBatch", **options: object) -> subprocess.Popen[bytes]:
    named = [argument.replace("GoodBatch", model) for argument in ARGUMENTS]
    return etl.popen(*named, *arguments, env={"PYTHONDONTWRITEBYTECODE": "1"}, **options)


def _end(run: subprocess.Popen[bytes], bound: float = BOUND) -> tuple[int, str]:
    start = time.monotonic()
    _, err = run.communicate(timeout=60)
    assert time.monotonic() - start < bound * slowdown(), "it took too long to end"
    return run.returncode, err.decode()


def _prepare(etl: Etl, content: bytes = INPUT) -> None:
    etl.write("in.json", content)
    etl.write("out.json", EARLIER)


def _stopped(etl: Etl, code: int, err: str, number: signal.Signals) -> None:
    """Check a run that was ended by a signal."""
    assert code == CODES[number], err
    assert err == f"model-etl: error: stopped by {number.name}; nothing was published\n"
    assert (etl.folder / "out.json").read_bytes() == EARLIER
    assert etl.files() - {"hanging"} == {"in.json", "out.json"}


def _check_whole(etl: Etl) -> None:
    assert (etl.folder / "out.json").read_bytes() == WHOLE
    assert (etl.folder / "out.log.ldjson").read_bytes().count(b"\n") == RECORDS + 1
    assert etl.files() == {"in.json", "out.json", "out.log.ldjson"}


@pytest.fixture(scope="session")
def duration(tmp_path_factory: pytest.TempPathFactory) -> float:
    """Give the seconds that an undisturbed run takes here and now."""
    etl = Etl(tmp_path_factory.mktemp("duration"))
    _prepare(etl)
    start = time.monotonic()
    assert _end(_start(etl)) == (0, "")
    return time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("moment", [i / 12 for i in range(14)], ids="{:.2f}".format)
def test_a_signal_at_any_moment(etl: Etl, duration: float, moment: float, number: signal.Signals) -> None:
    """The earlier output is whole, or the new one; the exit code says which, and nothing else is left."""
    _prepare(etl)
    run = _start(etl)
    time.sleep(max(0.01, moment * duration + random.uniform(-0.02, 0.02)))
    run.send_signal(number)
    code, err = _end(run)
    if code == 0:
        assert err == ""
        _check_whole(etl)
    elif code == -number or err.startswith(("Fatal Python error: init", "Could not import runpy")):
        # Before our first line, or after our last.
        if (etl.folder / "out.json").read_bytes() != EARLIER:
            _check_whole(etl)
        else:
            assert etl.files() == {"in.json", "out.json"}
    else:
        _stopped(etl, code, err, number)


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("model", ["HangsInInit", "SwallowsInInit", "Hangs", "HangsInC", "SwallowsAll", "Slow"])
def test_a_signal_while_the_model_works(etl: Etl, model: str, number: signal.Signals) -> None:
    """A model that hangs, that swallows what is raised or that is slow cannot keep a run alive."""
    if number == signal.SIGHUP and model != "Slow":
        pytest.skip("the same code as for the others")
    _prepare(etl, b'{"x": -1}\n' * 5000)
    run = _start(etl, model=model)
    wait_for((etl.folder / "hanging").exists)
    run.send_signal(number)
    code, err = _end(run)
    _stopped(etl, code, err, number)


def test_a_signal_while_a_rule_works(etl: Etl) -> None:
    """A slow rule cannot keep a run alive either."""
    _prepare(etl, b'{"x": 1}\n' * 5000)
    run = _start(etl, "--rules", "failing_rules:Slow")
    wait_for((etl.folder / "hanging").exists)
    run.send_signal(signal.SIGINT)
    _stopped(etl, *_end(run), signal.SIGINT)


@pytest.mark.parametrize("writer", [False, True], ids=["nobody writes", "silent writer"])
def test_a_signal_while_the_input_is_waited_for(etl: Etl, *, writer: bool) -> None:
    """A pipe that nobody opens, and one into which nothing is written."""
    etl.write("out.json", EARLIER)
    os.mkfifo(etl.folder / "in.json")
    run = _start(etl)
    if writer:
        end = os.open(etl.folder / "in.json", os.O_WRONLY)
    wait_for((etl.folder / ".out.rejects.ldjson.part").exists)
    time.sleep(0.3)
    run.send_signal(signal.SIGTERM)
    code, err = _end(run)
    if writer:
        os.close(end)
    (etl.folder / "in.json").unlink()
    etl.write("in.json", b"")
    _stopped(etl, code, err, signal.SIGTERM)


def test_a_signal_while_standard_input_is_waited_for(etl: Etl) -> None:
    """Standard input that stays open and says nothing."""
    _prepare(etl)
    run = _start(etl, "-i", "-", stdin=subprocess.PIPE)
    wait_for((etl.folder / ".out.rejects.ldjson.part").exists)
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    run_code, err = run.wait(timeout=BOUND * slowdown()), run.stderr.read().decode() if run.stderr else ""
    run.communicate()
    _stopped(etl, run_code, err, signal.SIGINT)


@pytest.mark.parametrize("place", ["fifo", "-"])
def test_a_signal_while_the_outputs_reader_sleeps(etl: Etl, place: str) -> None:
    """A pipe as output that nobody reads: a run must not wait for ever, though it is publishing."""
    _prepare(etl)
    os.mkfifo(etl.folder / "fifo")
    run = _start(etl, "-o", place, "--output_format", "ldjson", "--report", "report.json")
    wait_until_asleep(run)
    run.send_signal(signal.SIGTERM)
    code, err = run.wait(timeout=BOUND * slowdown()), run.stderr.read().decode() if run.stderr else ""
    run.communicate()
    assert code == 143
    assert err == "model-etl: error: stopped by SIGTERM; a part may have been published\n"
    assert etl.files() == {"in.json", "out.json", "report.json"}


def test_a_signal_while_the_lock_is_waited_for(etl: Etl) -> None:
    """Waiting for another run can be ended, and leaves the other one's files alone."""
    _prepare(etl, b'{"x": -1}\n')
    other = _start(etl, model="Hangs")
    wait_for((etl.folder / "hanging").exists)
    mine = _start(etl, "--lock_wait", "60")
    wait_until_asleep(mine)
    mine.send_signal(signal.SIGINT)
    code, err = _end(mine)
    assert (code, "stopped by SIGINT" in err) == (130, True)
    assert ".out.json.part" in etl.files()
    other.send_signal(signal.SIGINT)
    _stopped(etl, *_end(other), signal.SIGINT)


def test_a_second_interrupt_ends_it_at_once(etl: Etl) -> None:
    """Whoever presses Ctrl-C again does not wait for the grace of a hanging model; the next run cleans up."""
    _prepare(etl, b'{"x": -1}\n')
    run = _start(etl, model="HangsInC")
    wait_for((etl.folder / "hanging").exists)
    run.send_signal(signal.SIGINT)
    time.sleep(0.7)
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    code, err = _end(run, 0.5)
    assert (code, err) == (130, "model-etl: error: stopped at once by SIGINT\n")
    assert (etl.folder / "out.json").read_bytes() == EARLIER
    _prepare(etl)
    assert _end(_start(etl)) == (0, "")
    (etl.folder / "hanging").unlink()
    _check_whole(etl)


def test_a_signal_that_comes_twice_is_one_request(etl: Etl) -> None:
    """timeout(1) signals its child and then the whole group: that is no second request, and all is cleaned up."""
    if not shutil.which("timeout"):
        pytest.skip("there is no timeout command")
    _prepare(etl, b'{"x": 1}\n' * 5000)
    command = etl.command(*[argument.replace("GoodBatch", "Slow") for argument in ARGUMENTS])
    done = subprocess.run(
        ["timeout", "--preserve-status", "1.5", *command],
        cwd=etl.folder, env=etl.environment(PYTHONDONTWRITEBYTECODE="1"), capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    _stopped(etl, done.returncode, done.stderr.decode(), signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_an_ignored_signal_stays_ignored(etl: Etl, number: signal.Signals) -> None:
    """What nohup or a shell's & ignores for us does not end the run."""
    _prepare(etl, b'{"x": 1}\n' * 100)
    run = _start(etl, model="Slow", preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    wait_for((etl.folder / "hanging").exists)
    run.send_signal(number)
    assert _end(run) == (0, "")
    assert (etl.folder / "out.json").read_bytes() == b'{"y":1.0}\n' * 100


def test_a_signal_is_told_in_the_report(etl: Etl) -> None:
    """The report says how the run ended."""
    _prepare(etl, b'{"x": 1}\n' * 5000)
    run = _start(etl, "--report", "report.json", model="Slow")
    wait_for((etl.folder / "hanging").exists)
    run.send_signal(signal.SIGTERM)
    assert _end(run)[0] == 143
    report = etl.lines("report.json")[0]
    assert (report["status"], report["exit_code"], report["error"]["type"]) == ("failed", 143, "Interrupted")


@pytest.mark.slow
@pytest.mark.parametrize("moment", [i / 10 for i in range(1, 11)], ids="{:.2f}".format)
def test_a_kill_at_any_moment(etl: Etl, duration: float, moment: float) -> None:
    """After kill -9 the output is the old or the new one, whole; the next run succeeds and cleans up."""
    _prepare(etl)
    run = _start(etl)
    time.sleep(moment * duration)
    run.kill()
    run.communicate()
    assert (etl.folder / "out.json").read_bytes() in (EARLIER, WHOLE)
    assert _end(_start(etl), 30) == (0, "")
    _check_whole(etl)


def test_a_killed_run_leaves_no_lock(etl: Etl) -> None:
    """The lock dies with its holder, and what it had staged is taken over."""
    _prepare(etl, b'{"x": -1}\n')
    run = _start(etl, model="Hangs")
    wait_for((etl.folder / "hanging").exists)
    run.kill()
    run.communicate()
    assert ".out.json.part" in etl.files()
    _prepare(etl)
    assert _end(_start(etl)) == (0, "")
    (etl.folder / "hanging").unlink()
    _check_whole(etl)


def test_no_signal_is_lost_or_doubled_by_deferral() -> None:
    """What comes while signals are deferred is raised once, when the block is left."""
    from model_etl.errors import Interrupted  # noqa: PLC0415
    from model_etl.runtime.signals import Interrupts, signals_deferred  # noqa: PLC0415

    interrupts = Interrupts()
    with interrupts.handled():
        done = []
        with pytest.raises(Interrupted), signals_deferred(), signals_deferred():  # noqa: PT012
            signal.raise_signal(signal.SIGTERM)
            done.append(1)
        assert done == [1]
        with signals_deferred():
            pass
        with pytest.raises(Interrupted), interrupts.uninterruptible():
            done.append(2)
        assert done == [1]


def test_what_is_published_is_not_reported_as_stopped() -> None:
    """A signal that comes while the files are renamed, or after it, no longer changes what the run came to."""
    from model_etl.runtime.signals import Interrupts  # noqa: PLC0415

    for late in (False, True):
        interrupts = Interrupts()
        with interrupts.handled():
            with interrupts.uninterruptible():
                if not late:
                    signal.raise_signal(signal.SIGINT)
            if late:
                signal.raise_signal(signal.SIGINT)
