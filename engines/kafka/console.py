"""What the commands print: results on standard output, notices on standard error, without endless repetitions."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable

from typing_extensions import override

from model_etl.errors import printable_message
from model_etl.runtime.standard_streams import stdout_fd
from model_etl.runtime.system_errors import storage_error

REPEAT_INTERVAL_S = 60.0
"""How long the same notice is suppressed: a client that finds no broker logs it ten times a second."""


def print_notice(text: str) -> None:
    """Print a line to standard error and flush it."""
    if sys.stderr is not None:
        print(printable_message(text), file=sys.stderr, flush=True)  # noqa: T201


def write_stdout(lines: Iterable[bytes]) -> None:
    """Write lines to standard output, each with a line end.

    Raises:
        ModelEtlError: if standard output is closed or cannot be written to.
    """
    block = b"".join(line + b"\n" for line in lines)
    try:
        while block:
            block = block[os.write(stdout_fd(), block) :]
    except OSError as exc:
        raise storage_error(exc, "write", "standard output") from exc


class NoticeHandler(logging.Handler):
    """Prints the warnings and errors that libraries log, each at most once a minute."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last_printed: dict[str, float] = {}

    @override
    def emit(self, record: logging.LogRecord) -> None:
        # No traceback: whatever ends the command is reported as a ModelEtlError, with its cause.
        now = time.monotonic()
        text = " ".join(f"{record.name}: {record.getMessage()}".split())
        if now - self._last_printed.get(record.msg, -REPEAT_INTERVAL_S) >= REPEAT_INTERVAL_S:
            self._last_printed[record.msg] = now
            print_notice(text)


def install_log_handler() -> None:
    """Print what libraries log as notices; calling it again changes nothing."""
    root = logging.getLogger()
    if not any(isinstance(handler, NoticeHandler) for handler in root.handlers):
        root.addHandler(NoticeHandler())
