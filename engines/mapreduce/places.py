"""Where inputs lie: what the services know, and what only Hadoop's own file systems do, such as hdfs://."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

import model_etl.compat  # noqa: F401  before anything of fs

from fs.errors import FSError
from mrjob.fs.hadoop import HadoopFilesystem

from model_etl.errors import InputMissing, StorageFailure, storage_error
from model_etl.records.batch import source_identity
from model_etl.services import SCHEMES, find_files, locate


@dataclass(frozen=True)
class Place:
    """An input.

    Attributes:
        name: what events call it.
        uri: its absolute name.
        key: opens it, see `opened`.
        identity: stays the same as long as the input does; part of the prediction ids.
        size: its bytes.
        local: whether it lies on this machine.
    """

    name: str
    uri: str
    key: str
    identity: str
    size: int | None
    local: bool = False

    @property
    def far(self) -> bool:
        """Whether only Hadoop knows where it lies; then it is copied before it is read."""
        return _is_hadoops(self.key)


def places(name: str) -> list[Place]:
    """Find the inputs that a name stands for: a file, a folder, or a pattern.

    Raises:
        InputMissing: if there is none, or it is a stream.
        ModelEtlError: if it cannot be read.
    """
    if _is_hadoops(name):
        return _of_hadoop(name)
    found = []
    for location in (file.location for file in find_files(name)):
        if location.stream:
            raise InputMissing(f"{location.name} is no file that many can read", "Write it to a file first.")
        identity = location.identity()  # which also finds the size
        local = location.uri.startswith("file:")
        key = location.uri if local else location.name  # a local name may hold what is no text, which its URI escapes
        found.append(Place(location.name, location.uri, key, identity, location.size, local))
    return found


@contextlib.contextmanager
def opened(key: str) -> Iterator[BinaryIO]:
    """Open an input for reading; one of Hadoop's is copied first.

    Raises:
        ModelEtlError: if it cannot be read.
    """
    if not _is_hadoops(key):
        location = locate(key)
        try:
            with location.fs.openbin(location.path) as file:
                yield file
        except (OSError, FSError) as exc:
            raise storage_error(exc, "read", location.display_name) from exc
        return
    with tempfile.TemporaryFile() as copy:
        done = subprocess.run(_command("-cat", key), stdout=copy, stderr=subprocess.PIPE, check=False)  # noqa: S603
        if done.returncode:
            raise _failed(key, done.stderr)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _of_hadoop(name: str) -> list[Place]:
    uris = [uri for uri in _told(name, "-ls", "-C", name).splitlines() if _is_finished(uri, name)]
    if not uris:
        raise InputMissing(f"cannot read {name}: there are no files", "Check the path of the input.")
    lines = _told(name, "-stat", "%F|%b|%Y", *uris).splitlines()
    found = []
    for uri, line in zip(uris, lines, strict=True):
        kind, size, changed = line.split("|")
        if kind == "regular file":
            found.append(Place(uri, uri, uri, source_identity(uri, size, changed), int(size)))
    return found


def _is_finished(uri: str, name: str) -> bool:
    """Tell whether a file is done: writers mark what is not by names that start with a dot or an underscore."""
    return uri == name or not uri.rpartition("/")[2].startswith((".", "_"))


def _told(name: str, *command: str) -> str:
    try:
        done = subprocess.run(_command(*command), capture_output=True, check=False)  # noqa: S603
    except OSError as exc:
        raise StorageFailure(
            f"cannot read {name}: there is no `hadoop` command", "Put it on PATH, or set HADOOP_HOME."
        ) from exc
    if done.returncode:
        raise _failed(name, done.stderr)
    return done.stdout.decode()


def _failed(name: str, said: bytes) -> InputMissing | StorageFailure:
    told = said.decode(errors="replace").strip().splitlines()[-1:] or ["hadoop does not say why"]
    if "No such file or directory" in told[0]:
        return InputMissing(f"cannot read {name}: there is no such file", "Check the path of the input.")
    return StorageFailure(f"cannot read {name}: {told[0]}", "Try `hadoop fs -ls` with it.")


def _command(*arguments: str) -> Sequence[str]:
    return [*HadoopFilesystem().get_hadoop_bin(), "fs", *arguments]


def _is_hadoops(name: str) -> bool:
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme not in SCHEMES
