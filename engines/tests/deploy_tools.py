"""Finds or builds the programs that check manifests: kustomize, Argo's linter, and the strict reader of this folder.

Programs that are built with Go are kept below ~/.cache/model_etl/deploy; run this file to build them in advance.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.5.0"
ARGO = "github.com/argoproj/argo-workflows/v3@v3.7.6"
ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
READER = Path(__file__).resolve().parent / "deploy_validate"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "model_etl" / "deploy"


class Unavailable(RuntimeError):
    """A program cannot be found or built; the message says what is missing."""


def build(folder: Path) -> str:
    """Return the manifests of a kustomization, as `kubectl apply -k` would build them."""
    kubectl = shutil.which("kubectl")
    command = [kubectl, "kustomize"] if kubectl else [kustomize(), "build"]
    return run([*command, str(folder)])


@cache
def kustomize() -> str:
    """Return the path of kustomize, which is used where kubectl is not installed."""
    return str(_built(f"kustomize-{_digest(KUSTOMIZE)}", lambda target: _install(KUSTOMIZE, target)))


@cache
def argo() -> str:
    """Return the path of Argo's command, in the version that the manifests are for."""
    return str(_built(f"argo-{_digest(ARGO)}", _build_argo))


@cache
def reader() -> str:
    """Return the path of the strict reader of deploy_validate/."""
    sources = [READER / name for name in ("main.go", "go.mod", "go.sum")]
    digest = _digest(*(source.read_text() for source in sources))
    return str(_built(f"reader-{digest}", lambda target: _go(["build", "-o", str(target), "."], READER)))


def run(command: list[str], text: str | None = None) -> str:
    """Run a program, and return what it printed.

    Raises:
        subprocess.CalledProcessError: if it fails; its stderr says why.
    """
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, command, done.stdout, done.stdout + done.stderr)
    return done.stdout


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _built(name: str, make: Callable[[Path], object]) -> Path:
    """Return the path of a cached program; one process at a time builds it aside and renames it."""
    program = CACHE / name
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.is_file():
            with tempfile.TemporaryDirectory(dir=CACHE) as aside:
                make(Path(aside) / "program")
                (Path(aside) / "program").replace(program)
    return program


def _go(arguments: list[str], folder: Path, **more: str) -> str:
    go = shutil.which("go")
    if not go:
        raise Unavailable("go is not on the PATH: install Go 1.24 or later (it fetches the release that it needs)")
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false -p=2", **more}
    done = subprocess.run([go, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"go {arguments[0]} failed in {folder}: {done.stderr[-2000:]}")
    return done.stdout


def _install(module: str, target: Path) -> None:
    _go(["install", module], CACHE, GOBIN=str(target.parent))
    next(path for path in target.parent.iterdir() if path.is_file()).replace(target)


def _build_argo(target: Path) -> None:
    """Build Argo's command from a copy of its module, with a placeholder for the web interface that it lacks."""
    folder = json.loads(_go(["mod", "download", "-json", ARGO], CACHE))["Dir"]
    copy = target.parent / "source"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    for path in (copy, *copy.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    (copy / "ui" / "dist" / "app").mkdir(parents=True)
    (copy / "ui" / "dist" / "app" / "index.html").write_text("left out\n")
    _go(["build", "-ldflags=-s -w", "-o", str(target), "./cmd/argo"], copy)


if __name__ == "__main__":
    for program in (reader, argo, *(() if shutil.which("kubectl") else (kustomize,))):
        print(program())  # noqa: T201
