"""The command line: verbs, where settings come from, streams."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import zstandard
from helpers.command import IRIS, ROOT, SETOSA, VIRGINICA, Etl

from model_etl.cli.parser import VERBS
from model_etl.settings.options import OPTIONS, mask_secrets


def test_dash_is_standard_input_and_output(etl: Etl) -> None:
    """Records in, predictions out, nothing else on standard output and nothing on the disk."""
    run = etl("-i", "-", "-o", "-", "-m", IRIS, stdin=(json.dumps(SETOSA) + "\n").encode() * 2)
    assert (run.code, run.err) == (0, "")
    assert run.out == b'{"species":"setosa"}\n' * 2
    assert etl.files() == set()


def test_silence_is_success(etl: Etl) -> None:
    """Without a terminal nothing is said, so that cron sends no mail; -v says what was done and where it is."""
    etl.write("in.json", [SETOSA])
    quiet = etl("-i", "in.json", "-o", "out.json", "-m", IRIS)
    assert (quiet.code, quiet.out, quiet.err) == (0, b"", "")
    told = etl("-i", "in.json", "-o", "out.json", "-m", IRIS, "-v")
    for word in ("1 read = 1 written", "iris_model 1.0.0", "out.json", "out.log.ldjson"):
        assert word in told.err


def test_a_person_at_a_terminal_is_told_what_was_done(etl: Etl) -> None:
    """On a terminal the summary comes by itself, in plain text without colours, and -q keeps it away."""
    etl.write("in.json", [SETOSA])
    for more, expected in (([], True), (["-q"], False)):
        ours, theirs = pty.openpty()
        command = etl.command("-i", "in.json", "-o", "out.json", "-m", IRIS, *more)
        with subprocess.Popen(command, cwd=etl.folder, stderr=theirs, stdin=subprocess.DEVNULL) as process:
            assert process.wait(60) == 0
        os.close(theirs)
        try:
            shown = os.read(ours, 65536).decode()
        except OSError:  # nothing was written
            shown = ""
        os.close(ours)
        assert ("1 read = 1 written" in shown) is expected
        assert "\x1b[3" not in shown


def test_run_is_the_verb_that_needs_no_name(etl: Etl) -> None:
    """`model-etl -i ...`, `model-etl run -i ...` and `python -m model_etl` are the same."""
    etl.write("in.json", [SETOSA])
    script = str(Path(sys.executable).parent / "model-etl")
    for start in ([script], [script, "run"], [sys.executable, "-m", "model_etl"]):
        (etl.folder / "out.json").unlink(missing_ok=True)
        done = subprocess.run([*start, "-i", "in.json", "-o", "out.json", "-m", IRIS], cwd=etl.folder, check=False)
        assert done.returncode == 0
        assert etl.lines("out.json") == [{"species": "setosa"}]


def test_check_tries_everything_and_writes_nothing(etl: Etl) -> None:
    """The verb check loads the model, scores the first records and leaves the folder as it was."""
    etl.write("in.json", [SETOSA] * 1000)
    run = etl("check", "-i", "in.json", "-o", "out.json", "-m", IRIS)
    assert (run.code, run.err) == (0, "")
    assert b"iris_model 1.0.0" in run.out
    assert b"first 100: 100 predicted, 0 rejected" in run.out
    assert etl.files() == {"in.json"}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-i", "none.json", "-o", "out.json"], 66, "none.json"),
        (["-i", "in.json", "-o", "no/where/out.json"], 73, "no/where/out.json"),
        (["-i", "in.json", "-o", "in.json"], 2, "same file"),
        (["-i", "bad.json", "-o", "out.json"], 65, "record 1 of bad.json"),
        (["-i", "in.json", "-o", "out.json", "--rules", "no.such:Rule"], 78, "no.such"),
    ],
)
def test_check_finds_what_a_run_would_fail_with(etl: Etl, arguments: list[str], code: int, words: str) -> None:
    """The same exit codes and messages as the run, and still nothing written."""
    etl.write("in.json", [SETOSA])
    etl.write("bad.json", "{}\n")
    run = etl("check", "-m", IRIS, *arguments)
    assert run.code == code
    assert words in run.err
    assert "Traceback" not in run.err
    assert etl.files() == {"in.json", "bad.json"}


def test_flags_win_over_variables_over_a_file(etl: Etl) -> None:
    """Each setting comes from the first of the three that has it."""
    etl.write("in.json", [SETOSA] * 5)
    files = 'input_file = "in.json"\noutput_file = "file.json"\n'
    etl.write("job.toml", f'model = "{IRIS}"\n{files}limit = 1\nkeep = ["petal_width"]\n')
    assert etl("--config", "job.toml").code == 0
    assert etl.lines("file.json") == [{"petal_width": 0.2, "species": "setosa"}]
    variables = {"MODEL_ETL_OUTPUT_FILE": "variable.json", "MODEL_ETL_LIMIT": "2"}
    assert etl("--config", "job.toml", env=variables).code == 0
    assert len(etl.lines("variable.json")) == 2
    assert etl("--config", "job.toml", "--limit", "3", env=variables).code == 0
    assert len(etl.lines("variable.json")) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('modell = "x:Y"', "Did you mean 'model'"),
        ("limit = 0", "less than 1"),
        ('if_exists = "perhaps"', "replace, fail, skip"),
        ("model = [1]", "model"),
        ("model = ", "not valid TOML"),
    ],
)
def test_a_wrong_settings_file_is_told(etl: Etl, content: str, words: str) -> None:
    """The message names the file and the setting, and what it should be."""
    etl.write("job.toml", content)
    run = etl("--config", "job.toml", "-i", "a", "-o", "b")
    assert run.code == 78
    assert "job.toml" in run.err
    assert words in run.err


def test_what_is_not_given_is_named(etl: Etl) -> None:
    """A run without a model or files says which options it needs and where they can stand."""
    run = etl("-i", "in.json")
    assert run.code == 78
    assert "--output_file, --model are not given" in run.err
    assert "MODEL_ETL_OUTPUT_FILE" in run.err


def test_limit_reads_only_the_first_records(etl: Etl) -> None:
    """--limit N scores N records, also across bad ones, and counts them only."""
    etl.write("in.json", [SETOSA, {}, VIRGINICA, SETOSA])
    run = etl("-i", "in.json", "-o", "out.json", "-m", IRIS, "--limit", "3", "--max_errors", "1", "-v")
    assert "3 read = 2 written + 1 rejected" in run.err
    assert etl.lines("out.json") == [{"species": "setosa"}, {"species": "virginica"}]


def test_retry_scores_rejects_again_under_their_own_ids(etl: Etl) -> None:
    """After the fix, the rejected records have predictions of the same position and prediction id."""
    etl.write("in.csv", "id,x\n1,1\n2,-1\n3,3\n")
    arguments = ("-i", "in.csv", "-m", "generations:Duck", "--max_errors", "1")
    assert etl(*arguments, "-o", "out.json").code == 0
    rejected = etl.lines("out.log.ldjson")[2]
    run = etl("retry", "out.rejects.ldjson", "-m", "generations:OneByOne", "--keep", "id", "--job", "model_etl")
    assert (run.code, run.err) == (0, "")
    assert etl.lines("out.retry.ldjson") == [{"id": "2", "y": -2.0}]
    event = etl.lines("out.retry.log.ldjson")[1]
    assert (event["data"]["position"], event["subject"]) == (2, "in.csv")
    run = etl("retry", "out.rejects.ldjson", "-m", "generations:Duck", "-o", "again.json")
    assert run.code == 65
    assert etl.lines("again.rejects.ldjson")[0]["text"] == "2,-1"
    run = etl("retry", "out.rejects.ldjson", "-m", "generations:Duck", "-o", "again.json", "--max_errors", "1")
    assert etl.lines("again.log.ldjson")[1]["id"] == rejected["id"]


def test_every_verb_explains_itself_quickly(etl: Etl) -> None:
    """--help names every option and imports nothing heavy."""
    for verb in ("run", "check", "retry", "describe"):
        assert etl(verb, "--help").code == 0
    shown = etl("run", "--help").out.decode()
    assert all(f"--{name}" in shown for name in OPTIONS)
    program = (
        "import sys\nfrom model_etl.cli.parser import build_parser\nbuild_parser().format_help()\n"
        "print([m for m in ('bonobo', 'fs', 'pydantic', 'numpy', 'pyarrow', 'boto3', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_every_verb_is_in_the_readme() -> None:
    """README shows each verb."""
    readme = (ROOT / "README.md").read_text()
    assert [verb for verb in VERBS if f"model-etl {verb}" not in readme] == []


def test_closed_standard_streams_do_no_harm(etl: Etl) -> None:
    """A run started with everything closed still does its work."""
    etl.write("in.json", [SETOSA])
    command = " ".join(etl.command("-i", "in.json", "-o", "out.json", "-m", IRIS))
    done = subprocess.run(["sh", "-c", f"{command} <&- >&- 2>&-"], cwd=etl.folder, check=False)
    assert done.returncode == 0
    assert etl.lines("out.json") == [{"species": "setosa"}]


def test_a_thread_that_a_model_leaves_behind_does_not_keep_the_process(etl: Etl) -> None:
    """The predictions are published and the process ends, though the model's thread never does."""
    etl.write(
        "clinging.py",
        "import threading\n"
        "from generations import Duck\n"
        "class Clinging(Duck):\n"
        "    def __init__(self):\n"
        "        threading.Thread(target=threading.Event().wait).start()\n",
    )
    etl.write("in.json", [{"x": 1.0}])
    run = etl("-i", "in.json", "-o", "out.json", "-m", "clinging:Clinging", timeout=20)
    assert (run.code, run.err) == (0, "")
    assert etl.lines("out.json") == [{"y": 2.0}]


