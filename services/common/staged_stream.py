"""The next output of a stream: kept in a temporary file until the run has succeeded."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from typing_extensions import override

from model_etl.publishing.storage import BinaryOpener, Location, StagedFile
from model_etl.runtime.system_errors import storage_error
from model_etl.services.common.temporary_file import TemporaryFile


class StagedStream(StagedFile):
    """A staged file that `publish` copies to a stream, so that a failed run writes nothing to it.

    Args:
        location: the stream.
        copy_to_stream: writes the content of an open file to the stream.
    """

    def __init__(self, location: Location, copy_to_stream: Callable[[BinaryIO], None]) -> None:
        self.location = location
        self.fs: BinaryOpener = self
        self.path = location.name
        self._copy_to_stream = copy_to_stream
        self._temporary: TemporaryFile | None = None

    @override
    def lock(self) -> bool:
        # Nothing keeps two runs from writing to the same stream: a terminal or a pipe is meant to be shared.
        self._temporary = TemporaryFile(self.location.name)
        self.path = self._temporary.display_name
        return True

    def openbin(self, path: str, mode: str = "w") -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the temporary file for writing."""
        assert self._temporary is not None
        return self._temporary.open()

    @override
    def prepare(self) -> None:
        pass

    @override
    def publish(self) -> None:
        assert self._temporary is not None
        self._temporary.file.seek(0)
        try:
            self._copy_to_stream(self._temporary.file)
        except OSError as exc:
            raise storage_error(exc, "write", self.location.name) from exc
        self.discard()

    @override
    def discard(self) -> None:
        if self._temporary is not None:
            self._temporary.close()
            self._temporary = None
