"""Whether the worker is alive and ready, and the HTTP that tells: /metrics, /health/live, /ready.

Live means that commits advance while articles wait; that HTTP answers says nothing about it.
Ready means that the model is warm and partitions are assigned.
"""

import time
from collections.abc import Callable, Iterable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from eventwire.streams.metrics import Partition
from eventwire.streams.settings import Settings, variable

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
        self._progress = clock()
        self._lag = 0
        self.model_ready = False
        self.stopping = False

    def watch(self) -> None:
        """Look at the commits; call it every second or so."""
        partitions = list(self._positions())
        committed = {partition.number: partition.committed for partition in partitions}
        self._lag = sum(partition.lag or 0 for partition in partitions)
        if committed != self._committed or self._lag == 0:
            self._progress = self._clock()
        self._committed = committed

    def live(self) -> tuple[bool, str]:
        """Whether a restart would not help, and why."""
        waited = self._clock() - self._progress
        if waited <= self._timeout:
            return True, "commits advance" if self._lag else "nothing waits"
        return False, f"no commit for {waited:.0f} s while {self._lag:,} articles wait"

    def ready(self) -> tuple[bool, str]:
        """Whether articles that come now are coded, and why not."""
        if self.stopping:
            return False, "stopping"
        if not self.model_ready:
            return False, "the model is loading"
        if not self._committed:
            return False, "no partitions assigned"
        return True, f"{len(self._committed)} partitions"


async def serve(settings: Settings, health: Health, registry: CollectorRegistry) -> web.AppRunner:
    """Listen; `runner.addresses` tells where. Raises PortTaken."""

    async def live(_: web.Request) -> web.Response:
        return _answer(*health.live())

    async def ready(_: web.Request) -> web.Response:
        return _answer(*health.ready())

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    application = web.Application()
    application.router.add_get("/health/live", live, allow_head=False)
    application.router.add_get("/health/ready", ready, allow_head=False)
    application.router.add_get("/metrics", metrics, allow_head=False)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    host, port = settings.http_host, settings.http_port
    try:
        await web.TCPSite(runner, host, port, shutdown_timeout=1.0).start()
    except OSError as error:
        await runner.cleanup()
        raise PortTaken(
            f"cannot listen on {host}:{port} for /metrics and /health ({error.strerror});"
            f" set {variable('http_port')} or --http-port to another port, or to 0 for a free one"
        ) from None
    return runner


def _answer(good: bool, why: str) -> web.Response:
    return web.Response(status=200 if good else 503, text=why + "\n")
