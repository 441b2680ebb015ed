"""Finds, builds and runs the S3 server of the tests: MinIO, or moto where there is no way to MinIO.

Its command `build` finds or builds MinIO and prints where it is; `serve` runs a server for trying things by hand.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException
from typing_extensions import Self

RELEASE = "RELEASE.2025-09-07T16-13-09Z"  # the last one with a public image too
MODULE = "github.com/minio/minio"
# The second is the commit of the first: some module proxies refuse MinIO's release tags, which are no Go versions.
VERSIONS = (RELEASE, "v0.0.0-20250907161309-07c3a429bfed")
IMAGE = f"quay.io/minio/minio:{RELEASE}"
BUILD_SECONDS = 1800
START_SECONDS = 60
INPUT = Path(__file__).resolve().parents[2] / "data" / "input.json"


class Unavailable(Exception):
    """One way to a server does not work here; the message says why."""


class NoMinio(RuntimeError):
    """CI has the means for a real MinIO, and none of them worked."""


@dataclass(frozen=True)
class Found:
    """A way to a server that works here, and why the better ways do not."""

    by: str  # "endpoint", "binary", "image" or "moto"
    where: str  # the endpoint's URL, the binary's path, the image's name
    how: str  # for people
    failed: tuple[str, ...] = ()
    key: str = ""
    secret: str = ""


def find(environ: Mapping[str, str] = os.environ) -> Found:
    """Find the best server there is; builds or downloads it if need be, which takes minutes.

    Raises:
        NoMinio: where CI has Go or Docker and yet only moto is left.
    """
    failed: list[str] = []
    for look in (_given, _on_the_path, _cached, _built, _image):
        try:
            return replace(look(environ), failed=tuple(failed))
        except Unavailable as error:
            failed.append(str(error))
    if environ.get("CI") and (_which("go", environ) or _docker_works(environ)):
        raise NoMinio(
            "no MinIO for the S3 tests, although CI is set and Go or Docker is there: "
            + "; ".join(failed)
            + ". Mend one of these, or unset CI to run them against moto"
        )
    return Found("moto", sys.executable, "moto, an imitation of S3", tuple(failed))


def _which(name: str, environ: Mapping[str, str]) -> str | None:
    return shutil.which(name, path=environ.get("PATH", os.defpath))


def _run(command: Sequence[str], environ: Mapping[str, str], seconds: float = 30) -> str:
    """Run a command to its end and give what it printed."""
    name = f"{Path(command[0]).name} {command[1]}"
    try:
        done = subprocess.run(
            command, env=dict(environ), capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{name} failed: {error}") from None
    if done.returncode:
        raise Unavailable(f"{name} failed: {_last_line(done.stderr or done.stdout)}")
    return done.stdout


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _given(environ: Mapping[str, str]) -> Found:
    url = environ.get("TEST_S3_ENDPOINT", "").rstrip("/")
    if not url:
        raise Unavailable("TEST_S3_ENDPOINT names no server")
    missing = [name for name in ("TEST_S3_KEY", "TEST_S3_SECRET") if not environ.get(name)]
    if missing:  # asked for: falling back in silence would test something else
        raise NoMinio(
            f"TEST_S3_ENDPOINT is set to {url}, but {' and '.join(missing)} is not: set both, or none of them"
        )
    return Found(
        "endpoint", url, f"TEST_S3_ENDPOINT {url}", key=environ["TEST_S3_KEY"], secret=environ["TEST_S3_SECRET"]
    )


def _on_the_path(environ: Mapping[str, str]) -> Found:
    path = _which("minio", environ)
    if not path:
        raise Unavailable("no minio on the PATH")
    return Found("binary", path, f"{path} on the PATH, {_version(path, environ)}")


def _version(path: str, environ: Mapping[str, str]) -> str:
    lines = _run([path, "--version"], environ).splitlines()
    if not lines or not lines[0].startswith("minio version"):
        raise Unavailable(f"{path} is no MinIO server: `minio --version` does not say so")
    return lines[0].split(" (")[0]


def _cache(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(base) / "model_etl" / "minio" / RELEASE


def _cached(environ: Mapping[str, str]) -> Found:
    path = _cache(environ) / "minio"
    if not path.is_file():
        raise Unavailable(f"no build of it in {path.parent}")
    _version(str(path), environ)
    return Found("binary", str(path), f"the cached build {path}")


def _built(environ: Mapping[str, str]) -> Found:
    go = _which("go", environ)
    if not go:
        raise Unavailable("no go on the PATH")
    cache = _cache(environ)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / "lock").open("w") as lock:
            waited = _lock(lock.fileno())
            if not (cache / "minio").is_file():
                if waited:  # its failure would be ours, minutes later
                    log = _last_line((cache / "build.log").read_text(errors="replace"))
                    raise Unavailable(f"go install failed in another process at the same time: {log}")
                _build(go, cache, environ)
    except OSError as error:
        raise Unavailable(f"cannot build in {cache}: {error}") from None
    return replace(_cached(environ), how=f"go install {MODULE}@{RELEASE}, now in {cache / 'minio'}")


def _lock(descriptor: int) -> bool:
    """Wait until no other process builds; say whether one did."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another process that builds MinIO")
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        return True
    return False


