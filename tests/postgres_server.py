"""Debian's PostgreSQL for tests: a server of their own, on a free port of 127.0.0.1."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from conftest import no_broker

from eventwire.streams.apache_kafka import free_ports

PASSWORD = "a password of the tests"
USER = "sinker"


def programs() -> Path | None:
    """The folder of initdb and postgres; None where PostgreSQL is not installed."""
    on_path = shutil.which("initdb")
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    return Path(on_path).resolve().parent if on_path else found[-1].parent if found else None


@contextlib.contextmanager
def started() -> Iterator["PostgresServer"]:
    """Removed at the end; skips the test where PostgreSQL is not installed."""
    folder = programs()
    if folder is None or shutil.which("psql") is None:
        no_broker("PostgreSQL is not installed: apt-get install postgresql")
    server = PostgresServer(folder)
    yield server
    server.remove()


class PostgresServer:
    """Runs from construction until `stop`; as `nobody` where the tests run as root, which
    initdb and postgres refuse."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder
        self._home = Path(tempfile.mkdtemp(prefix="eventwire-postgres-"))
        self._user = None
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = nobody.pw_name
            os.chown(self._home, nobody.pw_uid, nobody.pw_gid)
        [self.port] = free_ports(1)
        password = self._home / "password"
        password.write_text(PASSWORD)
        if self._user:
            shutil.chown(password, self._user)
        self._run(
            "initdb", "--auth=scram-sha-256", f"--pwfile={password}", f"--username={USER}",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return self.database("postgres")

    def database(self, name: str) -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "30",
        }
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._home / "data"]
                + [f"-c{name}={value}" for name, value in options.items()],
                user=self._user,
                cwd=self._home,
                stdout=log,
                stderr=log,
            )
        self._await_answer()

    def stop(self) -> None:
        """Break all connections and end."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def _await_answer(self) -> None:
        assert self._process is not None
        ready = [self._bin / "pg_isready", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not start:\n{self.logged}")
            time.sleep(0.1)

    @property
    def logged(self) -> str:
        with contextlib.suppress(OSError):
            return (self._home / "log").read_text(errors="replace")
        return ""

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, "-D", self._home / "data", *arguments],
            user=self._user,
            cwd=self._home,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
