"""The files that workers write: each attempt at a piece of an input writes files of its own.

Only the names of the files and the counts go through the shuffle, and the launcher publishes exactly the files whose
names came through. So an attempt that is repeated doubles nothing, and no byte of output has to pass the runner.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, Protocol

from typing_extensions import override

from model_etl.engines.beam.files import create_file, is_remote, open_file, translate_beam_errors
from model_etl.engines.beam.outputs import LOG, PREDICTIONS, REJECTS
from model_etl.engines.shared.scoring import Scored
from model_etl.formats import format_for
from model_etl.formats.compression import compressed
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch

FIRST_PIECE = 0


class PieceResult(NamedTuple):
    """What one attempt at a piece wrote.

    Attributes:
        number: of the piece among all pieces, in the order of the inputs.
        files: the names of the files by role; a role of which there is nothing is missing.
        counts: the records by outcome.
    """

    number: int
    files: Mapping[str, str]
    counts: Mapping[str, int]


class AssembledFile(NamedTuple):
    """A file that holds the results of several pieces.

    Attributes:
        role: of the result.
        group: number of the file among those of the result.
        name: of the file.
    """

    role: str
    group: int
    name: str


class PredictionWriter(Protocol):
    """Writes batches; a `Writer` of a format is one."""

    def write(self, batch: Batch) -> None:
        """Write the records of a batch that are to be published."""


@dataclass(frozen=True)
class FileSettings:
    """Where and how workers write files; small and picklable.

    Attributes:
        folders: the folders of the staged files, by role.
        output_name: name of a file of predictions, which shows the format and the compression.
        output_format: name of the predictions' format, or None if the name shows it.
        output_compression: name of their compression, or None if the name shows it.
        assembled: whether the predictions of several pieces are put together later.
        first_event: the first event of the prediction log.
    """

    folders: Mapping[str, str]
    output_name: str
    output_format: str | None
    output_compression: str | None
    assembled: bool
    first_event: bytes = b""

    @contextlib.contextmanager
    def created(self, role: str) -> Iterator[tuple[str, BinaryIO]]:
        """Create a file under a unique name, and close it at the end of the block, when it is on the disk.

        Yields:
            The name, and the file.

        Raises:
            ModelEtlError: if it cannot be written.
        """
        name = f"{self.folders[role]}/{uuid.uuid4().hex}"
        with translate_beam_errors("write", name):
            file = create_file(name, private=role != PREDICTIONS)
        try:
            yield name, file
            with translate_beam_errors("write", name):
                file.flush()
                if not is_remote(name):
                    os.fsync(file.fileno())
        finally:
            with translate_beam_errors("write", name):
                file.close()

    @contextlib.contextmanager
    def predictions(self, layout: Layout) -> Iterator[tuple[str, PredictionWriter]]:
        """Create a file for predictions in the format of the output.

        Args:
            layout: the fields of an output record.

        Yields:
            The name, and a writer of batches.

        Raises:
            ModelEtlError: if it cannot be written.
        """
        file_format, compression = format_for(
            self.output_name, self.output_format, "--output_format", self.output_compression
        )
        with self.created(PREDICTIONS) as (name, file):
            stream = compressed(file, compression)
            writer = file_format.writer(stream, layout)
            yield name, writer
            with translate_beam_errors("write", name):
                writer.finish()
                if stream is not file:
                    stream.close()

    @contextlib.contextmanager
    def batches(self) -> Iterator[tuple[str, PredictionWriter]]:
        """Create a file for batches that are put together with those of other pieces later; as `predictions`."""
        with self.created(PREDICTIONS) as (name, file):
            yield name, BatchWriter(file)


class BatchWriter(PredictionWriter):
    """Writes the predictions of batches as Beam itself passes them on: pickled.

    Args:
        file: open for writing, in a folder that only this user may write to.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @override
    def write(self, batch: Batch) -> None:
        published = batch.replace(inputs=(), internals=(), answers=(), rejected=(), withheld=())
        pickle.dump(published, self._file, protocol=pickle.HIGHEST_PROTOCOL)


def write_piece(number: int, scored_batches: Iterable[Scored], settings: FileSettings, layout: Layout) -> PieceResult:
    """Write the results of a piece.

    Args:
        number: of the piece.
        scored_batches: its batches.
        settings: where and how to write.
        layout: the fields of an output record.

    Raises:
        ModelEtlError: if a file cannot be written, or what scores or reads the batches raises one.
    """
    counts: Counter[str] = Counter(written=0, rejected=0, withheld=0)
    files: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        opened: dict[str, BinaryIO] = {}

        def append(role: str, lines: bytes) -> None:
            if role not in opened:
                files[role], opened[role] = stack.enter_context(settings.created(role))
            with translate_beam_errors("write", files[role]):
                opened[role].write(lines)

        context = settings.batches() if settings.assembled else settings.predictions(layout)
        files[PREDICTIONS], writer = stack.enter_context(context)
        if LOG in settings.folders:
            append(LOG, settings.first_event if number == FIRST_PIECE else b"")
        for scored in scored_batches:
            with translate_beam_errors("write", files[PREDICTIONS]):
                writer.write(scored.batch)
            for role, lines in ((LOG, scored.events), (REJECTS, scored.rejects)):
                if lines:
                    append(role, lines)
            counts.update(scored.counts)
    return PieceResult(number, files, counts)


def assemble(role: str, group: int, names: Iterable[str], settings: FileSettings, layout: Layout) -> AssembledFile:
    """Put the files of several pieces together.

    Args:
        role: of the result.
        group: number of the file among those of the result.
        names: of the files, in the order of the pieces.
        settings: where and how to write.
        layout: the fields of an output record.

    Raises:
        ModelEtlError: if a file cannot be read or written.
    """
    if role != PREDICTIONS:
        with settings.created(role) as (name, file):
            for part in names:
                with translate_beam_errors("copy", part), open_file(part) as lines:
                    shutil.copyfileobj(lines, file)
        return AssembledFile(role, group, name)
    with settings.predictions(layout) as (name, writer):
        for part in names:
            for batch in _batches_of(part):
                with translate_beam_errors("write", name):
                    writer.write(batch)
    return AssembledFile(role, group, name)


def _batches_of(name: str) -> Iterator[Batch]:
    with open_file(name) as file:
        while True:
            try:
                yield pickle.load(file)  # noqa: S301  written by a worker of this job, see `BatchWriter`
            except EOFError:
                return
