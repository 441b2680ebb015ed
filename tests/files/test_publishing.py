"""What is published, where, with which rights, and by which of two runs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.command import Etl, Result

from model_etl.errors import StorageFailure
from model_etl.services import local

INPUT = b'{"x":1}\n{"x":2}\n'
OUTPUT = b'{"y":1.0}\n{"y":2.0}\n'
BAD = b'{"x":1}\n{"x":"wide"}\n'
GOOD = "failing_models:Good"


@pytest.fixture
def score(etl: Etl) -> Callable[..., Result]:
    """Score in.json into out.json unless told otherwise."""
    etl.write("in.json", INPUT)

    def run(*arguments: str, model: str = GOOD, **options: Any) -> Result:
        return etl("run", "--model", model, "-i", "in.json", "-o", "out.json", *arguments, **options)

    return run


@pytest.fixture
def other(etl: Etl) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start another run that hangs while it holds its files."""
    started = []

    def start(*arguments: str, output: str = "out.json") -> subprocess.Popen[bytes]:
        etl.write("slow.json", b'{"x":-1}\n')
        hanging = etl.folder / "hanging"
        run = etl.popen("run", "-m", "failing_models:Hangs", "-i", "slow.json", "-o", output, *arguments)
        started.append(run)
        while not hanging.exists():
            assert run.poll() is None, run.stderr.read() if run.stderr else ""
            time.sleep(0.01)
        hanging.unlink()
        return run

    yield start
    for run in started:
        run.kill()
        run.communicate()


def _mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o7777)


# Two runs at once


def test_the_second_run_leaves_at_once(etl: Etl, score: Callable[..., Result], other: Any) -> None:
    """With 75, and it says what to do."""
    other()
    start = time.monotonic()
    done = score()
    assert done.code == 75
    assert time.monotonic() - start < 3
    assert "another run is writing out.json" in done.err
    assert "--lock_wait" in done.err
    assert not (etl.folder / "out.json").exists()


def test_the_second_run_leaves_after_its_wait(score: Callable[..., Result], other: Any) -> None:
    """With 75, when the other one did not end in time."""
    other()
    start = time.monotonic()
    assert score("--lock_wait", "1").code == 75
    assert time.monotonic() - start > 1


def test_the_second_run_waits(etl: Etl, score: Callable[..., Result], other: Any) -> None:
    """And succeeds once the other one has ended."""
    run = other()
    threading.Timer(1, run.kill).start()
    done = score("--lock_wait", "20")
    assert (done.code, done.err) == (0, "")
    assert (etl.folder / "out.json").read_bytes() == OUTPUT


def test_many_runs_at_once_publish_one_after_the_other(etl: Etl) -> None:
    """Each waits for its turn; the output and its log are of the same, last run, and no file is left over."""
    runs = []
    for number in range(6):
        etl.write(f"in{number}.json", b'{"x":%d}\n' % number * 1000)
        arguments = ("-i", f"in{number}.json", "-o", "out.json", "--lock_wait", "50")
        runs.append(etl.popen("run", "-m", GOOD, *arguments))
    for run in runs:
        assert run.communicate(timeout=60)[1] == b""
        assert run.returncode == 0
    lines = etl.lines("out.json")
    assert len(lines) == 1000
    assert len({line["y"] for line in lines}) == 1
    assert etl.lines("out.log.ldjson")[1]["data"]["output"] == lines[0]
    assert etl.files() == {f"in{n}.json" for n in range(6)} | {"out.json", "out.log.ldjson"}


def test_a_shared_log_is_locked_too(score: Callable[..., Result], other: Any) -> None:
    """Two outputs, one log: the second run would overwrite the first one's events."""
    other("--prediction_log", "log.json", output="other.json")
    done = score("--prediction_log", "log.json")
    assert (done.code, "another run is writing log.json" in done.err) == (75, True)


def test_another_output_in_the_same_folder_is_free(etl: Etl, score: Callable[..., Result], other: Any) -> None:
    """A folder is not locked."""
    other(output="other.json")
    assert score().code == 0
    assert (etl.folder / "out.json").read_bytes() == OUTPUT


@pytest.mark.parametrize("name", ["./sub/../out.json", "link.json", "{}/out.json", "file://{}/out.json"])
def test_the_lock_knows_a_file_by_any_name(etl: Etl, score: Callable[..., Result], other: Any, name: str) -> None:
    """A link, another spelling, a URI."""
    (etl.folder / "sub").mkdir()
    (etl.folder / "link.json").symlink_to("out.json")
    other("--prediction_log", "none")
    assert score("-o", name.format(etl.folder), "--prediction_log", "none").code == 75


