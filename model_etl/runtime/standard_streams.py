"""Standard output, kept for data: what a model or a library prints goes to standard error."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

_STDOUT = 1
_STDERR = 2


class _Saved:
    """Where the real standard output is while prints are turned away from it; None if it was closed from the start."""

    fd: int | None = _STDOUT


@contextlib.contextmanager
def prints_to_stderr() -> Iterator[None]:
    """Send all that is printed to standard error, also by C code; `stdout_fd` still leads to standard output.

    Streams that whoever started us closed lead nowhere from now on. Left closed, their numbers would go to the next
    files that are opened, and prints would end up in our data.
    """
    closed = [fd for fd in (0, _STDOUT, _STDERR) if not _is_open(fd)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    sys.stdout = sys.stdout or open(_STDOUT, "w", closefd=False)  # noqa: SIM115  libraries ask it for isatty()
    sys.stderr = sys.stderr or open(_STDERR, "w", closefd=False)  # noqa: SIM115
    sys.stdout.flush()
    saved = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    _Saved.fd = None if _STDOUT in closed else saved
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        _Saved.fd = _STDOUT
        os.dup2(saved, _STDOUT)
        os.close(saved)


def stdout_fd() -> int:
    """Give the descriptor of the real standard output.

    Raises:
        OSError: if it was closed by whoever started us.
    """
    if _Saved.fd is None:
        raise OSError(errno.EBADF, "standard output is closed")
    return _Saved.fd


def stdin_fd() -> int:
    """Give the descriptor of standard input.

    Raises:
        OSError: if it was closed by whoever started us.
    """
    if sys.__stdin__ is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.__stdin__.fileno()


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
