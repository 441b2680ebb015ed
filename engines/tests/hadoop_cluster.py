"""A real Hadoop on one machine: HDFS and YARN, for tests and for experiments.

    python engines/tests/hadoop_cluster.py fetch     # get the jars (about 80 MB, once)
    python engines/tests/hadoop_cluster.py serve     # run a cluster until interrupted, with a `hadoop` command for it

Needs Linux, Java 11 or 17, and Maven; the jars are fetched from the mirror that Maven uses. Hadoop listens on all
interfaces, so it runs in a network namespace that has only the loopback; its `hadoop` command enters that namespace.
"""

# ruff: noqa: T201, PYI034  it prints, and wants nothing but Python's own library

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from xml.sax.saxutils import escape

from java_jars import by_maven, java, tool

HADOOP = "3.4.2"
ARTIFACTS = (
    "hadoop-hdfs", "hadoop-yarn-server-resourcemanager", "hadoop-yarn-server-nodemanager", "hadoop-streaming",
    "hadoop-yarn-server-timelineservice", "hadoop-mapreduce-client-app", "hadoop-mapreduce-client-jobclient",
    "hadoop-mapreduce-client-hs",
)  # fmt: skip
# Hadoop reaches into these packages, which Java closed in version 16.
OPENS = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in ("java.lang", "java.io", "java.net", "java.nio")]
JAVA = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *OPENS]
LOGGING = """log4j.rootLogger=INFO,err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d{yy/MM/dd HH:mm:ss} %p %c{2}: %m%n
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
"""
DAEMONS = {
    "namenode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "datanode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "resourcemanager": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "nodemanager": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
    "historyserver": "org.apache.hadoop.mapreduce.v2.hs.JobHistoryServer",
}
READY = {
    "nodemanager": "Registered with ResourceManager",
    "datanode": "successfully registered with NN",
    "historyserver": "10020: starting",
}
SCRIPT = """#!/bin/sh
case "$1" in
  fs) main=org.apache.hadoop.fs.FsShell ;;
  jar) main=org.apache.hadoop.util.RunJar ;;
  version) main=org.apache.hadoop.util.VersionInfo ;;
  node) main=org.apache.hadoop.yarn.client.cli.NodeCLI ;;
  *) echo "this hadoop knows fs, jar, node and version, not $1" >&2; exit 2 ;;
esac
[ "$1" = node ] || shift
exec {command} "$main" "$@"
"""


def jars() -> Path:
    """Return the folder with Hadoop's jars, which are fetched once."""
    return by_maven(f"hadoop/{HADOOP}", [f"org.apache.hadoop:{name}:{HADOOP}" for name in ARTIFACTS])


