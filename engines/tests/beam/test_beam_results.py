"""Beam: the acceptance test on every runner that runs here, formats and storages."""

from __future__ import annotations

import gzip
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest
from acceptance import ENVIRONMENT, ROOT, SCORING, Results, lines_of, run_on_one_machine, single_machine
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.stager import Stager
from beam_runs import FLOWER, IRIS, SMALL, TWO, beam, command_of, results_in, write_flowers
from beam_services import job_service, worker_pool
from helpers import minio_server
from iris_model.iris_predict import IrisModel
from iris_model.schemas import IrisModelInput


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
    done = beam("--input", path, "--output", tmp_path / "out.json", *SMALL, *SCORING, *TWO)
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


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of the files in a folder, by name."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


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


def test_names_are_relative_to_the_folder_of_the_launcher(tmp_path: Path) -> None:
    """Relative names mean the same files for workers, whose current folder may be another one."""
    write_flowers(tmp_path / "in.json", FLOWER)
    command = command_of("--input", "in.json", "--output", "out.json", *IRIS, *TWO)
    done = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.glob("out-*.json")] == ["out-00000-of-00001.json"]


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
