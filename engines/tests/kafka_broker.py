"""A real Kafka broker on loopback, for tests and for experiments.

    python engines/tests/kafka_broker.py fetch     # get the jars (about 45 MB, once)
    python engines/tests/kafka_broker.py serve     # run a broker until interrupted

Needs Linux, Java 17 or later and Maven. The jars are fetched by mvn, from the mirrors that it uses.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from java_jars import Unavailable, by_maven, free_port, java, run, tool
from typing_extensions import Self

KAFKA = "4.3.1"
SLF4J = "2.25.4"  # the version of log4j that Kafka comes with; without this binding the broker logs no errors
USER, PASSWORD = "scorer", "a-password-of-the-tests"
LOGGING = """rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.name = out
appender.out.type = Console
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %-5p %c{1} - %m%n
"""
START_TIMEOUT_S = 60.0
"""How long the broker may take to start."""


def jars() -> Path:
    """Return the folder with Kafka's jars, which are fetched once."""
    logging = f"org.apache.logging.log4j:log4j-slf4j-impl:{SLF4J}"
    return by_maven(f"kafka/{KAFKA}", [f"org.apache.kafka:kafka_2.13:{KAFKA}", logging])


class KafkaBroker:
    """A broker that is its own controller, on 127.0.0.1 only; it ends with the `with` block, and its files are removed.

    Start it in the main thread: the process is tied to the life of the thread that starts it.

    Args:
        settings: more settings of the broker, with underscores for dots.

    Attributes:
        address: HOST:PORT for clients without encryption and login.
        secure_address: HOST:PORT for clients with TLS that log in as `USER` with `PASSWORD`, by SASL's PLAIN.
        certificate: file with the broker's certificate.
    """

    def __init__(self, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kafka-"))
        self._more = {name.replace("_", "."): value for name, value in settings.items()}
        self._port, self._secure, self._controller = free_port(), free_port(), free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.secure_address = f"127.0.0.1:{self._secure}"
        self.certificate = self.folder / "broker.pem"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self._format()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _settings(self) -> dict[str, str]:
        """Return the configuration: small, on the loopback, and with consumer groups that start at once."""
        listeners = f"PLAINTEXT://{self.address},SECURE://{self.secure_address}"
        login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self._controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"{listeners},CONTROLLER://127.0.0.1:{self._controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.secure.plain.sasl.jaas.config": f'{login} user_{USER}="{PASSWORD}";',
            "ssl.keystore.location": str(self.folder / "broker.p12"),
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.password": PASSWORD,
            "log.dirs": str(self.folder / "data"),
            "offsets.topic.num.partitions": "3",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "3",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "broker.heartbeat.interval.ms": "500",
            "broker.session.timeout.ms": "2000",  # how long a killed broker cannot register again
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            **self._more,
        }

    def _command(self, heap: str, main: str, *arguments: str) -> list[str]:
        command = [java(), f"-Xmx{heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += [f"-Dlog4j2.configurationFile={self.folder / 'log4j.properties'}", "-cp", f"{jars()}/*"]
        return [*command, main, *arguments]

    def _format(self) -> None:
        settings = "".join(f"{name}={value}\n" for name, value in self._settings().items())
        (self.folder / "server.properties").write_text(settings, encoding="utf-8")
        (self.folder / "log4j.properties").write_text(LOGGING, encoding="utf-8")
        keys = ["-keystore", "broker.p12", "-storetype", "PKCS12", "-storepass", PASSWORD, "-alias", "broker"]
        keytool = tool("keytool", "openjdk-17-jre-headless")
        name = ["-dname", "CN=localhost", "-ext", "san=ip:127.0.0.1", "-keyalg", "EC", "-validity", "2"]
        run(keytool, "-genkeypair", *keys, *name, cwd=self.folder)
        run(keytool, "-exportcert", "-rfc", *keys, "-file", str(self.certificate), cwd=self.folder)
        identity = "bW9kZWxfZXRsX3Rlc3RzMQ"  # 16 bytes in base64
        options = ["--standalone", "-t", identity, "-c", "server.properties"]
        run(*self._command("128m", "kafka.tools.StorageTool", "format", *options), cwd=self.folder)

    def start(self) -> None:
        """Start the broker, for the first time or again, and wait until it answers."""
        tie = [tool("setpriv", "util-linux"), "--pdeathsig", "KILL"]
        with (self.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*tie, *self._command("512m", "kafka.Kafka", "server.properties")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return
            if self._process.poll() is not None:
                raise Unavailable(f"the broker ended with {self._process.returncode}:\n{self.log()[-3000:]}")
            time.sleep(0.1)
        raise Unavailable(f"the broker did not start in {START_TIMEOUT_S:.0f} s:\n{self.log()[-3000:]}")

    def log(self) -> str:
        """Return the broker's log."""
        return (self.folder / "broker.log").read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End the broker as a crash would; its data stays for the next `start`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the broker and remove its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Run the command line of this file."""
    try:
        if arguments == ["fetch"]:
            sys.stdout.write(f"{jars()}\n")
        elif arguments == ["serve"]:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            with contextlib.suppress(KeyboardInterrupt), KafkaBroker() as broker:
                sys.stdout.write(f"--bootstrap_servers {broker.address}\nfiles {broker.folder}\n")
                sys.stdout.flush()
                signal.pause()
        else:
            sys.stdout.write(str(__doc__))
            return 2
    except Unavailable as exc:
        sys.stderr.write(f"kafka_broker: error: {exc}\n")
        return os.EX_UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
