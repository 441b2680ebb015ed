"""An environment of its own for each peer, made once: with uv where it is on the PATH, else with venv and pip."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import textwrap
from functools import cache
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "data" / "venvs"
SHARED = ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl")  # what the estimators stand on
SHOWN_CHARS = 300  # characters of an installer's complaint


class NotInstallableError(Exception):
    """A peer's environment cannot be made; the message is one line."""


@cache
def python(peer: str, shared: tuple[str, ...] = SHARED) -> Path:
    """Return the interpreter of a peer's environment, which is made when it is first asked for.

    It has the peer's pinned requirements, and of `shared`, what the models stand on, the very versions that we have.

    Raises:
        NotInstallableError: if a step fails.
    """
    requirements = HERE / f"requirements-{peer}.txt"
    versions = [f"{name}=={version(name)}" for name in shared]
    pins = "".join(line for line in requirements.read_text("utf-8").splitlines(keepends=True) if line[0] != "#")
    wanted = hashlib.sha256("\n".join([sys.version, pins, *versions]).encode()).hexdigest()
    environment = FOLDER / peer
    interpreter, mark = environment / "bin" / "python", environment / ".installed"
    if mark.exists() and mark.read_text("utf-8") == wanted:
        return interpreter
    print(f"making the environment of {peer} ...", file=sys.stderr, flush=True)
    if environment.exists():
        shutil.rmtree(environment)
    if uv := shutil.which("uv"):
        _run(uv, "venv", "--quiet", "--python", sys.executable, environment)
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", interpreter]
    else:
        _run(sys.executable, "-m", "venv", environment)
        install = [interpreter, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check"]
    _run(*install, "--requirement", requirements, *versions)
    mark.write_text(wanted, "utf-8")
    return interpreter


def release(peer: str, package: str) -> str:
    """Return the version of a peer's package: the pinned one, or that of this environment if the peer has no other."""
    requirements = HERE / f"requirements-{peer}.txt"
    lines = requirements.read_text("utf-8").splitlines() if requirements.exists() else []
    for name, _, pinned in (line.partition("==") for line in lines):
        if name.partition("[")[0] == package:
            return f"{package} {pinned.split()[0]}"
    return f"{package} {version(package)}"


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode:
        output_lines = [line.strip(" \t╰─▶├│") for line in done.stderr.splitlines()]
        complaint = " ".join(line for line in output_lines if line and "Ignored the following" not in line)
        raise NotInstallableError(
            textwrap.shorten(complaint or f"exit code {done.returncode}", SHOWN_CHARS, placeholder=" ...")
        )
