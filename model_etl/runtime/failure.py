"""How a command reports what ended it: one message on standard error, and an exit code."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import traceback

from model_etl.errors import Interrupted, ModelEtlError, describe_exception, printable_message, shortened
from model_etl.runtime.system_errors import lack_of_resources

_BUG_EXIT_CODE = 1
_TRACEBACK_CHARS = 50_000


def report_failure(exc: BaseException) -> int:
    """Print why a command ended, with a traceback only if the cause is a bug of this program.

    Args:
        exc: what ended it.

    Returns:
        The exit code; see `model_etl.errors`.
    """
    exc = lack_of_resources(exc) or exc
    if not isinstance(exc, (Interrupted, ModelEtlError)):
        lines = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip().split("\n")
        print_to_stderr(shortened("\n  ".join(map(shortened, lines)), _TRACEBACK_CHARS))
    print_to_stderr(f"model-etl: error: {describe_failure(exc)}")
    return int(getattr(exc, "exit_code", _BUG_EXIT_CODE))


def describe_failure(exc: BaseException) -> str:
    """Return the message for what ended a command."""
    if isinstance(exc, Interrupted):
        return f"{exc}; {exc.remark}"
    if isinstance(exc, ModelEtlError):
        return str(exc)
    return f"{describe_exception(exc)}; nothing was published\n  This is a bug: please report it, with the lines above."


def print_to_stderr(text: str) -> None:
    """Print a message on standard error; do nothing if that is closed or full, because the exit code tells it too.

    All that others wrote into it is escaped, and secrets in URLs are masked.
    """
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:  # print() would take None for standard output
            print(printable_message(text), file=sys.stderr, flush=True)  # noqa: T201


def write_without_waiting(text: str) -> None:
    """Write a message to standard error as `print_to_stderr` does, or nothing if that is a pipe without room for it."""
    with contextlib.suppress(OSError):
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        if poll.poll(0):  # a pipe then takes as many bytes as this without waiting
            os.write(2, f"{printable_message(text)}\n".encode()[: select.PIPE_BUF])
