"""How long a run will take and how much it will write, from the beginning of its first input."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from typing_extensions import Buffer, override

from model_etl.errors import printable
from model_etl.evidence.prediction_log import PredictionLog
from model_etl.formats.parquet import PARQUET
from model_etl.job.run_files import RunFiles
from model_etl.job.sample import score_batch
from model_etl.pipeline.build import GraphInput, LoadedScoring, input_file, output_format_of, output_layout
from model_etl.pipeline.files import OutputFile
from model_etl.publishing.storage import Location
from model_etl.records.batch import Batch
from model_etl.records.run_counts import FileCounts
from model_etl.settings.job_config import JobConfig

_ENOUGH_S = 1.0
"""How long records are scored for the estimate; one batch may take longer, but not many times."""
_FEW_RECORDS = 100
_MOST_INPUTS = 100
"""How many inputs are opened to count their rows."""


@dataclass
class _Measured:
    """What the first records of an input cost.

    Attributes:
        records: how many were scored.
        seconds: how long that took.
        log_bytes: the bytes of their events.
        read: how many were read, those that were scored and others.
        end: where the last of them ends, in the decompressed input.
        complete: whether they are all records of the input.
        input: counts what was read.
        output: counts what was written.
    """

    records: int = 0
    seconds: float = 0.0
    log_bytes: int = 0
    read: int = 0
    end: int = 0
    complete: bool = False
    input: FileCounts = field(default_factory=FileCounts)
    output: FileCounts = field(default_factory=FileCounts)


def estimate_run(
    config: JobConfig, files: RunFiles, inputs: Sequence[GraphInput], scoring: LoadedScoring
) -> Iterator[str]:
    """Yield lines that say how long a run will take and how much it will write; none if an input is a stream.

    Args:
        config: the settings of the run.
        files: the files of the run, with the inputs found.
        inputs: the same inputs.
        scoring: the loaded model and rules.

    Raises:
        ModelEtlError: if an input cannot be read.
    """
    if any(location.stream for location in files.inputs):
        return
    measured = _measure(config, files, inputs[0], scoring)
    total = _count_records(config, files.inputs, inputs, measured) if measured.records else None
    if not total:
        return
    exact = measured.complete and len(inputs) == 1
    total = min(total, config.limit or total)
    factor = total / measured.records
    output_bytes, log_bytes = measured.output.size * factor, measured.log_bytes * factor
    parts = [
        f"{total:,} records" if exact else f"about {_rounded(total)} records",
        f"{_duration(measured.seconds * factor)}{' in one process' if config.workers > 1 else ''}",
        f"output {_size(output_bytes)}",
        *([f"log {_size(log_bytes)}"] if files.log is not None else []),
    ]
    yield f"estimate {', '.join(parts)}"
    yield from _full_disks(files, output_bytes, log_bytes)


def _measure(config: JobConfig, files: RunFiles, graph_input: GraphInput, scoring: LoadedScoring) -> _Measured:
    """Score the records of an input for about a second, and write them nowhere."""
    measured = _Measured()
    facts, settings = scoring.facts, config.scoring
    file = input_file(config, graph_input, measured.input, facts)
    output = OutputFile("", "", *output_format_of(files.outputs[0].name, config), measured.output)
    log = PredictionLog.for_model(facts, settings.job, settings.log_inputs, settings.redact)
    with (
        file.opened(files.inputs[0].fs) as stream,
        output.opened(_Discards(), output_layout(config, facts)) as writer,
    ):
        batches = file.read(stream, facts.inputs)
        reading_until = None
        while reading_until is None or time.monotonic() < reading_until:
            start = time.monotonic()
            batch = next(batches, None)
            if batch is None:
                measured.complete = True
                break
            measured.read += batch.record_count
            measured.end = batch.offsets[-1] + len(batch.texts[-1]) if len(batch) else measured.end
            if reading_until is not None:
                continue
            part, start = _shortened_if_slow(scoring, batch, start)
            scored = score_batch(scoring, part)
            measured.log_bytes += len(log.encode(scored)) if files.log is not None else 0
            writer.write(scored)
            measured.seconds += time.monotonic() - start
            measured.records += part.record_count
            if measured.seconds > _ENOUGH_S or part is not batch:
                reading_until = time.monotonic() + _ENOUGH_S  # to count more records, which is faster
    return measured


def _shortened_if_slow(scoring: LoadedScoring, batch: Batch, start: float) -> tuple[Batch, float]:
    """Return a batch, or as many of its records as a slow model predicts in about a second, and when work on it began.

    Args:
        scoring: the loaded model and rules.
        batch: the batch.
        start: when reading it began.
    """
    if batch.record_count <= _FEW_RECORDS:
        return batch, start
    before = time.monotonic()
    score_batch(scoring, batch.first(_FEW_RECORDS))
    seconds = time.monotonic() - before
    fitting = int(_FEW_RECORDS * _ENOUGH_S / max(seconds, 1e-6))
    return (batch if 2 * fitting > batch.record_count else batch.first(max(fitting, 1))), start + seconds


def _count_records(
    config: JobConfig, locations: Sequence[Location], inputs: Sequence[GraphInput], measured: _Measured
) -> int | None:
    """Return about how many records all inputs have, or None if that cannot be known."""
    first = input_file(config, inputs[0], FileCounts())
    if first.file_format.name == PARQUET.name:
        from model_etl.formats.parquet_reader import row_count  # noqa: PLC0415  it imports pyarrow

        rows = 0
        for location, graph_input in zip(locations[:_MOST_INPUTS], inputs, strict=False):
            with input_file(config, graph_input, FileCounts()).opened(location.fs) as stream:
                rows += row_count(stream, first.source)
        return round(rows * len(locations) / min(len(locations), _MOST_INPUTS))
    sizes = [location.size for location in locations]
    if None in sizes:
        return None
    # Readers read ahead: the bytes that were read are more than the records have.
    so_far = measured.input.size if first.compression else measured.end
    read = sizes[0] if measured.complete else so_far
    return round(sum(size or 0 for size in sizes) / max(read or 0, 1) * measured.read)


def _full_disks(files: RunFiles, output_bytes: float, log_bytes: float) -> Iterator[str]:
    """Yield a line for each disk of this machine that has no room for what a run will write."""
    needed: dict[int, float] = {}
    folders: dict[int, str] = {}
    sizes = [(location, output_bytes / len(files.outputs)) for location in files.outputs]
    if files.log is not None:
        sizes.append((files.log, log_bytes))
    for location, size in sizes:
        if location.uri.startswith("file://") and not location.stream:
            device = os.stat(folder := _existing_folder(location.path)).st_dev  # noqa: PTH116
            needed[device] = needed.get(device, 0.0) + size
            folders[device] = folder
    for device, size in needed.items():
        free = shutil.disk_usage(folders[device]).free
        if free < size:
            folder = printable(folders[device])
            yield f"warning  the disk of {folder} has {_size(free)} free, the run needs about {_size(size)}"


def _existing_folder(path: str) -> str:
    """Return the folder of a file, or the closest folder above it that exists."""
    folder = os.path.dirname(path)  # noqa: PTH120
    while folder != "/" and not os.path.isdir(folder):  # noqa: PTH112
        folder = os.path.dirname(folder)  # noqa: PTH120
    return folder


class _Discards(io.RawIOBase):
    """A file system whose files keep nothing."""

    def openbin(self, path: str, mode: str = "r") -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open a file to write to."""
        return cast("BinaryIO", self)

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: Buffer) -> int:
        return memoryview(data).nbytes


def _rounded(count: float) -> str:
    """Return a number with two digits that count."""
    digits = max(len(str(round(count))) - 2, 0)
    return f"{round(count / 10**digits) * 10**digits:,}"


def _size(count: float) -> str:
    """Return a number of bytes for people."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{_short(count / size)} {unit}"
    return f"{round(count)} bytes"


def _duration(seconds: float) -> str:
    """Return a time for people."""
    for unit, length in (("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= length:
            return f"about {_short(seconds / length)} {unit}"
    return "less than a second"


def _short(value: float) -> str:
    return f"{value:.1f}" if value < 10 else _rounded(value)  # noqa: PLR2004
