"""The results of a Beam job: which files they have, how these are staged and locked, and how they are published."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from model_etl.engines.beam.files import (
    BeamInput,
    absolute,
    check_storage,
    delete_files,
    is_remote,
    make_folder,
    matched,
    move_files,
    remove_folder,
    translate_beam_errors,
)
from model_etl.errors import SameFile
from model_etl.job.run_files import output_name
from model_etl.publishing.publication import LOCK_POLL_S, Publication, another_run_writes
from model_etl.publishing.storage import Location
from model_etl.services import SCHEMES, is_folder, locate, locate_in_folder
from model_etl.services.common.locks import NamedLock
from model_etl.settings.job_config import JobConfig, sibling_name

PREDICTIONS, LOG, REJECTS = "predictions", "log", "rejects"
"""The roles of results; they are published in the opposite order."""
_NUMBERED = "-?????-of-?????"


class Target(NamedTuple):
    """A file, or numbered files together, that a job may replace.

    Attributes:
        name: the name that the user gave, made absolute.
        numbered: whether it stands for files with numbers before the suffix.
        location: the location of a file of that name; None if the file is not local.
    """

    name: str
    numbered: bool
    location: Location | None

    @classmethod
    def of_name(cls, name: str, *, numbered: bool) -> Target:
        """Build the target for the name of a file, which need not exist."""
        return cls(name, numbered, None) if is_remote(name) else cls.of_location(locate(name), numbered=numbered)

    @classmethod
    def of_location(cls, location: Location, *, numbered: bool = False) -> Target:
        """Build the target for a location."""
        name = absolute(location.uri)
        return cls(name, numbered, None if is_remote(name) else location)

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return sibling_name(self.name, "")

    @property
    def suffix(self) -> str:
        """The end of the name, which shows the format and the compression."""
        return self.name[len(self.stem) :]

    @property
    def display_name(self) -> str:
        """The name of its files in messages."""
        return f"{self.stem}-*{self.suffix}" if self.numbered else self.name

    def existing(self) -> list[str]:
        """Return the names of the files that a job of this output, with any number of files, left here."""
        with translate_beam_errors("find", self.name):
            return [*matched(self.name), *matched(self.stem, _NUMBERED + self.suffix)]

    def exists(self) -> bool:
        """Return whether there are such files."""
        return bool(self.existing() if self.numbered else matched(self.name))


@dataclass(frozen=True)
class Output:
    """The files of one role.

    Attributes:
        role: "predictions", "log" or "rejects".
        name: as the user gave it, made absolute.
        targets: a file, or numbered files; or a file for each input.
        groups: for each piece of the inputs the number of the file that holds its results; None if each piece has its
            own.
    """

    role: str
    name: str
    targets: tuple[Target, ...]
    groups: tuple[int, ...] | None

    def final_names(self, count: int) -> list[str]:
        """Return the names of so many files."""
        first = self.targets[0]
        if first.numbered:
            return [f"{first.stem}-{number:05d}-of-{count:05d}{first.suffix}" for number in range(count)]
        return [target.name for target in self.targets][:count]

    @property
    def display_name(self) -> str:
        """The name of its files in messages."""
        return self.targets[0].display_name if len(self.targets) == 1 else self.name


def outputs_of(config: JobConfig, inputs: Sequence[BeamInput], pieces: Sequence[int], shards: int) -> list[Output]:
    """Return the results of a job.

    Args:
        config: the settings of the run.
        inputs: the inputs.
        pieces: for each piece of the inputs the number of its input.
        shards: the number of files of each result; 0 for a file for each piece.

    Raises:
        SameFile: if two of the files, or an input and one of them, are the same.
        UsageError: if the name of a file cannot be used.
    """
    into_folder = not _is_foreign(config.output_file) and is_folder(config.output_file)
    count = len(pieces)
    groups = None if shards == 0 else tuple(number * min(shards, count) // count for number in range(count))
    numbered = shards != 1
    if into_folder:
        relative_names = [output_name(file.name, file.relative, config) for file in inputs]
        targets = tuple(Target.of_location(locate_in_folder(config.output_file, name)) for name in relative_names)
        outputs = [Output(PREDICTIONS, absolute(config.output_file), targets, tuple(pieces))]
        groups, numbered = (0,) * len(pieces), False
    else:
        outputs = [_output_of_name(PREDICTIONS, config.output_file, groups, numbered=numbered)]
    for role, given in ((LOG, config.log_name(stream=False)), (REJECTS, config.rejects_name(stream=False))):
        if given is not None:
            outputs.append(_output_of_name(role, given, groups, numbered=numbered))
    _refuse_same_files(inputs, outputs)
    return outputs


def _output_of_name(role: str, name: str, groups: tuple[int, ...] | None, *, numbered: bool) -> Output:
    target = Target.of_name(name, numbered=numbered)
    return Output(role, target.name, (target,), groups)


def _is_foreign(name: str) -> bool:
    """Return whether only Beam knows the storage of a name."""
    return is_remote(name) and name.partition("://")[0] not in SCHEMES


def _refuse_same_files(inputs: Sequence[BeamInput], outputs: Sequence[Output]) -> None:
    roles = {file.path: "an input" for file in inputs}
    for output in outputs:
        for target in output.targets:
            if target.name in roles:
                raise SameFile(f"{target.name} is {roles[target.name]} too", "Give each a name of its own.")
            roles[target.name] = f"the file of the {output.role}"


class StagingFolders:
    """The folders of the staged files of a job, one beside each result, and the locks of the results.

    Args:
        outputs: the results.
        run_id: identifies the run.
        lock_wait: seconds to wait for another run that has a lock.
    """

    def __init__(self, outputs: Sequence[Output], run_id: str, lock_wait: float) -> None:
        self._outputs = outputs
        self._run_id = run_id
        self._lock_wait = lock_wait
        self._folders: dict[str, str] = {}

    @property
    def by_role(self) -> Mapping[str, str]:
        """The folders by role, as long as `made` has not ended."""
        return self._folders

    @contextlib.contextmanager
    def made(self) -> Iterator[None]:
        """Lock the results, remove what killed jobs left, and make the folders; remove these at the end of the block.

        Raises:
            TryAgain: if another run has a lock.
            ModelEtlError: if a folder cannot be made.
        """
        with Publication(self._lock_wait) as publication, contextlib.ExitStack() as locks:
            deadline = time.monotonic() + self._lock_wait
            for output in self._outputs:
                check_storage(output.name)
                folder = sibling_name(output.name, f".staged-{self._run_id}")
                for target in output.targets:
                    if target.location is None:
                        locks.enter_context(_remote_lock(target, folder, deadline))
                    else:
                        publication.stage(target.location, private=True)
                if not is_remote(folder):
                    for leftover in matched(sibling_name(output.name, ".staged-"), "*"):
                        remove_folder(leftover)
                locks.callback(remove_folder, folder)
                with translate_beam_errors("write", output.display_name):
                    make_folder(folder)
                self._folders[output.role] = folder
            yield


@contextlib.contextmanager
def _remote_lock(target: Target, folder: str, deadline: float) -> Iterator[None]:
    """Hold a lock of this machine; its note names the folder that is to be removed if the process is killed."""
    lock = NamedLock(target.name)
    while not lock.acquire():
        if time.monotonic() >= deadline:
            raise another_run_writes(target.display_name)
        time.sleep(LOCK_POLL_S)
    try:
        for leftover in lock.note.decode(errors="surrogateescape").splitlines():
            remove_folder(leftover)
        lock.note = f"{folder}\n".encode(errors="surrogateescape")
        yield
    finally:
        lock.release()


def publish(output: Output, staged: Sequence[str]) -> list[str]:
    """Rename the staged files of a result to their final names.

    Args:
        output: the result.
        staged: the names of its files, in the order of the inputs.

    Returns:
        The final names.

    Raises:
        ModelEtlError: if the storage fails.
    """
    names = output.final_names(len(staged))
    with translate_beam_errors("publish", output.name):
        move_files(staged, names)
    return names


def remove_stale(output: Output, published: Sequence[str]) -> None:
    """Remove the files of an earlier run that do not belong to this run.

    Args:
        output: the result.
        published: the names of this run's files.

    Raises:
        ModelEtlError: if the storage fails.
    """
    if len(output.targets) > 1 or output.name != output.targets[0].name:
        return  # a folder may hold files of other jobs
    stale = set(output.targets[0].existing()) - set(published)
    with translate_beam_errors("remove", output.name):
        delete_files(sorted(stale))
