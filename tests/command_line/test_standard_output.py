"""What a verb writes to standard output is complete, or the exit code is 74."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.command import IRIS, SETOSA, Etl

from model_etl.cli.main import main
from model_etl.cli.standard_output import write_json, write_lines
from model_etl.errors import StorageFailure

VERBS = {
    "schema": ["schema", "--from", "in.json"],
    "describe": ["describe", "-m", IRIS],
    "check": ["check", "-m", IRIS, "-i", "in.json", "-o", "out.json"],
    "try": ["try", "-m", IRIS, json.dumps(SETOSA)],
    "init": ["init", "churn"],
    "version": ["--version"],
    "versions": ["--version", "-v"],
    "help": ["--help"],
    "help of run": ["run", "--help"],
}
LONG = "x" * 200_000


@contextlib.contextmanager
def _stdout(descriptor: int) -> Iterator[None]:
    """Let descriptor 1 lead elsewhere for a while."""
    saved = os.dup(1)
    os.dup2(descriptor, 1)
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk_is_no_success(etl: Etl, monkeypatch, capfd, verb: str) -> None:
    """Each verb ends with 74 and one message; init says that its package was written, which is true."""
    etl.write("in.json", [SETOSA])
    monkeypatch.chdir(etl.folder)
    with open("/dev/full", "wb") as full, _stdout(full.fileno()):
        assert main(VERBS[verb]) == 74
    written = "; the package was written to churn" if verb == "init" else ""
    assert capfd.readouterr().err == (
        f"model-etl: error: cannot write to standard output: No space left on device{written}\n"
        "  Free some disk space, or write to another disk.\n"
    )
    assert (etl.folder / "churn" / "crontab").exists() == (verb == "init")


@pytest.mark.parametrize("verb", ["describe", "version"])
@pytest.mark.parametrize(
    ("shell", "cause"),
    [('"$@" >&-', "standard output is closed"), ('set -o pipefail; "$@" | true', "Broken pipe")],
    ids=["closed", "reader gone"],
)
def test_a_stream_that_takes_nothing(etl: Etl, verb: str, shell: str, cause: str) -> None:
    """A standard output that is closed, or whose reader is gone, is an error, not a bug."""
    command = ["bash", "-c", f"sleep 0.2; {shell}", "bash", *etl.command(*VERBS[verb])]
    done = subprocess.run(command, cwd=etl.folder, env=etl.environment(), capture_output=True, check=False, text=True)
    assert done.returncode == 74, done.stderr
    assert done.stderr.startswith(f"model-etl: error: cannot write to standard output: {cause}\n")


@pytest.mark.parametrize("stream", ["full", "closed"])
def test_a_wrong_command_line_needs_no_standard_error(capfd, monkeypatch, stream: str) -> None:
    """The exit code is that of a wrong command line, and standard output gets nothing."""
    with open("/dev/full", "w") as full, monkeypatch.context() as patch:
        patch.setattr("sys.stderr", full if stream == "full" else None)
        with pytest.raises(SystemExit) as caught:
            main(["run", "--bad"])
        with contextlib.suppress(OSError):
            full.close()  # it may still have the message
    assert (caught.value.code, capfd.readouterr().out) == (2, "")


def test_a_pipe_in_non_blocking_mode_gets_everything() -> None:
    """A reader that is slow gets the whole text, also if another program has made the pipe non-blocking."""
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    found: list[bytes] = []

    def read() -> None:
        time.sleep(0.05)
        with os.fdopen(source, "rb") as file:
            found.append(file.read())

    reader = threading.Thread(target=read)
    reader.start()
    with _stdout(sink):
        os.close(sink)
        write_lines([LONG, LONG])
    reader.join(10)
    assert found == [f"{LONG}\n{LONG}\n".encode()]


def test_a_limit_of_the_size_of_files_is_no_success(tmp_path: Path) -> None:
    """A file that takes only a part of the text is an error that names the limit."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with (tmp_path / "cut.json").open("wb") as file, _stdout(file.fileno()):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        try:
            with pytest.raises(StorageFailure) as caught:
                write_json(f'"{LONG}"')
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "ulimit -f" in str(caught.value)


@pytest.mark.parametrize(
    ("write", "shown"),
    [
        (lambda text: write_lines([text]), "a\\nb\\x1b\\x9b\\x7f\\u202e\\u2028\\udcff\n"),
        (lambda text: write_json(json.dumps(text, ensure_ascii=False)), json.dumps("a\nb\x1b") + "\n"),
    ],
    ids=["lines", "JSON"],
)
def test_a_terminal_obeys_nothing(capfd, write: Callable[[str], None], shown: str) -> None:
    """What others wrote is shown with escapes, on one line, and JSON keeps its values."""
    text = "a\nb\x1b\x9b\x7f\u202e\u2028\udcff"
    write(text)
    out = capfd.readouterr().out
    assert out == shown or json.loads(out) == text
    assert out.isascii()
