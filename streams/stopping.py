"""How a replay is stopped: Ctrl-C, SIGTERM and SIGHUP let it settle what it has sent."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from eventwire.streams.replay import Stopped


class Stopping:
    """Ctrl-C ends the choosing: what was sent is waited for, so that the manifest tells all of it.
    A second one ends everything at once."""

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
    numbers = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}
    numbers = {one for one in numbers if signal.getsignal(one) != signal.SIG_IGN}
    before = {number: signal.signal(number, stopping) for number in numbers}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
