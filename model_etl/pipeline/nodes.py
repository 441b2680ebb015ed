"""The Bonobo nodes that touch files: a reader, and writers of log, rejects and output. File systems are injected."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, BinaryIO, cast

import model_etl.compat  # noqa: F401  before anything of bonobo

from bonobo.config import Configurable, ContextProcessor, Option, Service
from bonobo.errors import InactiveReadableError
from typing_extensions import Self

from model_etl.errors import DataError, storage_error
from model_etl.evidence.prediction_log import PredictionLog
from model_etl.formats import rejects
from model_etl.formats.base import Format, Writer
from model_etl.formats.compression import Compression, compressed, decompressed
from model_etl.formats.output_layout import Layout
from model_etl.records.batch import Batch, Rejection, Source
from model_etl.records.run_counts import CountingReader, CountingWriter, FileCounts
from model_etl.schema.fields import Field
from model_etl.scoring.worker_pool import WorkerPool

FIRST_REJECTS = 5
"""How many rejects are told to the person who started the run."""


class TooManyRejects(DataError):
    """More records failed than are tolerated; raised in mid-run once the rest would tell nothing new."""


@contextlib.contextmanager
def translate_storage_errors(action: str, place: str) -> Iterator[None]:
    """Turn what a file system raises in the block into an error that names the file.

    Args:
        action: "read" or "write".
        place: the file as the user named it.

    Raises:
        ModelEtlError: the one that fits.
    """
    try:
        yield
    except (OSError, EOFError) as exc:
        raise storage_error(exc, action, place) from exc
    except Exception as exc:
        if type(exc).__module__ == "fs.errors":
            raise storage_error(exc, action, place) from exc
        raise


@dataclass(frozen=True)
class InputFile:
    """A file to read.

    Attributes:
        path: where it lies in the injected file system.
        form: its format.
        compression: around the format.
        source: what its records are said to come from.
        tally: counts what is read.
    """

    path: str
    form: Format
    compression: Compression
    source: Source
    tally: FileCounts = field(default_factory=FileCounts)

    @contextlib.contextmanager
    def opened(self, fs: Any) -> Iterator[BinaryIO]:
        """Open it for as long as the block runs."""
        with translate_storage_errors("read", self.source.name), fs.openbin(self.path, "r") as file:
            yield file

    def read(self, file: BinaryIO, fields: Mapping[str, Field]) -> Iterator[Batch]:
        """Yield its batches, not yet decoded."""
        with translate_storage_errors("read", self.source.name):
            yield from self.form.read(self._plain(file), self.source, fields)

    def _plain(self, file: BinaryIO) -> BinaryIO:
        if not self.form.compressible:  # such a format jumps about in the file
            if self.tally.hashed and file.seekable():
                while block := file.read(1 << 20):
                    self.tally.add(block)
                file.seek(0)
            return file
        return decompressed(cast("BinaryIO", CountingReader(file, self.tally)), self.compression, self.source.name)


@dataclass(frozen=True)
class OutputFile:
    """A file to write.

    Attributes:
        path: where it lies in the injected file system.
        name: what errors call it.
        form: its format.
        compression: around the format.
        tally: counts what is written.
    """

    path: str
    name: str
    form: Format
    compression: Compression
    tally: FileCounts = field(default_factory=FileCounts)

    @contextlib.contextmanager
    def opened(self, fs: Any, layout: Layout) -> Iterator[Writer]:
        """Open it for as long as the block runs, and end it as its format wants."""
        with translate_storage_errors("write", self.name), fs.openbin(self.path, "w") as file:
            tallied = cast("BinaryIO", CountingWriter(file, self.tally))
            packed = compressed(tallied, self.compression)
            writer = self.form.writer(packed, layout)
            yield writer
            writer.finish()
            if packed is not tallied:
                packed.close()


class RecordReader(Configurable):
    """Reads files one after the other and yields batches of records.

    Options:
        files: what to read, in this order.
        fields: the model's input fields, for formats whose cells have no types of their own.
        decode: decodes a batch by the model's input schema; workers do that themselves.
        limit: how many records to read, or None for all.
        fs: name of the service to read from.
    """

    files: Sequence[InputFile] = Option(tuple, positional=True)
    fields: Mapping[str, Field] = Option()
    decode: Callable[[Batch], Batch] | None = Option(required=False)
    limit: int | None = Option(required=False)
    fs = Service("fs")

    @ContextProcessor
    def first(self, context: Any, *, fs: Any) -> Iterator[BinaryIO]:  # noqa: ARG002
        """Open the first file before the graph starts: nothing is written if it is missing."""
        with self.files[0].opened(fs) as file:
            yield file

    def __call__(self, first: BinaryIO, *, fs: Any) -> Iterator[Batch]:
        """Yield the batches."""
        left = self.limit
        for number, file in enumerate(self.files):
            opened = file.opened(fs) if number else contextlib.nullcontext(first)
            with opened as stream:
                for batch in file.read(stream, self.fields):
                    taken = batch if left is None else _first(batch, left)
                    file.tally.records += _size(taken)
                    batch_of_file = taken.replace(file=number)
                    yield self.decode(batch_of_file) if self.decode else batch_of_file
                    if left is not None:
                        left -= _size(taken)
                        if left <= 0:
                            return


def _size(batch: Batch) -> int:
    return len(batch) + len(batch.rejected) + len(batch.withheld)


def _first(batch: Batch, count: int) -> Batch:
    """Give the first so many records of a batch, which are those with the lowest positions."""
    if _size(batch) <= count:
        return batch
    positions = sorted([*batch.positions, *(r.position for r in batch.rejected)])
    last = positions[count - 1]
    alive = batch.select([position <= last for position in batch.positions])
    return alive.replace(rejected=tuple(r for r in batch.rejected if r.position <= last))


class WorkersTransformer(Configurable):
    """Scores batches in worker processes, and passes them on in the order in which they came.

    Options:
        workers: the processes; they end with the graph.
    """

    workers: WorkerPool = Option(positional=True)

    @ContextProcessor
    def results(self, context: Any) -> Iterator[Callable[[], Batch]]:
        """Give what takes the oldest result; at the end, pass on what the workers still have."""

        def result() -> Batch:
            batch = self.workers.result(lambda: context.killed)
            if batch is None:
                raise InactiveReadableError("the run was ended")
            return batch

        try:
            yield result
            while self.workers.busy:
                context.send(result())
        finally:
            self.workers.end()

    def __call__(self, result: Callable[[], Batch], data: Batch) -> Iterator[Batch]:
        """Hand out a batch, and pass on the oldest once all have enough."""
        if self.workers.full:
            yield result()
        self.workers.submit(data)


class _FileWriter(Configurable):
    """Opens a file for as long as the graph runs, and passes every batch on to the next node.

    Options:
        path: of the file in the injected file system.
        name: of the file, for errors.
        tally: counts what is written.
    """

    path: str = Option(str, positional=True)
    name: str = Option(str, required=False)
    tally: FileCounts = Option(required=False)

    @contextlib.contextmanager
    def _opened(self, fs: Any) -> Iterator[BinaryIO]:
        name = self.name or self.path
        with translate_storage_errors("write", name), fs.openbin(self.path, "w") as file:
            yield cast("BinaryIO", CountingWriter(file, self.tally or FileCounts()))

    def _count(self, records: int) -> None:
        if self.tally:
            self.tally.records += records


class PredictionLogWriter(_FileWriter):
    """Writes one event a record.

    Options:
        log: makes the events.
        first: the first line, about the run.
        fs: name of the service to write to.
    """

    log: PredictionLog = Option()
    first: bytes = Option(default=b"", required=False)
    fs = Service("log_fs")

    @ContextProcessor
    def file(self, context: Any, *, fs: Any) -> Iterator[BinaryIO]:  # noqa: ARG002
        """Open the log with its first event."""
        with self._opened(fs) as file:
            file.write(self.first)
            yield file

    def __call__(self, file: BinaryIO, data: Batch, *, fs: Any) -> Iterator[Batch]:  # noqa: ARG002
        """Log a batch and pass it on."""
        with translate_storage_errors("write", self.name or self.path):
            file.write(self.log.encode(data))
        self._count(_size(data))
        yield data


class RejectsWriter(_FileWriter):
    """Writes the records that failed, and ends the run when there are far too many.

    Options:
        stop_after: how many rejects make going on pointless, or None.
        first: takes the first ones, for the run's last words.
        fs: name of the service to write to.
    """

    stop_after: int | None = Option(required=False)
    first: list[Rejection] = Option(required=False)
    fs = Service("rejects_fs")

    @ContextProcessor
    def file(self, context: Any, *, fs: Any) -> Iterator[BinaryIO]:  # noqa: ARG002
        """Open the file."""
        with self._opened(fs) as file:
            yield file

    def __call__(self, file: BinaryIO, data: Batch, *, fs: Any) -> Iterator[Batch]:  # noqa: ARG002
        """Write a batch's rejections and pass it on."""
        if data.rejected:
            with translate_storage_errors("write", self.name or self.path):
                file.write(rejects.encode(data.rejected))
            self._count(len(data.rejected))
            if self.first is not None and len(self.first) < FIRST_REJECTS:
                self.first.extend(sorted(data.rejected, key=lambda r: r.position)[: FIRST_REJECTS - len(self.first)])
            if self.stop_after is not None and self.tally and self.tally.records > self.stop_after:
                raise TooManyRejects(f"stopped after {self.tally.records} rejects")
        yield data


