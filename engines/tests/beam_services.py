"""Beam's own servers for the tests: a job service, and a pool of workers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from acceptance import ENVIRONMENT, ROOT
from java_jars import free_port


@contextlib.contextmanager
def service(folder: Path, module: str, *arguments: str, port: int, name: str) -> Iterator[int]:
    """Run a module until the end of the block; the block begins once the module's port answers.

    Yields:
        The process id.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # a pool starts workers as `python`
    with (folder / f"{name}.log").open("wb") as log:
        command = ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", module, *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env={**ENVIRONMENT, "PATH": path}, stdout=log, stderr=log)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert process.poll() is None, (folder / f"{name}.log").read_text()
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def job_service(folder: Path) -> Iterator[str]:
    """Run Beam's portable job service, and yield its HOST:PORT."""
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    staging = ["--staging_dir", str(folder / "staging")]
    with service(folder, module, "--port", str(port), *staging, port=port, name="job-service"):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def worker_pool(folder: Path) -> Iterator[str]:
    """Run a pool that starts a process for each worker, and yield its HOST:PORT."""
    port = free_port()
    module = "apache_beam.runners.worker.worker_pool_main"
    with service(folder, module, "--service_port", str(port), port=port, name="worker-pool"):
        yield f"127.0.0.1:{port}"
