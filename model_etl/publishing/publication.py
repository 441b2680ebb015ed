"""Publishing: files are staged and locked before the work, and published whole or not at all after it.

A service returns a `Location` for a name, the location returns a `StagedFile`, and a `Publication` discards what a run
staged and did not publish.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import BinaryIO, Literal, Protocol

from typing_extensions import Self

from model_etl.errors import ModelEtlError, NotDurable, OutputRefused, TryAgain
from model_etl.publishing.storage import BinaryOpener, Location, ReplacesFiles, StagedFile
from model_etl.runtime.signals import Interrupts, signals_deferred
from model_etl.runtime.system_errors import translate_storage_errors

IfExists = Literal["replace", "fail", "skip"]
JSON_LINES = "application/x-ndjson"
"""Content type of JSON Lines, the format of prediction logs and rejects files (https://github.com/ndjson/ndjson-spec)."""
LOCK_POLL_S = 0.1
_NAMES_IN_MESSAGE = 3
"""How many published files an error message names before it only counts the others."""


class ExistingFile(Protocol):
    """A file that a run may replace; a `Location` is one."""

    @property
    def name(self) -> str:
        """The name that the user gave."""

    @property
    def display_name(self) -> str:
        """The name in error messages."""

    def exists(self) -> bool:
        """Return whether the file exists."""


class Publication:
    """The staged files of one run; those that are not published are discarded at its end.

    Args:
        lock_wait: seconds to wait for another run that has the lock of a file.
        sleep: waits for some seconds; replaced in tests.
    """

    def __init__(self, lock_wait: float = 0.0, sleep: Callable[[float], None] = time.sleep) -> None:
        self._staged_files: list[StagedFile] = []
        self._deadline = time.monotonic() + lock_wait
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with signals_deferred():  # a signal must not keep some of them from being discarded
            for staged in reversed(self._staged_files):  # the first may have made the folder that the others lie in
                staged.discard()

    def stage(self, location: Location, media_type: str = JSON_LINES, *, private: bool = False) -> StagedFile:
        """Stage a file and lock it.

        Args:
            location: the location of the file.
            media_type: the content type.
            private: whether only the file's owner may read it.

        Raises:
            TryAgain: if another run has the lock.
            ModelEtlError: if the file cannot be written.
        """
        staged = self._stage(location, media_type, private=private)
        _check_replaceable(location)
        return staged

    def _stage(self, location: Location, media_type: str, *, private: bool = False) -> StagedFile:
        """Stage a file that is perhaps not published in the end, as `stage` does."""
        staged = location.stage(private=private, media_type=media_type)
        self._staged_files.append(staged)  # before it is locked: a signal can come at any moment
        while not staged.lock():
            if time.monotonic() >= self._deadline:
                raise another_run_writes(location.display_name)
            self._sleep(LOCK_POLL_S)
        return staged


class RunPublication(Publication):
    """The staged outputs, prediction log and rejects file of a run; they are published in the opposite order.

    Args:
        if_exists: what to do if an output exists.
        lock_wait: seconds to wait for another run that has the lock of a file.

    Attributes:
        outputs: the staged outputs.
        log: the staged prediction log, or None for no log.
        rejects: the staged rejects file, or None before it is staged.
        is_published: whether all files have been published.
    """

    def __init__(self, if_exists: IfExists = "replace", lock_wait: float = 0.0) -> None:
        super().__init__(lock_wait)
        self._if_exists = if_exists
        self.outputs: list[StagedFile] = []
        self.log: StagedFile | None = None
        self.rejects: StagedFile | None = None
        self.is_published = False
        self._publishes_rejects = False

    def stage_outputs(self, outputs: Iterable[tuple[Location, str]]) -> bool:
        """Stage and lock the outputs.

        Args:
            outputs: the location and the content type of each output.

        Returns:
            False if there is nothing to do, because the outputs exist and are to be kept.

        Raises:
            OutputRefused: if an output exists that must not be replaced, or only some exist that are to be kept.
            ModelEtlError: if an output cannot be written, or another run has its lock.
        """
        self.outputs = [self._stage(location, media_type) for location, media_type in outputs]
        if self._if_exists == "skip" and all_exist(self._output_locations):
            return False
        self._refuse_existing_outputs()
        for location in self._output_locations:
            _check_replaceable(location)
        return True

    def stage_log(self, location: Location) -> None:
        """Stage and lock the prediction log.

        Raises:
            ModelEtlError: if it cannot be written, or another run has its lock.
        """
        self.log = self.stage(location, private=True)

    def stage_rejects(self, location: Location, *, publishes: bool = True) -> None:
        """Stage and lock the rejects file.

        Args:
            location: the location of the file.
            publishes: whether it is to be published; if not, it is only written, so that the rejects are counted.

        Raises:
            ModelEtlError: if it cannot be written, or another run has its lock.
        """
        self.rejects = self.stage(location, private=True)
        self._publishes_rejects = publishes

    def publish(self, interrupts: Interrupts, *, any_rejects: bool) -> None:
        """Publish all files, the outputs last; remove the rejects file of an earlier run if there are no rejects now.

        Args:
            interrupts: signals that may end the run; from the first published file on, none does.
            any_rejects: whether there are rejects.

        Raises:
            OutputRefused: if an output exists that must not be replaced.
            NotDurable: if all files were published, but may not survive a power failure.
            ModelEtlError: if a file cannot be published, or the earlier rejects file cannot be removed.
        """
        rejects = self.rejects if self._publishes_rejects else None
        wanted = [rejects if any_rejects else None, self.log, *self.outputs]
        staged_files = [staged for staged in wanted if staged is not None]
        for staged in staged_files:
            staged.prepare()
        # The rejects file of an earlier run would be taken for one of this run.
        stale = rejects.location if rejects is not None and not any_rejects and rejects.location.exists() else None
        with interrupts.uninterruptible():
            self._refuse_existing_outputs()
            not_durable = _publish_in_order(staged_files)
            self.is_published = True
            if stale is not None:  # last: if publishing fails, the earlier output still has its rejects
                _remove_stale(stale, self._output_locations)
            if not_durable is not None:
                raise not_durable

    def publish_rejects(self, interrupts: Interrupts) -> Location | None:
        """Publish the rejects file alone, of a run with too many rejects.

        Args:
            interrupts: signals that may end the run.

        Returns:
            Its location, or None if it is not to be published.

        Raises:
            ModelEtlError: if the file cannot be published.
        """
        if self.rejects is None or not self._publishes_rejects:
            return None
        self.rejects.prepare()
        # Whether the file survives a power failure matters less than why the run fails.
        with interrupts.uninterruptible(), contextlib.suppress(NotDurable):
            self.rejects.publish()
        return self.rejects.location

    @property
    def _output_locations(self) -> list[Location]:
        return [staged.location for staged in self.outputs]

    def _refuse_existing_outputs(self) -> None:
        if self._if_exists == "fail":
            refuse_existing(self._output_locations)


class StagedFileSystem(BinaryOpener):
    """Several staged files as one file system to write to; a path is the number of a staged file, from 0.

    Args:
        staged_files: the staged files.
    """

    def __init__(self, staged_files: Sequence[StagedFile]) -> None:
        self._staged_files = staged_files

    def openbin(self, path: str, mode: str = "w") -> BinaryIO:
        """Open a staged file."""
        staged = self._staged_files[int(path)]
        return staged.fs.openbin(staged.path, mode)


def another_run_writes(name: str) -> TryAgain:
    """Return the error for a file whose lock another run has.

    Args:
        name: the file, as messages show it.
    """
    return TryAgain(f"another run is writing {name}", "Wait for it to end, or pass --lock_wait SECONDS to wait here.")


def write_and_publish(staged: StagedFile, content: bytes) -> None:
    """Write the whole content of a staged file and publish it.

    Raises:
        ModelEtlError: if it cannot be written or published.
    """
    with translate_storage_errors("write", staged.location.name), staged.fs.openbin(staged.path, "w") as file:
        file.write(content)
    staged.prepare()
    staged.publish()


def refuse_existing(locations: Iterable[ExistingFile]) -> None:
    """Check that none of the files exists.

    Raises:
        OutputRefused: if one exists.
    """
    for location in locations:
        if location.exists():
            raise OutputRefused(
                f"{location.display_name} exists already",
                "Remove it, or pass --if_exists replace or --if_exists skip.",
            )


def all_exist(locations: Sequence[ExistingFile]) -> bool:
    """Return whether all of the files exist.

    Raises:
        OutputRefused: if only some exist: log and outputs of a run that writes the others would not belong together.
    """
    existing = [location.name for location in locations if location.exists()]
    if existing and len(existing) < len(locations):
        raise OutputRefused(
            f"{len(existing)} of {len(locations)} outputs exist already, {existing[0]} among them",
            "Remove them, or pass --if_exists replace.",
        )
    return bool(existing)


def _check_replaceable(location: Location) -> None:
    if isinstance(location, ReplacesFiles):
        location.check_replaceable()


def _remove_stale(rejects: Location, outputs: Sequence[Location]) -> None:
    """Remove the rejects file of an earlier run.

    Raises:
        ModelEtlError: if it cannot be removed.
    """
    try:
        rejects.remove()
    except ModelEtlError as exc:
        names = outputs[0].name if len(outputs) == 1 else f"{len(outputs)} outputs"
        exc.message += f"; it is of an earlier run, and {names} {'was' if len(outputs) == 1 else 'were'} published"
        raise


def _publish_in_order(staged_files: Sequence[StagedFile]) -> NotDurable | None:
    """Publish files; return the first error that does not keep a file from being published.

    Raises:
        ModelEtlError: if a file cannot be published; those before it were.
    """
    not_durable = None
    for number, staged in enumerate(staged_files):
        try:
            staged.publish()
        except NotDurable as exc:
            not_durable = not_durable or exc
        except ModelEtlError as exc:
            if number:
                names = [published.location.name for published in staged_files[:number]]
                others = number - _NAMES_IN_MESSAGE
                shown = names[:_NAMES_IN_MESSAGE] + ([f"{others} more"] if others > 0 else [])
                exc.message += f"; {', '.join(shown)} {'was' if number == 1 else 'were'} published"
            raise
    return not_durable