def _build(go: str, cache: Path, environ: Mapping[str, str]) -> None:
    """Build into a folder beside and rename, so that no half binary is ever in the cache."""
    for left in cache.glob("build-*"):  # of a build that was killed
        shutil.rmtree(left, ignore_errors=True)
    nice = _which("nice", environ)
    reasons = []
    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=cache, prefix="build-") as folder, (cache / "build.log").open("w+") as log:
        for version in VERSIONS:
            command = [go, "install", "-p", "2", "-ldflags=-s -w", f"{MODULE}@{version}"]
            say(f"building MinIO once, which takes some minutes: go install {MODULE}@{version} (log: {log.name})")
            code = _logged(
                [nice, *command] if nice else command,
                {**environ, "GOBIN": folder, "CGO_ENABLED": "0"},
                log,
                until=started + BUILD_SECONDS,
            )
            if code == 0:
                (Path(folder) / "minio").replace(cache / "minio")
                say(f"built MinIO in {time.monotonic() - started:.0f} s: {cache / 'minio'}")
                return
            log.seek(0)
            reasons.append(f"go install {MODULE}@{version} failed: {_last_line(log.read())}")
            say(reasons[-1])
    raise Unavailable("; ".join(reasons))


def _logged(
    command: Sequence[str], environ: Mapping[str, str], log: contextlib.AbstractContextManager, until: float
) -> int:
    """Run a long command into a log, with a sign of life every half minute."""
    process = subprocess.Popen(
        command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
    )
    started = time.monotonic()
    try:
        while True:
            try:
                return process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                if time.monotonic() > until:
                    log.write(f"not done after {BUILD_SECONDS} s\n")
                    log.flush()
                    return -1
                say(f"still building MinIO, {time.monotonic() - started:.0f} s")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # go and the compilers it started
            process.wait()


def _docker_works(environ: Mapping[str, str]) -> bool:
    with contextlib.suppress(Unavailable):
        _run([_docker(environ), "info"], environ)
        return True
    return False


def _docker(environ: Mapping[str, str]) -> str:
    docker = _which("docker", environ)
    if not docker:
        raise Unavailable("no docker on the PATH")
    return docker


def _image(environ: Mapping[str, str]) -> Found:
    docker = _docker(environ)
    _run([docker, "info"], environ)
    say(f"getting the image {IMAGE}")
    _run([docker, "run", "--rm", IMAGE, "--version"], environ, seconds=600)
    return Found("image", IMAGE, f"the image {IMAGE}")


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


def say(text: str) -> None:
    """Say what is being done, since it can take minutes."""
    sys.stderr.write(f"minio_server: {text}\n")
    sys.stderr.flush()


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