class RecordWriter(Configurable):
    """Writes the output records: to one file, or to one for each input, in the order of the inputs.

    Options:
        files: one file, or one for each of the reader's, in the same order.
        layout: what a record holds.
        withheld: counts the records that rules held back.
        fs: name of the service to write to.
    """

    files: Sequence[OutputFile] = Option(tuple, positional=True)
    layout: Layout = Option()
    withheld: FileCounts = Option(required=False)
    fs = Service("output_fs")

    @ContextProcessor
    def outputs(self, context: Any, *, fs: Any) -> Iterator[_Outputs]:  # noqa: ARG002
        """Open the first output, and end the last one; an input without records has an output, too."""
        with _Outputs(self.files, fs, self.layout) as outputs:
            yield outputs
            outputs.finish()

    def __call__(self, outputs: _Outputs, data: Batch, *, fs: Any) -> Iterator[Batch]:  # noqa: ARG002
        """Write a batch and pass it on."""
        outputs.write(data)
        if self.withheld:
            self.withheld.records += len(data.withheld)
        yield data


class _Outputs:
    """The files of one run, open one at a time."""

    def __init__(self, files: Sequence[OutputFile], fs: Any, layout: Layout) -> None:
        self._files = files
        self._fs = fs
        self._layout = layout
        self._stack = contextlib.ExitStack()
        self._open(0)

    def _open(self, number: int) -> None:
        self._stack.close()
        self._number = number
        self._file = self._files[number]
        self._writer = self._stack.enter_context(self._file.opened(self._fs, self._layout))

    def write(self, batch: Batch) -> None:
        while len(self._files) > 1 and self._number < batch.file:
            self._open(self._number + 1)
        with translate_storage_errors("write", self._file.name):
            self._writer.write(batch)
        self._file.tally.records += len(batch)

    def finish(self) -> None:
        while self._number + 1 < len(self._files):
            self._open(self._number + 1)
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, exc, trace)  # a file that is sent when it is closed must know of a failure
