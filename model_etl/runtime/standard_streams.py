"""Standard output, kept for data: everything that models and libraries print goes to standard error."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import sys
from collections.abc import Iterator

_STDOUT = 1
_STDERR = 2
_READ_BYTES = 1 << 20


class _SavedStdout:
    """The descriptor of the real standard output while prints are redirected; None if it was closed at start-up."""

    fd: int | None = _STDOUT


@contextlib.contextmanager
def prints_to_stderr() -> Iterator[None]:
    """Redirect everything that is printed, also by C code, to standard error; `stdout_fd` returns the real output.

    Descriptors that were closed at start-up are opened on /dev/null. A data file could otherwise be given descriptor 1
    or 2, and prints would end up in it.
    """
    closed = [fd for fd in (0, _STDOUT, _STDERR) if not _is_open(fd)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor
    sys.stdout = sys.stdout or open(_STDOUT, "w", closefd=False)  # noqa: SIM115  libraries ask it for isatty()
    sys.stderr = sys.stderr or open(_STDERR, "w", closefd=False)  # noqa: SIM115
    sys.stdout.flush()
    saved = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    _SavedStdout.fd = None if _STDOUT in closed else saved
    try:
        yield
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
        _SavedStdout.fd = _STDOUT
        os.dup2(saved, _STDOUT)
        os.close(saved)


def stdout_fd() -> int:
    """Return the descriptor of the real standard output.

    Raises:
        OSError: with EBADF, if it was closed at start-up.
    """
    if _SavedStdout.fd is None or sys.__stdout__ is None:
        raise OSError(errno.EBADF, "standard output is closed")
    return _SavedStdout.fd


def stdin_fd() -> int:
    """Return the descriptor of standard input.

    Raises:
        OSError: with EBADF, if it was closed at start-up.
    """
    if sys.__stdin__ is None:
        raise OSError(errno.EBADF, "standard input is closed")
    return sys.__stdin__.fileno()


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write all of some bytes to an open descriptor, also to one that is in non-blocking mode.

    Raises:
        OSError: if a part of them cannot be written.
    """
    remaining = memoryview(content)
    while remaining:
        try:
            remaining = remaining[os.write(descriptor, remaining) :]
        except BlockingIOError:  # another program that shares the terminal or pipe has made it non-blocking
            select.select([], [descriptor], [])


def read_at_most(descriptor: int, limit: int) -> bytes:
    """Read an open descriptor to its end, also one that is in non-blocking mode, but no more than some bytes.

    Raises:
        OSError: if it cannot be read.
    """
    content = bytearray()
    while len(content) < limit:
        try:
            block = os.read(descriptor, min(limit - len(content), _READ_BYTES))
        except BlockingIOError:
            select.select([descriptor], [], [])
            continue
        if not block:
            break
        content += block
    return bytes(content)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
