"""The first node: reads input files and yields their records in batches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import BinaryIO

import model_etl.compat  # noqa: F401  before anything of bonobo

from bonobo.config import Configurable, ContextProcessor, Option, Service

from model_etl.errors import out_of_memory
from model_etl.pipeline.expected_names import ExpectedNames
from model_etl.pipeline.files import InputFile
from model_etl.publishing.storage import BinaryOpener
from model_etl.records.batch import Batch, Source
from model_etl.runtime.home_thread import in_home_thread
from model_etl.schema.fields import Field


class RecordReader(Configurable):
    """Reads files one after the other and yields batches of records.

    Options:
        files: the files, in the order of reading.
        fields: the model's input fields, for formats whose cells have no types of their own.
        decode: decodes a batch by the model's input schema; None if worker processes do that.
        limit: how many records to read, or None for all.
        expected_names: names of fields that the inputs should have, to be checked once all of them are open.
        fs: name of the service to read from.
    """

    files: Sequence[InputFile] = Option(tuple, positional=True)
    fields: Mapping[str, Field] = Option()
    decode: Callable[[Batch], Batch] | None = Option(required=False)
    limit: int | None = Option(required=False)
    expected_names: ExpectedNames = Option(default=ExpectedNames(), required=False)
    fs = Service("fs")

    @ContextProcessor
    def first_file(self, context: object, *, fs: BinaryOpener) -> Iterator[BinaryIO]:  # noqa: ARG002
        """Open the first file before the graph starts: no output is opened if the input is missing."""
        with self.files[0].opened(fs) as file:
            yield file

    def __call__(self, first_file: BinaryIO, *, fs: BinaryOpener) -> Iterator[Batch]:
        """Yield the batches.

        Raises:
            ConfigurationError: if an expected name is that of no column, in tables.
        """
        remaining = self.limit
        sources: dict[int, Source] = {}
        for number, file in enumerate(self.files):
            opened = file.opened(fs) if number else contextlib.nullcontext(first_file)
            with opened as stream, _memory_errors_explained(file):
                for batch in file.read(stream, self.fields):
                    if number not in sources:
                        sources[number] = batch.source
                        if number == len(self.files) - 1:
                            self.expected_names.check(sources.values())
                    limited = batch if remaining is None else batch.first(remaining)
                    numbered = limited.replace(file=number)
                    decoded = _decoded(numbered, self.decode) if self.decode else numbered
                    file.counts.records += decoded.record_count
                    yield decoded
                    if remaining is not None:
                        remaining -= limited.record_count
                        if remaining <= 0:
                            return
        if len(self.files) - 1 not in sources:  # the last input has no records
            self.expected_names.check(sources.values())


def _decoded(batch: Batch, decode: Callable[[Batch], Batch]) -> Batch:
    """Decode a batch in the home thread: validators of a schema are code of the model's author, too."""
    return in_home_thread(decode, batch, lambda: f"the input schema of the model, at {batch.record_range}")


@contextlib.contextmanager
def _memory_errors_explained(file: InputFile) -> Iterator[None]:
    """Translate a `MemoryError` in the block into an error that names the file and the record.

    Raises:
        TryAgain: instead of the MemoryError.
    """
    try:
        yield
    except MemoryError as exc:
        raise out_of_memory(file.source.name, file.counts.records) from exc