def test_settings_that_are_secret_are_never_shown() -> None:
    """Secrets and the user part of URIs are masked wherever settings are told."""
    settings = {
        "secret_key": "s3cret",
        "key": "AKIA",
        "input_file": "s3://me:pass@host/x",
        "rules": ("a:B",),
        "limit": 3,
    }
    assert mask_secrets(settings) == {
        "secret_key": "***",
        "key": "***",
        "input_file": "s3://***@host/x",
        "rules": ["a:B"],
        "limit": 3,
    }


def test_a_person_at_a_terminal_sees_how_far_it_is(etl: Etl) -> None:
    """A run that takes a while shows a line with the bytes and records read so far, and takes it away at the end."""
    code = "import time\nfrom generations import OneByOne\nclass Slow(OneByOne):\n    def predict(self, data):\n"
    etl.write("slow.py", code + "        time.sleep(0.002)\n        return super().predict(data)\n")
    etl.write("in.json", [{"x": float(i)} for i in range(600)])
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, 100, 0, 0))
    command = etl.command("-i", "in.json", "-o", "out.json", "-m", "slow:Slow")
    environment = etl.environment()
    with subprocess.Popen(command, cwd=etl.folder, env=environment, stderr=theirs, stdin=subprocess.DEVNULL) as process:
        assert process.wait(60) == 0
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert "600 records" in shown


@pytest.mark.parametrize(
    ("source", "output", "beside"),
    [("IN.CSV.GZ", "OUT.JSON.GZ", "OUT"), ("In.Json.Zst", "out.CSV", "out"), ("in.JSON", "Out.Parquet", "Out")],
)
def test_suffixes_may_be_in_capitals(etl: Etl, source: str, output: str, beside: str) -> None:
    """The names of a file from Windows tell format and compression as those in small letters do."""
    names = ",".join(SETOSA)
    text = f"{names}\n{','.join(map(str, SETOSA.values()))}\n" if "CSV" in source else json.dumps(SETOSA) + "\n"
    packers = {"GZ": gzip.compress, "Zst": zstandard.ZstdCompressor().compress}
    etl.write(source, packers.get(source.rpartition(".")[2], bytes)(text.encode()))
    run = etl("-i", source, "-o", output, "-m", IRIS)
    assert (run.code, run.err) == (0, "")
    assert etl.files() == {source, output, f"{beside}.log.ldjson"}
    start = {"OUT.JSON.GZ": b"\x1f\x8b", "out.CSV": b"species", "Out.Parquet": b"PAR1"}[output]
    assert (etl.folder / output).read_bytes().startswith(start)
