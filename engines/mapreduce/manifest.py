"""The manifest: what a job is to do, a line for each of its map tasks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote_to_bytes

from model_etl.engines.mapreduce.places import Place, opened, places
from model_etl.engines.mapreduce.task import Task
from model_etl.engines.shared.pieces import InputPiece, cut_input, number_pieces
from model_etl.engines.shared.scoring import ScorerSettings
from model_etl.errors import SameFile, TryAgain


def inputs_of(names: Iterable[str]) -> list[Place]:
    """Find all inputs.

    Raises:
        SameFile: if one is named twice: its records would have the same prediction ids.
        ModelEtlError: if one cannot be read.
    """
    found: dict[str, Place] = {}
    for name in names:
        for place in places(name):
            if place.uri in found:
                raise SameFile(f"{place.name} is named twice as input", "Name each input once.")
            found[place.uri] = place
    return list(found.values())


def tasks_of(
    inputs: Iterable[Place], settings: ScorerSettings, form: str | None, at_most: int, *, afar: bool, counted: bool
) -> list[Task]:
    """Cut the inputs into pieces, and count the records before each.

    Args:
        inputs: what to score.
        settings: with what.
        form: name of the inputs' format, or None to tell it from their names.
        at_most: bytes of a piece.
        afar: whether the tasks run on other machines.
        counted: whether each task tells what its records came to.

    Raises:
        ModelEtlError: if an input cannot be read.
    """
    pieces = [
        (place, piece)
        for place in inputs
        # What is copied before it is read is cut only if the copies are shared: see `sent_along`.
        for piece in _pieces(place, place.size if afar or not place.far else None, form, at_most)
    ]
    return [
        Task(settings, piece, place.key, number if counted else None) for number, (place, piece) in enumerate(pieces)
    ]


def _pieces(place: Place, size: int | None, form: str | None, at_most: int) -> list[InputPiece]:
    pieces = cut_input(place.name, place.identity, size, form, at_most)
    if len(pieces) == 1:
        return pieces
    with opened(place.key) as file:
        return list(number_pieces([(piece, piece.count(file)) for piece in pieces]))


def sent_along(tasks: Sequence[Task], inputs: Iterable[Place], folder: Path) -> tuple[list[Task], list[str]]:
    """Have inputs sent to each machine that runs tasks, once: local ones, and those on HDFS that many tasks share.

    Args:
        tasks: what to do.
        inputs: what is read.
        folder: where links to the inputs may be made, by names that Hadoop understands.

    Returns:
        The tasks, which find the inputs where they run; and what is to be sent, as mrjob's `upload_files`.
    """
    times = Counter(task.key for task in tasks)
    names: dict[str, str] = {}
    sent = []
    for number, place in enumerate(inputs):
        if place.local:
            path = unquote_to_bytes(place.uri.removeprefix("file://"))
            link = folder / f"input-{number}"
            link.symlink_to(os.fsdecode(path))
            sent.append(f"{link}#{link.name}")
        elif place.far and times[place.key] > 1:
            sent.append(f"{place.uri}#input-{number}")
        else:
            continue
        names[place.key] = f"input-{number}"
    return [replace(task, key=names.get(task.key, task.key)) for task in tasks], sent


def refuse_changed(inputs: Iterable[Place], names: Iterable[str]) -> None:
    """See that the inputs are what they were.

    Raises:
        TryAgain: if one was changed.
    """
    now = {place.uri: place.identity for name in names for place in places(name)}
    for place in inputs:
        if now.get(place.uri) != place.identity:
            raise TryAgain(
                f"{place.name} was changed while it was read; nothing was published",
                "Run again when whoever writes it is done.",
            )
