"""Runs the S3 server of the tests: MinIO, or moto where there is no way to MinIO.

Its command `build` finds or builds MinIO and prints where it is; `serve` runs a server for trying things by hand.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException
from typing_extensions import Self

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the command

from helpers.minio_builds import Found, NoMinio, Unavailable, _last_line, _run, find, say

START_SECONDS = 60
INPUT = Path(__file__).resolve().parents[2] / "data" / "input.json"


@dataclass
class Server:
    """A server that answers; ended by its process or container id."""

    endpoint: str
    key: str
    secret: str
    kind: str  # "minio", "moto", or "other" behind TEST_S3_ENDPOINT
    found: Found
    console: str | None = None
    process: subprocess.Popen[bytes] | None = None
    container: str | None = None
    folder: str | None = None

    def client(self) -> Minio:
        """Give an independent client of it, which does not retry."""
        return client(self.endpoint, self.key, self.secret)

    def alive(self) -> bool:
        """Say whether its process still runs, as far as it is ours."""
        return self.process is None or self.process.poll() is None

    def stop(self) -> None:
        """End it and remove its data; twice is as good as once."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.container:
            subprocess.run(["docker", "rm", "--force", self.container], capture_output=True, check=False)
            self.container = None
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def client(endpoint: str, key: str, secret: str, timeout: float = 30) -> Minio:
    """Give a client that fails at once instead of trying again."""
    url = urllib.parse.urlsplit(endpoint)
    pool = urllib3.PoolManager(retries=urllib3.Retry(0), timeout=urllib3.Timeout(timeout))
    return Minio(url.netloc, key, secret, secure=url.scheme == "https", region="us-east-1", http_client=pool)


def start(
    found: Found, key: str = "tester", secret: str = "", ports: tuple[int, int] = (0, 0), browser: bool = False
) -> Server:
    """Start a server on loopback and wait until it answers.

    Args:
        found: what to start, from find().
        key: its access key.
        secret: its secret key; without it a new one.
        ports: of the server and of its console; 0 takes a free one.
        browser: whether to have the console.
    """
    if found.by == "endpoint":
        server = Server(found.where, found.key, found.secret, "other", found)
        _wait(server)
        if _status(f"{found.where}/minio/health/live") == 200:  # only MinIO knows this address
            server.kind = "minio"
        return server
    secret = secret or secrets.token_hex(16)
    for attempt in range(5):
        server = _launch(found, key, secret, [port or free_port() for port in ports], browser=browser)
        try:
            _wait(server)
        except BaseException as error:
            died = not server.alive()
            server.stop()
            # Another process may have taken a port that was free a moment ago.
            if isinstance(error, Unavailable) and died and attempt < 4 and ports == (0, 0):
                continue
            raise
        return server
    raise AssertionError("the last attempt raises or returns")


