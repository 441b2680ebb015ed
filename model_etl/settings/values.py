"""The values of options: how each is read from its text."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass

from model_etl.formats.csv_dialect import check_delimiter
from model_etl.records.batch import MOST_RECORD_BYTES

_MOST_RETRIES = 100
OUTPUTS = ("prediction", "probability")
"""What a model that is a file can return."""


@dataclass(frozen=True)
class MaxErrors:
    """How many rejects a run tolerates.

    Attributes:
        limit: a number of records, or a percentage of the records read.
        percent: whether `limit` is a percentage.
    """

    limit: float = 0
    percent: bool = False

    @classmethod
    def parse(cls, text: str) -> MaxErrors:
        """Read `100` or `2%`.

        Raises:
            ValueError: if the text is neither a whole number nor a percentage from 0% to 100%.
        """
        number = text.strip().removesuffix("%")
        percent = number != text.strip()
        try:
            limit = float(number) if percent else int(number)
        except ValueError:
            raise ValueError(f"{text!r} is neither a number of records nor a percentage such as 2%") from None
        if not 0 <= limit <= (100 if percent else sys.maxsize):
            raise ValueError(f"{text!r} is out of range")
        return cls(limit, percent)

    def exceeded(self, rejected: int, read: int) -> bool:
        """Return whether a run with this many rejects must not publish.

        Args:
            rejected: number of records rejected.
            read: number of records read.
        """
        return rejected * 100 > self.limit * read if self.percent else rejected > self.limit

    def __str__(self) -> str:
        return f"{self.limit:g}%" if self.percent else f"{self.limit:g}"


def parse_names(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def parse_outputs(text: str) -> tuple[str, ...]:
    """Read `prediction`, `probability` or both, with a comma between them.

    Raises:
        ValueError: if the text names anything else, or nothing.
    """
    names = parse_names(text)
    if not names or not {*names} <= {*OUTPUTS}:
        raise ValueError(f"{text!r} is not a list of {' and '.join(OUTPUTS)}")
    return tuple(name for name in OUTPUTS if name in names)


def parse_digest(text: str) -> str:
    """Read a SHA-256: 64 hexadecimal digits.

    Raises:
        ValueError: if the text is anything else.
    """
    digest = text.strip().lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise ValueError(f"{text!r} is not a SHA-256: 64 hexadecimal digits, as sha256sum prints them")
    return digest


def parse_delimiter(text: str) -> str:
    r"""Read a character that stands between cells; `\t` is a tab.

    Raises:
        ValueError: if the text is not such a character.
    """
    return check_delimiter("\t" if text == "\\t" else text)


def parse_bool(text: str) -> bool:
    """Read `1`, `true`, `yes` or `on`, or `0`, `false`, `no`, `off` or an empty text.

    Raises:
        ValueError: if the text is none of these.
    """
    if text.strip().lower() in ("1", "true", "yes", "on"):
        return True
    if text.strip().lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError(f"{text!r} is neither yes nor no")


def parse_positive_int(text: str) -> int:
    """Read a whole number from 1.

    Raises:
        ValueError: if the text is not a whole number, or is less than 1.
    """
    number = _parse_int(text)
    if number < 1:
        raise ValueError(f"{text} is less than 1")
    return number


def parse_seconds(text: str) -> float:
    """Read a number of seconds from 0.

    Raises:
        ValueError: if the text is not a finite number, or is negative.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise ValueError(f"{text!r} is not a valid number of seconds")
    return number


def parse_positive_seconds(text: str) -> float:
    """Read a number of seconds greater than 0.

    Raises:
        ValueError: if the text is not a finite number, or is not greater than 0.
    """
    number = parse_seconds(text)
    if not number:
        raise ValueError(f"{text!r} is not greater than 0")
    return number


def parse_record_size(text: str) -> int:
    """Read a number of bytes from 1 to 1 GiB, which may end in K, M or G, or KiB, MiB or GiB (powers of 1024).

    Raises:
        ValueError: if the text is not such a number.
    """
    match = re.fullmatch(r"(\d{1,10})\s*(?:([kmg])(?:i?b)?|b)?", text.strip(), re.IGNORECASE | re.ASCII)
    if match is None:
        raise ValueError(f"{text!r} is not a number of bytes such as 1000000, 64K or 64M")
    size = int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[(match[2] or "").lower()]
    if not 1 <= size <= MOST_RECORD_BYTES:
        raise ValueError(f"{text!r} is not from 1 to 1G")
    return size


def parse_retries(text: str) -> int:
    """Read a whole number from 0 to 100.

    Raises:
        ValueError: if the text is not a whole number in this range.
    """
    number = _parse_int(text)
    if not 0 <= number <= _MOST_RETRIES:
        raise ValueError(f"{text} is not from 0 to {_MOST_RETRIES}")
    return number


def _parse_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None
