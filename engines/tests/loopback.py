"""Run a command in a network namespace that has only the loopback: Beam's servers listen on all interfaces.

    python loopback.py COMMAND [ARGUMENT ...]

Linux only; a user who is not root needs permission to create a user namespace.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000  # linux/sched.h
_SET_FLAGS, _UP = 0x8914, 0x1  # linux/sockios.h, linux/if.h


def main(command: list[str]) -> None:
    """Enter a new network namespace, bring the loopback up, and execute the command."""
    root = os.geteuid() == 0
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NET if root else _NEW_NET | _NEW_USER):
        reason = os.strerror(ctypes.get_errno())
        sys.exit(f"cannot leave the network: {reason}\n  Run it as root, or allow user namespaces.")
    if not root:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    with socket.socket() as probe:
        fcntl.ioctl(probe, _SET_FLAGS, struct.pack("16sh14x", b"lo", _UP))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
