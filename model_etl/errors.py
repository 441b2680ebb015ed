"""The errors that end a run, each with its exit code.

    ModelEtlError                1   a bug of ours; the base of all others
      UsageError                 2   the command line is wrong
        SameFile                 2   two names of a run are the same file
      DataError                 65   the records are unusable: too many rejects, an empty input, a broken file
      InputMissing              66   there is no such input
      ModelUnavailable          69   the model cannot be loaded, or is not the expected one
      OutputRefused             73   an output cannot be created
      StorageFailure            74   reading or writing failed
        NotDurable              74   a file was published, but may not survive a power failure
      TryAgain                  75   another run holds the lock, or the storage is down: the cause is temporary
      PermissionRefused         77   the operating system or the storage refused access
      ConfigurationError        78   settings, rules and data contradict each other
    Interrupted        130, 143, ..  a signal; not an Exception, so that nothing swallows it
      TimeIsUp                  75   the run took longer than --max_runtime

A single record that cannot be scored does not end the run: it is a `RecordError` and becomes a reject.
The exit codes are those of BSD's sysexits.h, where it has a fitting one.
"""

from __future__ import annotations

import re
import signal
from typing import Literal

QUOTED_CHARS = 1000
"""The most characters that a message quotes of a record, a model, a schema or a server."""
_MESSAGE_CHARS = 10 * QUOTED_CHARS
"""The most characters of a whole message, which may quote several."""

RecordStep = Literal["parse", "input_schema", "predict", "output_schema", "rule"]
"""Where a record can be rejected, in the order of the steps."""


class ModelEtlError(Exception):
    """Base of the errors that end a run; catch it to handle every expected failure.

    Args:
        message: what happened, to which file or option, at which position, and why.
        remedy: what the reader can do about it; may be empty.
    """

    exit_code = 1
    quotes_records = False
    """Whether the message quotes what a model, a rule or a schema says of records."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = shortened(message, _MESSAGE_CHARS)
        self.remedy = shortened(remedy, _MESSAGE_CHARS)

    def __str__(self) -> str:
        return f"{self.message}\n  {self.remedy}" if self.remedy else self.message

    def __reduce__(self) -> tuple[type[ModelEtlError], tuple[str, str]]:
        """Keep message and remedy when the error is pickled, as it is on the way from a worker process."""
        return type(self), (self.message, self.remedy)


class UsageError(ModelEtlError):
    """The command line is wrong: an unknown option, a value that is not permitted, or a name that cannot be used."""

    exit_code = 2


class SameFile(UsageError):
    """Two names of a run are the same file; then nothing at all is written, not even a report."""


class DataError(ModelEtlError):
    """The input was read, but its predictions must not be published."""

    exit_code = 65


class InputMissing(ModelEtlError):
    """There is no input of that name."""

    exit_code = 66


class ModelUnavailable(ModelEtlError):
    """The model cannot be imported or constructed, is not an MLModel, or has another version than expected."""

    exit_code = 69


class OutputRefused(ModelEtlError):
    """An output file cannot be created, or must not be replaced."""

    exit_code = 73


class StorageFailure(ModelEtlError):
    """Reading or writing failed; the same command may work once the cause is gone."""

    exit_code = 74


class NotDurable(StorageFailure):
    """A file was published under its name, but may not survive a power failure."""


class TryAgain(ModelEtlError):
    """The cause is temporary: run the same command later."""

    exit_code = 75


class PermissionRefused(ModelEtlError):
    """The user who runs the program lacks a permission."""

    exit_code = 77


class ConfigurationError(ModelEtlError):
    """Settings contradict each other, a rule cannot be loaded, or names collide."""

    exit_code = 78


class Interrupted(BaseException):
    """A signal asked the run to end.

    Args:
        signum: the signal's number; the exit code is 128 more, as a shell reports it.

    Attributes:
        remark: what happened to the outputs.
    """

    remark = "nothing was published"
    quotes_records = False

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


class TimeIsUp(Interrupted):
    """The run took longer than it may.

    Args:
        seconds: how long it may take.
    """

    def __init__(self, seconds: float) -> None:
        BaseException.__init__(self, f"the run was stopped after {seconds:g} s (--max_runtime)")
        self.exit_code = TryAgain.exit_code


class ModelTimedOut(BaseException):
    """A call of a model took longer than --model_timeout; not an Exception, so that no model catches it."""


RUN_ENDING_EXCEPTIONS = (Interrupted, ModelTimedOut, SystemExit, MemoryError)
"""What ends a run even if it is raised inside a model or a rule. All else rejects the record, also exceptions that are
not an `Exception`: Rust code that panics raises such ones, and so does a call that asyncio cancels."""


class RecordError(Exception):
    """A record cannot be scored; the other records of its batch can.

    Args:
        stage: the step that failed.
        type_name: name of the exception or of the mistake.
        message: the cause; it holds no values of the record, unless the model's author put them into a message.
        code: file and line of the code that raised it, or empty.
    """

    def __init__(self, stage: RecordStep, type_name: str, message: str, code: str = "") -> None:
        super().__init__(message)
        self.stage = stage
        self.type_name = shortened(type_name)
        self.message = encodable(shortened(message))
        self.code = code

    def without_traceback(self) -> RecordError:
        """Drop traceback and cause: thousands of kept errors would keep the local variables of their frames alive."""
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, which may control a terminal or break a line; those that change the direction of text; and lone
surrogates, which UTF-8 cannot encode."""
_OWN_LINE = re.compile("(\n(?=  ))")
"""A line break of this program's own messages: all lines but the first are indented."""
_USER_INFO = re.compile(r"(?<=://)(?:[^/\s@:]+:[^\s@]*|[^/\s@]*)@(?:[^\s/@]*@)*")
_QUERY = re.compile(r"(?<=://)([^\s?]*?)(\?|%3F)[^\s?]*?(?:=|%3D)[^\s'\"]*")
MASK = "***"
"""Stands for a secret in messages, in the report and in the prediction log."""


