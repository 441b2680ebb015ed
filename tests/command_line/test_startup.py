"""How a command starts and ends: quickly, and with everything that a model expects."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from helpers.command import IRIS, SETOSA, Etl

HEAVY = {
    "asyncio",
    "boto3",
    "botocore",
    "fs_s3fs",
    "http",
    "pandas",
    "pkg_resources",
    "pyarrow",
    "requests",
    "s3fs",
    "sklearn",
    "ssl",
    "tqdm",
    "unittest",
    "backports.zstd",
}
TELLING = """
import gc
from generations import OneByOne
class Telling(OneByOne):
    def predict(self, data):
        print(gc.isenabled(), gc.get_threshold())
        return super().predict(data)
class Disabling(Telling):
    def __init__(self):
        gc.disable()
class Setting(Telling):
    def __init__(self):
        gc.set_threshold(3000, 20, 30)
"""
ENDING = """
import atexit, weakref
from generations import OneByOne
def note(word):
    with open("ends.txt", "a") as file:
        file.write(word + " ")
class Ending(OneByOne):
    log = open("log.txt", "w")
    def __init__(self):
        self.own = open("own.txt", "w")
        self.cycle = [self] if CYCLE else []
        weakref.finalize(self, note, "finalize")
        atexit.register(note, "atexit")
    def predict(self, data):
        self.log.write("the class's\\n")
        self.own.write("the object's\\n")
        return super().predict(data)
    def __del__(self):
        note("del")
"""


def test_a_local_run_imports_nothing_that_it_does_not_use(etl: Etl) -> None:
    """No boto3, no pyarrow, no requests for a local file of JSON Lines, from the first module to the last."""
    etl.write("in.json", [SETOSA])
    run = etl("-i", "in.json", "-o", "out.json", "-m", IRIS, env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.rpartition("|")[2].strip() for line in run.err.splitlines()}
    assert run.code == 0
    assert "model_etl.job.run" in imported
    assert imported & HEAVY == set()


def test_a_run_starts_no_other_process(etl: Etl) -> None:
    """Not even to ask which system this is."""
    etl.write("in.json", [SETOSA])
    program = (
        "import sys\nfrom model_etl.cli.main import main\n"
        "starts = ('subprocess.Popen', 'os.fork', 'os.posix_spawn', 'os.system')\n"
        "sys.addaudithook(lambda event, _: event in starts and sys.exit(event))\n"
        f"sys.exit(main(['-i', 'in.json', '-o', 'out.json', '-m', '{IRIS}', '--report', 'report.json']))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=etl.folder, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("Telling", f"True {gc.get_threshold()}"),
        ("Disabling", f"False {gc.get_threshold()}"),
        ("Setting", "True (3000, 20, 30)"),
    ],
)
def test_garbage_is_collected_as_the_model_wants_it(etl: Etl, verb: str, model: str, told: str) -> None:
    """While it predicts the collector is as Python has it, or as the model's constructor left it."""
    etl.write("telling.py", TELLING)
    etl.write("in.json", [{"x": 1.0}])
    run = etl(verb, "-i", "in.json", "-o", "out.json", "-m", f"telling:{model}")
    assert (run.code, {*run.err.splitlines()}) == (0, {told})  # check predicts more than once


@pytest.mark.parametrize("records", [1, 100_000])
def test_a_model_is_ended_and_its_files_are_whole(etl: Etl, records: int) -> None:
    """After a short run as after a long one: __del__, weakref.finalize and atexit are called."""
    etl.write("ending.py", ENDING.replace("CYCLE", "False"))
    etl.write("in.json", b'{"x": 1.0}\n' * records)
    run = etl("-i", "in.json", "-o", "out.json", "-m", "ending:Ending", "--prediction_log", "none")
    assert (run.code, run.err) == (0, "")
    assert sorted((etl.folder / "ends.txt").read_text().split()) == ["atexit", "del", "finalize"]
    assert (etl.folder / "log.txt").read_text() == "the class's\n" * records
    assert (etl.folder / "own.txt").read_text() == "the object's\n" * records


def test_a_model_that_refers_to_itself_loses_nothing(etl: Etl) -> None:
    """Nothing that it wrote, and neither weakref.finalize nor atexit."""
    etl.write("ending.py", ENDING.replace("CYCLE", "True"))
    etl.write("in.json", [{"x": 1.0}])
    run = etl("-i", "in.json", "-o", "out.json", "-m", "ending:Ending")
    assert (run.code, run.err) == (0, "")
    assert {"atexit", "finalize"} <= set((etl.folder / "ends.txt").read_text().split())
    assert (etl.folder / "log.txt").read_text() == "the class's\n"
    assert (etl.folder / "own.txt").read_text() == "the object's\n"


@pytest.mark.parametrize(("name", "code"), [("in.json", 0), ("none.json", 66)])
def test_a_closed_standard_output_does_not_change_the_exit_code(etl: Etl, name: str, code: int) -> None:
    """It tells what became of the run, as ever."""
    etl.write("in.json", [SETOSA])
    command = " ".join(etl.command("-i", name, "-o", "out.json", "-m", IRIS))
    done = subprocess.run(["sh", "-c", f"{command} >&-"], cwd=etl.folder, capture_output=True, check=False)
    assert done.returncode == code


def test_what_cannot_be_written_at_exit_is_told(etl: Etl) -> None:
    """A model that prints when Python exits, to a disk that is full, gets Python's own exit code for that."""
    etl.write(
        "late.py",
        "import atexit, sys\nfrom generations import OneByOne\nclass Late(OneByOne):\n"
        "    def __init__(self):\n        atexit.register(sys.stdout.write, 'late')\n",
    )
    etl.write("in.json", [{"x": 1.0}])
    command = " ".join(etl.command("-i", "in.json", "-o", "out.json", "-m", "late:Late"))
    for place, code in (("late.txt", 0), ("/dev/full", 120)):
        done = subprocess.run(
            ["sh", "-c", f"{command} >{place}"],
            cwd=etl.folder,
            env=etl.environment(PYTHONUNBUFFERED=""),
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
    assert (etl.folder / "late.txt").read_text() == "late"
