"""Files of a Beam job, by Beam's file systems: local files, s3://, gs:// and other schemes that are installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from apache_beam.io.filebasedsink import FileBasedSink
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from typing_extensions import override

from model_etl.engines.shared.pieces import InputPiece, cut_input
from model_etl.errors import InputMissing, StorageFailure
from model_etl.formats.base import Format, Writer
from model_etl.formats.compression import Compression, compressed
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, source_identity
from model_etl.services import SCHEMES, find_files
from model_etl.settings.job_config import sibling_name

_UNCOMPRESSED = CompressionTypes.UNCOMPRESSED  # the formats of model_etl decompress themselves
_REMOVE_ATTEMPTS = 5


def open_file(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a file for reading, as it is stored."""
    return contextlib.closing(cast("BinaryIO", FileSystems.open(name, compression_type=_UNCOMPRESSED)))


def find_pieces(
    name: str, input_format: str | None, piece_bytes: int, input_compression: str | None = None
) -> list[InputPiece]:
    """Find the inputs that a name stands for, and cut them into pieces.

    Args:
        name: a file, a folder or a pattern.
        input_format: name of the inputs' format, or None if their names show it.
        piece_bytes: most bytes of a piece.
        input_compression: name of the inputs' compression, or None if their names show it.

    Raises:
        InputMissing: if there are no inputs.
        UsageError: if a name does not show its format.
        ModelEtlError: if a storage fails.
    """
    if name.partition("://")[0] in SCHEMES or "://" not in name:  # as on one machine: the same identities
        locations = [file.location for file in find_files(name)]
        inputs = [(location.name, location.identity(), location.size) for location in locations]
    else:
        with translate_beam_errors("find", name):
            files = [file for match in FileSystems.match([name]) for file in match.metadata_list]
        inputs = [
            (
                file.path,
                source_identity(file.path, file.size_in_bytes, file.last_updated_in_seconds),
                file.size_in_bytes,
            )
            for file in files
        ]
    if not inputs:
        raise InputMissing(f"cannot read {name}: no file has such a name", "Check the path of the input.")
    return [piece for found in inputs for piece in cut_input(*found, input_format, piece_bytes, input_compression)]


class _Sink(FileBasedSink):
    """Writes to a temporary folder beside its files; Beam's own sink would make all folders above that, too."""

    def initialize_write(self) -> str:
        """Make the temporary folder, but not the folders above it, which the launcher may have removed."""
        folder = str(self._create_temp_dir(self.file_path_prefix.get()))
        if "://" in folder:
            FileSystems.mkdirs(folder)
        else:
            Path(folder).mkdir()
        return folder


class _OpenFile(NamedTuple):
    """A file that a `BatchSink` writes: as it is stored, the stream to compress, and the writer of the format."""

    file: BinaryIO
    stream: BinaryIO
    writer: Writer


class BatchSink(_Sink):
    """Writes batches in a format of model_etl.

    Args:
        prefix: start of the names of the files.
        suffix: end of the names.
        file_format: the format.
        compression: the compression.
        layout: the fields of an output record.
        shards: number of files, or 0 to let the engine decide.
    """

    def __init__(
        self, prefix: str, suffix: str, file_format: Format, compression: Compression, layout: Layout, shards: int
    ) -> None:
        super().__init__(prefix, coder=None, file_name_suffix=suffix, num_shards=shards, compression_type=_UNCOMPRESSED)
        self._parts = file_format, compression, layout

    @override
    def open(self, temp_path: str) -> _OpenFile:
        file_format, compression, layout = self._parts
        file = super().open(temp_path)
        stream = compressed(file, compression)
        return _OpenFile(file, stream, file_format.writer(stream, layout))

    @override
    def write_record(self, file_handle: _OpenFile, value: Batch) -> None:
        file_handle.writer.write(value)

    @override
    def close(self, file_handle: _OpenFile) -> None:
        file_handle.writer.finish()
        if file_handle.stream is not file_handle.file:
            file_handle.stream.close()
        file_handle.file.close()


class LineSink(_Sink):
    """Writes blocks of lines.

    Args:
        prefix: start of the names of the files.
        suffix: end of the names.
        shards: number of files, or 0 to let the engine decide.
        skip_if_empty: whether there is no file if there are no lines.
    """

    def __init__(self, prefix: str, suffix: str, shards: int, *, skip_if_empty: bool = False) -> None:
        super().__init__(
            prefix,
            coder=None,
            file_name_suffix=suffix,
            num_shards=shards,
            compression_type=_UNCOMPRESSED,
            skip_if_empty=skip_if_empty,
        )

    @override
    def write_record(self, file_handle: BinaryIO, value: bytes) -> None:
        file_handle.write(value)


@dataclass(frozen=True)
class Output:
    """One of the results, in as many files as the engine writes.

    Attributes:
        name: its name, as the user gave it.
        staged: start of the names of its files until they are published.
        single_file: whether it is one file of just that name; else each file has its number before the suffix.
    """

    name: str
    staged: str
    single_file: bool

    @property
    def suffix(self) -> str:
        """The end of the name, which shows the format and the compression."""
        return self.name[len(sibling_name(self.name, "")) :]

    @property
    def display_name(self) -> str:
        """The name of its files in messages."""
        return self.name if self.single_file else f"{sibling_name(self.name, '')}-*{self.suffix}"

    def stage(self) -> None:
        """Make the folder for its staged files.

        Raises:
            StorageFailure: if the storage fails.
        """
        with translate_beam_errors("write", self.name):
            FileSystems.mkdirs(self.staged.rpartition("/")[0])

    def publish(self) -> list[str]:
        """Rename the staged files, and remove files of an earlier run that do not belong to this one.

        Returns:
            The names.

        Raises:
            StorageFailure: if the storage fails.
        """
        with translate_beam_errors("publish", self.name):
            staged = sorted(_matched(self.staged + "-*"))
            stem = sibling_name(self.name, "")
            names = (
                [self.name for _ in staged]
                if self.single_file
                else [stem + path[len(self.staged) :] for path in staged]
            )
            stale = {*_matched(self.name), *_matched(f"{stem}-?????-of-?????{self.suffix}")} - set(names)
            if staged:
                FileSystems.rename(staged, names)
            if stale:
                FileSystems.delete(list(stale))
        return names


def lines_in(prefix: str) -> Iterator[bytes]:
    """Yield the lines of all files whose names start with a prefix and a hyphen."""
    for path in _matched(prefix + "-*"):
        with open_file(path) as file:
            yield from file


def remove_folder(folder: str) -> None:
    """Remove a folder with its files; in a storage without folders, the files below that name."""
    for _ in range(_REMOVE_ATTEMPTS):  # after a signal, Beam's threads may still be writing
        with contextlib.suppress(BeamIOError, OSError, ValueError):
            remaining = (
                _matched(FileSystems.join(folder, "**")) if "://" in folder else [folder] * FileSystems.exists(folder)
            )
            if not remaining:
                return
            FileSystems.delete(remaining)


def _matched(pattern: str) -> list[str]:
    """Return the names of the files that match a pattern."""
    return [file.path for match in FileSystems.match([pattern]) for file in match.metadata_list]


@contextlib.contextmanager
def translate_beam_errors(action: str, name: str) -> Iterator[None]:
    """Translate what Beam's file systems raise in the block into an error that names the file.

    Raises:
        StorageFailure: instead of their errors.
    """
    try:
        yield
    except (BeamIOError, OSError, ValueError) as exc:
        raise StorageFailure(f"cannot {action} {name}: {exc}", "Check the name, and the permissions.") from exc
