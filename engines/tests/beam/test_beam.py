"""Beam: the acceptance test on every runner that runs here, formats, storages and failures."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from acceptance import ENVIRONMENT, ROOT, SCORING, Results, lines_of, run_on_one_machine, single_machine
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.stager import Stager
from beam_services import job_service, worker_pool
from helpers import minio_server
from iris_model.iris_predict import IrisModel
from iris_model.schemas import IrisModelInput

IRIS = ["--model", "iris_model.iris_predict:IrisModel"]
FLOWER = {"sepal_length": 6.3, "sepal_width": 3.3, "petal_length": 6.0, "petal_width": 2.5}
SMALL = ["--max_errors", "10%", "--split_bytes", str(1 << 20)]


def command_of(*arguments: object) -> list[str]:
    """Return the command line."""
    return [sys.executable, "-m", "model_etl.engines.beam", *map(str, arguments)]


def beam(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    environment = {**ENVIRONMENT, **environment}
    command = command_of(*arguments)
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=False, text=True)


def results_in(folder: Path) -> Results:
    """Return the content of all files of a run."""
    return Results.of(
        lines_of(folder.glob("out-*.json")),
        lines_of(folder.glob("out.log-*.ldjson")),
        lines_of(folder.glob("out.rejects-*.ldjson")),
    )


def write_flowers(path: Path, *records: object) -> Path:
    """Write records as JSON Lines."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def test_in_process_gives_what_one_machine_gives(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """100,000 records in one process give the predictions, events and rejects of the single-machine run."""
    path, expected = accepted
    done = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert results_in(tmp_path) == expected
    assert not list(tmp_path.glob("*staged*"))


def test_several_processes_give_what_one_machine_gives(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """100,000 records in two worker processes give the results of the single-machine run."""
    path, expected = accepted
    two = ["--direct_running_mode", "multi_processing", "--direct_num_workers", "2"]
    done = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, *two)
    assert done.returncode == 0, done.stderr
    assert results_in(tmp_path) == expected


@pytest.mark.parametrize("environment", ["LOOPBACK", "EXTERNAL"])
def test_a_job_service_gives_what_one_machine_gives(
    accepted: tuple[Path, Results], tmp_path: Path, environment: str
) -> None:
    """Beam's portable job service gives the results of the single-machine run, whichever workers it has."""
    path, expected = accepted
    with job_service(tmp_path) as endpoint, worker_pool(tmp_path) as pool:
        portable = ["--runner", "PortableRunner", "--job_endpoint", endpoint, "--environment_type", environment]
        if environment == "EXTERNAL":
            portable += ["--environment_config", pool]
        done = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, *portable)
    assert done.returncode == 0, done.stderr
    assert results_in(tmp_path) == expected


