"""What errors of the operating system and of file systems mean for a run: class, cause and remedy."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

from model_etl.errors import (
    InputMissing,
    ModelEtlError,
    ModelUnavailable,
    OutputRefused,
    PermissionRefused,
    StorageFailure,
    TryAgain,
    shortened,
)

_NO_RESOURCES = (errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE)


def lack_of_resources(exc: BaseException) -> ModelEtlError | None:
    """Return the error for an exception that says that the machine, or a limit of the user, permits no more.

    Args:
        exc: any exception that ended a command; None is returned for all others.
    """
    if isinstance(exc, OSError) and exc.errno in _NO_RESOURCES:
        reason = str(exc.strerror)
    elif isinstance(exc, MemoryError):
        reason = "there is not enough memory"
    elif isinstance(exc, ImportError) and (cause := _cause_of_loader(str(exc))):
        reason = cause
    elif isinstance(exc, ModelUnavailable) and isinstance(exc.__cause__, (OSError, ImportError)):
        return lack_of_resources(exc.__cause__)  # it is not the model's fault
    elif isinstance(exc, RuntimeError) and "start new thread" in str(exc):
        reason = "no more threads are permitted"
    else:
        return None
    return TryAgain(
        f"the machine has no room for this run: {reason}; nothing was published",
        "Wait for other programs to end, use fewer --workers, or raise the limits of processes (ulimit -u), of memory"
        " (ulimit -v) and of open files (ulimit -n).",
    )


def lack_of_resources_behind(exc: BaseException) -> ModelEtlError | None:
    """Return the error for a lack of resources that an exception has as a cause; see `lack_of_resources`."""
    cause: BaseException | None = exc
    while cause is not None:
        if (lack := lack_of_resources(cause)) is not None:
            return lack
        cause = cause.__cause__
    return None


def _cause_of_loader(message: str) -> str | None:
    """Return the lack of resources because of which a shared library could not be loaded, or None."""
    if "failed to map segment" in message:
        return os.strerror(errno.ENOMEM)
    return next((reason for reason in map(os.strerror, _NO_RESOURCES) if reason in message), None)


@contextlib.contextmanager
def translate_storage_errors(action: str, name: str) -> Iterator[None]:
    """Translate what a file system raises in the block into an error that names the file.

    Args:
        action: "read", "write" or another verb, for the message.
        name: the file, as the user named it.

    Raises:
        ModelEtlError: instead of an OSError, an EOFError or an error of the `fs` package; see `storage_error`.
    """
    try:
        yield
    except (OSError, EOFError) as exc:
        raise storage_error(exc, action, name) from exc
    except Exception as exc:
        if type(exc).__module__ == "fs.errors":  # known by name, because importing fs takes long
            raise storage_error(exc, action, name) from exc
        raise


_NOT_FOUND = (errno.ENOENT,)
_IS_FOLDER = (errno.EISDIR,)
_BAD_PATH = (errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
_CODES_OF_FS = {"ResourceNotFound": errno.ENOENT, "FileExpected": errno.EISDIR, "PermissionDenied": errno.EACCES}
"""Error numbers of the errors of `fs`, by the names of their classes."""
_REASONS = {
    errno.EISDIR: "it is a folder, not a file",
    errno.EACCES: "permission refused",
    errno.EPERM: "permission refused",
    errno.EROFS: "the file system is read-only",
}
"""Texts for error numbers, instead of the operating system's."""
_READ_ERRORS: dict[tuple[int, ...], tuple[type[ModelEtlError], str, str]] = {
    _NOT_FOUND: (InputMissing, "there is no such file", "Check the path of the input."),
    _IS_FOLDER: (InputMissing, "", "Name a file."),
    _BAD_PATH: (InputMissing, "", "Check the path."),
    _DENIED: (PermissionRefused, "", "Check who owns it and who runs this."),
}
_WRITE_ERRORS: dict[tuple[int, ...], tuple[type[ModelEtlError], str, str]] = {
    _NOT_FOUND: (OutputRefused, "its folder does not exist", "Make the folder, or check the path."),
    _IS_FOLDER: (OutputRefused, "", "Name a file."),
    _BAD_PATH: (OutputRefused, "", "Check the path."),
    _DENIED: (PermissionRefused, "", "Check who owns it and who runs this."),
}
"""Class, reason (empty: that of `_REASONS`, or the operating system's) and remedy, by error numbers."""
_REMEDIES = {
    errno.ENOSPC: "Free some disk space, or write to another disk.",
    errno.EDQUOT: "Free some of the disk quota, or write to another disk.",
    errno.EFBIG: "The file-size limit is reached: raise it (ulimit -f), or write to another disk.",
    errno.EPIPE: "The program that reads the output exited early.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or score fewer files in one run.",
    errno.EBADF: "Do not close the stream, or name a file.",
}
_RUN_AGAIN = "Check the disk or the connection, and run again."


def storage_error(exc: BaseException, action: str, name: str) -> ModelEtlError:
    """Translate an error of a file system into the error that a user should see.

    Args:
        exc: an OSError, or an error of the `fs` package, which has its cause in `exc`.
        action: "read", "write" or another verb, for the message.
        name: the file, as the user named it; `-` is a standard stream.

    Returns:
        The error to raise; a `ModelEtlError` is returned as it is.
    """
    if isinstance(exc, ModelEtlError):
        return exc
    if name == "-":
        name = "standard input" if action == "read" else "to standard output"
    inner = getattr(exc, "exc", None)  # fs.errors.OperationFailed keeps the OSError there
    cause = inner if isinstance(inner, Exception) else exc
    code = _error_number(exc, cause)
    system_reason = shortened(getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)
    table = _READ_ERRORS if action == "read" else _WRITE_ERRORS
    for codes, (error, reason, remedy) in table.items():
        if code in codes:
            return error(f"cannot {action} {name}: {reason or _REASONS.get(code, system_reason)}", remedy)
    return StorageFailure(f"cannot {action} {name}: {system_reason}", _REMEDIES.get(code, _RUN_AGAIN))


def _error_number(exc: BaseException, cause: BaseException) -> int:
    """Return the error number of an error, also of those that carry none, or 0 if there is none that fits."""
    if type(exc).__name__ in _CODES_OF_FS:
        return _CODES_OF_FS[type(exc).__name__]
    code = getattr(cause, "errno", None)
    if isinstance(code, int) and code:
        return code
    for error, number in (
        (FileNotFoundError, errno.ENOENT),
        (IsADirectoryError, errno.EISDIR),
        (NotADirectoryError, errno.ENOTDIR),
        (PermissionError, errno.EACCES),
    ):
        if isinstance(cause, error):
            return number
    return 0
