"""How commands are stopped: Ctrl-C, SIGTERM and SIGHUP wait where an exception would do harm."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopped(Exception):  # noqa: N818
    """Nothing more is to be sent; what was is waited for."""


class Stopping:
    """Of a replay: Ctrl-C ends the choosing, and what was sent is waited for, so that the manifest
    tells all of it. A second one ends everything at once."""

    def __init__(self) -> None:
        self.signal = 0
        self._at_once = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
        if self._at_once:
            raise AtOnce

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Wherein a signal need not wait: nothing is sent."""
        self._at_once = True
        try:
            yield
        except AtOnce:
            pass
        finally:
            self._at_once = False

    def sleep(self, show: Callable[[], None]) -> Callable[[float], None]:
        """What sleeps, and raises Stopped where it must not go on; it calls `show` now and then."""

        def sleep(seconds: float) -> None:
            end = time.monotonic() + seconds
            while not self.signal and (left := end - time.monotonic()) > 0:
                with self.at_once():
                    time.sleep(min(left, 1.0))
                show()
            if self.signal:
                raise Stopped

        return sleep

    def end(self) -> None:
        """End the process as the signal would have, if there was one."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal:
            sys.exit(128 + self.signal)


class AtOnce(BaseException):
    """Ends what `at_once` surrounds."""


@contextmanager
def signals() -> Iterator[Stopping]:
    """Within, these signals only tell; one that was ignored, as under nohup, still is."""
    stopping = Stopping()
    with _handled_by(stopping):
        yield stopping


@contextmanager
def held() -> Iterator[None]:
    """Within, a signal waits for the end; a second one does not, nor one that `signals` takes."""
    told = isinstance(signal.getsignal(signal.SIGINT), Stopping)  # which raises nothing
    if told or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1 and callable(handler := before[number]):
            handler(number, frame)

    try:
        with _handled_by(wait) as before:
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[dict[int, Any]]:
    """Within, what ends a program goes to `handler`, but what was ignored, as under nohup, still
    is; gives the handlers before."""
    numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    handlers = {number: signal.getsignal(number) for number in numbers}
    before: dict[int, Any] = {n: h for n, h in handlers.items() if h not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, handler)
    try:
        yield before
    finally:
        for number, old in before.items():
            signal.signal(number, old)
