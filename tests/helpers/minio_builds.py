"""Finds or builds the S3 server of the tests: MinIO, or moto where there is no way to MinIO."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

RELEASE = "RELEASE.2025-09-07T16-13-09Z"  # the last one with a public image too
MODULE = "github.com/minio/minio"
# The second is the commit of the first: some module proxies refuse MinIO's release tags, which are no Go versions.
VERSIONS = (RELEASE, "v0.0.0-20250907161309-07c3a429bfed")
IMAGE = f"quay.io/minio/minio:{RELEASE}"
BUILD_SECONDS = 1800


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


def say(text: str) -> None:
    """Say what is being done, since it can take minutes."""
    sys.stderr.write(f"minio_server: {text}\n")
    sys.stderr.flush()
