"""Names with wildcards, the same for all storages: `*`, `?` and `[...]` within a name, `**` for any number of folders.

Names that start with a dot or an underscore match only a pattern that starts with the same character: writers use such
names for unfinished files, and for marks such as `_SUCCESS`. Names that end in `_$folder$`, which Hadoop and EMR use to
mark folders, match only a pattern that ends so too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

_WILDCARD = re.compile(r"[*?\[]")
_UNFINISHED_PREFIXES = (".", "_")
_FOLDER_MARK = "_$folder$"


class FileSelection(NamedTuple):
    """The files to look for below a folder.

    Attributes:
        folder: where to look, with its slash; empty for the root of a bucket or the current folder.
        parts: the pattern of the names below it, split at its slashes.
        is_pattern: whether the user wrote a pattern, rather than the name of the folder.
    """

    folder: str
    parts: list[str]
    is_pattern: bool


def select_files(name: str, *, exists: Callable[[str], bool], is_folder: Callable[[str], bool]) -> FileSelection | None:
    """Return the files that a name stands for in a storage, or None if it is the name of a single file.

    A name with wildcards that exists as it is written is not a pattern.

    Args:
        name: a path or a key.
        exists: whether the storage has something of that very name.
        is_folder: whether the storage has a folder of that name.
    """
    if is_pattern(name) and not exists(name):
        return FileSelection(*split(name), is_pattern=True)
    if is_folder(name):
        folder = name if not name or name.endswith("/") else f"{name}/"
        return FileSelection(folder, ["*"], is_pattern=False)
    return None


def is_pattern(name: str) -> bool:
    """Return whether a name has a wildcard."""
    return _WILDCARD.search(name) is not None


def split(pattern: str) -> tuple[str, list[str]]:
    """Split a pattern into the deepest folder without a wildcard, with its slash, and the parts below it.

    A `**` at the end stands for all files below, so a part `*` is added; repeated `**` are merged.
    """
    wildcard = _WILDCARD.search(pattern)
    folder_end = pattern.rfind("/", 0, wildcard.start() if wildcard else len(pattern)) + 1
    parts = pattern[folder_end:].split("/")
    if parts[-1] == "**":
        parts.append("*")
    followers = [*parts[1:], ""]
    return pattern[:folder_end], [
        part for part, follower in zip(parts, followers, strict=True) if not part == follower == "**"
    ]


def fits(part: str, name: str) -> bool:
    """Return whether one part of a pattern matches a name without slashes."""
    if name[:1] in _UNFINISHED_PREFIXES and part[:1] != name[:1]:
        return False
    if name.endswith(_FOLDER_MARK) and not part.endswith(_FOLDER_MARK):
        return False
    return fnmatchcase(name, part)


def matches(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether the parts of a pattern match a path.

    All ways to match are followed at once, as in a finite automaton: backtracking would take exponential time.

    Args:
        parts: as `split` returns them.
        names: the path below the pattern's folder, split at its slashes.
    """
    states = _skip_double_stars({0}, parts)  # how many parts may have been used up by the names so far
    for name in names[:-1]:
        reached = {i + 1 for i in states if i < len(parts) and parts[i] != "**" and fits(parts[i], name)}
        if fits("*", name):
            reached |= {i for i in states if i < len(parts) and parts[i] == "**"}
        states = _skip_double_stars(reached, parts)
    return bool(names) and len(parts) - 1 in states and parts[-1] != "**" and fits(parts[-1], names[-1])


def _skip_double_stars(states: set[int], parts: Sequence[str]) -> set[int]:
    """Add the states that are reached if a `**` stands for no folder at all."""
    for index, part in enumerate(parts):
        if index in states and part == "**":
            states.add(index + 1)
    return states
