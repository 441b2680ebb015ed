"""What an option is: a flag, an environment variable and a key of a TOML file with one meaning."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from model_etl.errors import encodable

ENVIRONMENT_PREFIX = "MODEL_ETL_"
"""The environment variable of an option is its name in capitals after this prefix."""
FILES = "Files"
SCORING = "What is scored and published"
EVIDENCE = "Evidence"
STORAGE = "S3 and MinIO"
RUN = "The run"
GROUPS = (FILES, SCORING, EVIDENCE, STORAGE, RUN)
"""The groups of options, in the order of the help and of docs/options.md."""


@dataclass(frozen=True)
class Option:
    """One option: a flag, an environment variable and a key of a TOML file with one meaning.

    Attributes:
        name: of the option, with underscores.
        group: one of `GROUPS`, or a group of an engine's own.
        help: what the option does, in a phrase, for `--help`.
        documentation: the same at length, in Markdown, for docs/options.md; `help` if empty.
        short: short flags, as `-i`.
        parse: reads a value from its text; raises ValueError if the text is not a value.
        choices: the permitted values; empty for any.
        repeatable: whether the flag may be given several times; the value is then a tuple.
        switch: whether the flag takes no value and sets the option to True.
        metavar: placeholder for the value in the help.
        secret: whether the value must never be shown.
        url: whether the value is a URL, which may hold a password.
        everyday: whether the help shows it first.
        file: whether the value is the name of a file, whose bytes may be any; all other values are UTF-8.
    """

    name: str
    group: str
    help: str
    documentation: str = ""
    short: tuple[str, ...] = ()
    parse: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    switch: bool = False
    metavar: str | None = None
    secret: bool = False
    url: bool = False
    everyday: bool = False
    file: bool = False

    @property
    def flag(self) -> str:
        """The flag on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    def words(self, value: Any) -> list[str]:
        """Return a value as words of a command line.

        Args:
            value: of this option; not None, and not False for a switch.
        """
        if self.switch:
            return [self.flag]
        return [self.flag, ",".join(value) if isinstance(value, tuple) else str(value)]

    def read(self, text: str) -> Any:
        """Return the value that a text of the command line or the environment stands for.

        Raises:
            ValueError: if it is not a value of this option.
        """
        if not self.file and not is_utf8(text):
            raise ValueError("it is not valid UTF-8")
        return self.parse(text)


def is_utf8(text: str) -> bool:
    """Return whether a text from outside is UTF-8; Python has lone surrogates for bytes that are not."""
    return encodable(text) == text


def option_table(*options: Option) -> dict[str, Option]:
    """Return options by name."""
    return {option.name: option for option in options}


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a mistyped name most resembles, or None if it resembles none."""
    return next(iter(difflib.get_close_matches(name, list(known), 1)), None)
