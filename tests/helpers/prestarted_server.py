"""The process that commands are forked from: it has imported the modules that its arguments name.

It reads requests from the socket whose descriptor is its first argument, and answers each with the process id of the
command and, when that has ended, its exit code.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
from typing import Any

REQUEST_BYTES = 100_000  # a socket takes more


def serve(channel: socket.socket) -> None:
    """Run commands until the tests end; in the process of a command, return by its SystemExit."""
    gc.freeze()  # a collection in a command would copy all of this memory
    while True:
        data, fds, _, _ = socket.recv_fds(channel, REQUEST_BYTES, 3)
        if not data:
            return
        pid = os.fork()
        if not pid:
            channel.close()
            become(json.loads(data), fds)
        for fd in fds:
            os.close(fd)
        channel.send(b"%d" % pid)
        channel.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def become(request: dict[str, Any], fds: list[int]) -> None:
    """Do what `python -m model_etl` does in a folder, with an environment and standard streams."""
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    os.chdir(request["folder"])
    os.umask(request["umask"])
    os.environ.clear()
    os.environ.update(request["environment"])
    importlib.invalidate_caches()
    sys.path[0] = os.getcwd()
    sys.argv[:] = ["-m", *request["arguments"]]
    runpy.run_module("model_etl", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    for name in sys.argv[2:]:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    serve(socket.socket(fileno=int(sys.argv[1])))
