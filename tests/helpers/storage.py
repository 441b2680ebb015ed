"""A storage in memory of the tests' process that notes what is done to its files, in order."""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass, field
from typing import Any

from model_etl.errors import InputMissing
from model_etl.publishing.storage import Location
from model_etl.services.local import locate as locate_local


@dataclass
class Storage:
    """Its files, and what was done to them.

    Attributes:
        files: the contents by name.
        events: pairs of an operation (lock, write, prepare, publish, discard, remove) and a file's name.
        busy: how often a lock is refused before it is given, by name.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    busy: dict[str, float] = field(default_factory=dict)

    def locate(self, name: str, **_: Any) -> Any:
        """Return the location of a file, as every service does; a name without the scheme is a standard stream."""
        return MemoryLocation(self, name) if name.startswith("memory://") else locate_local(name)

    def done(self, operation: str) -> list[str]:
        """Return the names of the files to which an operation was done, in order, without the scheme."""
        return [name.removeprefix("memory://") for done, name in self.events if done == operation]


class _Written(io.BytesIO):
    """The content that is written to a staged file; it is kept when the file is closed."""

    def __init__(self, staged: MemoryStagedFile) -> None:
        super().__init__()
        self._staged = staged

    def close(self) -> None:
        if not self.closed:
            self._staged.content = self.getvalue()
        super().close()


class MemoryStagedFile:
    """The next content of a file."""

    def __init__(self, location: MemoryLocation) -> None:
        self.location = location
        self.fs = self
        self.path = location.name
        self.content = b""
        self._published = False

    def _note(self, operation: str) -> None:
        self.location.storage.events.append((operation, self.location.name))

    def openbin(self, path: str, mode: str = "w", **_: Any) -> _Written:
        """Open the staged file to write."""
        self._note("write")
        return _Written(self)

    def lock(self) -> bool:
        """Take the lock, unless the storage is busy."""
        busy = self.location.storage.busy
        left = busy.get(self.location.name, 0)
        busy[self.location.name] = left - 1
        self._note("wait" if left > 0 else "lock")
        return left <= 0

    def prepare(self) -> None:
        """Note it."""
        self._note("prepare")

    def publish(self) -> None:
        """Make it the content."""
        self._note("publish")
        self._published = True
        self.location.storage.files[self.location.name] = self.content

    def discard(self) -> None:
        """Note it, if it was not published."""
        if not self._published:
            self._note("discard")


class MemoryLocation(Location):
    """A file of the storage."""

    stream = False

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage = storage
        self.name = self.display_name = self.uri = self.path = name
        self.fs = self
        self.size: int | None = None

    def openbin(self, path: str, mode: str = "r", **_: Any) -> io.BytesIO:
        """Open the file to read."""
        return io.BytesIO(self.storage.files[path])

    def exists(self) -> bool:
        """Return whether there is such a file."""
        return self.name in self.storage.files

    def identity(self) -> str:
        """Return a digest of the content."""
        if not self.exists():
            raise InputMissing(f"cannot read {self.name}: there is no such file", "Check the name.")
        self.size = len(self.storage.files[self.name])
        return f"{hash(self.storage.files[self.name]) & (2**64 - 1):032x}"

    def check_writable(self) -> None:
        """Allow everything."""

    def remove(self) -> None:
        """Remove the file."""
        self.storage.events.append(("remove", self.name))
        self.storage.files.pop(self.name, None)

    def stage(self, **_: Any) -> MemoryStagedFile:
        """Return a new staged file."""
        return MemoryStagedFile(self)


def register(storage: Storage, monkeypatch: Any) -> None:
    """Make `memory://` names of a storage, until the end of the test."""
    services = importlib.import_module("model_etl.services")
    monkeypatch.setitem(services.SCHEMES, "memory", __name__)
    monkeypatch.setattr(importlib.import_module(__name__), "locate", storage.locate, raising=False)