# Names


@pytest.mark.parametrize(
    "name",
    [
        "a b.json", "a#b.json", "a!b.json", "a@b.json", "a%20b.json", "a:b.json", "a?b=c.json", "~a.json", "a\nb.json",
        "$HOME.json", "ä€😀.json", os.fsdecode(b"\xff\xfe.json"), "-a.json", "a\\b.json", ".json.json", "[a].json",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["{}", "./{}", "{folder}/{}"])
def test_names_of_any_kind(etl: Etl, name: str, form: str) -> None:
    """For the input, the output, the log and the report; relative and absolute."""
    shown = form.format(name, folder=etl.folder)
    for folder in ("i", "o", "r"):
        (etl.folder / folder).mkdir()
    parent, base = os.path.split(shown)
    places = {f: os.path.join(parent, f, base) for f in "ior"}
    Path(os.path.join(etl.folder, "i", name)).write_bytes(INPUT)
    done = etl(
        "run", f"--model={GOOD}", f"--input_file={places['i']}", f"--output_file={places['o']}",
        f"--report={places['r']}",
    )  # fmt: skip
    assert (done.code, done.err) == (0, "")
    assert Path(os.path.join(etl.folder, "o", name)).read_bytes() == OUTPUT
    report = json.loads(Path(os.path.join(etl.folder, "r", name)).read_bytes())
    assert report["counts"]["written"] == 2
    assert len(os.listdir(etl.folder / "o")) == 2


def test_a_file_uri_is_decoded(etl: Etl, score: Callable[..., Result]) -> None:
    """%20 is a blank in a URI, and nothing else is special in its path."""
    assert score("-o", f"file://{etl.folder}/a%20b%23%3F%FF.json").code == 0
    assert os.fsdecode(b"a b#?\xff.json") in os.listdir(etl.folder)


def test_an_uri_with_a_question_mark_or_a_hash(etl: Etl, score: Callable[..., Result]) -> None:
    """What a person writes by hand into a URI is not cut off."""
    assert score("-o", f"file://{etl.folder}/a#b?c.json").code == 0
    assert (etl.folder / "a#b?c.json").read_bytes() == OUTPUT


def test_a_missing_file_of_a_strange_name_is_named(etl: Etl) -> None:
    """The message can be printed, though the name is no UTF-8."""
    done = etl("run", "-m", GOOD, "-i", os.fsdecode(b"\xff.json"), "-o", "out.json")
    assert (done.code, "\\udcff.json" in done.err) == (66, True)


# Rights and links


@pytest.mark.parametrize(("umask", "mode"), [(0o022, "0o644"), (0o077, "0o600"), (0o002, "0o664")])
def test_a_new_output_has_the_usual_rights(etl: Etl, umask: int, mode: str) -> None:
    """By the umask; but what may hold secrets, the log and the rejects, is for its owner alone."""
    etl.write("in.json", BAD)
    before = os.umask(umask)
    try:
        done = etl("run", "-m", GOOD, "-i", "in.json", "-o", "out.json", "--max_errors", "1", "--report", "r.json")
    finally:
        os.umask(before)
    assert done.code == 0
    modes = {name: _mode(etl.folder / name) for name in etl.files() - {"in.json"}}
    assert modes == {"out.json": mode, "out.log.ldjson": "0o600", "out.rejects.ldjson": "0o600", "r.json": mode}


def test_an_old_output_keeps_its_rights(etl: Etl, score: Callable[..., Result]) -> None:
    """Whoever could read it still can, and nobody else."""
    etl.write("out.json", b"earlier\n").chmod(0o640)
    assert score().code == 0
    assert _mode(etl.folder / "out.json") == "0o640"


def test_a_link_stays_a_link(etl: Etl, score: Callable[..., Result]) -> None:
    """What it leads to is replaced; the log lies beside the name that was given."""
    (etl.folder / "real").mkdir()
    (etl.folder / "out.json").symlink_to("real/data.json")
    for _ in range(2):
        assert score().code == 0
        assert (etl.folder / "out.json").is_symlink()
        assert etl.files() == {"in.json", "out.json", "out.log.ldjson", "real/data.json"}
        assert (etl.folder / "real/data.json").read_bytes() == OUTPUT


def test_readers_of_the_old_output_are_not_disturbed(etl: Etl, score: Callable[..., Result]) -> None:
    """Whoever has it open reads it to its end."""
    with etl.write("out.json", b"earlier\n").open("rb") as reader:
        assert score().code == 0
        assert reader.read() == b"earlier\n"


# Rejects


def test_stale_rejects_are_removed_by_a_clean_run(etl: Etl, score: Callable[..., Result]) -> None:
    """They would be taken for this run's."""
    etl.write("in.json", BAD)
    assert score().code == 65
    assert "out.rejects.ldjson" in etl.files()
    etl.write("in.json", INPUT)
    assert score("--dry_run").code == 0
    assert "out.rejects.ldjson" in etl.files()
    assert score().code == 0
    assert "out.rejects.ldjson" not in etl.files()


@pytest.mark.parametrize("option", ["--rejects", "--prediction_log", "--report", "-o"])
@pytest.mark.parametrize("kind", ["device", "link to a device"])
def test_a_device_is_written_to_and_stays(etl: Etl, score: Callable[..., Result], option: str, kind: str) -> None:
    """Never replaced by a file, never removed, though root may do both."""
    null = etl.folder / "null"
    try:
        os.mknod(null, 0o666 | 0o020000, os.makedev(1, 3))
        with null.open("wb") as file:
            file.write(b"x")
    except PermissionError:
        pytest.skip("only root can make a device")
    name = "null"
    if kind != "device":
        (etl.folder / "link").symlink_to("null")
        name = "link"
    for content, code in ((INPUT, 0), (BAD, 65)):
        etl.write("in.json", content)
        done = score("--output_format", "ldjson", option, name)
        assert done.code == code, done.err
        assert null.is_char_device()


def test_dev_null_takes_it_all(etl: Etl) -> None:
    """As a user does who only wants to see whether it works."""
    etl.write("in.json", INPUT)
    before = os.stat("/dev/null")
    done = etl("run", "-m", GOOD, "-i", "in.json", "-o", "/dev/null", "--output_format", "ldjson")
    assert (done.code, done.err, etl.files()) == (0, "", {"in.json"})
    assert os.path.samestat(before, os.stat("/dev/null"))


# Streams


def test_a_fifo_as_output(etl: Etl, score: Callable[..., Result]) -> None:
    """Its reader gets everything, or nothing if the run fails."""
    os.mkfifo(etl.folder / "fifo")
    with subprocess.Popen(["cat", "fifo"], cwd=etl.folder, stdout=subprocess.PIPE) as reader:
        assert score("-o", "fifo", "--output_format", "ldjson").code == 0
        assert reader.communicate(timeout=10)[0] == OUTPUT
    assert etl.files() == {"in.json"}


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_its_names(etl: Etl, score: Callable[..., Result], name: str) -> None:
    """Data only; and into a file that was opened by the shell."""
    done = score("-o", name, "--output_format", "ldjson")
    assert (done.code, done.out, done.err) == (0, OUTPUT, "")
    with (etl.folder / "shell.txt").open("wb") as file:
        command = etl.command("run", "-m", GOOD, "-i", "in.json", "-o", name, "--output_format", "ldjson")
        subprocess.run(command, stdout=file, cwd=etl.folder, env=etl.environment(), check=True)
    assert (etl.folder / "shell.txt").read_bytes() == OUTPUT
    assert etl.files() == {"in.json", "shell.txt"}


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_by_its_names(etl: Etl, score: Callable[..., Result], name: str) -> None:
    """From a pipe."""
    assert score("-i", name, "--input_format", "ldjson", stdin=INPUT).code == 0
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


# Dry run, if_exists and the report


def test_a_dry_run_writes_nothing(etl: Etl, score: Callable[..., Result]) -> None:
    """But the report, which says so."""
    etl.write("out.json", b"earlier\n")
    assert score("--dry_run", "--report", "r.json").code == 0
    assert etl.files() == {"in.json", "out.json", "r.json"}
    assert (etl.folder / "out.json").read_bytes() == b"earlier\n"
    report = etl.lines("r.json")[0]
    assert (report["status"], report["exit_code"], report["counts"]["written"]) == ("dry_run", 0, 2)
    assert set(report["files"]) <= {"input"}


@pytest.mark.parametrize(("policy", "code"), [("fail", 73), ("skip", 0)])
def test_an_output_that_exists(etl: Etl, score: Callable[..., Result], policy: str, code: int) -> None:
    """With fail and skip it is left alone; where there is none, both do their work."""
    assert score("--if_exists", policy).code == 0
    assert (etl.folder / "out.json").read_bytes() == OUTPUT
    etl.write("out.json", b"earlier\n")
    log = (etl.folder / "out.log.ldjson").read_bytes()
    done = score("--if_exists", policy, "--report", "r.json")
    assert (done.code, "--if_exists" in done.err) == (code, bool(code))
    assert (etl.folder / "out.json").read_bytes() == b"earlier\n"
    assert (etl.folder / "out.log.ldjson").read_bytes() == log
    assert etl.lines("r.json")[0]["exit_code"] == code
    assert etl.files() == {"in.json", "out.json", "out.log.ldjson", "r.json"}


def test_the_report_tells_what_was_published(etl: Etl, score: Callable[..., Result]) -> None:
    """Counts, sizes, true digests, the model and the settings."""
    etl.write("in.json", b'{"x":1}\n{"x":"wide"}\n{"x":3}\n')
    assert score("--max_errors", "50%", "--report", "r.json", "--redact", "a,b").code == 0
    report = etl.lines("r.json")[0]
    assert (report["status"], report["exit_code"], report["error"]) == ("published", 0, None)
    assert report["counts"] == {"read": 3, "written": 2, "rejected": 1, "withheld": 0}
    assert set(report["files"]) == {"input", "output", "log", "rejects"}
    for about in report["files"].values():
        content = (etl.folder / about["name"]).read_bytes()
        assert about["bytes"] == len(content)
        assert about["sha256"] == hashlib.sha256(content).hexdigest()
        assert about["uri"] == f"file://{etl.folder}/{about['name']}"
    assert report["settings"]["max_errors"] == "50%"
    assert report["settings"]["redact"] == ["a", "b"]
    assert report["model"]["version"] == "1.0.0"
    assert report["started"] <= report["ended"]


@pytest.mark.parametrize("form", ["json.gz", "json.zst", "csv", "parquet"])
def test_the_digest_is_of_the_file_on_the_disk(etl: Etl, score: Callable[..., Result], form: str) -> None:
    """Also of compressed files and of such whose writer jumps."""
    assert score("-o", f"out.{form}", "--report", "r.json").code == 0
    about = etl.lines("r.json")[0]["files"]["output"]
    content = (etl.folder / f"out.{form}").read_bytes()
    assert (about["bytes"], about["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_report_tells_of_a_failure(etl: Etl, score: Callable[..., Result]) -> None:
    """With the error, and only what was published."""
    etl.write("in.json", BAD)
    assert score("--report", "r.json").code == 65
    report = etl.lines("r.json")[0]
    assert (report["status"], report["exit_code"], report["error"]["type"]) == ("failed", 65, "DataError")
    assert "1 of 2 records were rejected" in report["error"]["message"]
    assert set(report["files"]) == {"input", "rejects"}
    (etl.folder / "in.json").unlink()
    assert score("--report", "r.json").code == 66
    assert etl.lines("r.json")[0]["error"]["type"] == "InputMissing"


# Crashes of the machine's own making


def test_what_another_run_left_is_taken_over(etl: Etl, score: Callable[..., Result]) -> None:
    """Whatever it held, and although it could be longer."""
    for name in ("out.json", "out.log.ldjson", "out.rejects.ldjson"):
        etl.write(f".{name}.part", b"left by a crash\n" * 1000)
    assert score().code == 0
    assert (etl.folder / "out.json").read_bytes() == OUTPUT
    assert etl.files() == {"in.json", "out.json", "out.log.ldjson"}


def test_a_folder_that_cannot_be_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file system knows no such thing, that is no failure; an error of the disk is one."""
    real = os.fsync

    def fsync(code: int) -> Callable[[int], None]:
        def sync(fd: int) -> None:
            if os.path.isdir(f"/proc/self/fd/{fd}"):
                raise OSError(code, os.strerror(code))
            real(fd)

        return sync

    for code, fine in ((22, True), (5, False)):
        monkeypatch.setattr(os, "fsync", fsync(code))
        stage = local.locate(str(tmp_path / "out")).stage(private=False, media_type="text/plain")
        assert stage.lock()
        with stage.fs.openbin(stage.path, "w") as file:
            file.write(b"%d" % code)
        if fine:
            stage.publish()
        else:
            with pytest.raises(StorageFailure):
                stage.publish()
        stage.discard()
        assert os.listdir(tmp_path) == ["out"]
