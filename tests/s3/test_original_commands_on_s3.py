"""The original's commands on a bucket, and what they import."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.command import IRIS, ROOT, Etl
from helpers.s3_fixtures import Bucket
from helpers.s3_runs import INPUT, MODEL, S3


@pytest.fixture(scope="session")
def local_output(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give what the original's local script makes of its input."""
    path = tmp_path_factory.mktemp("local") / "output.json"
    script = [sys.executable, "model_etl/etl_job.py", "--input_file=data/input.json", f"--output_file={path}"]
    subprocess.run(script, cwd=ROOT, check=True)
    return path.read_bytes()


SCRIPT = ("model_etl/s3_etl_job.py",)
KEYS = ("--key={key}", "--secret_key={secret}")
ORIGINALS = {
    "long": (
        *SCRIPT,
        "--input_file=input.json",
        "--output_file=output.json",
        "--bucket={bucket}",
        *KEYS,
        "--endpoint_url={endpoint}",
    ),
    "short": (
        *SCRIPT,
        *("-i", "input.json", "-o", "output.json", "-b", "{bucket}"),
        *("-k", "{key}", "-sk", "{secret}", "-ep", "{endpoint}"),
    ),
    "the article's": (
        *SCRIPT,
        *("--input_file=input.json", "--output_file=output.json", "--bucket={bucket}", *KEYS, "--endpoint_url="),
    ),
    "environment": (*SCRIPT, "--input_file=input.json", "--output_file=output.json", "--bucket={bucket}"),
    "names": (*SCRIPT, "-i", "s3://{bucket}/input.json", "-o", "s3://{bucket}/output.json"),
    "names and another bucket": (
        *SCRIPT,
        "-b",
        "x",
        "-i",
        "s3://{bucket}/input.json",
        "-o",
        "s3://{bucket}/output.json",
    ),
    "model-etl": (
        "-m",
        "model_etl",
        "run",
        "-m",
        IRIS,
        "-i",
        "s3://{bucket}/input.json",
        "-o",
        "s3://{bucket}/output.json",
    ),
    "model-etl --bucket": ("-m", "model_etl", "-m", IRIS, "-b", "{bucket}", "-i", "input.json", "-o", "/output.json"),
}


@pytest.mark.parametrize("command", ORIGINALS.values(), ids=ORIGINALS)
def test_the_originals_command_scores_an_object(
    bucket: Bucket, local_output: bytes, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """The script and the module make of an object, byte for byte, what the local script makes of the file."""
    bucket.put("input.json", (ROOT / "data/input.json").read_bytes())
    server = bucket.server
    values = {"bucket": bucket.name, "key": server.key, "secret": server.secret, "endpoint": server.endpoint}
    arguments = [argument.format(**values) for argument in command]
    env = {**os.environ, **bucket.env, "TMPDIR": str(tmp_path)}
    missing = "".join(command)
    if "{secret}" in missing:
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    if "{endpoint}" in missing:
        del env["AWS_ENDPOINT_URL_S3"]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert (done.stderr == b"") == ("{secret}" not in missing)
    assert bucket.get("output.json") == local_output
    assert bucket.keys() == {"input.json", "output.json", "output.log.ldjson"}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("flags", [(), ("--bucket=",)])
def test_the_originals_script_needs_a_bucket(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """Without one it ends with 2, says --bucket, and asks no server."""
    arguments = [
        "--input_file=data/input.json",
        "--output_file=output.json",
        "--endpoint_url=http://127.0.0.1:1",
        *flags,
    ]
    done = subprocess.run([sys.executable, *SCRIPT, *arguments], cwd=ROOT, capture_output=True, check=False, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--bucket" in done.stderr
    assert done.stderr.startswith("model-etl: error: ")
    assert "Traceback" not in done.stderr


def test_rejects_of_a_bucket_are_scored_again(s3: S3) -> None:
    """`retry` takes a rejects object; its output lies beside it."""
    s3.bucket.put("in.json", b'{"x":1}\n{"x":-1}\n')
    assert s3("-m", "failing_models:Raises", "--max_errors", "1").code == 0
    done = s3.etl("retry", s3.bucket.uri("out.rejects.ldjson"), *MODEL, env=s3.env())
    assert (done.code, done.err) == (0, "")
    assert s3.bucket.get("out.retry.ldjson") == b'{"y":1.0}\n'


def test_a_local_run_imports_nothing_of_s3(etl: Etl) -> None:
    """boto3 and what it needs are imported by runs that need it."""
    etl.write("in.json", INPUT)
    command = [sys.executable, "-X", "importtime", "-m", "model_etl", "run", *MODEL, "-i", "in.json", "-o", "out.json"]
    done = subprocess.run(command, cwd=etl.folder, env=etl.environment(), capture_output=True, check=True, text=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "model_etl" in imported
    assert not imported & {"boto3", "botocore", "s3transfer", "urllib3", "fs_s3fs", "requests", "minio"}
