"""The Bonobo nodes that touch files: a reader, and writers of log, rejects and output. File systems are injected."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import model_etl.compat  # noqa: F401  before anything of bonobo

from bonobo.config import Configurable, ContextProcessor, Option, Service

from model_etl import (
    rejects,
)
from model_etl.errors import DataError, storage_error
from model_etl.formats.base import Format, Writer
from model_etl.formats.compression import Compression, compressed, decompressed
from model_etl.layout import Layout
from model_etl.prediction_log import PredictionLog
from model_etl.records import Batch, Rejection, Source
from model_etl.schema import InputSchema
from model_etl.tally import TalliedReader, TalliedWriter, Tally

FIRST_REJECTS = 5
"""How many rejects are told to the person who started the run."""


class TooManyRejects(DataError):
    """More records failed than are tolerated; raised in mid-run once the rest would tell nothing new."""


@contextlib.contextmanager
def named(action: str, place: str) -> Iterator[None]:
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


class RecordReader(Configurable):
    """Reads a file and yields batches of records, decoded by the model's input schema.

    Options:
        path: of the file in the injected file system.
        form: its format.
        compression: around the format.
        source: what the records are said to come from.
        schema: the model's input schema.
        limit: how many records to read, or None for all.
        tally: counts what is read.
        fs: name of the service to read from.
    """

    path: str = Option(str, positional=True)
    form: Format = Option()
    compression: Compression = Option(str, default="", required=False)
    source: Source = Option()
    schema: InputSchema = Option()
    limit: int | None = Option(required=False)
    tally: Tally = Option(required=False)
    fs = Service("fs")

    @ContextProcessor
    def file(self, context: Any, *, fs: Any) -> Iterator[BinaryIO]:  # noqa: ARG002
        """Open the file before the graph starts, and close it after."""
        with named("read", self.source.name), fs.openbin(self.path, "r") as file:
            yield file

    def __call__(self, file: BinaryIO, *, fs: Any) -> Iterator[Batch]:  # noqa: ARG002
        """Yield the batches."""
        tally = self.tally or Tally()
        fields = self.schema.fields()
        with named("read", self.source.name):
            plain = self._plain(file, tally)
            left = self.limit
            for batch in self.form.read(plain, self.source, fields):
                taken = batch if left is None else _first(batch, left)
                tally.records += _size(taken)
                yield self.schema.decode_batch(taken)
                if left is not None:
                    left -= _size(taken)
                    if left <= 0:
                        return

    def _plain(self, file: BinaryIO, tally: Tally) -> BinaryIO:
        if not self.form.compressible:  # such a format jumps about in the file
            if tally.hashed and file.seekable():
                while block := file.read(1 << 20):
                    tally.add(block)
                file.seek(0)
            return file
        return decompressed(cast("BinaryIO", TalliedReader(file, tally)), self.compression, self.source.name)


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


class _FileWriter(Configurable):
    """Opens a file for as long as the graph runs, and passes every batch on to the next node.

    Options:
        path: of the file in the injected file system.
        name: of the file, for errors.
        tally: counts what is written.
    """

    path: str = Option(str, positional=True)
    name: str = Option(str, required=False)
    tally: Tally = Option(required=False)

    @contextlib.contextmanager
    def _opened(self, fs: Any) -> Iterator[BinaryIO]:
        name = self.name or self.path
        with named("write", name), fs.openbin(self.path, "w") as file:
            yield cast("BinaryIO", TalliedWriter(file, self.tally or Tally()))

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
        with named("write", self.name or self.path):
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
            with named("write", self.name or self.path):
                file.write(rejects.encode(data.rejected))
            self._count(len(data.rejected))
            if self.first is not None and len(self.first) < FIRST_REJECTS:
                self.first.extend(sorted(data.rejected, key=lambda r: r.position)[: FIRST_REJECTS - len(self.first)])
            if self.stop_after is not None and self.tally and self.tally.records > self.stop_after:
                raise TooManyRejects(f"stopped after {self.tally.records} rejects")
        yield data


class RecordWriter(_FileWriter):
    """Writes the output records.

    Options:
        form: the output's format.
        compression: around the format.
        layout: what a record holds.
        withheld: counts the records that rules held back.
        fs: name of the service to write to.
    """

    form: Format = Option()
    compression: Compression = Option(str, default="", required=False)
    layout: Layout = Option()
    withheld: Tally = Option(required=False)
    fs = Service("output_fs")

    @ContextProcessor
    def writer(self, context: Any, *, fs: Any) -> Iterator[Callable[[Batch], None]]:  # noqa: ARG002
        """Open the output, and end it as its format wants."""
        with self._opened(fs) as file:
            packed = compressed(file, self.compression)
            writer: Writer = self.form.writer(packed, self.layout)
            yield writer.write
            writer.finish()
            if packed is not file:
                packed.close()

    def __call__(self, write: Callable[[Batch], None], data: Batch, *, fs: Any) -> Iterator[Batch]:  # noqa: ARG002
        """Write a batch and pass it on."""
        with named("write", self.name or self.path):
            write(data)
        self._count(len(data))
        if self.withheld:
            self.withheld.records += len(data.withheld)
        yield data
