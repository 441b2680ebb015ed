"""What a run expects of a storage: locations of files, and staged files, which become visible only when published."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple, Protocol, runtime_checkable


class BinaryOpener(Protocol):
    """The one method of a file system that a run needs; every `fs.base.FS` has it, too."""

    def openbin(self, path: str, mode: str = "r") -> BinaryIO:
        """Open a file as it is stored.

        Args:
            path: the file's path in this file system.
            mode: "r" to read, "w" to write from the start.
        """


class Location(Protocol):
    """The location of one file in a storage; the file need not exist.

    Attributes:
        name: the name that the user gave.
        display_name: the name in error messages: `name`, and the server if there is one.
        uri: the absolute name.
        fs: the file system to read the file from.
        path: the path in `fs`.
        stream: whether it is a stream, a device or a pipe: it cannot be replaced, and no files lie beside it.
        size: size in bytes when `identity` was last called, or None if it is not known.
    """

    name: str
    display_name: str
    uri: str
    fs: BinaryOpener
    path: str
    stream: bool
    size: int | None

    @property
    def staged_uri(self) -> str | None:
        """The absolute name under which the next content is staged; None if no other file can have it."""
        return None

    def regular_file(self, *, writes: bool) -> tuple[int, int] | None:  # noqa: ARG002
        """Return what identifies the regular file of this machine that the location leads to, or None.

        Args:
            writes: whether it is asked as an output; `-` is standard input or standard output.
        """
        return None

    def exists(self) -> bool:
        """Return whether the file exists; False for a stream."""

    def identity(self) -> str:
        """Return a digest that changes when the file does: 32 hexadecimal digits.

        Raises:
            ModelEtlError: if the file cannot be read.
        """

    def state(self) -> str:
        """Return a text that changes whenever the file does, even if size and times stay the same.

        Unlike the identity, which is part of prediction ids, it differs between copies of a file.

        Raises:
            ModelEtlError: if the file cannot be read.
        """
        return self.identity()

    def check_writable(self) -> None:
        """Check that the file could be written, without writing.

        Raises:
            ModelEtlError: if it could not.
        """

    def remove(self) -> None:
        """Delete the file if it exists."""

    def stage(self, *, private: bool, media_type: str) -> StagedFile:
        """Return a staged file for the next content.

        Args:
            private: whether only the file's owner may read it.
            media_type: the content type, for storages that keep one.
        """


@runtime_checkable
class ReplacesFiles(Protocol):
    """A location that can tell before the work whether publishing would be refused; not every storage can."""

    def check_replaceable(self) -> None:
        """Check, as far as that is known, that the file may be replaced if it exists.

        Raises:
            ModelEtlError: if it may not.
        """


class FoundFile(NamedTuple):
    """A file that a folder or a pattern stands for.

    Attributes:
        location: the file's location.
        relative: its name below the folder that was named or searched, with slashes.
    """

    location: Location
    relative: str


class StagedFile(Protocol):
    """The next content of a file, not yet visible under the file's name.

    Attributes:
        location: the location of the file.
        fs: the file system to write the content to.
        path: the path in `fs`.
    """

    location: Location
    fs: BinaryOpener
    path: str

    def lock(self) -> bool:
        """Lock the file for this run; return False if another run has the lock. The end of the process unlocks it."""

    def prepare(self) -> None:
        """Do everything slow or fallible (fsync, upload), so that `publish` is a single cheap step."""

    def publish(self) -> None:
        """Make the staged content the file's content in one step; call `prepare` first.

        Raises:
            NotDurable: if it is the file's content now, but may not survive a power failure.
            ModelEtlError: if it is not.
        """

    def discard(self) -> None:
        """Delete the staged content; do nothing before `lock` and after `publish`."""
