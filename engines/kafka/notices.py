"""What there is to say: results on standard output, notices on standard error, the same one not again and again."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable

from model_etl.errors import storage_error
from model_etl.runtime.standard_streams import stdout_fd

AGAIN = 60.0
"""Seconds before a notice is repeated: a client that finds no broker tells it ten times a second."""


def say(text: str) -> None:
    """Say something at once."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def put(lines: Iterable[bytes]) -> None:
    """Write lines to standard output.

    Raises:
        ModelEtlError: if nobody reads them.
    """
    block = b"".join(line + b"\n" for line in lines)
    try:
        while block:
            block = block[os.write(stdout_fd(), block) :]
    except OSError as exc:
        raise storage_error(exc, "write", "standard output") from exc


class Notices(logging.Handler):
    """Says what libraries log as warnings or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Say one, without a traceback: what ends us comes as an error of ours, with its cause."""
        now = time.monotonic()
        text = " ".join(f"{record.name}: {record.getMessage()}".split())
        if now - self._said.get(record.msg, -AGAIN) >= AGAIN:
            self._said[record.msg] = now
            say(text)


def listen() -> None:
    """Have what libraries log said as notices."""
    root = logging.getLogger()
    if not any(isinstance(handler, Notices) for handler in root.handlers):
        root.addHandler(Notices())
