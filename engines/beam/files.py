"""Files of a Beam job, by Beam's own file systems: local ones, s3://, gs:// and what else is installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from apache_beam.io.filebasedsink import FileBasedSink
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems

from model_etl.engines.shared.pieces import InputPiece, cut_input
from model_etl.errors import InputMissing, StorageFailure
from model_etl.formats.base import Format
from model_etl.formats.compression import Compression, compressed
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import source_identity
from model_etl.services import SCHEMES, find_files
from model_etl.settings.job_config import sibling_name

_PLAIN = CompressionTypes.UNCOMPRESSED  # our formats decompress by themselves


_TRIES = 5


def opened(name: str) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open a file for reading, as it is stored."""
    return contextlib.closing(cast("BinaryIO", FileSystems.open(name, compression_type=_PLAIN)))


def pieces_of(name: str, form: str | None, at_most: int) -> list[InputPiece]:
    """Find the inputs that a name stands for, with their identities, and cut them into pieces.

    Args:
        name: a file, a folder or a pattern.
        form: name of the format, or None to tell it from each name.
        at_most: bytes of a piece.

    Raises:
        InputMissing: if there are none.
        UsageError: if a name does not tell its format.
        ModelEtlError: if a storage does not tell.
    """
    if name.partition("://")[0] in SCHEMES or "://" not in name:  # as a run on one machine finds them: the same ids
        found = [file.location for file in find_files(name)]
        inputs = [(place.name, place.identity(), place.size) for place in found]
    else:
        with storage("find", name):
            listed = [about for match in FileSystems.match([name]) for about in match.metadata_list]
        inputs = [
            (about.path, source_identity(about.path, about.size_in_bytes, about.last_updated_in_seconds),
             about.size_in_bytes)
            for about in listed
        ]  # fmt: skip
    if not inputs:
        raise InputMissing(f"cannot read {name}: no file has such a name", "Check the path of the input.")
    return [piece for one in inputs for piece in cut_input(*one, form, at_most)]


class _Sink(FileBasedSink):
    """Writes aside, in a folder beside its files: Beam's own sink would make all folders above it, too."""

    def initialize_write(self) -> str:
        """Make the folder. Once the launcher has removed the one above it, it does not come back."""
        folder = str(self._create_temp_dir(self.file_path_prefix.get()))
        if "://" in folder:
            FileSystems.mkdirs(folder)
        else:
            Path(folder).mkdir()
        return folder


class BatchSink(_Sink):
    """Writes batches by one of our formats.

    Args:
        prefix: what the names of the files begin with.
        suffix: what they end with.
        form: the format.
        compression: around the format.
        layout: what a record holds.
        shards: how many files, or 0 to leave it to the engine.
    """

    def __init__(
        self, prefix: str, suffix: str, form: Format, compression: Compression, layout: Layout, shards: int
    ) -> None:
        super().__init__(prefix, coder=None, file_name_suffix=suffix, num_shards=shards, compression_type=_PLAIN)
        self._made = form, compression, layout

    def open(self, temp_path: str) -> Any:
        """Start a file."""
        form, compression, layout = self._made
        file = super().open(temp_path)
        packed = compressed(file, compression)
        return file, packed, form.writer(packed, layout)

    def write_record(self, file_handle: Any, value: Any) -> None:
        """Write a batch."""
        file_handle[2].write(value)

    def close(self, file_handle: Any) -> None:
        """End a file as its format wants."""
        file, packed, writer = file_handle
        writer.finish()
        if packed is not file:
            packed.close()
        file.close()


class LineSink(_Sink):
    """Writes blocks of lines.

    Args:
        prefix: what the names of the files begin with.
        suffix: what they end with.
        shards: how many files, or 0 to leave it to the engine.
        skip_if_empty: whether there is no file if there are no lines.
    """

    def __init__(self, prefix: str, suffix: str, shards: int, *, skip_if_empty: bool = False) -> None:
        super().__init__(
            prefix,
            coder=None,
            file_name_suffix=suffix,
            num_shards=shards,
            compression_type=_PLAIN,
            skip_if_empty=skip_if_empty,
        )

    def write_record(self, file_handle: Any, value: bytes) -> None:
        """Write a block."""
        file_handle.write(value)


@dataclass(frozen=True)
class Output:
    """One of the results, in as many files as the engine writes.

    Attributes:
        name: what the user called it.
        staged: what the names of its files begin with until they are published.
        one: whether it is one file, of just that name; else each has its number before the suffix.
    """

    name: str
    staged: str
    one: bool

    @property
    def suffix(self) -> str:
        """What the name ends with to tell the format and the compression."""
        return self.name[len(sibling_name(self.name, "")) :]

    @property
    def shown(self) -> str:
        """What its files are called, for people."""
        return self.name if self.one else f"{sibling_name(self.name, '')}-*{self.suffix}"

    def stage(self) -> None:
        """Make the folder that its files are written to.

        Raises:
            StorageFailure: if the storage refuses.
        """
        with storage("write", self.name):
            FileSystems.mkdirs(self.staged.rpartition("/")[0])

    def publish(self) -> list[str]:
        """Give its files their names, and remove those of an earlier run that no longer belong to it.

        Returns:
            The names.

        Raises:
            StorageFailure: if the storage refuses.
        """
        with storage("publish", self.name):
            staged = sorted(_matched(self.staged + "-*"))
            stem = sibling_name(self.name, "")
            names = [self.name for _ in staged] if self.one else [stem + path[len(self.staged) :] for path in staged]
            stale = {*_matched(self.name), *_matched(f"{stem}-?????-of-?????{self.suffix}")} - set(names)
            if staged:
                FileSystems.rename(staged, names)
            if stale:
                FileSystems.delete(list(stale))
        return names


def lines_in(prefix: str) -> Iterator[bytes]:
    """Yield the lines of the files whose names begin with something."""
    for path in _matched(prefix + "-*"):
        with opened(path) as file:
            yield from file


def remove_folder(folder: str) -> None:
    """Remove a folder with all that is in it; where there are no folders, all whose names begin so."""
    for _ in range(_TRIES):  # after a signal, Beam's threads may still be writing
        with contextlib.suppress(BeamIOError, OSError, ValueError):
            left = (
                _matched(FileSystems.join(folder, "**")) if "://" in folder else [folder] * FileSystems.exists(folder)
            )
            if not left:
                return
            FileSystems.delete(left)


def _matched(pattern: str) -> list[str]:
    """Give the names of the files that a pattern fits, maybe none."""
    return [about.path for match in FileSystems.match([pattern]) for about in match.metadata_list]


@contextlib.contextmanager
def storage(action: str, name: str) -> Iterator[None]:
    """Turn what Beam's file systems raise into an error that names the file.

    Raises:
        StorageFailure: for whatever they raise.
    """
    try:
        yield
    except (BeamIOError, OSError, ValueError) as exc:
        raise StorageFailure(f"cannot {action} {name}: {exc}", "Check the name, and who may reach it.") from exc
