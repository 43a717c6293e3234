"""Processes that never outlive the one that started them, however that one ends.

A small guard process stands between: it holds the reading end of a pipe whose writing end only
the parent has. When the parent is gone, even by `kill -9`, the pipe ends, and the guard stops the
child and whatever the child has started. Works on Linux and macOS alike.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

GRACE_SECONDS = 10.0
"""From SIGTERM to SIGKILL."""


class Running:
    """What runs from its construction until `stop`, or the end of a `with`."""

    def stop(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Child(Running):
    """A running command in a session of its own, so that Ctrl-C reaches only the parent."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: IO[bytes],
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        """stdout and stderr of the command both go to `log`."""
        self._grace = grace
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(grace), *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=directory,
            start_new_session=True,
        )

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        status = self._process.poll()
        return status if status is None or status <= 128 else 128 - status

    def wait(self) -> None:
        """Until it ends."""
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, SIGKILL after the grace."""
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(self._grace + 5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def _guard(grace: float, command: list[str]) -> int:
    """Run `command` until it ends or stdin does; its status as a shell tells it."""
    # A group of its own, so that at the end nothing is left of it.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)

    def stop_at_end_of_pipe() -> None:
        while os.read(0, 1):
            pass
        child.terminate()
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            _kill_group(child.pid)

    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=stop_at_end_of_pipe, daemon=True).start()
    status = child.wait()
    _kill_group(child.pid)
    return status if status >= 0 else 128 - status


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(_guard(float(sys.argv[1]), sys.argv[2:]))