class HadoopCluster:
    """A NameNode, a DataNode, a ResourceManager, a NodeManager and a history server, which end with the `with` block.

    Start it in the main thread: the processes are tied to the life of the thread that starts them.

    Attributes:
        home: the value of HADOOP_HOME.
        logs: folder of the containers' logs, with a folder for each application.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hadoop-"))
        self.home = self.folder / "home"
        self.logs = self.folder / "userlogs"
        self._conf = self.home / "etc"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._enter: list[str] = []
        self._java = Path(java()).resolve()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that a user of this cluster needs."""
        path = f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}"
        java = str(self._java.parent.parent)
        return {"HADOOP_HOME": str(self.home), "PATH": path, "JAVA_HOME": java, "HADOOP_LOG_DIR": str(self.folder)}

    def __enter__(self) -> HadoopCluster:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        found = jars()
        for name in ("hdfs", "datanode"):  # Hadoop's own pages, which only its tarball has
            (self._conf / "webapps" / name).mkdir(parents=True)
        (self._conf / "log4j.properties").write_text(LOGGING, encoding="utf-8")
        settings = "".join(
            f"<property><name>{name}</name><value>{escape(str(value))}</value></property>\n"
            for name, value in self._settings(found).items()
        )
        for file in ("core-site", "hdfs-site", "yarn-site", "mapred-site", "capacity-scheduler"):
            (self._conf / f"{file}.xml").write_text(f"<configuration>\n{settings}</configuration>\n")
        (self.home / f"hadoop-streaming-{HADOOP}.jar").symlink_to(found / f"hadoop-streaming-{HADOOP}.jar")
        alone = [sys.executable, str(Path(__file__).with_name("loopback.py")), "sleep", "infinity"]
        holder = self._run("loopback", alone)
        self._wait("loopback", lambda: self._is_alone(holder.pid), 10)
        self._enter = [tool("nsenter", "util-linux"), "--target", str(holder.pid), "--net"]
        self._enter += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        self._script(found)
        java = self._command(found)
        formatted = self._run("format", [*java, DAEMONS["namenode"], "-format", "-nonInteractive"])
        if formatted.wait():
            raise RuntimeError(f"cannot format HDFS:\n{self.log('format')[-3000:]}")
        for name, main in DAEMONS.items():
            self._run(name, [*java, main])
        for name, sign in READY.items():
            self._wait(name, lambda name=name, sign=sign: sign in self.log(name), 120)

    def _settings(self, found: Path) -> dict[str, object]:
        """Return Hadoop's configuration: small, on the loopback, and without limits on the disk's use."""
        opens = " ".join(JAVA)
        return {
            "fs.defaultFS": "hdfs://127.0.0.1:8020",
            "hadoop.tmp.dir": self.folder / "tmp",
            "dfs.replication": 1,
            "dfs.datanode.hostname": "127.0.0.1",
            "yarn.resourcemanager.hostname": "127.0.0.1",
            "yarn.nodemanager.hostname": "127.0.0.1",
            "yarn.nodemanager.log-dirs": self.logs,
            "yarn.node-attribute.fs-store.root-dir": f"file://{self.folder}/attributes",
            "yarn.nodemanager.aux-services": "mapreduce_shuffle",
            "yarn.nodemanager.resource.memory-mb": 2048,
            "yarn.nodemanager.resource.cpu-vcores": 8,
            "yarn.nodemanager.vmem-check-enabled": "false",
            "yarn.nodemanager.pmem-check-enabled": "false",
            "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 100,
            "yarn.scheduler.minimum-allocation-mb": 128,
            "yarn.scheduler.capacity.root.queues": "default",
            "yarn.scheduler.capacity.root.default.capacity": 100,
            "yarn.scheduler.capacity.maximum-am-resource-percent": 0.5,
            "yarn.application.classpath": f"{self._conf},{found}/*",
            "mapreduce.framework.name": "yarn",
            "mapreduce.jobhistory.address": "127.0.0.1:10020",
            "yarn.app.mapreduce.am.resource.mb": 512,
            "yarn.app.mapreduce.am.command-opts": f"-Xmx256m {opens}",
            "mapreduce.map.memory.mb": 512,
            "mapreduce.reduce.memory.mb": 512,
            "mapreduce.map.java.opts": f"-Xmx200m {opens}",
            "mapreduce.reduce.java.opts": f"-Xmx200m {opens}",
            "mapreduce.task.io.sort.mb": 50,
        }

    def _script(self, found: Path) -> None:
        script = self.home / "bin" / "hadoop"
        script.parent.mkdir()
        command = " ".join(f"'{word}'" for word in self._command(found))
        script.write_text(SCRIPT.replace("{command}", command), encoding="utf-8")
        script.chmod(0o755)

    def _command(self, found: Path) -> list[str]:
        options = ["-Xmx256m", *JAVA, f"-Djava.io.tmpdir={self.folder}", "-cp", f"{self._conf}:{found}/*"]
        return [*self._enter, str(self._java), *options]

    def _run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        """Start a process that dies with this process, and writes its output to NAME.log."""
        tie = [tool("setpriv", "util-linux"), "--pdeathsig", "KILL"]
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [*tie, *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder, env={**os.environ, **self.environment}, start_new_session=True,
            )  # fmt: skip
        return self._processes[name]

    def _is_alone(self, pid: int) -> bool:
        """Return whether a process has entered its own network namespace and started its program."""
        try:
            ours, its = (os.readlink(f"/proc/{who}/ns/net") for who in ("self", pid))
            return ours != its and Path(f"/proc/{pid}/comm").read_text().strip() == "sleep"
        except OSError:
            return False

    def log(self, name: str) -> str:
        """Return the output of a daemon."""
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def hadoop(self, *arguments: object) -> str:
        """Run a `hadoop` command, and return its output."""
        command = [str(self.home / "bin" / "hadoop"), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **self.environment}
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _wait(self, what: str, ready: Callable[[], bool], timeout: float) -> None:
        end = time.monotonic() + timeout
        while not ready():
            for name, process in self._processes.items():
                if process.poll() not in {None, 0}:
                    raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.log(name)[-3000:]}")
            if time.monotonic() > end:
                raise RuntimeError(f"waited {timeout:.0f} s for {what}:\n{self.log(what)[-3000:]}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End all processes, including those of containers in the network namespace, and remove their files."""
        holder = self._processes.pop("loopback", None)
        if holder is not None and self._enter:
            network = os.readlink(f"/proc/{holder.pid}/ns/net")
            for pid in _in_network(network) - {holder.pid}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in (*self._processes.values(), *([holder] if holder else ())):
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _in_network(network: str) -> set[int]:
    found = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/ns/net") == network:
                found.add(int(pid))
    return found


def main(arguments: list[str]) -> int:
    """Run the command line of this file."""
    if arguments == ["fetch"]:
        print(jars())
        return 0
    if arguments != ["serve"]:
        print(__doc__)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with HadoopCluster() as cluster:
        for name in ("HADOOP_HOME", "JAVA_HOME"):
            print(f"export {name}={cluster.environment[name]}")
        print(f"export PATH={cluster.home / 'bin'}:$PATH", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