def test_a_killed_worker_publishes_nothing(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """A worker process that is killed in mid-job fails the job, and the earlier output stays unchanged."""
    path, _ = accepted
    (tmp_path / "out-00000-of-00001.json").write_text("yesterday's\n")
    two = ["--direct_running_mode", "multi_processing", "--direct_num_workers", "2"]
    command = command_of("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, *two)
    process = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    os.kill(worker_of(process.pid, tmp_path), signal.SIGKILL)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 69
    assert b"nothing was published" in err, err[-2000:]
    assert [file.name for file in tmp_path.glob("out*")] == ["out-00000-of-00001.json"]
    assert (tmp_path / "out-00000-of-00001.json").read_text() == "yesterday's\n"


def worker_of(launcher: int, folder: Path) -> int:
    """Wait until the workers of a launcher write results, and return the process id of one worker."""
    until = time.monotonic() + 120
    while not list(folder.glob("*staged*/*")):
        assert time.monotonic() < until, "nothing was written"
        time.sleep(0.01)
    listed = subprocess.run(["ps", "-eww", "-o", "pid,ppid,args"], capture_output=True, text=True, check=True)
    table = [line.split(None, 2) for line in listed.stdout.splitlines()[1:]]
    workers = {pid: parent for pid, parent, command in table if "sdk_worker_main" in command}
    own = {pid for pid, parent in workers.items() if int(parent) == launcher}  # some are shells that wait for a worker
    return int(next(pid for pid in workers if {pid, workers[pid]} & own and pid not in workers.values()))


def test_the_same_piece_counts_whatever_its_size(tmp_path: Path) -> None:
    """Small input pieces, lines longer than a piece and a byte-order mark change no prediction id and no position."""
    source = tmp_path / "in.json"
    flowers = [{**FLOWER, "note": "x" * (index % 7 * 150)} for index in range(60)]
    source.write_bytes(b"\xef\xbb\xbf" + write_flowers(tmp_path / "plain", *flowers).read_bytes() + b"oops\n\n")
    done = beam("--input", source, "--output", tmp_path / "out.json", "--split_bytes", 300, *SCORING, *SMALL[:2])
    assert done.returncode == 0, done.stderr
    assert results_in(tmp_path) == single_machine(str(source), tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[minio_server.Server]:
    """Return an S3 server."""
    with minio_server.start(minio_server.find()) as started:
        yield started


def test_a_bucket_is_read_and_written(
    accepted: tuple[Path, Results], server: minio_server.Server, tmp_path: Path
) -> None:
    """An object is scored into a bucket with the results of the single-machine run of the same object."""
    path, _ = accepted
    client, name = server.client(), f"beam-{secrets.token_hex(4)}"
    client.make_bucket(name)
    client.fput_object(name, "in.json", str(path))
    environment = {
        "AWS_ACCESS_KEY_ID": server.key,
        "AWS_SECRET_ACCESS_KEY": server.secret,
        "AWS_ENDPOINT_URL_S3": server.endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    source, target = f"s3://{name}/in.json", f"s3://{name}/o/out.json"
    done = beam("--input", source, "--output", target, *SMALL, *SCORING, **environment)
    assert done.returncode == 0, done.stderr
    keys = [str(found.object_name) for found in client.list_objects(name, recursive=True)]
    assert {key.partition("-")[0] for key in keys} == {"in.json", "o/out", "o/out.log", "o/out.rejects"}
    for key in keys:
        client.fget_object(name, key, str(tmp_path / key.rpartition("/")[2]))
    assert results_in(tmp_path) == single_machine(source, tmp_path, **environment)


@pytest.mark.parametrize("source", ["in.csv", "in.parquet", "in.json.gz"])
@pytest.mark.parametrize("output", ["out.csv", "out.parquet", "out.csv.gz"])
def test_formats(tmp_path: Path, source: str, output: str) -> None:
    """CSV, Parquet and compressed files are read and written, with --shards 1 under exactly the given name."""
    flowers = [{"id": index, **FLOWER, "petal_length": index / 10} for index in range(1, 51)]
    lines = write_flowers(tmp_path / "in.json", *flowers)
    table = pyarrow.Table.from_pylist(flowers)
    pyarrow.csv.write_csv(table, str(tmp_path / "in.csv"))
    pyarrow.parquet.write_table(table, str(tmp_path / "in.parquet"))
    (tmp_path / "in.json.gz").write_bytes(gzip.compress(lines.read_bytes()))
    done = beam("--input", tmp_path / source, "--output", tmp_path / output, "--shards", 1, "--keep", "id", *IRIS)
    assert done.returncode == 0, done.stderr
    if output.endswith(".parquet"):
        rows = pyarrow.parquet.read_table(str(tmp_path / output)).to_pylist()
    else:
        raw = (tmp_path / output).read_bytes()
        text = (gzip.decompress(raw) if output.endswith(".gz") else raw).decode().split()
        rows = [dict(zip(text[0].split(","), line.split(","), strict=True)) for line in text[1:]]
    model = IrisModel()
    species = [model.predict(IrisModelInput(**flower)).species for flower in flowers]
    assert len(set(species)) > 1
    assert [(int(row["id"]), row["species"]) for row in rows] == list(enumerate(species, 1))


def test_rejects_are_not_tolerated_unless_asked_for(tmp_path: Path) -> None:
    """A rejected record ends the job with exit code 65 and a rejects file; the earlier predictions stay."""
    source = write_flowers(tmp_path / "in.json", FLOWER, {"sepal_length": "long"})
    (tmp_path / "out.json").write_text("yesterday's\n")
    done = beam("--input", source, "--output", tmp_path / "out.json", "--shards", 1, *IRIS)
    assert done.returncode == 65
    assert "1 of 2 records were rejected, 0 are tolerated; nothing was published" in done.stderr
    assert f"record 2 of {source}, input_schema" in done.stderr
    assert json.loads((tmp_path / "out.rejects.ldjson").read_text())["position"] == 2
    assert (tmp_path / "out.json").read_text() == "yesterday's\n"
    assert {file.name for file in tmp_path.iterdir()} == {"in.json", "out.json", "out.rejects.ldjson"}


def test_files_of_an_earlier_run_do_not_stay_among_the_new(tmp_path: Path) -> None:
    """The files of an earlier run are removed, even if the new run writes fewer files and no rejects."""
    source = write_flowers(tmp_path / "in.json", FLOWER)
    for name in ("out-00007-of-00009.json", "out.json", "out.rejects-00000-of-00001.ldjson", "out-of-reach.json"):
        (tmp_path / name).write_text("old\n")
    assert beam("--input", source, "--output", tmp_path / "out.json", *IRIS).returncode == 0
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"in.json", "out-00000-of-00001.json", "out.log-00000-of-00001.ldjson", "out-of-reach.json"}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of the files in a folder, by name."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def test_the_order_of_the_input_is_kept(tmp_path: Path) -> None:
    """Predictions, log and rejects are in the order of the input, in numbered files and in one file."""
    flowers = [{"id": number, **FLOWER, "note": "x" * (number % 7)} for number in range(200)]
    flowers[77] = {"id": 77}
    source = write_flowers(tmp_path / "in.json", *flowers)
    options = ["--input", source, *IRIS, "--keep", "id", "--max_errors", 1, "--split_bytes", 2000]
    assert beam(*options, "--output", tmp_path / "out.json").returncode == 0
    assert beam(*options, "--output", tmp_path / "one.json", "--shards", 1).returncode == 0
    assert beam(*options, "--output", tmp_path / "few.json", "--shards", 3).returncode == 0
    names = sorted(file.name for file in tmp_path.glob("few-*"))
    assert names == [f"few-{number:05d}-of-00003.json" for number in range(3)]
    for lines in (
        lines_of(sorted(tmp_path.glob("out-*.json"))),
        lines_of([tmp_path / "one.json"]),
        lines_of(map(tmp_path.joinpath, names)),
    ):
        assert [json.loads(line)["id"] for line in lines] == [number for number in range(200) if number != 77]
    events = [json.loads(line) for line in lines_of([tmp_path / "one.log.ldjson"])]
    assert events[0]["type"] == "model_etl.run.started"
    assert len(list(tmp_path.glob("out-*.json"))) > 3


def test_a_folder_is_scored_into_a_folder(tmp_path: Path) -> None:
    """Each input of a folder has an output of the same name, with one log for all; the output is one machine's."""
    (tmp_path / "in").mkdir()
    for name in ("a.json", "b.json"):
        write_flowers(tmp_path / "in" / name, *[{"id": f"{name} {number}", **FLOWER} for number in range(50)])
    options = ["--keep", "id", *IRIS]
    done = beam("--input", tmp_path / "in", "--output", f"{tmp_path}/out/", *options, "--split_bytes", 1000)
    assert done.returncode == 0, done.stderr
    run_on_one_machine("-i", tmp_path / "in", "-o", f"{tmp_path}/single/", *options)
    assert contents(tmp_path / "out") == contents(tmp_path / "single")
    assert len(lines_of([tmp_path / "out.log.ldjson"])) == 101


def test_log_and_rejects_belong_to_their_owner(tmp_path: Path) -> None:
    """Only the user who runs the job may read the prediction log and the rejects, which hold whole records."""
    source = write_flowers(tmp_path / "in.json", FLOWER, {"sepal_length": "long"})
    assert beam("--input", source, "--output", tmp_path / "out.json", "--max_errors", 1, *IRIS).returncode == 0
    modes = {file.name.partition("-")[0]: file.stat().st_mode & 0o777 for file in tmp_path.glob("out*")}
    assert modes == {"out": 0o666 & ~_umask(), "out.log": 0o600, "out.rejects": 0o600}


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_names_are_relative_to_the_folder_of_the_launcher(tmp_path: Path) -> None:
    """Relative names mean the same files for workers, whose current folder may be another one."""
    write_flowers(tmp_path / "in.json", FLOWER)
    two = ["--direct_running_mode", "multi_processing", "--direct_num_workers", "2"]
    command = command_of("--input", "in.json", "--output", "out.json", *IRIS, *two)
    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.glob("out-*.json")] == ["out-00000-of-00001.json"]


def test_two_jobs_with_one_output_exclude_each_other(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """The second job ends with exit code 75 at once, or waits for the first; neither removes the other's files."""
    path, _ = accepted
    command = command_of("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING)
    first = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("*staged*")):
        assert first.poll() is None
        time.sleep(0.02)
    second = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING)
    assert second.returncode == 75
    assert "another run is writing" in second.stderr
    third = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, "--lock_wait", 120)
    assert (first.wait(timeout=120), third.returncode) == (0, 0), third.stderr
    assert not list(tmp_path.glob("*staged*"))


def test_leftovers_of_a_killed_launcher_are_removed(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """The next job removes the staged files of a launcher that was killed."""
    path, _ = accepted
    command = command_of("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING)
    killed = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("out.staged*/*")):
        assert killed.poll() is None
        time.sleep(0.02)
    killed.kill()
    killed.wait()
    assert list(tmp_path.glob("*staged*"))
    small = write_flowers(tmp_path / "in.json", FLOWER)
    assert beam("--input", small, "--output", tmp_path / "out.json", *IRIS).returncode == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "in.json",
        "out-00000-of-00001.json",
        "out.log-00000-of-00001.ldjson",
    ]


def test_options_of_publishing(tmp_path: Path) -> None:
    """--dry_run, --if_exists, --on_empty, --limit and --report do what they do on one machine."""
    source = write_flowers(tmp_path / "in.json", *[{"id": number, **FLOWER} for number in range(9)])
    options = ["--input", source, "--output", tmp_path / "out.json", "--shards", 1, "--keep", "id", *IRIS]
    report = tmp_path / "report.json"
    assert beam(*options, "--dry_run", "--report", report).returncode == 0
    assert json.loads(report.read_text())["status"] == "dry_run"
    assert not (tmp_path / "out.json").exists()
    assert beam(*options, "--limit", 4, "--report", report).returncode == 0
    assert [json.loads(line)["id"] for line in lines_of([tmp_path / "out.json"])] == [0, 1, 2, 3]
    described = json.loads(report.read_text())
    assert (described["status"], described["exit_code"], described["counts"]["read"]) == ("published", 0, 4)
    digest = hashlib.sha256((tmp_path / "out.json").read_bytes()).hexdigest()
    assert described["files"]["output"]["sha256"] == digest
    assert set(described["files"]) == {"output", "log"}
    failed = beam(*options, "--if_exists", "fail")
    assert (failed.returncode, "exists already" in failed.stderr) == (73, True)
    assert beam(*options, "--if_exists", "skip", "--report", report).returncode == 0
    assert json.loads(report.read_text())["status"] == "skipped"
    assert len(lines_of([tmp_path / "out.json"])) == 4
    source.write_text("")
    assert beam(*options, "--on_empty", "fail").returncode == 65
    assert beam(*options).returncode == 0
    assert (tmp_path / "out.json").read_bytes() == b""


def test_a_full_disk_is_a_failure_of_the_storage(tmp_path: Path) -> None:
    """A worker that cannot write ends the job with exit code 74, and nothing is published."""
    source = write_flowers(tmp_path / "in.json", *[FLOWER] * 20_000)
    limited = ["bash", "-c", 'ulimit -f 100; exec "$@"', "bash"]
    command = [*limited, *command_of("--input", source, "--output", tmp_path / "out.json", *IRIS)]
    done = subprocess.run(command, env=ENVIRONMENT, cwd=ROOT, capture_output=True, check=False, text=True)
    assert done.returncode == 74, done.stderr
    assert "nothing was published" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["in.json"]


FAILURES: list[tuple[str, dict[str, object], int, str]] = [
    ("no input", {"--input": "nowhere.json"}, 66, "cannot read"),
    ("no pattern", {"--input": "nowhere-*.json"}, 66, "nowhere-*.json"),
    ("no model", {"--model": "iris_model:Nobody"}, 69, "Nobody"),
    ("no such rule", {"--rules": "acceptance_model:Nobody"}, 78, "Nobody"),
    ("no format", {"--output": "out"}, 2, "cannot derive the format of"),
    ("misspelt", {"--ruels": "acceptance_model:NoGiants"}, 2, "Did you mean --rules?"),
    ("both", {"--join": None, "--keep": "id"}, 78, "exclude each other"),
    ("no job service", {"--runner": "PortableRunner", "--job_endpoint": "127.0.0.1:1"}, 75, "cannot be reached"),
    ("unknown runner", {"--runner": "NoSuchRunner"}, 2, "NoSuchRunner"),
    ("a name in common", {"--join": None, "--model": "acceptance_model:Echo"}, 78, "both have a field 'id'"),
    ("Google without its extra", {"--output": "gs://bucket/out.json"}, 74, "apache-beam[gcp]"),
    ("Dataflow without a region", {"--runner": "DataflowRunner"}, 2, "Missing required option: region"),
    ("input is output", {"--output": "in.json", "--shards": 1}, 2, "is an input too"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "code", "message"), [case[1:] for case in FAILURES], ids=[f[0] for f in FAILURES])
def test_failures(tmp_path: Path, options: dict[str, object], code: int, message: str) -> None:
    """A mistake ends the job with its exit code and one message without a traceback; nothing is published."""
    write_flowers(tmp_path / "in.json", {"id": 1, **FLOWER})
    arguments = {"--input": "in.json", "--output": "out.json", "--model": IRIS[1], **options}
    for name in ("--input", "--output"):
        arguments[name] = arguments[name] if "://" in str(arguments[name]) else tmp_path / str(arguments[name])
    done = beam(*(part for pair in arguments.items() for part in pair if part is not None))
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["in.json"]


def test_the_packages_for_remote_workers(tmp_path: Path) -> None:
    """The packages that --setup_file and --extra_package send to remote workers are enough to score records."""
    made = tmp_path / "made"
    build = [sys.executable, "-m", "build", "--no-isolation", "--sdist", "--outdir", str(made)]
    subprocess.run([*build, str(ROOT / "examples" / "iris_model")], check=True, capture_output=True)
    (package,) = made.glob("iris_model-*.tar.gz")
    options = PipelineOptions([f"--setup_file={ROOT / 'setup.py'}", f"--extra_package={package}", "--sdk_location=x"])
    options.view_as(SetupOptions).sdk_location = "container"
    staged = Stager.create_job_resources(options, str(tmp_path))
    names = {Path(beam_runner_api_pb2.ArtifactFilePayload.FromString(one.type_payload).path) for one in staged}
    ours = [str(name) for name in names if name.name.startswith(("workflow", "model_etl", "iris_model"))]
    assert len(ours) == 2, names
    target = tmp_path / "worker"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), *ours], check=True, capture_output=True)
    source = write_flowers(tmp_path / "in.json", FLOWER)
    run = [sys.executable, "-m", "model_etl.engines.beam", "--input", source, "--output", tmp_path / "out.json", *IRIS]
    subprocess.run(list(map(str, run)), env={**os.environ, "PYTHONPATH": str(target)}, cwd=tmp_path, check=True)
    assert list(tmp_path.glob("out-*.json"))


def test_stopping_the_launcher_publishes_nothing(accepted: tuple[Path, Results], tmp_path: Path) -> None:
    """A job that SIGTERM ends in mid-stream has exit code 143 and leaves no file."""
    path, _ = accepted
    command = command_of("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING)
    process = subprocess.Popen(command, env=ENVIRONMENT, cwd=ROOT, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("*staged*")) and process.poll() is None:
        time.sleep(0.05)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err.decode()
    assert not list(tmp_path.iterdir())
