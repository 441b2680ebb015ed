"""A real Flink cluster on loopback, with Beam's job service before it, for tests and for experiments.

    python engines/tests/flink_cluster.py fetch     # get the jars (280 MB, once)
    python engines/tests/flink_cluster.py serve     # run a cluster until interrupted

Needs Linux, Java 11 or 17, Maven and pip. The jars are fetched by pip and mvn, from the mirrors that these use.
Flink binds to 127.0.0.1 only. Beam's job service and the gRPC servers in the TaskManagers cannot be told an address:
they listen on all interfaces, at random ports, while the cluster runs.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from java_jars import Unavailable, by_maven, cached, free_port, java, run, tool

FLINK = "1.19.3"
BEAM = "2.62.0"  # of the job service; newer Python SDKs, 2.77 for one, work with it
# Of the job service's jars, those whose class loader Flink's client goes by.
SENT = ("beam-runners-flink", "flink-clients", "flink-java-1", "flink-optimizer", "flink-streaming-java")
# Flink reaches into these packages, which Java closed in version 16.
CLOSED = "lang lang.invoke lang.reflect io net nio text time util util.concurrent util.concurrent.atomic"
JAVA = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=INFO"]  # small, and quick to start
JAVA += [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ["sun.net.util", "sun.nio.ch"]]
JAVA += [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in CLOSED.split()]


def flink_jars() -> Path:
    """Return the folder with Flink's jars, which are fetched once."""
    return cached(f"flink/flink-{FLINK}", _fetch_flink)


def beam_jars() -> Path:
    """Return the folder with the jars of Beam's job service, which are fetched once."""
    return by_maven(f"flink/beam-{BEAM}", [f"org.apache.beam:beam-runners-flink-1.19:{BEAM}"])


def _fetch_flink(aside: Path) -> None:
    name = f"apache-flink-libraries-{FLINK}"
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", "."]
    run(*pip, f"apache-flink-libraries=={FLINK}", cwd=aside)
    (aside / "jars").mkdir()
    with tarfile.open(aside / f"{name}.tar.gz") as archive:
        for member in archive:
            if member.name.startswith((f"{name}/deps/lib/flink-dist", f"{name}/deps/lib/log4j")):
                source = archive.extractfile(member)
                assert source is not None
                with (aside / "jars" / Path(member.name).name).open("wb") as target:
                    shutil.copyfileobj(source, target)


