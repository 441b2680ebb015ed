"""The errors that end a run, each with its exit code.

    ModelEtlError                1   a bug of ours; the base of all others
      UsageError                 2   the command line is wrong
        SameFile                 2   two of the named files are one
      DataError                 65   the records are unusable: too many rejects, an empty input, a broken file
      InputMissing              66   there is no such input
      ModelUnavailable          69   the model cannot be loaded, or is not the expected one
      OutputRefused             73   an output cannot be created
      StorageFailure            74   reading or writing failed
      TryAgain                  75   another run holds the lock, or the storage is down: nothing is wrong for good
      PermissionRefused         77   the operating system or the storage said no
      ConfigurationError        78   settings, rules and data do not go together
    Interrupted        130, 143, ..  a signal; not an Exception, so that nothing swallows it

A single record that cannot be scored ends no run: it is a `RecordError` and becomes a reject.
The exit codes are those of BSD's sysexits.h, where it has one.
"""

from __future__ import annotations

import errno
import signal
from typing import Any, Literal

RecordStep = Literal["parse", "input_schema", "predict", "output_schema", "rule"]
"""Where a record can drop out, in the order of the chain."""


class ModelEtlError(Exception):
    """Base of what ends a run; catch it to handle every foreseen failure.

    Args:
        message: what happened, to which file or option, at which position, and why.
        remedy: what the reader can do about it; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel from a worker process with both."""
        return type(self), (self.message, self.remedy)


class UsageError(ModelEtlError):
    """The command line cannot be obeyed as it stands."""

    exit_code = 2


class SameFile(UsageError):
    """Two files of a run are one; then nothing at all is written, not even a report."""


class DataError(ModelEtlError):
    """The input was read but must not be published from."""

    exit_code = 65


class InputMissing(ModelEtlError):
    """There is nothing to read under that name."""

    exit_code = 66


class ModelUnavailable(ModelEtlError):
    """The model cannot be imported or constructed, is no MLModel, or has another version than expected."""

    exit_code = 69


class OutputRefused(ModelEtlError):
    """An output file cannot be created, or must not be replaced."""

    exit_code = 73


class StorageFailure(ModelEtlError):
    """Reading or writing broke off; the same command may work once the cause is gone."""

    exit_code = 74


class TryAgain(ModelEtlError):
    """Nothing is wrong for good: run the same command later."""

    exit_code = 75


class PermissionRefused(ModelEtlError):
    """The rights of the user who runs this do not suffice."""

    exit_code = 77


class ConfigurationError(ModelEtlError):
    """Settings contradict each other, a rule cannot be loaded, or names collide."""

    exit_code = 78


class Interrupted(BaseException):
    """A signal asked the run to end.

    Args:
        signum: the signal's number; the exit code is 128 more, as a shell reports it.

    Attributes:
        remark: what became of the outputs.
    """

    remark = "nothing was published"

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


class RecordError(Exception):
    """One record cannot be scored; its neighbours can.

    Args:
        stage: where in the chain.
        type_name: name of the exception or of the kind of mistake.
        message: the cause; never holds more of the record's values than its author's own message does.
    """

    def __init__(self, stage: RecordStep, type_name: str, message: str) -> None:
        super().__init__(message)
        self.stage = stage
        self.type_name = type_name
        self.message = printable(message)

    def without_traceback(self) -> RecordError:
        """Forget where it was raised and why: kept by the thousands, that would keep alive all that was at hand."""
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


def printable(text: str) -> str:
    """Give a text that UTF-8 can hold: lone surrogates (from file names, or from a model's words) become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_REMEDIES = {
    errno.ENOSPC: "Free some disk space, or write to another disk.",
    errno.EDQUOT: "Free some of the disk quota, or write to another disk.",
    errno.EFBIG: "The file-size limit is reached: raise it (ulimit -f), or write to another disk.",
    errno.EPIPE: "The program that reads our output went away before the end.",
    errno.EMFILE: "Raise the limit of open files (ulimit -n), or score fewer files in one run.",
    errno.EBADF: "Leave it open, or name a file.",
}
_RUN_AGAIN = "Check the disk or the connection, and run again."


def storage_error(exc: BaseException, action: str, place: str) -> ModelEtlError:
    """Translate what a file system raised into the error that a user should see.

    Args:
        exc: an OSError, or an error of the `fs` package (which carries its cause in `exc`).
        action: "read" or "write" (or what else was being done), for the message.
        place: the file as the user named it.

    Returns:
        The error to raise; an error of ours is given back as it is.
    """
    if isinstance(exc, ModelEtlError):
        return exc
    inner = getattr(exc, "exc", None)  # fs.errors.OperationFailed keeps the OSError there
    cause = inner if isinstance(inner, Exception) else exc
    code = getattr(cause, "errno", None)
    kind = type(exc).__name__
    if isinstance(cause, FileNotFoundError) or kind == "ResourceNotFound":
        if action == "read":
            return InputMissing(f"cannot read {place}: there is no such file", "Check the path of the input.")
        return OutputRefused(
            f"cannot {action} {place}: its folder does not exist", "Make the folder, or check the path."
        )
    if isinstance(cause, IsADirectoryError) or kind == "FileExpected":
        error = InputMissing if action == "read" else OutputRefused
        return error(f"cannot {action} {place}: it is a folder, not a file", "Name a file.")
    if code in _DENIED or isinstance(cause, PermissionError) or kind == "PermissionDenied":
        why = "the file system is read-only" if code == errno.EROFS else "permission refused"
        return PermissionRefused(f"cannot {action} {place}: {why}", "Check who owns it and who runs this.")
    reason = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    if isinstance(cause, NotADirectoryError) or code in (errno.ENAMETOOLONG, errno.ELOOP):
        error = InputMissing if action == "read" else OutputRefused
        return error(f"cannot {action} {place}: {reason}", "Check the path.")
    return StorageFailure(f"cannot {action} {place}: {reason}", _REMEDIES.get(code or 0, _RUN_AGAIN))
