"""The inputs of a job: files of the services, and files that only Hadoop's own file systems know, such as hdfs://."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast

from mrjob.fs.hadoop import HadoopFilesystem

from model_etl.errors import InputMissing, SameFile, StorageFailure, input_changed
from model_etl.records.batch import source_identity
from model_etl.runtime.system_errors import translate_storage_errors
from model_etl.services import SCHEMES, find_files, locate


@dataclass(frozen=True)
class MapReduceInput:
    """An input of a job.

    Attributes:
        name: its name in events.
        uri: its absolute name.
        key: the name that opens it, see `open_input`.
        identity: stays the same as long as the input does; part of the prediction ids.
        size: its size in bytes, or None if it is not known.
        local: whether it is a file of this machine.
    """

    name: str
    uri: str
    key: str
    identity: str
    size: int | None
    local: bool = False

    @property
    def on_hadoop_only(self) -> bool:
        """Whether only Hadoop can open it; then it is copied before it is read."""
        return _is_hadoop_name(self.key)


def find_inputs(names: Iterable[str]) -> list[MapReduceInput]:
    """Find the inputs that names stand for: files, folders and patterns.

    Raises:
        SameFile: if an input is named twice: its records would have the same prediction ids.
        InputMissing: if a name stands for no file, or for a stream.
        ModelEtlError: if an input cannot be read.
    """
    by_uri: dict[str, MapReduceInput] = {}
    for name in names:
        for job_input in _find_on_hadoop(name) if _is_hadoop_name(name) else _find_by_services(name):
            if job_input.uri in by_uri:
                raise SameFile(f"{job_input.name} is named twice as input", "Name each input once.")
            by_uri[job_input.uri] = job_input
    return list(by_uri.values())


def check_unchanged(inputs: Iterable[MapReduceInput], names: Iterable[str]) -> None:
    """Check that the inputs are the same as before they were read.

    Args:
        inputs: the inputs as they were found before.
        names: what stands for them.

    Raises:
        TryAgain: if an input was changed.
    """
    identities = {job_input.uri: job_input.identity for job_input in find_inputs(names)}
    for job_input in inputs:
        if identities.get(job_input.uri) != job_input.identity:
            raise input_changed(job_input.name)


@contextlib.contextmanager
def open_input(key: str) -> Iterator[BinaryIO]:
    """Open an input for reading, for the length of the block; one of Hadoop's is copied first.

    Args:
        key: see `MapReduceInput`.

    Raises:
        ModelEtlError: if it cannot be read.
    """
    if not _is_hadoop_name(key):
        location = locate(key)
        with translate_storage_errors("read", location.display_name), location.fs.openbin(location.path) as file:
            yield file
        return
    with tempfile.TemporaryFile() as copy:
        cat = subprocess.run(_command("-cat", key), stdout=copy, stderr=subprocess.PIPE, check=False)  # noqa: S603
        if cat.returncode:
            raise _hadoop_error(key, cat.stderr)
        copy.seek(0)
        yield cast("BinaryIO", copy)


def _find_by_services(name: str) -> Iterator[MapReduceInput]:
    for location in (file.location for file in find_files(name)):
        if location.stream:
            raise InputMissing(f"{location.name} is a stream, which tasks cannot share", "Write it to a file first.")
        identity = location.identity()  # which finds the size, too
        local = location.uri.startswith("file:")
        key = location.uri if local else location.name  # a local name may hold bytes that only its URI can express
        yield MapReduceInput(location.name, location.uri, key, identity, location.size, local)


def _find_on_hadoop(name: str) -> Iterator[MapReduceInput]:
    uris = [uri for uri in _output_of(name, "-ls", "-C", name).splitlines() if _is_finished(uri, name)]
    if not uris:
        raise InputMissing(f"cannot read {name}: there are no files", "Check the path of the input.")
    lines = _output_of(name, "-stat", "%F|%b|%Y", *uris).splitlines()
    for uri, line in zip(uris, lines, strict=True):
        file_type, size, modified = line.split("|")
        if file_type == "regular file":
            yield MapReduceInput(uri, uri, uri, source_identity(uri, size, modified), int(size))


def _is_finished(uri: str, name: str) -> bool:
    """Return whether a file is complete: until then, jobs give it a name that starts with a dot or an underscore."""
    base = uri.rpartition("/")[2]
    return uri == name or not (base.startswith((".", "_")) or base.endswith("_$folder$"))


def _output_of(name: str, *arguments: str) -> str:
    try:
        done = subprocess.run(_command(*arguments), capture_output=True, check=False)  # noqa: S603
    except OSError as exc:
        raise StorageFailure(
            f"cannot read {name}: there is no `hadoop` command", "Put it on PATH, or set HADOOP_HOME."
        ) from exc
    if done.returncode:
        raise _hadoop_error(name, done.stderr)
    return done.stdout.decode()


def _hadoop_error(name: str, stderr: bytes) -> InputMissing | StorageFailure:
    (reason,) = stderr.decode(errors="replace").strip().splitlines()[-1:] or ["hadoop gives no reason"]
    if "No such file or directory" in reason:
        return InputMissing(f"cannot read {name}: there is no such file", "Check the path of the input.")
    return StorageFailure(f"cannot read {name}: {reason}", "Try `hadoop fs -ls` with it.")


def _command(*arguments: str) -> Sequence[str]:
    return [*HadoopFilesystem().get_hadoop_bin(), "fs", *arguments]


def _is_hadoop_name(name: str) -> bool:
    scheme, separator, _ = name.partition("://")
    return bool(separator) and scheme not in SCHEMES
