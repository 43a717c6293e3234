"""Whether Kafka answers, asked from outside the clients that work with it.

A client whose brokers are gone and one that is stuck look alike from within: both have nothing to
say. So Kafka itself is asked, on a connection of its own, the one question that every listener
answers before any login: which versions it speaks.
"""

import asyncio
import logging
import os
import ssl
import struct
import time
from collections.abc import Awaitable, Callable

from eventwire.streams.clients import host_and_port
from eventwire.streams.settings import variable

log = logging.getLogger(__name__)

LOST_SECONDS = 5.0
"""Without an answer until Kafka counts as lost; a broker that restarts is back in about that."""
HEARD_SECONDS = 3.0
"""A partition hears from its broker every 1.5 s, if only of nothing new."""
ASK_SECONDS = 2.0
"""Between two questions, and how long an answer may take."""

API_VERSIONS, VERSION, CORRELATION = 18, 0, 0x6576656E
_BODY = struct.pack(">hhih", API_VERSIONS, VERSION, CORRELATION, -1)  # -1: no client id
QUESTION = struct.pack(">i", len(_BODY)) + _BODY


Ask = Callable[[], Awaitable[str | None]]
"""Why none of the brokers answers; None where one does."""


async def it_answers() -> str | None:
    """An `Ask`, where nobody has to be asked."""
    return None


class Outage:
    """Knows whether Kafka is lost; its log has a line when it is, and one when it is back."""

    def __init__(
        self,
        brokers: str,
        ask: Ask,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._brokers = brokers
        self._ask = ask
        self._clock = clock
        self._answered = clock()
        self._asked = float("-inf")
        self._why: str | None = None

    @property
    def lost(self) -> str | None:
        """What is wrong, in one line; None while Kafka answers."""
        if self._why is None:
            return None
        return f"Kafka at {self._brokers} does not answer ({self._why})"

    async def check(self, silence: float) -> None:
        """Call it every second or so; `silence`: seconds since Kafka told one of our clients
        something, in which case it is not asked."""
        if silence < HEARD_SECONDS:
            self._answer(self._clock() - silence)
        elif self._clock() - self._asked >= ASK_SECONDS:
            self._asked = self._clock()
            why = await self._ask()
            if why is None:
                self._answer(self._clock())
            else:
                self._no_answer(why)

    def _answer(self, moment: float) -> None:
        if self._why is not None:
            log.warning("Kafka at %s is back, after %.0f s", self._brokers, moment - self._answered)
        self._why = None
        self._answered = max(moment, self._answered)

    def _no_answer(self, why: str) -> None:
        if self._why is None and self._clock() - self._answered >= LOST_SECONDS:
            self._why = why
            log.error(
                "lost Kafka at %s (%s); trying again: %s", self._brokers, variable("brokers"), why
            )


async def ask(brokers: list[str], context: ssl.SSLContext | None) -> str | None:
    """Why none of the brokers answers; None where one does."""
    reasons = await asyncio.gather(*(_ask(address, context) for address in brokers))
    return None if None in reasons else reasons[0]


async def _ask(address: str, context: ssl.SSLContext | None) -> str | None:
    host, port = host_and_port(address)
    try:
        async with asyncio.timeout(ASK_SECONDS):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=host if context else None
            )
            try:
                writer.write(QUESTION)
                _, answered = struct.unpack(">ii", await reader.readexactly(8))
            finally:
                writer.transport.abort()
    except TimeoutError:
        return "no answer"
    except (asyncio.IncompleteReadError, ConnectionResetError):
        return "it hangs up"
    except ssl.SSLError as error:
        return f"no TLS: {error.reason or error}"
    except OSError as error:
        if error.errno is None or error.errno < 0:  # several addresses, or none
            return error.strerror or str(error)
        return os.strerror(error.errno)  # asyncio's own words name the address once more
    return None if answered == CORRELATION else "it is not Kafka"
