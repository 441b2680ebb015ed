"""The file that a run replaces: whether it can be replaced, and what of it the new file keeps."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys

from model_etl.errors import OutputRefused, PermissionRefused, printable
from model_etl.runtime.failure import print_to_stderr

_ACL = "system.posix_acl_access"
_USER_ATTRIBUTES = "user."
_PERMISSIONS = 0o777
"""The bits of a mode that a new file keeps: never set-user-id, set-group-id or sticky."""


def _read_umask() -> int:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:  # noqa: PTH123
            return next(int(line.split()[1], 8) for line in status if line.startswith("Umask:"))
    except (OSError, StopIteration, ValueError):
        umask = os.umask(0)
        os.umask(umask)
        return umask


_UMASK = _read_umask()
"""Read once, before there are other threads: where there is no /proc, reading it makes it 0 for a moment."""


def check_replaceable(path: str, name: str) -> None:
    """Check that a file may be replaced or removed, as far as the system tells; a file that does not exist may be.

    Args:
        path: of the file, absolute.
        name: the file as the user named it.

    Raises:
        OSError: if the path cannot be that of a file: it is a folder, its name is too long, its folder is missing.
        PermissionRefused: if the file belongs to another user in a sticky folder, or it or its folder must not change.
        OutputRefused: if a file system is mounted on it.
    """
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    try:
        # The system refuses this in any case, but only with ENOTDIR if the file could be removed or replaced.
        os.rmdir(path)  # noqa: PTH106
    except OSError as exc:
        if exc.errno == errno.EPERM:
            raise PermissionRefused(f"cannot replace {name}: {_reason(path, status)}", _remedy(path)) from exc
        if exc.errno in (errno.EACCES, errno.EROFS):
            raise
    if _is_mount_point(path):
        raise OutputRefused(
            f"cannot replace {name}: it is a mount point, as of a container whose volume is this single file",
            "Mount its folder instead.",
        )


def _reason(path: str, status: os.stat_result) -> str:
    folder = os.stat(os.path.dirname(path))  # noqa: PTH116, PTH120
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (folder.st_uid, status.st_uid):
        return "in a sticky folder (as /tmp is) only its owner may"
    if folder.st_mode & stat.S_ISVTX and os.geteuid() != status.st_uid:
        return "it belongs to another user, in a sticky folder"
    return "it or its folder is immutable, or may only be appended to"


def _remedy(path: str) -> str:
    return f"Have its owner remove it, or write to a folder of your own: ls -ld {printable(os.path.dirname(path))}"  # noqa: PTH120


def _is_mount_point(path: str) -> bool:
    try:
        with open("/proc/self/mountinfo", "rb") as mounts:  # noqa: PTH123
            points = [line.split(b" ", 5)[4] for line in mounts]
    except (OSError, IndexError):
        return False
    escaped = re.sub(rb"[\\ \t\n]", lambda match: b"\\%03o" % match[0][0], os.fsencode(path))
    return escaped in points


def take_over_attributes(fd: int, path: str, name: str) -> None:
    """Give a new file the mode, group, ACL and user attributes of the file that it replaces.

    If this user may not give it the group, nobody gets more or other rights: the group of the new file may do what
    everybody may, and a warning says so. Of another user's file, the new file has no ACL, not everybody may write it,
    and it has the group only if that is the folder's: in a folder that others may write to, any user could have made
    it so.

    Args:
        fd: descriptor of the new file.
        path: of the file that it replaces; if there is none, the mode is that of a new file.
        name: the file as the user named it.

    Raises:
        OSError: if the mode cannot be set.
    """
    try:
        replaced = os.lstat(path)
    except FileNotFoundError:
        replaced = None
    if replaced is None or not stat.S_ISREG(replaced.st_mode):
        os.fchmod(fd, 0o666 & ~_UMASK)
        return
    is_trusted = replaced.st_uid in (0, os.geteuid())
    mode = replaced.st_mode & (_PERMISSIONS if is_trusted else _PERMISSIONS & ~stat.S_IWOTH)
    has_trusted_group = is_trusted or replaced.st_gid == os.stat(os.path.dirname(path)).st_gid  # noqa: PTH116, PTH120
    has_group = has_trusted_group and _give_group(fd, replaced.st_gid)
    if not (has_group and _give_acl(fd, path if is_trusted else None)):
        narrowed = (mode & ~0o070) | ((mode & 0o007) << 3 & mode)
        if narrowed != mode:
            remedy = "Join that group" if has_trusted_group else "Give the folder that group"
            verb = "cannot have" if has_trusted_group else "does not take over"
            print_to_stderr(
                f"model-etl: warning: the new {name} {verb} the group and the ACL of the old one"
                f" ({_group_name(replaced)}): its group may do no more than everybody\n"
                f"  {remedy}, or remove the file and let the next run make it with a group of its own."
            )
        mode = narrowed
    os.fchmod(fd, mode)
    if is_trusted:
        _copy_user_attributes(fd, path)


def _give_group(fd: int, group: int) -> bool:
    """Give a file a group; return whether it has it now."""
    if os.fstat(fd).st_gid != group:
        try:
            os.fchown(fd, -1, group)
        except OSError:
            return False
    return True


def _group_name(status: os.stat_result) -> str:
    import grp  # noqa: PLC0415  only for the warning

    with contextlib.suppress(KeyError):
        return grp.getgrgid(status.st_gid).gr_name
    return str(status.st_gid)


def _give_acl(fd: int, path: str | None) -> bool:
    """Give a file the ACL of another, or none if that has none; return whether it has it now."""
    if sys.platform != "linux":
        return True
    try:
        if path is not None and _ACL in os.listxattr(path, follow_symlinks=False):
            os.setxattr(fd, _ACL, os.getxattr(path, _ACL, follow_symlinks=False))
        elif _ACL in os.listxattr(fd):  # from the folder's defaults
            os.removexattr(fd, _ACL)
    except OSError as exc:
        return exc.errno == errno.ENOTSUP
    return True


def _copy_user_attributes(fd: int, path: str) -> None:
    """Copy the extended attributes that users set, as far as the file systems have them."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError):
        for name in os.listxattr(path, follow_symlinks=False):
            if name.startswith(_USER_ATTRIBUTES):
                os.setxattr(fd, name, os.getxattr(path, name, follow_symlinks=False))
