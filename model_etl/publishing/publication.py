"""StagedFileSystem files: written aside, published whole or not at all.

A service gives a `Location` for a name, a location gives a `StagedFile`, and a `Publication` sees to it that what a run
staged and did not publish is thrown away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Literal, NamedTuple, Protocol

from typing_extensions import Self

from model_etl.errors import OutputRefused, TryAgain
from model_etl.runtime.signals import signals_deferred

IfExists = Literal["replace", "fail", "skip"]
LINES = "application/x-ndjson"
"""Content type of JSON Lines, in which logs and rejects are."""
_POLL = 0.1


class Location(Protocol):
    """One file of some storage, which need not exist.

    Attributes:
        name: as the user wrote it.
        place: what errors call it: the name, and the server if there is one.
        uri: its absolute name.
        fs: the file system to read it from.
        path: its path there.
        stream: whether it is a stream, a device or a pipe: nothing lies beside it, and it cannot be replaced.
        size: bytes that it had when `identity` looked, or None if that is not known.
    """

    name: str
    display_name: str
    uri: str
    fs: Any
    path: str
    stream: bool
    size: int | None

    def exists(self) -> bool:
        """Tell whether there is such a file; a stream is none."""

    def identity(self) -> str:
        """Give a digest that changes when the file does.

        Raises:
            ModelEtlError: if it cannot be read.
        """

    def check_writable(self) -> None:
        """See whether it could be written, without writing.

        Raises:
            ModelEtlError: if it could not.
        """

    def remove(self) -> None:
        """Delete the file if there is one."""

    def stage(self, *, private: bool, media_type: str) -> StagedFile:
        """Make a place to write its next content to.

        Args:
            private: whether only its owner may read it.
            media_type: its content type, for storages that keep one.
        """


class FoundFile(NamedTuple):
    """One of the files that a name stands for.

    Attributes:
        location: where it lies.
        relative: its name below the folder that was named, or in which a pattern looks; with slashes.
    """

    location: Location
    relative: str


class StagedFile(Protocol):
    """The next content of a file, not yet visible under the file's name.

    Attributes:
        location: what it will become.
        fs: the file system to write it to.
        path: its path there.
    """

    location: Location
    fs: Any
    path: str

    def lock(self) -> bool:
        """Take the stage for this run; False if another run has it. A crash gives it back."""

    def prepare(self) -> None:
        """Bring all of it where publishing can hardly fail any more; what takes time or space is done here."""

    def publish(self) -> None:
        """Make it the file's content, at once and whole; after `prepare`."""

    def discard(self) -> None:
        """Throw it away; does nothing before `lock` and after `publish`."""


class Publication:
    """The stages of one run.

    Args:
        lock_wait: seconds to wait for another run that writes to the same files.
        sleep: waits; another in tests.
    """

    def __init__(self, lock_wait: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self._stages: list[StagedFile] = []
        self._deadline = time.monotonic() + lock_wait
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        with signals_deferred():  # a signal must not keep some of them from being discarded
            for stage in reversed(self._stages):  # the first may have made the folder that the others lie in
                stage.discard()

    def stage(self, location: Location, media_type: str = LINES, *, private: bool = False) -> StagedFile:
        """Stage a file and lock it.

        Raises:
            TryAgain: if another run holds it.
            ModelEtlError: if it cannot be written.
        """
        stage = location.stage(private=private, media_type=media_type)
        self._stages.append(stage)  # before it is locked: a signal can come at any moment
        while not stage.lock():
            if time.monotonic() >= self._deadline:
                raise TryAgain(
                    f"another run is writing {location.display_name}",
                    "Wait for it to end, or give --lock_wait SECONDS to wait here.",
                )
            self._sleep(_POLL)
        return stage


class StagedFileSystem:
    """Several stages as one file system to write to; a path is a stage's number, from 0.

    Args:
        stages: the stages.
    """

    def __init__(self, stages: Sequence[StagedFile]) -> None:
        self._stages = stages

    def openbin(self, path: str, mode: str = "w", **_: Any) -> Any:
        """Open a staged file."""
        stage = self._stages[int(path)]
        return stage.fs.openbin(stage.path, mode)


def refuse_existing(locations: Iterable[Location]) -> None:
    """Refuse to go on if one of some files exists.

    Raises:
        OutputRefused: if it does.
    """
    for location in locations:
        if location.exists():
            raise OutputRefused(
                f"{location.display_name} exists already", "Remove it, or say --if_exists replace or --if_exists skip."
            )
