"""Whether the worker is alive and ready, and the HTTP that tells: /metrics, /health/live, /ready.

Live means that commits advance while articles wait; that HTTP answers says nothing about it.
- Where nothing waits there is nothing to commit, and the worker is live.
- Where Kafka does not answer, nobody can commit and nobody knows what waits. That is no stuck
  worker, and a restart would not bring Kafka back: the worker stays live, for as long as it takes,
  and its time counts anew from Kafka's return. It is not ready meanwhile.
- Where Kafka answers, and yet none of our partitions hears from it, articles may wait unseen. That
  counts as waiting.
Ready means that the model is warm, partitions are assigned and Kafka answers.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from eventwire.streams.metrics import Partition
from eventwire.streams.outage import HEARD_SECONDS
from eventwire.streams.settings import Settings, variable

log = logging.getLogger(__name__)

WATCH_SECONDS = 1.0


class PortTaken(Exception):  # noqa: N818
    """One line that names the port, the setting and the option."""


class Health:
    def __init__(
        self,
        positions: Callable[[], Iterable[Partition]],
        *,
        progress_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._positions = positions
        self._timeout = progress_timeout
        self._clock = clock
        self._committed: dict[int, int | None] = {}
        self._told: dict[int, int | None] = {}
        self._progress = self._heard = clock()
        self._lag = 0
        self.model_ready = False
        self.stopping = False
        self.lost: str | None = None
        """Why Kafka does not answer; None where it does."""

    def watch(self) -> None:
        """Look at the commits; call it every second or so."""
        partitions = list(self._positions())
        committed = {partition.number: partition.committed for partition in partitions}
        told = {partition.number: partition.told for partition in partitions}
        if any(told[number] != self._told.get(number) for number in told):
            self._heard = self._clock()
        self._lag = sum(partition.lag or 0 for partition in partitions)
        idle = self._lag == 0 and (self.silence < HEARD_SECONDS or not partitions)
        if committed != self._committed or idle or self.lost is not None:
            self._progress = self._clock()
        self._committed, self._told = committed, told

    @property
    def silence(self) -> float:
        """Seconds since any of our partitions has heard from its broker."""
        return self._clock() - self._heard

    def live(self) -> tuple[bool, str]:
        """Whether a restart would not help, and why."""
        if self.lost is not None:
            return True, f"{self.lost}; a restart would not help"
        waited = self._clock() - self._progress
        if waited <= self._timeout:
            return True, "commits advance" if self._lag else "nothing waits"
        waiting = f"{self._lag:,} articles wait" if self._lag else "no partition hears from Kafka"
        return False, f"no commit for {waited:.0f} s while {waiting}"

    def ready(self) -> tuple[bool, str]:
        """Whether articles that come now are coded, and why not."""
        if self.stopping:
            return False, "stopping"
        if not self.model_ready:
            return False, "the model is loading"
        if self.lost is not None:
            return False, self.lost
        if not self._committed:
            return False, "no partitions assigned"
        return True, f"{len(self._committed)} partitions"


# ----------------------------------------------------------------------------------------- HTTP

CONNECTIONS = 64
"""At once; a scraper and a kubelet need one each. More are hung up on."""
CONNECTION_SECONDS = 10.0
"""That a connection may last, however slowly its client writes, reads or waits."""
LINE_BYTES = 4_096
"""Of a request's first line and of each of its headers, of which aiohttp takes 128."""
RENDERING_SHARE = 0.1
"""Of the event loop's time, at most, that metrics may take, however often they are asked for."""


async def serve(settings: Settings, health: Health, registry: CollectorRegistry) -> "Server":
    """Listen; `addresses` tells where. Raises PortTaken."""
    rendered = _Rendered(registry)

    async def live(_: web.Request) -> web.Response:
        return _answer(*health.live())

    async def ready(_: web.Request) -> web.Response:
        return _answer(*health.ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=rendered.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def close(_: web.Request, response: web.StreamResponse) -> None:
        response.force_close()  # the next request may come on a connection of its own

    application = web.Application(client_max_size=1)  # nobody reads the body of a GET
    application.on_response_prepare.append(close)
    application.router.add_get("/health/live", live, allow_head=False)
    application.router.add_get("/health/ready", ready, allow_head=False)
    application.router.add_get("/metrics", metrics, allow_head=False)
    runner = web.AppRunner(
        application,
        access_log=None,
        logger=_Debug(log),
        max_line_size=LINE_BYTES,
        max_field_size=LINE_BYTES,
    )
    await runner.setup()
    assert runner.server is not None
    host, port = settings.http_host, settings.http_port
    try:
        listening = await asyncio.get_running_loop().create_server(_few(runner.server), host, port)
    except OSError as error:
        await runner.cleanup()
        raise PortTaken(
            f"cannot listen on {host}:{port} for /metrics and /health ({error.strerror});"
            f" set {variable('http_port')} or --http-port to another port, or to 0 for a free one"
        ) from None
    return Server(runner, listening, asyncio.create_task(_end_old(runner.server)))


class _Debug(logging.LoggerAdapter[logging.Logger]):
    """For aiohttp, to which every request that is none is an error, with its bytes in the log."""

    def log(self, level: int, msg: object, *args: Any, **others: Any) -> None:
        super().log(min(level, logging.DEBUG), msg, *args, **others)


class Server:
    def __init__(
        self, runner: web.AppRunner, listening: asyncio.Server, guard: asyncio.Task[None]
    ) -> None:
        self._runner = runner
        self._listening = listening
        self._guard = guard
        self.addresses: list[Any] = [socket.getsockname() for socket in listening.sockets]

    async def cleanup(self) -> None:
        self._guard.cancel()
        self._listening.close()
        await self._runner.cleanup()


# aiohttp bounds a request's size, but neither how many connections there are nor how long they
# last: clients that never end their request would use up the worker's file descriptors, and it
# could no longer reach Kafka.


def _few(server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
    def connection() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < CONNECTIONS else _Refused()

    return connection


class _Refused(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


async def _end_old(server: web.Server) -> None:
    began: dict[web.RequestHandler, float] = {}
    while True:
        now = time.monotonic()
        began = {each: began.get(each, now) for each in server.connections}
        for each, start in began.items():
            if now - start >= CONNECTION_SECONDS and each.transport is not None:
                each.transport.abort()
        await asyncio.sleep(CONNECTION_SECONDS / 10)


class _Rendered:
    """The metrics as text, made anew when the last text is old enough for what it cost."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._text = b""
        self._until = float("-inf")

    def text(self) -> bytes:
        began = time.monotonic()
        if began >= self._until:
            self._text = generate_latest(self._registry)
            cost = time.monotonic() - began
            self._until = began + cost / RENDERING_SHARE
        return self._text


def _answer(good: bool, why: str) -> web.Response:
    return web.Response(status=200 if good else 503, text=why + "\n")