def printable(text: str) -> str:
    """Return a text that others wrote as people may read it, on one line.

    What a terminal would obey, what breaks lines or turns their direction, and what UTF-8 cannot encode become
    escapes, as in Python.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def printable_message(text: str) -> str:
    """Return a message as people may read it: printable, in its own lines, and without the secrets in URLs.

    Args:
        text: the message; its own lines are indented; any other line break is part of a quoted text.
    """
    lines = _OWN_LINE.split(mask_urls(text))
    return "".join("\n" if line == "\n" else printable(line) for line in lines)


def printable_json(text: str) -> str:
    """Return JSON with the same values whose text a terminal can show.

    Args:
        text: the JSON, in which control characters below U+0020 are line breaks of its layout.
    """
    return _UNPRINTABLE.sub(lambda match: match[0] if match[0] < " " else f"\\u{ord(match[0]):04x}", text)


def mask_urls(text: str) -> str:
    """Return a text whose URLs have no user names, passwords and queries: keys, tokens and signatures lie there."""
    if "://" not in text:
        return text
    return _QUERY.sub(rf"\1\2{MASK}", _USER_INFO.sub(f"{MASK}@", text))


def encodable(text: str) -> str:
    """Return a text that UTF-8 can encode: lone surrogates, from file names or a model's messages, become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def shortened(text: str, limit: int = QUOTED_CHARS) -> str:
    """Return a text whose middle is left out if it has more characters than `limit`; the ends often have the cause."""
    if len(text) <= limit:
        return text
    mark = f" [... {len(text):,} characters ...] "
    end = limit // 5
    return f"{text[: limit - end - len(mark)]}{mark}{text[-end:]}"


def describe_exception(exc: BaseException) -> str:
    """Return the type and the message of an exception, on one line."""
    message = printable(shortened(" ".join(str(exc).split())))
    return f"{type(exc).__name__}: {message}" if message else type(exc).__name__


def counts_disagree(details: str) -> ModelEtlError:
    """Return the error for a run that lost records, or has some twice.

    Args:
        details: the numbers that contradict each other.
    """
    return ModelEtlError(f"the counts disagree: {details}; nothing was published", "This is a bug: please report it.")


def input_changed(name: str) -> TryAgain:
    """Return the error for an input that was changed during the run.

    Args:
        name: the input's name, as messages show it.
    """
    return TryAgain(
        f"{name} was changed while it was read; nothing was published", "Run again once nothing writes to it."
    )


def out_of_memory(name: str, after: int) -> TryAgain:
    """Return the error for an input that cannot be read with the memory that the run has.

    Args:
        name: the input's name, as messages show it.
        after: the number of its last record that was read.
    """
    return TryAgain(
        f"cannot read {name} after record {after}: there is not enough memory; nothing was published",
        "Give the run more memory, or lower --max_record_size: a record that is longer is rejected.",
    )


def rebuild(
    type_name: str, message: str, remedy: str = "", *, default: type[ModelEtlError] = ModelEtlError
) -> ModelEtlError:
    """Rebuild an error of this module that another process could only report as text.

    Args:
        type_name: name of its class.
        message: its message.
        remedy: its remedy.
        default: class of the result if this module has no error of that name.
    """
    error = globals().get(type_name)
    if isinstance(error, type) and issubclass(error, ModelEtlError):
        return error(message, remedy)
    return default(message, remedy)
