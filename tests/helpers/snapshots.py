"""What a folder or a bucket holds, and what changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def snapshot(folder: Path) -> dict[str, object]:
    """Return all that a folder holds: the bytes of files, the targets of links, "folder" or "other"."""

    def content(path: Path) -> object:
        if path.is_symlink():
            return os.readlink(path)
        return path.read_bytes() if path.is_file() else "folder" if path.is_dir() else "other"

    return {str(path.relative_to(folder)): content(path) for path in folder.rglob("*")}


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """Return the names that are new, gone or different."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
