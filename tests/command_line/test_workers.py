"""--workers: what comes out is the same as with one process, and whatever becomes of a worker ends the run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.command import Etl, Result
from helpers.waiting import interrupt_group, slowdown, wait_for

MODEL = ("--model", "failing_models:GoodBatch")
TWO = ("--workers", "2")


def lines(*values: float, unread: str = "") -> bytes:
    """Give records."""
    return b"".join(
        b'{"x": %r, "id": %d, "unread": "%b"}\n' % (value, number, unread.encode())
        for number, value in enumerate(values)
    )


MANY = lines(*(float(n % 50) for n in range(4000)), unread="u" * 180)
"""More than one batch."""
BAD = MANY + b'{"x": "wide"}\n{"x": \n' + lines(-1.0) + MANY


@pytest.fixture
def score(etl: Etl) -> Callable[..., Result]:
    """Score in.json into out.json."""

    def run(*arguments: str, model: str = "GoodBatch", **options: Any) -> Result:
        named = ("--model", f"failing_models:{model}", "-i", "in.json", "-o", "out.json")
        return etl("run", *named, *arguments, **options)

    return run


def contents(etl: Etl) -> dict[str, Any]:
    """Give all files; of the log, all that does not change from run to run."""
    found: dict[str, Any] = {name: (etl.folder / name).read_bytes() for name in etl.files() - {"in.json"}}
    if "out.log.ldjson" in found:
        events = found["out.log.ldjson"].partition(b"\n")[2]
        found["out.log.ldjson"] = re.sub(rb'"time":"[^"]*"', b"", events)
    return found


def children(pid: int) -> set[int]:
    """Name the living workers of a run: the children of the process that the command waits for."""
    return {worker for process in _children(pid) for worker in _children(process)}


def _children(pid: int) -> set[int]:
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            rest = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(rest[1]) == pid and rest[0] != "Z":
            found.add(int(status.parent.name))
    return found


def alive(pids: set[int]) -> set[int]:
    """Name those that still live."""
    return {pid for pid in pids if Path(f"/proc/{pid}").exists()}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--prediction_log", "none"),
        ("--join",),
        ("--limit", "3000"),
        ("--rules", "business:NotInQuebec", "--rules", "business:AtLeastTen", "--rules", "business:NoGiants"),
    ],
    ids=" ".join,
)
def test_the_same_comes_out(etl: Etl, score: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    """Predictions, log and rejects are those of one process, in the same order."""
    etl.write("in.json", BAD + b'{"x": 7.0, "province": "QC"}\n{"x": 700.0}\n')
    runs = []
    for count in ("1", "2", "3"):
        done = score("--max_errors", "10", "--workers", count, *arguments)
        assert (done.code, done.err) == (0, "")
        runs.append(contents(etl))
    assert runs[0] == runs[1] == runs[2]
    assert runs[0]["out.json"]


def test_failures_of_records_are_as_exact(etl: Etl, score: Callable[..., Result]) -> None:
    """One record that fails in the model costs only itself, with the same words."""
    etl.write("in.json", BAD)
    runs = []
    for count in ("1", "2"):
        done = score("--max_errors", "10", "--workers", count, model="RaisesInBatch")
        assert (done.code, done.err) == (0, "")
        runs.append(contents(etl))
    assert runs[0] == runs[1]
    assert runs[0]["out.rejects.ldjson"].count(b"\n") == 3
    too_many = [score("--workers", count, model="RaisesInBatch") for count in ("1", "2")]
    assert [done.code for done in too_many] == [65, 65]
    assert too_many[0].err == too_many[1].err


def test_small_and_empty_inputs(etl: Etl, score: Callable[..., Result]) -> None:
    """More workers than batches, one record, none."""
    for content in (b"", lines(1.0), lines(1.0, 2.0)):
        etl.write("in.json", content)
        done = score("--workers", "4")
        assert (done.code, done.err) == (0, "")
        assert (etl.folder / "out.json").read_bytes().count(b"\n") == content.count(b"\n")


def test_many_files_and_formats(etl: Etl) -> None:
    """Each input still has its output, whatever its format."""
    (etl.folder / "in").mkdir()
    etl.write("in/a.csv", b"x,id\n" + b"".join(b"%d,%d\n" % (n % 7, n) for n in range(30_000)))
    etl.write("in/b.json", MANY)
    for count in ("1", "2"):
        done = etl("run", *MODEL, "-i", "in", "-o", f"out{count}/", "--workers", count, "--prediction_log", "none")
        assert (done.code, done.err) == (0, "")
    for name in ("a.csv", "b.json"):
        assert (etl.folder / "out1" / name).read_bytes() == (etl.folder / "out2" / name).read_bytes()


@pytest.mark.parametrize(
    ("model", "how"),
    [
        ("Killed", "was ended by SIGKILL"),
        ("Segfaults", "was ended by SIGSEGV"),
        ("LeavesAtOnce", "exited with code 0"),
    ],
)
def test_a_worker_that_dies_ends_the_run(etl: Etl, score: Callable[..., Result], model: str, how: str) -> None:
    """A clear error that names the file and the records, nothing is published, nobody is left behind."""
    etl.write("in.json", BAD)
    etl.write("out.json", b"earlier\n")
    done = score("--max_errors", "10", *TWO, model=model)
    assert done.code == 69, done.err
    assert re.search(
        rf"a worker process {how} at records \d+ to \d+ of in\.json\n  If the machine ran out of memory", done.err
    ), done.err
    assert "Traceback" not in done.err
    assert contents(etl) == {"out.json": b"earlier\n"}


def test_a_worker_that_cannot_load_the_model(etl: Etl, score: Callable[..., Result]) -> None:
    """The message is the one that loading has."""
    etl.write("in.json", MANY)
    done = score(*TWO, model="LoadsOnce")
    assert done.code == 69
    assert "cannot load the model failing_models:LoadsOnce: RuntimeError: no licence for a second process" in done.err
    assert "Traceback" not in done.err
    assert contents(etl) == {}


def test_what_a_worker_prints(etl: Etl) -> None:
    """It goes to standard error, and never between the data on standard output."""
    etl.write("in.json", lines(-1.0, 3.0))
    done = etl("run", "--model", "failing_models:Says", "-i", "in.json", "-o", "-", *TWO)
    assert (done.code, done.out) == (0, b'{"y":2.0}\n{"y":3.0}\n')
    assert done.err == "a word from a worker\n"


def test_standard_input(etl: Etl) -> None:
    """Workers leave it to the parent."""
    done = etl("run", *MODEL, "-i", "-", "-o", "-", *TWO, stdin=MANY)
    assert done.code == 0, done.err
    assert done.out.count(b"\n") == MANY.count(b"\n")


@pytest.fixture
def hanging_run(etl: Etl, hanging: Callable[..., subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return a run whose workers hang."""
    etl.write("in.json", lines(-1.0) + MANY)
    etl.write("out.json", b"earlier\n")
    return hanging("-i", "in.json", "-o", "out.json", *TWO, env={"PYTHONDONTWRITEBYTECODE": "1"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_the_workers_too(etl: Etl, hanging_run: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Also while they hang: soon, with the signal's code, and with nothing left."""
    started = children(hanging_run.pid)
    assert len(started) >= 2
    hanging_run.send_signal(number)
    start = time.monotonic()
    _, err = hanging_run.communicate(timeout=30)
    assert time.monotonic() - start < 5 * slowdown()
    assert hanging_run.returncode == 128 + number, err
    wait_for(lambda: not alive(started), seconds=5)
    assert contents(etl) == {"out.json": b"earlier\n"}


def test_a_parent_that_is_killed_takes_its_workers_along(hanging_run: subprocess.Popen[bytes]) -> None:
    """Even while they hang in a model."""
    started = children(hanging_run.pid)
    hanging_run.kill()
    hanging_run.communicate()
    wait_for(lambda: not alive(started), seconds=5)


def test_a_worker_that_somebody_kills(etl: Etl, hanging_run: subprocess.Popen[bytes]) -> None:
    """The run does not wait for it."""
    for pid in children(hanging_run.pid):
        os.kill(pid, signal.SIGKILL)
    _, err = hanging_run.communicate(timeout=20)
    assert hanging_run.returncode == 69, err
    assert b"a worker process was ended by SIGKILL" in err
    assert contents(etl) == {"out.json": b"earlier\n"}


def test_a_signal_to_the_whole_group(etl: Etl) -> None:
    """Ctrl-C on a terminal reaches the workers too, and they say nothing."""
    etl.write("in.json", lines(-1.0) + MANY)
    named = ("run", "--model", "failing_models:Hangs", "-i", "in.json", "-o", "out.json", *TWO)
    run = etl.popen(*named, env={"PYTHONDONTWRITEBYTECODE": "1"}, start_new_session=True)
    wait_for((etl.folder / "hanging").exists)
    interrupt_group(run)


@pytest.mark.parametrize("given", ["0", "-1", "two"])
def test_a_number_that_is_none(score: Callable[..., Result], given: str) -> None:
    """It is refused."""
    assert score("--workers", given).code == 2


LOADING = """
import os, sys, time
from failing_models import GoodBatch
with open("loaded.txt", "a") as file:
    file.write(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}\\n")
class Loading(GoodBatch):
    def __init__(self):
        if os.path.exists("die"):
            os._exit(3)
        if os.path.exists("sleep"):
            time.sleep(600)
"""
NAMED = ("run", "--model", "loading:Loading", "-i", "in.json", "-o", "out.json", "--prediction_log", "none")


def test_only_the_workers_load_the_model(etl: Etl) -> None:
    """Each once, with its part of the cores for what its libraries compute; the parent does without it."""
    etl.write("loading.py", LOADING)
    etl.write("in.json", MANY)
    run = etl.popen(*NAMED, *TWO)
    assert run.communicate(timeout=60) == (b"", b"")
    loaded = [line.split() for line in (etl.folder / "loaded.txt").read_text().splitlines()]
    assert len({pid for pid, _ in loaded}) == 2
    assert str(run.pid) not in {pid for pid, _ in loaded}
    assert {threads for _, threads in loaded} == {str(max(1, len(os.sched_getaffinity(0)) // 2))}


def test_threads_that_the_user_chose(etl: Etl) -> None:
    """Stay as chosen."""
    etl.write("loading.py", LOADING)
    etl.write("in.json", MANY)
    assert etl(*NAMED, *TWO, env={"OMP_NUM_THREADS": "7"}).code == 0
    assert {line.split()[1] for line in (etl.folder / "loaded.txt").read_text().splitlines()} == {"7"}


def test_a_worker_that_dies_while_it_loads(etl: Etl) -> None:
    """The run says so and ends."""
    etl.write("loading.py", LOADING)
    etl.write("in.json", MANY)
    etl.write("die", b"")
    done = etl(*NAMED, *TWO)
    assert done.code == 69
    assert "a worker process exited with code 3 while it loaded the model" in done.err
    assert "Traceback" not in done.err
    assert not (etl.folder / "out.json").exists()


def test_a_signal_while_they_load(etl: Etl) -> None:
    """The run does not wait for them, and leaves none behind."""
    etl.write("loading.py", LOADING)
    etl.write("in.json", MANY)
    etl.write("sleep", b"")
    run = etl.popen(*NAMED, *TWO)
    wait_for(lambda: (etl.folder / "loaded.txt").exists() and len(children(run.pid)) == 2)
    started = children(run.pid)
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=20)
    assert (run.returncode, err) == (143, b"model-etl: error: stopped by SIGTERM; nothing was published\n")
    wait_for(lambda: not alive(started), seconds=5)


def test_another_version_than_expected(score: Callable[..., Result], etl: Etl) -> None:
    """Is refused in the words of one process."""
    etl.write("in.json", MANY)
    refused = [score("--expect_version", "2", "--workers", count) for count in ("1", "2")]
    assert [(done.code, done.err) for done in refused] == [(69, refused[0].err)] * 2


def test_records_larger_than_what_the_processes_share(etl: Etl, score: Callable[..., Result]) -> None:
    """Lines of megabytes among short ones come through."""
    etl.write("in.json", MANY + b'{"x": 1.0, "blob": "%b"}\n' % (b"b" * 3_000_000) + MANY)
    runs = []
    for count in ("1", "2"):
        done = score("--join", "--workers", count)
        assert (done.code, done.err) == (0, "")
        runs.append(contents(etl))
    assert runs[0] == runs[1]


def test_in_a_process_that_has_threads(etl: Etl) -> None:
    """Called from Python beside other threads, the workers start anew, and the same comes out."""
    etl.write("in.json", MANY)
    program = (
        "import threading\nfrom model_etl.settings.job_config import JobConfig\nfrom model_etl.job.run import run_job\n"
        "if __name__ == '__main__':\n"
        "    threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "    for workers in (1, 2):\n"
        "        config = JobConfig.from_options(model='failing_models:GoodBatch', input_file='in.json',\n"
        "            output_file=f'out{workers}.json', workers=workers)\n"
        "        report, failure = run_job(config)\n"
        "        assert failure is None, failure\n"
    )
    etl.write("program.py", program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=etl.folder,
        env=etl.environment(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (etl.folder / "out1.json").read_bytes() == (etl.folder / "out2.json").read_bytes()
