"""The last nodes: writers of the prediction log, the rejects file and the outputs. File systems are injected."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, cast

import model_etl.compat  # noqa: F401  before anything of bonobo

from bonobo.config import Configurable, ContextProcessor, Option, Service
from typing_extensions import Buffer, Self

from model_etl.errors import DataError
from model_etl.evidence.prediction_log import PredictionLog
from model_etl.formats import rejects
from model_etl.formats.output_layout import Layout
from model_etl.pipeline.files import OutputFile
from model_etl.publishing.storage import BinaryOpener
from model_etl.records.batch import Batch, Rejection
from model_etl.records.run_counts import FIRST_REJECTS, CountingWriter, FileCounts
from model_etl.runtime.system_errors import translate_storage_errors


class TooManyRejects(DataError):
    """The rejects exceed what is tolerated by so many that the run is stopped before it read all records."""


class _FileWriter(Configurable):
    """Opens a file for the length of the run, and passes every batch on to the next node.

    Options:
        path: the file's path in the injected file system.
        name: the file's name in error messages; by default its path.
        counts: counts what is written.
    """

    path: str = Option(str, positional=True)
    name: str = Option(str, required=False)
    counts: FileCounts = Option(required=False)

    @contextlib.contextmanager
    def _opened(self, fs: BinaryOpener) -> Iterator[BinaryIO]:
        name = self.name or self.path
        with translate_storage_errors("write", name), fs.openbin(self.path, "w") as file:
            yield cast("BinaryIO", CountingWriter(file, self.counts or FileCounts()))

    def _write(self, file: BinaryIO, pieces: Iterable[Buffer]) -> None:
        with translate_storage_errors("write", self.name or self.path):
            file.writelines(pieces)

    def _count(self, records: int) -> None:
        if self.counts:
            self.counts.records += records


class PredictionLogWriter(_FileWriter):
    """Writes the prediction log: one event a record.

    Options:
        log: builds the events.
        first_event: the first line, about the run.
        fs: name of the service to write to.
    """

    log: PredictionLog = Option()
    first_event: bytes = Option(default=b"", required=False)
    fs = Service("log_fs")

    @ContextProcessor
    def file(self, context: object, *, fs: BinaryOpener) -> Iterator[BinaryIO]:  # noqa: ARG002
        """Open the log and write the first event."""
        with self._opened(fs) as file:
            file.write(self.first_event)
            yield file

    def __call__(self, file: BinaryIO, batch: Batch, *, fs: BinaryOpener) -> Iterator[Batch]:  # noqa: ARG002
        """Write the events of a batch and pass it on."""
        self._write(file, self.log.encode_in_pieces(batch))
        self._count(batch.record_count)
        yield batch


@dataclass(frozen=True)
class RejectsStream:  # not a tuple, whose items would be arguments of the node
    """An open rejects file.

    Attributes:
        stream: open for writing.
        headers: the digests of the long headers that it has.
    """

    stream: BinaryIO
    headers: set[str]


class RejectsWriter(_FileWriter):
    """Writes the rejects file, and ends the run when there are far too many rejects.

    Options:
        stop_after: the most rejects that are written, or None for any number.
        first: receives the first rejects, for an error message.
        fs: name of the service to write to.
    """

    stop_after: int | None = Option(required=False)
    first: list[Rejection] = Option(required=False)
    fs = Service("rejects_fs")

    @ContextProcessor
    def file(self, context: object, *, fs: BinaryOpener) -> Iterator[RejectsStream]:  # noqa: ARG002
        """Open the file."""
        with self._opened(fs) as file:
            yield RejectsStream(file, set())

    def __call__(self, file: RejectsStream, batch: Batch, *, fs: BinaryOpener) -> Iterator[Batch]:  # noqa: ARG002
        """Write the rejects of a batch and pass it on.

        Raises:
            TooManyRejects: if there are more than `stop_after`.
        """
        if batch.rejected:
            self._write(file.stream, [rejects.encode(batch.rejected, file.headers)])
            self._count(len(batch.rejected))
            if self.first is not None and len(self.first) < FIRST_REJECTS:
                in_order = sorted(batch.rejected, key=lambda rejection: rejection.position)
                self.first.extend(in_order[: FIRST_REJECTS - len(self.first)])
            if self.stop_after is not None and self.counts and self.counts.records > self.stop_after:
                raise TooManyRejects(f"stopped after {self.counts.records} rejects")
        yield batch


class RecordWriter(Configurable):
    """Writes the output records: to one file, or to one for each input, in the order of the inputs.

    Options:
        files: one output, or one for each of the reader's files, in the same order.
        layout: the fields of an output record.
        withheld: counts the records that business rules withheld.
        fs: name of the service to write to.
    """

    files: Sequence[OutputFile] = Option(tuple, positional=True)
    layout: Layout = Option()
    withheld: FileCounts = Option(required=False)
    fs = Service("output_fs")

    @ContextProcessor
    def outputs(self, context: object, *, fs: BinaryOpener) -> Iterator[OutputSequence]:  # noqa: ARG002
        """Open the first output; at the end, finish the last one. An input without records has an output, too."""
        with OutputSequence(self.files, fs, self.layout) as outputs:
            yield outputs
            outputs.finish()

    def __call__(self, outputs: OutputSequence, batch: Batch, *, fs: BinaryOpener) -> Iterator[Batch]:  # noqa: ARG002
        """Write a batch and pass it on."""
        outputs.write(batch)
        if self.withheld:
            self.withheld.records += len(batch.withheld)
        yield batch


class OutputSequence:
    """The outputs of a run, one of which is open at a time.

    Args:
        files: the outputs.
        fs: the file system to write to.
        layout: the fields of an output record.
    """

    def __init__(self, files: Sequence[OutputFile], fs: BinaryOpener, layout: Layout) -> None:
        self._files = files
        self._fs = fs
        self._layout = layout
        self._open_output = contextlib.ExitStack()
        self._open(0)

    def _open(self, number: int) -> None:
        self._open_output.close()
        self._number = number
        self._file = self._files[number]
        self._writer = self._open_output.enter_context(self._file.opened(self._fs, self._layout))

    def write(self, batch: Batch) -> None:
        """Write a batch to the output of its input.

        Raises:
            ModelEtlError: if it cannot be written.
        """
        while len(self._files) > 1 and self._number < batch.file:
            self._open(self._number + 1)
        with translate_storage_errors("write", self._file.name):
            self._writer.write(batch)
        self._file.counts.records += len(batch)

    def finish(self) -> None:
        """Finish the open output, and write those that are left, without records.

        Raises:
            ModelEtlError: if one cannot be written.
        """
        while self._number + 1 < len(self._files):
            self._open(self._number + 1)
        self._open_output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A file that is uploaded when it is closed must know of a failure.
        self._open_output.__exit__(exc_type, exc, traceback)
