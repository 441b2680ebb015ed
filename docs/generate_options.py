"""Writes the tables of docs/options.md from the table of options: `python docs/generate_options.py`.

The tables lie between the lines `<!-- options: GROUP -->` and `<!-- end of options -->`; the text around them is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from model_etl.settings.job_config import DEFAULTS
from model_etl.settings.option import Option
from model_etl.settings.options import OPTIONS
from model_etl.settings.values import (
    MaxErrors,
    parse_names,
    parse_positive_int,
    parse_positive_seconds,
    parse_retries,
    parse_seconds,
)
from model_etl.settings.verb_options import COMMAND_OPTIONS

PAGE = Path(__file__).with_name("options.md")
NAMES = "names"
"""In the place of a group: the table of environment variables and TOML keys."""
_SECTION = re.compile(r"(<!-- options: (.+?) -->\n).*?(<!-- end of options -->)", re.DOTALL)
_TOML_TYPES: dict[Callable[[str], Any], str] = {
    parse_positive_int: "integer",
    parse_retries: "integer",
    parse_seconds: "number",
    parse_positive_seconds: "number",
    parse_names: "list of strings",
    MaxErrors.parse: "integer, or string",
}


def with_tables(page: str) -> str:
    """Return the page with its tables as the options are now.

    Raises:
        ValueError: if a group of options has no table in the page.
    """
    written = set(re.findall(r"<!-- options: (.+?) -->", page))
    groups = {option.group for option in OPTIONS.values()} | {NAMES}
    if written != groups:
        raise ValueError(f"the page has tables of {sorted(written)}, but the groups are {sorted(groups)}")
    return _SECTION.sub(lambda match: f"{match[1]}\n{_table(match[2])}\n{match[3]}", page)


def _table(group: str) -> str:
    if group == NAMES:
        rows = [_name_row(option) for option in OPTIONS.values()]
        return _markdown(("option", "environment variable", "key of the file", "value in the file"), rows)
    options = [option for option in (*OPTIONS.values(), *COMMAND_OPTIONS.values()) if option.group == group]
    return _markdown(("option", "default", "meaning"), [_meaning_row(option) for option in options])


def _meaning_row(option: Option) -> tuple[str, str, str]:
    flags = ", ".join(f"`{flag}`" for flag in (option.flag, *option.short))
    default = DEFAULTS.get(option.name)
    default = ",".join(default) if isinstance(default, tuple) else default
    shown = "" if default in (None, "") or default is False else f"`{default}`"
    return flags, shown.replace(".0`", "`"), option.documentation or option.help


def _name_row(option: Option) -> tuple[str, str, str, str]:
    value = "`true` or `false`" if option.switch else _TOML_TYPES.get(option.parse, "string")
    if option.repeatable:
        value = "list of strings"
    return f"`{option.flag}`", f"`{option.variable}`", f"`{option.name}`", value


def _markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *(list(row) for row in rows)]
    lines = ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in cells]
    return "\n".join([lines[0], "|---" * len(cells[0]) + "|", *lines[1:]])


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
