"""The manifest: the input of a job, with one line for each of its map tasks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from model_etl.engines.mapreduce.inputs import MapReduceInput, open_input
from model_etl.engines.mapreduce.task import Task
from model_etl.engines.shared.pieces import InputPiece, cut_input, limit_pieces, number_pieces, piece_format
from model_etl.engines.shared.scoring import ScorerSettings
from model_etl.schema.fields import Field


class Limit(NamedTuple):
    """How many records a job reads.

    Attributes:
        records: their number.
        fields: the model's input fields, which some formats need to count records.
    """

    records: int
    fields: Mapping[str, Field]


def build_tasks(
    inputs: Iterable[MapReduceInput],
    settings: ScorerSettings,
    input_format: str | None,
    piece_bytes: int,
    *,
    remote: bool,
    numbered: bool,
    tsv_quotes: bool = False,
    limited: Limit | None = None,
) -> list[Task]:
    """Cut the inputs into pieces, and number the records of each piece.

    Args:
        inputs: of the job.
        settings: of the scorer.
        input_format: name of the inputs' format, or None if their names show it.
        piece_bytes: most bytes of a piece.
        remote: whether the tasks run on other machines.
        numbered: whether the tasks have numbers.
        tsv_quotes: whether cells of TSV may have quotes around them.
        limited: how many records to read, or None for all.

    Raises:
        ModelEtlError: if an input cannot be read.
    """
    inputs = list(inputs)
    formats = {i.name: piece_format(i.name, input_format, tsv_quotes=tsv_quotes) for i in inputs}
    pieces = (
        [
            (job_input, piece)
            for job_input in inputs
            # What is copied before it is read is cut only if the copies are shared, see `upload_shared_inputs`.
            for piece in _pieces(
                job_input,
                job_input.size if remote or not job_input.on_hadoop_only else None,
                formats[job_input.name],
                piece_bytes,
            )
        ]
        if limited is None
        else _first_pieces(inputs, formats, limited)
    )
    return [
        Task(settings, piece, job_input.key, number if numbered else None)
        for number, (job_input, piece) in enumerate(pieces)
    ]


def _first_pieces(
    inputs: Iterable[MapReduceInput], formats: Mapping[str, str | None], limited: Limit
) -> list[tuple[MapReduceInput, InputPiece]]:
    by_name = {job_input.name: job_input for job_input in inputs}
    pieces = limit_pieces(
        (InputPiece(job_input.name, job_input.identity, formats[job_input.name]) for job_input in by_name.values()),
        limited.records,
        lambda piece: open_input(by_name[piece.name].key),
        limited.fields,
    )
    return [(by_name[piece.name], piece) for piece in pieces]


def _pieces(
    job_input: MapReduceInput, size: int | None, input_format: str | None, piece_bytes: int
) -> list[InputPiece]:
    pieces = cut_input(job_input.name, job_input.identity, size, input_format, piece_bytes)
    if len(pieces) == 1:
        return pieces
    with open_input(job_input.key) as file:
        return list(number_pieces([(piece, piece.count(file)) for piece in pieces]))


def upload_shared_inputs(
    tasks: Sequence[Task], inputs: Iterable[MapReduceInput], folder: Path
) -> tuple[list[Task], list[str]]:
    """Have inputs uploaded once to each machine that runs tasks: local ones, and those on HDFS that tasks share.

    Args:
        tasks: of the job.
        inputs: of the job.
        folder: for links to the inputs, by names that Hadoop understands.

    Returns:
        The tasks, which open the inputs where they run; and the files to upload, as mrjob's option `upload_files`.
    """
    tasks_of_input = Counter(task.key for task in tasks)
    uploaded_names: dict[str, str] = {}
    uploads = []
    for number, job_input in enumerate(inputs):
        if job_input.local:
            path = unquote_to_bytes(job_input.uri.removeprefix("file://"))
            link = folder / f"input-{number}"
            link.symlink_to(os.fsdecode(path))
            uploads.append(f"{link}#{link.name}")
        elif job_input.on_hadoop_only and tasks_of_input[job_input.key] > 1:
            uploads.append(f"{job_input.uri}#input-{number}")
        else:
            continue
        uploaded_names[job_input.key] = f"input-{number}"
    return [replace(task, key=uploaded_names.get(task.key, task.key)) for task in tasks], uploads
