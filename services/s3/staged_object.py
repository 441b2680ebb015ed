"""The next content of an object: kept in a temporary file, then sent in parts, then published."""

from __future__ import annotations

from typing import BinaryIO

from typing_extensions import override

from model_etl.publishing.storage import BinaryOpener, Location, StagedFile
from model_etl.runtime.signals import interruptible, signals_deferred
from model_etl.services.common.locks import NamedLock
from model_etl.services.common.temporary_file import TemporaryFile
from model_etl.services.s3.upload import Upload


class StagedObject(StagedFile):
    """A staged file for an object. `lock` begins an upload, `prepare` sends its parts, `publish` completes it.

    The lock is of this machine: two machines that write the same object do not exclude each other.

    Args:
        location: the object.
        upload: how the object is sent.
        lock: held while the object is written; its note holds the ids of uploads that are not ended.
    """

    def __init__(self, location: Location, upload: Upload, lock: NamedLock) -> None:
        self.location = location
        self.fs: BinaryOpener = self
        self.path = location.name
        self._upload = upload
        self._lock = lock
        self._temporary: TemporaryFile | None = None
        self._unfinished_ids: list[str] = []  # uploads of earlier runs that could not be aborted

    @override
    def lock(self) -> bool:
        with signals_deferred():  # a signal between taking the lock and storing it would leave the lock
            if not self._lock.acquire():
                return False
            self._temporary = TemporaryFile(self.location.name)
            self.path = self._temporary.display_name
        earlier_ids = self._lock.note.decode("ascii", "ignore").split()
        self._unfinished_ids = [earlier for earlier in earlier_ids if not self._upload.abort_earlier(earlier)]
        upload_id = self._upload.begin()  # what the server would refuse at the end, it refuses before the work
        self._lock.note = " ".join([*self._unfinished_ids, upload_id]).encode()
        return True

    def openbin(self, path: str, mode: str = "w") -> BinaryIO:  # noqa: ARG002  the interface of fs
        """Open the temporary file for writing."""
        assert self._temporary is not None
        return self._temporary.open()

    @override
    def prepare(self) -> None:
        assert self._temporary is not None
        self._upload.send(self._temporary)

    @override
    def publish(self) -> None:
        with interruptible():  # the server may take long to answer
            self._upload.complete()
        self.discard()

    @override
    def discard(self) -> None:
        is_ended = self._upload.abort()
        if self._temporary is not None:
            self._temporary.close()
            self._temporary = None
        self._lock.release(keep=bool(self._unfinished_ids) or not is_ended)
