"""The server under the S3 tests: which one it is, that it is there, and that it goes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from helpers import minio_builds, minio_server
from helpers.command import ROOT
from helpers.minio_server import NoMinio, find
from minio.error import S3Error

NO_NETWORK = "echo 'go: no such host' >&2; exit 1"
# What a build leaves is a MinIO by its own word; the counter tells how often it was built.
BUILDS = """
echo built >> {log}
sleep 0.3
printf '#!/bin/sh\\necho minio version TEST\\n' > "$GOBIN/minio"
chmod +x "$GOBIN/minio"
"""


@pytest.fixture
def machine(tmp_path):
    """Give an environment with an empty cache and only the given commands, each a shell script."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("sh", "nice", "sleep", "chmod"):
        if found := shutil.which(name):
            (commands / name).symlink_to(found)

    def make(environ=None, **scripts):
        for name, script in scripts.items():
            (commands / name).write_text(f"#!/bin/sh\n{script}\n")
            (commands / name).chmod(0o755)
        return {"PATH": str(commands), "HOME": str(tmp_path), **(environ or {})}

    return make


def gone(pid: int) -> bool:
    """Say whether there is no such process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_what_is_put_comes_back(bucket):
    """An object comes back as it was written, with all that the server knows of it."""
    bucket.put("a b/c.json", b"{}", content_type="application/json", run="7")
    stat = bucket.stat("a b/c.json")
    assert (bucket.get("a b/c.json"), bucket.keys()) == (b"{}", {"a b/c.json"})
    assert (stat.size, stat.content_type, stat.metadata["run"]) == (2, "application/json", "7")
    assert stat.etag == "99914b932bd37a50b983c5e7c90ae93b"
    assert bucket.uri("a b/c.json") == f"s3://{bucket.name}/a b/c.json"
    bucket.remove("a b/c.json")
    assert not bucket.exists("a b/c.json")


def test_every_test_has_its_own_bucket(bucket):
    """A bucket is empty at first."""
    assert bucket.keys() == set()


def test_unfinished_uploads_show(bucket):
    """An upload that was neither completed nor aborted is found by its key."""
    upload = bucket.client._create_multipart_upload(bucket.name, "a/b", {})
    assert bucket.uploads("a/b") == [upload]
    bucket.client._abort_multipart_upload(bucket.name, "a/b", upload)
    assert bucket.uploads("a/b") == []


def test_a_user_may_do_what_the_policy_says(bucket):
    """A user with a policy can read and not write."""
    bucket.put("a", b"1")
    allowed = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{bucket.name}/*"]}
    key, secret = bucket.user({"Version": "2012-10-17", "Statement": [allowed]})
    client = minio_server.client(bucket.server.endpoint, key, secret)
    assert client.stat_object(bucket.name, "a").size == 1
    with pytest.raises(S3Error, match="AccessDenied"):
        client.fput_object(bucket.name, "b", __file__)
    client._http.clear()


def test_the_proxy_is_before_the_server(bucket, proxy):
    """What goes through the proxy arrives, and is counted."""
    assert bucket.env_through(proxy)["AWS_ENDPOINT_URL_S3"] == proxy.endpoint
    client = minio_server.client(proxy.endpoint, bucket.server.key, bucket.server.secret)
    client.fput_object(bucket.name, "a", __file__)
    assert bucket.get("a") == Path(__file__).read_bytes()
    assert proxy.count(f"PUT /{bucket.name}/a") == 1
    proxy.fault("answer", "GET")
    with pytest.raises(S3Error, match="SlowDown"):
        client.get_object(bucket.name, "a")
    client._http.clear()


def test_a_server_is_gone_after_stop(s3_server):
    """A server has a process and a folder, and neither after it was stopped."""
    if s3_server.process is None:
        pytest.skip("the server was not started by the tests")
    with minio_server.start(s3_server.found) as server:
        assert not gone(server.process.pid)
        assert os.path.isdir(server.folder)
    assert gone(server.process.pid)
    assert not os.path.exists(server.folder)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(server.endpoint.rpartition(":")[2])))


def test_it_listens_on_loopback_only(s3_server):
    """No socket of the server listens on an address that other machines reach."""
    if s3_server.process is None:
        pytest.skip("the server was not started by the tests")
    sockets = psutil.Process(s3_server.process.pid).net_connections()
    listening = {found.laddr.ip for found in sockets if found.status == psutil.CONN_LISTEN}
    assert "127.0.0.1" in listening
    assert listening <= {"127.0.0.1", "::1"}


@pytest.mark.slow
def test_serve_says_how_to_use_it_and_ends_cleanly(s3_server, tmp_path):
    """`make minio` prints addresses and credentials that work, and leaves nothing behind."""
    if s3_server.found.by not in {"binary", "moto"}:
        pytest.skip("the server was not started by the tests")
    command = [sys.executable, str(ROOT / "tests" / "helpers" / "minio_server.py"), "serve"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "CI": ""},
    ) as serving:
        told = []
        for line in serving.stdout:
            told.append(line.strip())
            if line.startswith("  python model_etl/s3_etl_job.py"):
                break
        address = next(line.split()[1] for line in told if line.startswith("address"))
        (export,) = [line for line in told if line.startswith("export ")]
        assert export == (
            f"export AWS_ENDPOINT_URL_S3={address} AWS_ACCESS_KEY_ID=TEST AWS_SECRET_ACCESS_KEY=ASDFGHJKL"
        )
        assert told[-1].endswith(f"--bucket=data --key=TEST --secret_key=ASDFGHJKL --endpoint_url={address}")
        client = minio_server.client(address, "TEST", "ASDFGHJKL")
        response = client.get_object("data", "input.json")
        assert json.loads(response.read().splitlines()[0])
        response.close()
        client._http.clear()
        pids = [child.pid for child in psutil.Process(serving.pid).children(recursive=True)]
        assert pids
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(timeout=20) == 0
    assert all(gone(pid) for pid in pids)
    assert list(tmp_path.iterdir()) == []


def test_without_any_means_it_is_moto(machine):
    """Where nothing is there, not even CI needs a real server, and the reasons are kept."""
    found = find(machine({"CI": "true"}))
    assert found.by == "moto"
    assert [reason.split(" in /")[0] for reason in found.failed] == [
        "TEST_S3_ENDPOINT names no server",
        "no minio on the PATH",
        "no build of it",
        "no go on the PATH",
        "no docker on the PATH",
    ]


def test_in_ci_a_build_that_fails_is_an_error(machine):
    """Where CI has Go, a build that fails does not end at moto, and the error says why it failed."""
    with pytest.raises(NoMinio, match=r"go: no such host.*no docker on the PATH"):
        find(machine({"CI": "true"}, go=NO_NETWORK))


def test_in_ci_docker_that_fails_is_an_error(machine):
    """Where CI has a Docker that works, an image that does not come is an error; one that does not work is not."""
    with pytest.raises(NoMinio, match="docker run failed: no such image"):
        find(machine({"CI": "true"}, docker='[ "$1" = info ] || { echo no such image >&2; exit 1; }'))
    assert find(machine({"CI": "true"}, docker="echo no daemon >&2; exit 1")).by == "moto"


def test_at_home_a_build_that_fails_is_a_reason(machine):
    """Outside CI a build that fails leaves moto, and the reason for the summary."""
    found = find(machine(go=NO_NETWORK))
    assert found.by == "moto"
    assert "go: no such host" in found.failed[3]
    assert minio_builds.RELEASE in found.failed[3]


def test_the_best_server_comes_first(machine, tmp_path):
    """An endpoint is taken before a minio on the PATH, that before a cached build, a build and an image."""
    found = find(machine(docker="true"))
    assert (found.by, found.where) == ("image", minio_builds.IMAGE)
    found = find(machine(go=BUILDS.format(log=tmp_path / "log")))
    cached = tmp_path / ".cache/model_etl/minio" / minio_builds.RELEASE / "minio"
    assert (found.by, found.where) == ("binary", str(cached))
    assert find(machine(go=NO_NETWORK)).how == f"the cached build {cached}"
    found = find(machine(minio="echo minio version TEST"))
    assert (found.by, found.where) == ("binary", str(tmp_path / "bin" / "minio"))
    given = {"TEST_S3_ENDPOINT": "http://localhost:1/", "TEST_S3_KEY": "k", "TEST_S3_SECRET": "s"}
    found = find(machine(given))
    assert (found.by, found.where, found.key, found.secret) == ("endpoint", "http://localhost:1", "k", "s")


def test_half_an_endpoint_is_an_error(machine):
    """An endpoint without its credentials is an error, because it was asked for."""
    with pytest.raises(NoMinio, match="TEST_S3_SECRET"):
        find(machine({"TEST_S3_ENDPOINT": "http://localhost:1", "TEST_S3_KEY": "k"}))


def test_another_program_of_that_name_is_no_server(machine):
    """A `minio` that does not say that it is MinIO is passed over."""
    found = find(machine(minio="echo midnight commander"))
    assert found.by == "moto"
    assert "is no MinIO server" in found.failed[1]


def test_a_release_that_the_module_proxy_refuses_is_built_from_its_commit(machine, tmp_path):
    """Where the tag is refused the commit is built, and no half build is left in the cache."""
    refusing = 'case "$*" in *RELEASE*) echo 403 Forbidden >&2; exit 1;; esac'
    found = find(machine(go=refusing + BUILDS.format(log=tmp_path / "log")))
    assert found.by == "binary"
    assert {entry.name for entry in Path(found.where).parent.iterdir()} == {"minio", "lock", "build.log"}


def test_processes_at_the_same_time_build_once(machine, tmp_path):
    """Of several processes one builds and the others wait for it."""
    environ = machine(go=BUILDS.format(log=tmp_path / "log"))
    command = [sys.executable, str(ROOT / "tests" / "helpers" / "minio_server.py"), "build"]
    started = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    printed = {process.communicate(timeout=60)[0].strip() for process in started}
    assert (tmp_path / "log").read_text() == "built\n"
    assert len(printed) == 1
    assert [process.returncode for process in started] == [0, 0, 0]


@pytest.mark.slow
def test_the_summary_says_which_server_it_was(machine, tmp_path):
    """Where only moto is left, the end of a run says so and why."""
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_it.py").write_text("def test_it(bucket):\n    bucket.put('a', b'1')\n    bucket.user({})\n")
    (suite / "conftest.py").write_text("from helpers.s3_fixtures import *\n")
    for more in (["-n", "2"], ["-p", "no:xdist"]):
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-rs", "-c", os.devnull, *more, str(suite)],
            env={**machine(), "PYTHONPATH": str(ROOT / "tests"), "LANG": "C.UTF-8"},
            capture_output=True,
            text=True,
            check=False,
            cwd=suite,
        )
        assert "S3 tests ran against moto, not against a real S3 server, because:" in done.stdout, done.stdout
        assert "  no minio on the PATH" in done.stdout
        assert "1 skipped" in done.stdout
        assert "needs users with policies" in done.stdout
        assert time.monotonic() - started < 60
