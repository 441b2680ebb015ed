"""Commands in processes that are forked from one in which the program's modules are imported already.

Most of the time of a small run is the start of Python and its imports. A forked run is a process of its own, too, with
its arguments, environment, folder and standard streams, and does what `python -m model_etl` does from the first line.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

from helpers import prestarted_server

RUN = ("model_etl.cli.main", "model_etl.cli.progress", "model_etl.job.check", "model_etl.job.run")
MODELS = ("asyncio", "email.utils", "multiprocessing", "numpy", "pydantic.main", "pydantic.fields", "zoneinfo")
"""What most models of the tests import."""
ALSO = {
    ".parquet": ("pyarrow.parquet", "pandas"),  # pyarrow imports pandas
    "s3://": ("boto3", "model_etl.services.s3.file_system"),
    "frame_models:": ("pandas", "pyarrow"),  # a fork of a process that has imported polars can hang
    "sklearn:": ("pandas", "sklearn.pipeline", "skops"),
}
"""What a run imports that has a word among its arguments."""
READ_AT_START = ("PYTHON", "LC_", "LANG", "TZ", "LD_", "MALLOC_", "COVERAGE_", "OMP_", "OPENBLAS_", "ARROW_")
"""How variables start that are read before the first line of the program, or when modules are imported."""
PIPE_BYTES = 65536  # what a pipe takes before anyone reads it


def run_prestarted(
    arguments: Sequence[str],
    stdin: bytes,
    folder: Path,
    environment: dict[str, str],
    search_path: str,
    timeout: float,
) -> tuple[int, bytes, bytes] | None:
    """Run the program; return its exit code, output and errors, or None if this run needs a Python of its own.

    It does if its search path is another one, which may have a sitecustomize.py, or another variable is read at start.
    """
    umask = os.umask(0)
    os.umask(umask)
    place = {"folder": str(folder), "umask": umask, "environment": environment}
    request = json.dumps({"arguments": [*arguments], **place}).encode()
    too_long = len(stdin) > PIPE_BYTES or len(request) > prestarted_server.REQUEST_BYTES
    if too_long or _read_at_start(environment) != _read_at_start({**os.environ, "PYTHONPATH": search_path}):
        return None
    words = " ".join(arguments)
    also = [module for word, modules in ALSO.items() if word in words for module in modules]
    server = _server((*RUN, *MODELS, *also), search_path)
    if not server.free.acquire(blocking=False):
        return None
    try:
        return server.run(request, stdin, timeout)
    finally:
        server.free.release()


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(READ_AT_START)}


class Server:
    """A process that commands are forked from, one at a time."""

    def __init__(self, modules: Sequence[str], search_path: str) -> None:
        self.free = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            fd = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, prestarted_server.__file__, str(fd), *modules],
                env={**os.environ, "PYTHONPATH": search_path}, pass_fds=[fd],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip  # streams that are pipes, as those of the commands

    def run(self, request: bytes, stdin: bytes, timeout: float) -> tuple[int, bytes, bytes]:
        """Run a command to its end."""
        (their_stdin, our_stdin), (our_stdout, their_stdout), (our_stderr, their_stderr) = (os.pipe() for _ in range(3))
        theirs = [their_stdin, their_stdout, their_stderr]
        try:
            os.write(our_stdin, stdin)
            os.close(our_stdin)
            socket.send_fds(self._channel, [request], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        with open(our_stdout, "rb", 0) as stdout, open(our_stderr, "rb", 0) as stderr:
            pid = int(self._channel.recv(32) or self._failed())
            try:
                out, err = _read_both(stdout, stderr, timeout)
            except subprocess.TimeoutExpired:
                os.kill(pid, signal.SIGKILL)
                raise
            finally:
                code = int(self._channel.recv(32) or self._failed())
        return code, out, err

    def _failed(self) -> NoReturn:
        raise AssertionError(self._process.communicate()[1].decode())

    def close(self) -> None:
        """End the process."""
        self._channel.close()
        self._process.communicate()


def _read_both(stdout: FileIO, stderr: FileIO, timeout: float) -> tuple[bytes, bytes]:
    """Read two pipes to their ends."""
    parts: dict[Any, list[bytes]] = {stdout: [], stderr: []}
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for pipe in parts:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired("model_etl", timeout)
            for key, _ in ready:
                if data := os.read(key.fd, PIPE_BYTES):
                    parts[key.fileobj].append(data)
                else:
                    selector.unregister(key.fileobj)
    return b"".join(parts[stdout]), b"".join(parts[stderr])


@functools.cache
def _server(modules: tuple[str, ...], search_path: str) -> Server:
    server = Server(modules, search_path)
    atexit.register(server.close)
    return server
