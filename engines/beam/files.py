"""Files of a Beam job, by Beam's file systems: local files, s3://, gs:// and other schemes that are installed."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote, unquote_to_bytes

from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from model_etl.engines.shared.pieces import InputPiece, cut_input
from model_etl.errors import InputMissing, StorageFailure
from model_etl.publishing.storage import FoundFile
from model_etl.records.batch import source_identity
from model_etl.runtime.system_errors import storage_error
from model_etl.services import SCHEMES, find_files

_UNCOMPRESSED = CompressionTypes.UNCOMPRESSED  # the formats of model_etl decompress themselves
_REMOVE_ATTEMPTS = 5
if FileSystems._pipeline_options is None:  # noqa: SLF001  a worker of a pool gets no options, and S3 needs some
    FileSystems.set_options(PipelineOptions([]))


def absolute(name: str) -> str:
    """Return a name that means the same file in every worker of this machine: an absolute path, or a URI."""
    if name.startswith("file://"):
        return os.fsdecode(unquote_to_bytes(name.removeprefix("file://").removeprefix("localhost")))
    return name if is_remote(name) else os.path.abspath(name)  # noqa: PTH100  a slash at the end is removed


def is_remote(name: str) -> bool:
    """Return whether a name is not that of a local file."""
    return "://" in name and not name.startswith("file://")


def uri_of(name: str) -> str:
    """Return the URI of a file, given by `absolute`."""
    return name if is_remote(name) else "file://" + quote(os.fsencode(name))


def open_file(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a file for reading, as it is stored."""
    return contextlib.closing(cast("BinaryIO", FileSystems.open(absolute(name), compression_type=_UNCOMPRESSED)))


def create_file(name: str, *, private: bool = False) -> BinaryIO:
    """Create a file that does not exist.

    Args:
        name: of the file, as `absolute` returns it. Its folder must exist, if the storage has folders.
        private: whether only its owner may read it, if it is local.
    """
    if is_remote(name):
        return cast("BinaryIO", FileSystems.create(name, compression_type=_UNCOMPRESSED))
    mode = 0o600 if private else 0o666
    return open(name, "xb", opener=lambda path, flags: os.open(path, flags, mode))


@dataclass(frozen=True)
class BeamInput:
    """An input of a job.

    Attributes:
        name: its name in events.
        path: the name that opens it on every worker.
        relative: its name below the folder that was named or searched.
        identity: stays the same as long as the input does; part of the prediction ids.
        size: its size in bytes, or None if it is not known.
    """

    name: str
    path: str
    relative: str
    identity: str
    size: int | None

    def pieces(
        self, input_format: str | None, piece_bytes: int | None, input_compression: str | None = None
    ) -> list[InputPiece]:
        """Return the pieces of the input; see `cut_input`."""
        size = None if piece_bytes is None else self.size
        return cut_input(self.name, self.identity, size, input_format, piece_bytes or 0, input_compression)


def find_inputs(name: str) -> list[BeamInput]:
    """Find the inputs that a name stands for.

    Args:
        name: a file, a folder or a pattern.

    Raises:
        InputMissing: if there are none, or the name is that of a stream.
        ModelEtlError: if a storage fails.
    """
    if not is_remote(name) or name.partition("://")[0] in SCHEMES:  # as on one machine: the same identities
        return [_found(file) for file in find_files(name)]
    check_storage(name)
    with translate_beam_errors("find", name):
        files = [file for match in FileSystems.match([name]) for file in match.metadata_list]
    if not files:
        raise InputMissing(f"cannot read {name}: no file has such a name", "Check the path of the input.")
    return [
        BeamInput(
            file.path,
            file.path,
            file.path.rpartition("/")[2],
            source_identity(file.path, file.size_in_bytes, file.last_updated_in_seconds),
            file.size_in_bytes,
        )
        for file in files
    ]


def _found(file: FoundFile) -> BeamInput:
    location = file.location
    if location.stream:
        raise InputMissing(f"{location.name} is a stream, which workers cannot share", "Write it to a file first.")
    identity = location.identity()  # which finds the size, too
    return BeamInput(location.name, absolute(location.uri), file.relative, identity, location.size)


def lines_in(names: Sequence[str]) -> Iterator[bytes]:
    """Yield the lines of files, one file after the other."""
    for name in names:
        with open_file(name) as file:
            yield from file


def check_storage(name: str) -> None:
    """Check that Beam knows the storage of a name.

    Raises:
        StorageFailure: if it does not, or lacks what it needs for it.
    """
    try:
        FileSystems.get_filesystem(name)
    except ValueError as exc:
        raise StorageFailure(f"cannot use {name}: {exc}", "Check the name.") from exc


def make_folder(folder: str) -> None:
    """Make a folder that only its owner may enter, but not the folders above it; a remote storage needs none."""
    if not is_remote(folder):
        Path(folder).mkdir(mode=0o700, exist_ok=True)


def remove_folder(folder: str) -> None:
    """Remove a folder with its files; in a storage without folders, the files below that name."""
    for _ in range(_REMOVE_ATTEMPTS):  # after a signal, Beam's threads may still be writing
        with contextlib.suppress(BeamIOError, OSError, ValueError):
            if not is_remote(folder):
                shutil.rmtree(folder)
                return
            remaining = matched(f"{folder}/", "**")
            if not remaining:
                return
            FileSystems.delete(remaining)


def move_files(sources: Sequence[str], targets: Sequence[str]) -> None:
    """Rename files, in their order; what has such a name already is replaced."""
    if sources and is_remote(targets[0]):
        FileSystems.rename(list(sources), list(targets))
    else:
        for source, target in zip(sources, targets, strict=True):
            os.replace(source, target)  # noqa: PTH105


def delete_files(names: Sequence[str]) -> None:
    """Delete files."""
    if names:
        FileSystems.delete(list(names))


def matched(start: str, pattern: str = "") -> list[str]:
    """Return the names of the files that begin with a text, which may have any characters, and go on as a pattern."""
    if not is_remote(start):
        return [name for name in glob.glob(glob.escape(start) + pattern) if os.path.lexists(name)]  # noqa: PTH207
    return [file.path for match in FileSystems.match([start + pattern]) for file in match.metadata_list]


@contextlib.contextmanager
def translate_beam_errors(action: str, name: str) -> Iterator[None]:
    """Translate what Beam's file systems raise in the block into an error that names the file.

    Raises:
        ModelEtlError: instead of their errors.
    """
    try:
        yield
    except OSError as exc:
        raise storage_error(exc, action, name) from exc
    except BeamIOError as exc:
        causes = [cause for cause in (exc.exception_details or {}).values() if isinstance(cause, OSError)]
        if causes:
            raise storage_error(causes[0], action, name) from exc
        raise StorageFailure(f"cannot {action} {name}: {exc}", "Check the name, and the permissions.") from exc
