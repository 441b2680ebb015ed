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
    return pattern[:cut], [*parts, "*"] if parts[-1] == "**" else parts


def fits(part: str, name: str) -> bool:
    """Tell whether one part of a pattern stands for a name without slashes."""
    return (name[:1] not in _UNFINISHED or part[:1] == name[:1]) and fnmatchcase(name, part)


def matches(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Tell whether the parts of a pattern stand for the parts of a name."""
    if not parts or not names:
        return not parts and not names
    if parts[0] == "**":
        return matches(parts[1:], names) or (fits("*", names[0]) and len(names) > 1 and matches(parts, names[1:]))
    return fits(parts[0], names[0]) and matches(parts[1:], names[1:])