def _launch(found: Found, key: str, secret: str, ports: Sequence[int], *, browser: bool) -> Server:
    endpoint = f"http://127.0.0.1:{ports[0]}"
    # No developer's setting of MinIO, and no look-up of updates.
    environ = {k: v for k, v in os.environ.items() if not k.startswith("MINIO_")}
    settings = {"MINIO_ROOT_USER": key, "MINIO_ROOT_PASSWORD": secret, "MINIO_UPDATE": "off", "MINIO_CI_CD": "on"}
    settings["MINIO_BROWSER"] = "on" if browser else "off"
    server = Server(endpoint, key, secret, "moto" if found.by == "moto" else "minio", found)
    if browser and found.by != "moto":
        server.console = f"http://127.0.0.1:{ports[1]}"
    if found.by == "image":
        names = [part for name in settings for part in ("--env", name)]
        publish = [f"--publish=127.0.0.1:{ports[0]}:9000", f"--publish=127.0.0.1:{ports[1]}:9001"]
        command = ["docker", "run", "--detach", "--rm", *names, *publish, found.where]
        command += ["server", "/data", "--console-address", ":9001"]
        server.container = _run(command, {**environ, **settings}, seconds=120).strip()
        return server
    server.folder = tempfile.mkdtemp(prefix="model-etl-s3-")
    if found.by == "moto":
        command = [found.where, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(ports[0])]
    else:
        command = [found.where, "server", "--quiet", "--address", f"127.0.0.1:{ports[0]}"]
        command += ["--console-address", f"127.0.0.1:{ports[1]}", "--certs-dir", f"{server.folder}/certs"]
        command += [f"{server.folder}/data"]
    if setpriv := shutil.which("setpriv"):  # where there is one, no server outlives a test run that was killed
        command = [setpriv, "--pdeathsig", "TERM", *command]
    with open(f"{server.folder}/log", "wb") as log:
        server.process = subprocess.Popen(
            command,
            env={**environ, **settings},
            cwd=server.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    return server


def _wait(server: Server) -> None:
    """Wait until it answers a signed request: a foreign server on the same port does not."""
    until = time.monotonic() + START_SECONDS
    probe = client(server.endpoint, server.key, server.secret, timeout=5)
    while True:
        alive = server.alive()
        try:
            probe.list_buckets()
        except (MinioException, urllib3.exceptions.HTTPError, OSError) as error:
            if alive and time.monotonic() < until:
                time.sleep(0.05)
                continue
            log = Path(server.folder or "", "log")
            said = f"; its log ends: {_last_line(log.read_text(errors='replace'))}" if server.folder else ""
            raise Unavailable(f"{server.found.how} does not answer at {server.endpoint}: {error}{said}") from None
        if alive:
            return


def _status(url: str) -> int:
    with urllib3.PoolManager() as pool, contextlib.suppress(urllib3.exceptions.HTTPError):
        return pool.request("GET", url, retries=False, timeout=5).status
    return 0


def free_port(wanted: int = 0) -> int:
    """Give the wanted port of the loopback interface if it is free, otherwise any that is."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise Unavailable("the loopback interface has no free port")


def serve() -> int:
    """Serve until Ctrl-C or SIGTERM, and print how to use it."""
    with _ended_by_signals():
        found = find()
        if found.by == "moto":
            say("no MinIO: " + "; ".join(found.failed))
        with start(found, "TEST", "ASDFGHJKL", (free_port(9000), free_port(9001)), browser=True) as server:
            s3 = server.client()
            if not s3.bucket_exists("data"):
                s3.make_bucket("data")
            s3.fput_object("data", INPUT.name, str(INPUT))
            sys.stdout.write(_told(server))
            sys.stdout.flush()
            while server.alive():
                time.sleep(0.2)
            say("the server ended by itself")
            return 1
    return 0


def _told(server: Server) -> str:
    script = "python model_etl/s3_etl_job.py --input_file=input.json --output_file=output.json --bucket=data"
    return f"""\
{server.kind} ({server.found.how}); its data goes when it ends, with Ctrl-C

  address  {server.endpoint}
  console  {server.console or "none"}
  key      {server.key}
  secret   {server.secret}

The bucket data holds input.json. To try:

  export AWS_ENDPOINT_URL_S3={server.endpoint} AWS_ACCESS_KEY_ID={server.key} AWS_SECRET_ACCESS_KEY={server.secret}
  {script} --key={server.key} --secret_key={server.secret} --endpoint_url={server.endpoint}

"""


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a clean end, not stopped by a second one."""

    class Ended(BaseException):
        pass

    def end(number: int, _frame: object) -> None:
        for later in (signal.SIGINT, signal.SIGTERM):
            signal.signal(later, signal.SIG_IGN)
        raise Ended(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    with contextlib.suppress(Ended):
        yield


def build() -> int:
    """Find or build MinIO and print where it is."""
    with _ended_by_signals():
        found = find()
        if found.by == "moto":
            say("no MinIO, the S3 tests will run against moto: " + "; ".join(found.failed))
        else:
            sys.stdout.write(f"{found.where}\n")
        return 0
    return 130


def main() -> int:
    """Run the command of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["build", "serve"])
    try:
        return {"build": build, "serve": serve}[parser.parse_args().command]()
    except (NoMinio, Unavailable) as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
