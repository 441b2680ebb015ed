"""Names with wildcards, the same for all storages: `*`, `?` and `[...]` within a name, `**` for any number of folders.

What starts with a dot or an underscore is left out unless the pattern spells it: writers use such names for what is
not done.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

_MAGIC = re.compile(r"[*?\[]")
_UNFINISHED = (".", "_")


def is_pattern(name: str) -> bool:
    """Tell whether a name holds a wildcard."""
    return _MAGIC.search(name) is not None


def split(pattern: str) -> tuple[str, list[str]]:
    """Split a pattern into the folder that it surely lies in, with its slash, and the parts below it."""
    found = _MAGIC.search(pattern)
    cut = pattern.rfind("/", 0, found.start() if found else len(pattern)) + 1
    parts = pattern[cut:].split("/")
    if parts[-1] == "**":
        parts.append("*")
    return pattern[:cut], [
        part for part, after in zip(parts, [*parts[1:], ""], strict=True) if not part == after == "**"
    ]


def fits(part: str, name: str) -> bool:
    """Tell whether one part of a pattern stands for a name without slashes."""
    return (name[:1] not in _UNFINISHED or part[:1] == name[:1]) and fnmatchcase(name, part)


def matches(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Tell whether the parts of a pattern stand for the parts of a name."""
    at = _with_none({0}, parts)  # how many parts the names so far can stand for
    for name in names[:-1]:
        after = {i + 1 for i in at if i < len(parts) and parts[i] != "**" and fits(parts[i], name)}
        if fits("*", name):
            after |= {i for i in at if i < len(parts) and parts[i] == "**"}
        at = _with_none(after, parts)
    return bool(names) and len(parts) - 1 in at and parts[-1] != "**" and fits(parts[-1], names[-1])


def _with_none(at: set[int], parts: Sequence[str]) -> set[int]:
    """Add where one is if each `**` stands for no folder."""
    for index, part in enumerate(parts):
        if index in at and part == "**":
            at.add(index + 1)
    return at