class FlinkCluster:
    """A JobManager, some TaskManagers and Beam's job service, which all end with the `with` block or the process.

    Start it in the main thread: the processes are tied to the life of the thread that starts them.

    Args:
        taskmanagers: Number of TaskManagers.
        slots: Slots of each TaskManager; with as many as a job has parallelism, one TaskManager alone can carry it on.
        attempts: How often a job is restarted before it fails. A TaskManager's death costs some five of them.
        python: The interpreter of the workers; it needs Beam and what the pipeline imports.
        env: Variables for all processes, besides those of this one.
        settings: More of Flink's settings.
        heap: Heap size of each TaskManager in Java's notation; a million records needed more than 384 MB.
    """

    def __init__(
        self, taskmanagers: int = 2, slots: int = 2, attempts: int = 20, python: str = sys.executable,
        env: dict[str, str] | None = None, settings: dict[str, Any] | None = None, heap: str = "384m",
    ) -> None:  # fmt: skip
        self.taskmanagers: dict[str, int] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="flink-"))
        self._heap = heap
        self._wanted, self._python, self._env = taskmanagers, python, {**os.environ, **(env or {})}
        self._processes: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
        self._rest, self._job, self._artifact = free_port(), free_port(), free_port()
        self.rest_url, self.job_endpoint = f"http://127.0.0.1:{self._rest}", f"127.0.0.1:{self._job}"
        self.artifact_endpoint = f"127.0.0.1:{self._artifact}"
        self._settings = {
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.rpc.port": free_port(),
            "jobmanager.bind-host": "127.0.0.1",
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": self._rest,
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.numberOfTaskSlots": slots,
            "taskmanager.load-balance.mode": "SLOTS",  # all TaskManagers work, not the first one for all
            # What Flink's start scripts reckon from the size of the process has to be said where they are not used.
            "taskmanager.cpu.cores": 1.0,
            "taskmanager.memory.framework.heap.size": "128m",
            "taskmanager.memory.task.heap.size": "256m",
            "taskmanager.memory.framework.off-heap.size": "128m",
            "taskmanager.memory.task.off-heap.size": "0m",
            "taskmanager.memory.network.min": "128m",
            "taskmanager.memory.network.max": "128m",
            "taskmanager.memory.managed.size": "128m",
            "taskmanager.memory.jvm-metaspace.size": "128m",
            "taskmanager.memory.jvm-overhead.min": "64m",
            "taskmanager.memory.jvm-overhead.max": "64m",
            "taskmanager.network.sort-shuffle.min-buffers": 32,  # 512 for each shuffle would need far more memory
            "classloader.resolve-order": "parent-first",  # Beam is on the class path already, once for all jobs
            "cluster.registration.error-delay": 500,  # who comes before the JobManager need not wait 10 s
            "heartbeat.interval": 2000,
            "heartbeat.timeout": 10000,
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": attempts,
            "restart-strategy.fixed-delay.delay": "1 s",
            "io.tmp.dirs": str(self.folder),
            **(settings or {}),
        }

    def __enter__(self) -> "FlinkCluster":  # noqa: PYI034 - Self is not in Python 3.10
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _start(self) -> None:
        java()  # before the jars are fetched in vain
        flink, jars = flink_jars(), sorted(beam_jars().glob("*.jar"))
        settings = "".join(f"{name}: {json.dumps(value)}\n" for name, value in self._settings.items())
        (self.folder / "config.yaml").write_text(settings, encoding="utf-8")
        worker = shlex.join([self._python, str(Path(__file__).resolve()), "boot"])
        (self.folder / "boot").write_text(f'#!/bin/sh\nexec {worker} "$@"\n', encoding="utf-8")
        (self.folder / "boot").chmod(0o755)
        self._classes = [flink / "*", *(jar for jar in jars if not jar.name.startswith(("flink-", "slf4j-")))]
        entry = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
        self._java("jobmanager", "512m", self._classes, entry, "--configDir", str(self.folder))
        for number in range(1, self._wanted + 1):
            self.start_taskmanager(f"tm-{number}")
        options = ["--flink-master", f"127.0.0.1:{self._rest}", "--flink-conf-dir", str(self.folder)]
        options += ["--job-host", "127.0.0.1", "--job-port", str(self._job), "--artifact-port", str(self._artifact)]
        options += ["--expansion-port", "0", "--artifacts-dir", str(self.folder / "artifacts")]
        # The job service sends its class path along with each job, 150 MB and 15 s, though the cluster has it all. What
        # is on Java's own path is not sent; only what is asked for its class loader has to stay off it.
        sent = [jar for jar in jars if jar.name.startswith(SENT)]
        own = [str(jar) for jar in [*jars, *flink.glob("log4j-*")] if jar not in sent]
        driver = [f"-Xbootclasspath/a:{':'.join(own)}", "org.apache.beam.runners.flink.FlinkJobServerDriver"]
        self._java("jobservice", "512m", sent, *driver, *options)
        self.wait("the TaskManagers", lambda: len(self.get("/taskmanagers")["taskmanagers"]) == self._wanted)
        self.wait("the job service", self._job_service_answers)

    def _job_service_answers(self) -> bool:
        with socket.create_connection(("127.0.0.1", self._job), 1):
            return True

    def _java(self, name: str, heap: str, jars: list[Path], *arguments: str) -> int:
        command = [tool("setpriv", "util-linux"), "--pdeathsig", "KILL", java(), *JAVA, f"-Xmx{heap}"]
        command += [f"-Djava.io.tmpdir={self.folder}", "-cp", ":".join(map(str, jars)), *arguments]
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=self.folder, env=self._env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._processes[process.pid] = (name, process)
        return process.pid

    def start_taskmanager(self, name: str) -> int:
        """Start another TaskManager, or replace a killed one; return its process id."""
        arguments = ["--configDir", str(self.folder), "-D", f"taskmanager.resource-id={name}"]
        entry = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
        self.taskmanagers[name] = self._java(name, self._heap, self._classes, entry, *arguments)
        return self.taskmanagers[name]

    def options(self, parallelism: int = 2, env: dict[str, str] | None = None) -> list[str]:
        """Return Beam's options for a job on this cluster; `env` extends the environment of its workers."""
        # A pool of workers in the driver (LOOPBACK) is good for one TaskManager only: two of them call their workers by
        # the same names, and stop each other's.
        environment = {"command": str(self.folder / "boot"), "env": env or {}}
        options = ["--runner=PortableRunner", f"--job_endpoint={self.job_endpoint}", f"--parallelism={parallelism}"]
        options += ["--environment_type=PROCESS", f"--environment_config={json.dumps(environment)}"]
        return [*options, "--environment_cache_millis=30000"]  # else each stage starts its own workers

    def log(self, name: str) -> str:
        """Return the output of a process: jobmanager, jobservice, tm-1, tm-2, ..."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def get(self, path: str) -> Any:
        """Return an answer of Flink's REST interface."""
        with urllib.request.urlopen(self.rest_url + path, timeout=10) as answer:
            return json.load(answer)

    def wait(self, what: str, ready: Callable[[], Any], timeout: float = 60) -> Any:
        """Wait until `ready` returns a true value, and return it; network errors count as not ready."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if result := ready():
                    return result
            for name, process in self._processes.values():
                if process.poll() not in {None, -signal.SIGKILL}:
                    raise Unavailable(f"{name} ended with {process.returncode}:\n{self.log(name)[-3000:]}")
            time.sleep(0.2)
        raise TimeoutError(f"waited {timeout:.0f} s for {what}; jobmanager: {self.log('jobmanager')[-2000:]}")

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs, newest first: jid, name, state, start-time, ..."""
        found: list[dict[str, Any]] = self.get("/jobs/overview")["jobs"]
        return sorted(found, key=lambda job: -job["start-time"])

    def running_taskmanager(self, job_id: str, timeout: float = 60) -> int:
        """Wait until a job has running tasks, and return the id of the process that runs most of them."""
        (name, _), *_ = self.wait("running tasks", lambda: Counter(self._running(job_id)).most_common(1), timeout)
        return self.taskmanagers[name]

    def _running(self, job_id: str) -> Iterator[str]:
        job = self.get(f"/jobs/{job_id}")
        if job["state"] in {"FINISHED", "FAILED", "CANCELED"}:
            raise RuntimeError(f"the job has ended already: {job['state']}")
        for vertex in job["vertices"]:
            for manager in self.get(f"/jobs/{job_id}/vertices/{vertex['id']}/taskmanagers")["taskmanagers"]:
                yield from [manager["taskmanager-id"]] * manager["status-counts"]["RUNNING"]

    def kill(self, pid: int, *, workers: bool = True) -> None:
        """End a process as a crash would, together with its workers or alone."""
        (os.killpg if workers else os.kill)(pid, signal.SIGKILL)
        self._processes[pid][1].wait()

    def stop(self) -> None:
        """End all processes and remove their files."""
        for pid, (_, process) in self._processes.items():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # not the process alone: its workers may outlive it
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def boot(arguments: list[str]) -> None:
    """Run a TaskManager's worker: ask the TaskManager for the job's options and addresses, and serve."""
    # Only the workers need Beam.
    import grpc  # noqa: PLC0415
    from apache_beam.portability.api import beam_provision_api_pb2, beam_provision_api_pb2_grpc  # noqa: PLC0415
    from apache_beam.runners.worker import sdk_worker_main  # noqa: PLC0415
    from google.protobuf import json_format  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    parser.add_argument("--id")
    parser.add_argument("--provision_endpoint")
    options, _ = parser.parse_known_args(arguments)
    with grpc.insecure_channel(options.provision_endpoint) as channel:
        ask = beam_provision_api_pb2_grpc.ProvisionServiceStub(channel).GetProvisionInfo
        request = beam_provision_api_pb2.GetProvisionInfoRequest()
        info = ask(request, metadata=[("worker_id", options.id)], timeout=60).info
    os.environ.update(
        WORKER_ID=options.id,
        PIPELINE_OPTIONS=json_format.MessageToJson(info.pipeline_options),
        LOGGING_API_SERVICE_DESCRIPTOR=f'url: "{info.logging_endpoint.url}"',
        CONTROL_API_SERVICE_DESCRIPTOR=f'url: "{info.control_endpoint.url}"',
        RUNNER_CAPABILITIES=" ".join(info.runner_capabilities),
    )
    sdk_worker_main.main([])


def main(arguments: list[str]) -> int:
    """Run the command line of this file."""
    if arguments[:1] == ["boot"]:
        boot(arguments[1:])
    elif arguments == ["fetch"]:
        sys.stdout.write(f"{flink_jars()}\n{beam_jars()}\n")
    elif arguments == ["serve"]:
        with FlinkCluster() as cluster, contextlib.suppress(KeyboardInterrupt):
            sys.stdout.write(f"Flink: {cluster.rest_url}\nlogs: {cluster.folder}\n{shlex.join(cluster.options())}\n")
            sys.stdout.flush()
            signal.pause()
    else:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
