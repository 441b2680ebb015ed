"""The real command with one more service: `faulty://PATH` is a local file that fails as the variable FAULT says.

FAULT is "OPERATION:N:ERROR": the Nth call of open, read, write, close, lock, settle or publish raises that error.
"""

from __future__ import annotations

import os
from typing import Any

import model_etl.compat  # noqa: F401  before anything of fs

from fs import errors

from model_etl import services
from model_etl.cli.main import command
from model_etl.runtime.system_errors import storage_error
from model_etl.services.local.location import LocalFile

_OPERATION, _NUMBER, _ERROR = os.environ.get("FAULT", "none:1:io").split(":")
_calls = 0


def _error() -> BaseException:
    return {
        "io": OSError(5, "Input/output error"),
        "full": OSError(28, "No space left on device"),
        "denied": errors.PermissionDenied("faulty"),
        "remote": errors.RemoteConnectionError("faulty", exc=TimeoutError(110, "Connection timed out")),
        "bug": RuntimeError("a bug in the storage"),
        "exit": SystemExit(0),
    }[_ERROR]


def _may_fail(operation: str) -> None:
    global _calls  # noqa: PLW0603
    if operation == _OPERATION:
        _calls += 1
        if _calls == int(_NUMBER):
            raise _error()


class _File:
    """A file whose calls may fail."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        _may_fail("read")
        return self._file.read(size)

    def write(self, data: Any) -> int:
        _may_fail("write")
        return self._file.write(data)

    def close(self) -> None:
        self._file.close()
        _may_fail("close")


class _FS:
    """A file system whose files may fail."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs

    def openbin(self, path: str, mode: str = "r", **options: Any) -> Any:
        _may_fail("open")
        return _File(self._fs.openbin(path, mode, **options))


class _Stage:
    """A stage that may fail."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self.fs = _FS(stage.fs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stage, name)

    def lock(self) -> bool:
        self._may_fail("lock")
        return self._stage.lock()

    def prepare(self) -> None:
        self._may_fail("settle")
        self._stage.prepare()

    def publish(self) -> None:
        self._may_fail("publish")
        self._stage.publish()

    def _may_fail(self, operation: str) -> None:
        try:
            _may_fail(operation)
        except OSError as exc:
            raise storage_error(exc, operation, self._stage.location.name) from exc


class _Location(LocalFile):
    """A local file that may fail."""

    def __init__(self, name: str) -> None:
        super().__init__(name, name.removeprefix("faulty://"))
        self.fs = _FS(self.fs)

    def stage(self, *, private: bool, media_type: str) -> Any:
        return _Stage(super().stage(private=private, media_type=media_type))


def locate(name: str, **_: Any) -> Any:
    """Find a file, as every service does."""
    return _Location(name)


if __name__ == "__main__":
    services.register_storage("faulty", "failing_storage")
    command()
