"""What the verbs write to standard output: all of it, or the command ends with an error."""

from __future__ import annotations

from collections.abc import Iterable

from model_etl.errors import printable, printable_json
from model_etl.runtime.standard_streams import stdout_fd, write_all
from model_etl.runtime.system_errors import storage_error


def write_lines(lines: Iterable[str], done: str = "") -> None:
    """Write lines for people; what a terminal would obey, or what breaks a line, becomes an escape.

    Args:
        lines: the lines, without line breaks.
        done: what the command has done already, for the message of an error.

    Raises:
        StorageFailure: if they cannot be written completely.
    """
    _write("".join(f"{printable(line)}\n" for line in lines), done)


def write_json(text: str) -> None:
    """Write JSON in its layout, with the same values; what a terminal would obey becomes an escape.

    Raises:
        StorageFailure: if it cannot be written completely.
    """
    _write(f"{printable_json(text)}\n", "")


def _write(text: str, done: str) -> None:
    try:
        write_all(stdout_fd(), text.encode())
    except OSError as exc:
        error = storage_error(exc, "write", "-")
        raise type(error)(f"{error.message}; {done}" if done else error.message, error.remedy) from exc
