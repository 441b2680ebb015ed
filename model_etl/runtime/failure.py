"""How a command reports what ended it: one message on standard error, and an exit code."""

from __future__ import annotations

import contextlib
import sys
import traceback

from model_etl.errors import Interrupted, ModelEtlError, describe_exception, printable_message, shortened

_BUG_EXIT_CODE = 1
_TRACEBACK_CHARS = 50_000


def report_failure(exc: BaseException) -> int:
    """Print why a command ended, with a traceback only if the cause is a bug of this program.

    Args:
        exc: what ended it.

    Returns:
        The exit code; see `model_etl.errors`.
    """
    if isinstance(exc, Interrupted):
        _print_error(f"{exc}; {exc.remark}")
        return exc.exit_code
    if isinstance(exc, ModelEtlError):
        _print_error(str(exc))
        return exc.exit_code
    lines = "".join(traceback.format_exception(type(exc), exc, exc.__traceback__)).rstrip().split("\n")
    print_to_stderr(shortened("\n  ".join(map(shortened, lines)), _TRACEBACK_CHARS))
    _print_error(
        f"{describe_exception(exc)}; nothing was published\n  This is a bug: please report it, with the lines above."
    )
    return _BUG_EXIT_CODE


def print_to_stderr(text: str) -> None:
    """Print a message on standard error; do nothing if that is closed or full, because the exit code tells it too.

    All that others wrote into it is escaped, and secrets in URLs are masked.
    """
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:  # print() would take None for standard output
            print(printable_message(text), file=sys.stderr, flush=True)  # noqa: T201


def _print_error(text: str) -> None:
    print_to_stderr(f"model-etl: error: {text}")
