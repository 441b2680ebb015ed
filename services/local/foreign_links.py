"""Symbolic links and named pipes that another user may have put where this user's files are written."""

from __future__ import annotations

import os
import stat

from model_etl.errors import PermissionRefused, StorageFailure, printable

_MOST_LINKS = 40
"""Links that the system follows in one path."""


def refuse_foreign_links(path: str, resolved: str | None, name: str) -> None:
    """Check that no other user decides which file a path leads to.

    Another user's link is refused in a folder that others may write to: by such a link, the run would replace or remove
    a file that only its own user may write. The same holds for another user's named pipe, which would get the content.

    Args:
        path: absolute, with its links.
        resolved: where the path led to when the run began, or None if its links are followed at last when it is opened.
        name: the file as the user named it.

    Raises:
        PermissionRefused: if there is another user's link or pipe.
        StorageFailure: if the path leads to another file now.
    """
    current, parts, links = "/", path.split("/")[::-1], 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if part == "..":
            current = os.path.dirname(current)  # noqa: PTH120
            continue
        entry = os.path.join(current, part)  # noqa: PTH118
        try:
            status = os.lstat(entry)
        except OSError:
            current = entry
            continue
        if stat.S_ISLNK(status.st_mode):
            _refuse_foreign(entry, status, current, name, "symbolic link")
            links += 1
            if links > _MOST_LINKS:
                return  # opening it fails
            target = os.readlink(entry)  # noqa: PTH115
            current = "/" if target.startswith("/") else current
            parts.extend(target.split("/")[::-1])
            continue
        if stat.S_ISFIFO(status.st_mode) or stat.S_ISSOCK(status.st_mode):
            _refuse_foreign(entry, status, current, name, "named pipe")
        current = entry
    if resolved not in (None, current):
        raise StorageFailure(
            f"cannot write {name}: it led to {printable(str(resolved))} before, and leads to {printable(current)} now",
            "Find out who changes the links of that path, and run again.",
        )


def _refuse_foreign(entry: str, status: os.stat_result, folder: str, name: str, description: str) -> None:
    trusted = {0, os.geteuid()}
    if status.st_uid in trusted:
        return
    folder_status = os.stat(folder)  # noqa: PTH116
    shared = folder_status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if os.geteuid():
        trusted.add(status.st_uid)  # who alone may write to a folder may use links there, but cannot mislead root
    if shared or folder_status.st_uid not in trusted:
        raise PermissionRefused(
            f"cannot write {name}: {printable(entry)} is a {description} of another user (number {status.st_uid}),"
            " in a folder that others may write to",
            "Have it removed, write to a folder of your own, or name the file that it leads to.",
        )
