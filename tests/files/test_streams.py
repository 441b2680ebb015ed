"""Standard streams, pipes and devices as files of a run."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable

import pytest
from helpers.command import Etl, Result

INPUT = b'{"x":1}\n{"x":2}\n'
OUTPUT = b'{"y":1.0}\n{"y":2.0}\n'
BAD = b'{"x":1}\n{"x":"wide"}\n'
GOOD = "failing_models:Good"


def test_a_fifo_as_output(etl: Etl, score_in_json: Callable[..., Result]) -> None:
    """Its reader gets everything, or nothing if the run fails."""
    os.mkfifo(etl.folder / "fifo")
    with subprocess.Popen(["cat", "fifo"], cwd=etl.folder, stdout=subprocess.PIPE) as reader:
        assert score_in_json("-o", "fifo", "--output_format", "ldjson").code == 0
        assert reader.communicate(timeout=60)[0] == OUTPUT
    assert etl.files() == {"in.json"}


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_its_names(etl: Etl, score_in_json: Callable[..., Result], name: str) -> None:
    """Data only; and into a file that was opened by the shell."""
    done = score_in_json("-o", name, "--output_format", "ldjson")
    assert (done.code, done.out, done.err) == (0, OUTPUT, "")
    with (etl.folder / "shell.txt").open("wb") as file:
        command = etl.command("run", "-m", GOOD, "-i", "in.json", "-o", name, "--output_format", "ldjson")
        subprocess.run(command, stdout=file, cwd=etl.folder, env=etl.environment(), check=True)
    assert (etl.folder / "shell.txt").read_bytes() == OUTPUT
    assert etl.files() == {"in.json", "shell.txt"}


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_by_its_names(etl: Etl, score_in_json: Callable[..., Result], name: str) -> None:
    """From a pipe."""
    assert score_in_json("-i", name, "--input_format", "ldjson", stdin=INPUT).code == 0
    assert (etl.folder / "out.json").read_bytes() == OUTPUT


def test_shell_substitutions(etl: Etl) -> None:
    """<(command) and >(command) of bash."""
    etl.write("in.json", INPUT)
    script = '"$@" -i <(cat in.json) -o >(cat > copy.txt) --input_format ldjson --output_format ldjson; sleep 0.3'
    command = ["bash", "-c", script, "bash", *etl.command("run", "-m", GOOD)]
    done = subprocess.run(command, cwd=etl.folder, env=etl.environment(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (etl.folder / "copy.txt").read_bytes() == OUTPUT


def test_a_report_to_standard_error_is_added_to_its_file(etl: Etl) -> None:
    """The log file of cron is not replaced by it."""
    etl.write("in.json", INPUT)
    with etl.write("cron.log", b"earlier\n").open("ab") as log:
        command = etl.command("run", "-m", GOOD, "-i", "in.json", "-o", "out.json", "--report", "/dev/stderr")
        subprocess.run(command, stderr=log, cwd=etl.folder, env=etl.environment(), check=True)
    first, second = (etl.folder / "cron.log").read_text().splitlines()
    assert (first, json.loads(second)["exit_code"]) == ("earlier", 0)


def test_a_slow_non_blocking_reader_gets_everything(etl: Etl) -> None:
    """Standard output that another program has made non-blocking, as some do with a terminal or an ssh session."""
    etl.write("in.json", b'{"x":1}\n' * 50_000)
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    run = subprocess.Popen(
        etl.command("run", "-m", GOOD, "-i", "in.json", "-o", "-"), stdout=write_end, stderr=subprocess.PIPE,
        cwd=etl.folder, env=etl.environment(),
    )  # fmt: skip
    os.close(write_end)
    time.sleep(2.5)
    with os.fdopen(read_end, "rb") as reader:
        assert reader.read() == b'{"y":1.0}\n' * 50_000
    assert (run.communicate()[1], run.returncode) == (b"", 0)
