"""Standard output, kept for data: what a model or a library prints goes to standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_STDOUT = 1
_STDERR = 2


class _Saved:
    """Where the real standard output is while prints are turned away from it."""

    fd = _STDOUT


@contextlib.contextmanager
def prints_to_stderr() -> Iterator[None]:
    """Send all that is printed to standard error, also by C code; `stdout_fd` still leads to standard output."""
    try:
        saved = os.dup(_STDOUT)
    except OSError:  # closed by whoever started us
        yield
        return
    try:
        target = os.dup(_STDERR)
    except OSError:
        target = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    os.dup2(target, _STDOUT)
    os.close(target)
    _Saved.fd = saved
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        _Saved.fd = _STDOUT
        os.dup2(saved, _STDOUT)
        os.close(saved)


def stdout_fd() -> int:
    """Give the descriptor of the real standard output."""
    return _Saved.fd
