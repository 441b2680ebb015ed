"""A standard stream may be redirected from or to a file that the run has under a name, too."""

from __future__ import annotations

import re
import subprocess

import pytest
from helpers.command import Etl
from helpers.snapshots import snapshot

RECORDS = b'{"x": 1}\n{"x": 2}\n'
MODEL = "-m failing_models:Good"


def run_shell(etl: Etl, line: str) -> tuple[int, str]:
    """Run a line of shell, in which ETL stands for the command; return its exit code and its messages."""
    command = line.replace("ETL", " ".join(etl.command()))
    done = subprocess.run(
        ["sh", "-c", command], cwd=etl.folder, env=etl.environment(), capture_output=True, check=False
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("line", "roles"),
    [
        (f"ETL run -i in.json -o - {MODEL} --prediction_log l.ldjson > l.ldjson", "output and log"),
        (f"ETL run -i in.json -o - {MODEL} --report r.json > r.json", "output and report"),
        (f"ETL run -i in.json -o - {MODEL} --rejects r.ldjson > r.ldjson", "output and rejects"),
        (f"ETL run -i in.json -o - {MODEL} >> in.json", "input and output"),
        (f"ETL run -i - -o in.json {MODEL} < in.json", "input and output"),
        (f"ETL run -i - -o - {MODEL} < in.json >> in.json", "input and output"),
        (f"ETL run -i in.json -o /dev/fd/5 {MODEL} 5>> in.json", "input and output"),
        (f"ETL run -i in.json -o /proc/self/cwd/in.json {MODEL}", "input and output"),
        (f"ln in.json other.json; ETL run -i in.json -o - {MODEL} >> other.json", "input and output"),
    ],
)
def test_a_redirection_is_not_another_file_of_the_run(etl: Etl, line: str, roles: str) -> None:
    """The run is refused before anything is written: predictions would be lost, or end up in the input."""
    etl.write("in.json", RECORDS)
    code, messages = run_shell(etl, line)
    assert (code, f"{roles} are the same file" in messages) == (2, True), messages
    assert (etl.folder / "in.json").read_bytes() == RECORDS


@pytest.mark.parametrize(
    "line",
    [
        f"ETL run -i in.json -o - {MODEL} > out.json",
        f"ETL run -i - -o - {MODEL} < in.json > out.json",
        f"ETL run -i - -o out.json {MODEL} < in.json",
        f"ETL run -i - -o - {MODEL} < in.json | cat > out.json",
        f"cat in.json | ETL run -i - -o - {MODEL} 2>> messages.txt >> out.json",
        f"ETL run -i in.json -o /dev/stdout --output_format ldjson {MODEL} --report report.json > out.json",
    ],
)
def test_other_redirections_are_as_they_were(etl: Etl, line: str) -> None:
    """Predictions go where the shell leads them."""
    etl.write("in.json", RECORDS)
    assert run_shell(etl, line) == (0, "")
    assert (etl.folder / "out.json").read_bytes() == b'{"y":1.0}\n{"y":2.0}\n'


@pytest.mark.parametrize(
    ("arguments", "roles"),
    [
        (("-i", "in.json", "-o", "o.json", "--prediction_log", ".o.json.part"), "the log .* output o.json"),
        (("-i", "in.json", "-o", "o.json", "--rejects", ".o.json.part"), "the rejects .* output o.json"),
        (("-i", "in.json", "-o", "o.json", "--report", ".o.json.part"), "the report .* output o.json"),
        (("-i", ".o.json.part", "-o", "o.json", "--input_format", "ldjson"), "the input .* output o.json"),
        (
            ("-i", "in.json", "-o", ".l.json.part", "--output_format", "ldjson", "--prediction_log", "l.json"),
            "the output",
        ),
    ],
)
def test_no_file_has_the_name_of_a_staged_file(etl: Etl, arguments: tuple[str, ...], roles: str) -> None:
    """It would be taken for what an earlier run has left, and removed or replaced."""
    etl.write("in.json", RECORDS)
    etl.write(".o.json.part", RECORDS)
    before = snapshot(etl.folder)
    done = etl("run", *arguments, *MODEL.split())
    assert done.code == 2
    assert "has the name under which" in done.err
    assert re.search(roles, done.err)
    assert snapshot(etl.folder) == before
