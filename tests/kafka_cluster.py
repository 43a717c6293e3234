"""Brokers that tests can break: Apache Kafka, one or several, and the embedded one.

    cluster = new_kafka(3)              # the fixture; see conftest.py
    cluster.address                     # bootstrap servers of all
    cluster.brokers[1].kill()           # SIGKILL: no goodbye, the data stays
    cluster.brokers[1].start()          # again, on the same ports and the same data
    cluster.brokers[1].stop()           # SIGTERM: hands its partitions over first
    cluster.brokers[1].pause()          # SIGSTOP: connections stay open, nothing answers
    cluster.brokers[1].resume()         # SIGCONT
    cluster.heal()                      # all of them run again
    cluster.pause(), cluster.resume()   # all at once
    broker.folder, broker.log           # its data (folder / "data"), and what it logged
    broker.running, broker.last_words

`start` and `heal` return when the broker takes part in its cluster again; that its partitions have
their leaders and followers back may take a second longer. `kill`, `stop` and `pause` of what
already is so do nothing.
"""

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from eventwire.streams import apache_kafka
from eventwire.streams.apache_kafka import HOST, Installation, Node
from eventwire.streams.embedded import EmbeddedBroker


class Broker(Node):
    """One broker of a `Cluster`, which makes it."""

    def __init__(
        self,
        kafka: Installation,
        folder: Path,
        properties: Mapping[str, str],
        *,
        number: int,
        ports: Mapping[str, int],
        cluster_id: str,
        format_options: Sequence[str],
    ) -> None:
        super().__init__(
            kafka, folder, properties, cluster_id=cluster_id, format_options=format_options
        )
        self.number = number
        """Kafka's id of it, from 1."""
        self.ports = ports
        """By listener."""

    @property
    def address(self) -> str:
        """Where it takes clients that need no password."""
        return self.address_of("PLAINTEXT")

    def address_of(self, listener: str) -> str:
        return f"{HOST}:{self.ports[listener]}"

    @property
    def pid(self) -> int:
        return _pid(str(self._kafka.java), str(self.folder / "server.properties"))

    def kill(self) -> None:
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        super().stop()

    def stop(self) -> None:
        if self.running:
            self.resume()  # else it would not see the signal
        super().stop()

    def pause(self) -> None:
        _pause(self.pid)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)


class Cluster:
    """Brokers on 127.0.0.1 that know of each other, running from construction until `close`."""

    def __init__(
        self,
        kafka: Installation,
        folder: Path,
        brokers: int = 1,
        *,
        listeners: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        format_options: Sequence[str] = (),
    ) -> None:
        """`listeners` are security protocols besides PLAINTEXT; `properties` are Kafka's own."""
        names = ("PLAINTEXT", "CONTROLLER", *listeners)
        free = iter(apache_kafka.free_ports(brokers * len(names)))
        ports = {n: {name: next(free) for name in names} for n in range(1, brokers + 1)}
        controllers = {number: of["CONTROLLER"] for number, of in ports.items()}
        cluster_id = apache_kafka.new_cluster_id()
        self.brokers = [
            Broker(
                kafka,
                folder / f"broker-{number}",
                apache_kafka.properties(number, of, controllers) | dict(properties or {}),
                number=number,
                ports=of,
                cluster_id=cluster_id,
                format_options=format_options,
            )
            for number, of in ports.items()
        ]
        try:
            self.heal()
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        return self.address_of("PLAINTEXT")

    def address_of(self, listener: str) -> str:
        return ",".join(broker.address_of(listener) for broker in self.brokers)

    def pause(self) -> None:
        for broker in self.brokers:
            broker.pause()

    def resume(self) -> None:
        for broker in self.brokers:
            broker.resume()

    def heal(self) -> None:
        """Start those that do not run, resume those that are paused."""
        away = [broker for broker in self.brokers if not broker.running]
        for broker in self.brokers:
            if broker.running:
                broker.resume()
        with ThreadPoolExecutor() as threads:
            list(threads.map(Broker.launch, away))
        for broker in away:
            broker.await_started()

    def close(self) -> None:
        for broker in self.brokers:  # stopped one by one, the last would wait for a majority
            broker.kill()


class Embedded(EmbeddedBroker):
    """The embedded broker, which can only be paused: it keeps nothing."""

    def pause(self) -> None:
        _pause(self._pid)

    def resume(self) -> None:
        os.kill(self._pid, signal.SIGCONT)

    @property
    def _pid(self) -> int:
        return _pid("/tansu", f"--listener-url=tcp://{self.address}")


def _pause(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    # Until the last thread has noticed, the broker still answers.
    while any(_state(task) not in "TXZ" for task in Path(f"/proc/{pid}/task").iterdir()):
        time.sleep(0.001)


def _state(task: Path) -> str:
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has just ended
        return "X"


def _pid(program: str, argument: str) -> int:
    """Of the process whose command ends with `program` and which got `argument`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if command[0].endswith(program) and argument in command:
            return int(process.name)
    raise ProcessLookupError(f"no process of {program} with {argument}")
