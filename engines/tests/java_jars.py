"""The requirements of the tests' clusters: programs, free ports, and jars, which Maven fetches once."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

CACHE = Path.home() / ".cache" / "model_etl"
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>local</groupId><artifactId>jars</artifactId><version>1</version><dependencies>{}</dependencies></project>
"""
_DEPENDENCY = "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"


class Unavailable(RuntimeError):
    """A cluster cannot run here; the message says what is missing."""


def tool(name: str, package: str) -> str:
    """Return the path of a program.

    Args:
        name: the program.
        package: the package of Debian and Ubuntu that contains the program.

    Raises:
        Unavailable: if the program is not installed.
    """
    found = shutil.which(name)
    if found is None:
        raise Unavailable(f"{name} is not installed; it is in the package {package} of Debian and Ubuntu")
    return found


def java() -> str:
    """Return the path of Java."""
    return tool("java", "openjdk-17-jre-headless")


def run(*command: str, cwd: Path) -> None:
    """Run a command to its end.

    Raises:
        Unavailable: if it fails.
    """
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{shlex.join(command)} failed:\n{done.stdout[-3000:]}")


def cached(name: str, fetch: Callable[[Path], None]) -> Path:
    """Return a folder of jars, which is fetched once: aside, and renamed when it is complete.

    Args:
        name: name of the folder in the cache.
        fetch: a function that creates `jars` in the folder that it is called with.
    """
    folder = CACHE / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as aside:
            fetch(Path(aside))
            with contextlib.suppress(OSError):  # another process was faster
                (Path(aside) / "jars").rename(folder)
    return folder


def by_maven(name: str, artifacts: Iterable[str]) -> Path:
    """Return a folder with artifacts, each `group:name:version`, and their dependencies."""

    def fetch(aside: Path) -> None:
        wanted = "".join(_DEPENDENCY.format(*artifact.split(":")) for artifact in artifacts)
        (aside / "pom.xml").write_text(_POM.format(wanted), encoding="utf-8")
        run(tool("mvn", "maven"), "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars", cwd=aside)

    return cached(name, fetch)


def free_port() -> int:
    """Return a port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
