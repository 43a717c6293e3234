"""Run a worker until it is told to stop: signals, the shutdown's deadline, HTTP, the exit code."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable
from types import FrameType

import prometheus_client

from eventwire.streams import health as healths
from eventwire.streams import topics
from eventwire.streams.app import App, build_app
from eventwire.streams.clients import BrokerError
from eventwire.streams.health import Health, PortTaken
from eventwire.streams.inference import CoderFailed
from eventwire.streams.publisher import PublishError
from eventwire.streams.settings import Settings

log = logging.getLogger(__name__)

STOPPED = 0
FAILED = 1
INTERRUPTED = 130

LAST_RESORT_SECONDS = 1.0
"""After the shutdown's deadline, until the process ends whatever still hangs."""
BROKEN_SECONDS = 5.0
"""To leave the group after a failure, so that others take over before the session times out."""


def run_worker(settings: Settings) -> int:
    """Code articles until SIGTERM or SIGINT; returns the exit code. For a process of its own.

    0: stopped when asked. 1: it cannot go on, and stderr says why in one line. A second signal
    ends the process at once with 130, and so does the deadline with the code it would have had.
    """
    # They would double the series, and nobody asks for them.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        asyncio.run(_Worker(settings).run())
    except (CoderFailed, PortTaken, BrokerError, PublishError) as error:
        # The line says all, but to who looks for a fault in the worker itself.
        log.error("%s", error, exc_info=log.isEnabledFor(logging.DEBUG))  # noqa: TRY400
        return FAILED
    except Exception:
        log.exception("the worker failed")
        return FAILED
    return STOPPED


class _Worker:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._signals = 0

    async def run(self) -> None:
        settings = self._settings
        self._handle_signals()
        app = build_app(settings)
        health = Health(app.positions, progress_timeout=settings.progress_timeout)
        runner = await healths.serve(settings, health, app.metrics.registry)
        for address in runner.addresses:
            log.info("metrics and health on http://%s:%d", *address[:2])
        watching = asyncio.create_task(_watch(health))
        try:
            if await self._prepare(app):
                health.model_ready = True
                await self._consume(app, health)
        finally:
            watching.cancel()
            await app.coder.stop()
            await runner.cleanup()

    async def _prepare(self, app: App) -> bool:
        """Topics and model, before joining the group; False where told to stop meanwhile."""

        async def prepare() -> None:
            await asyncio.to_thread(topics.create_missing, self._settings)
            await app.coder.start()
            app.metrics.model(app.coder.model)

        return await self._is_first(prepare())

    async def _consume(self, app: App, health: Health) -> None:
        """Join the group, and leave it when told to or when something is broken."""
        if await self._is_first(app.run_until_broken()):
            end_after(BROKEN_SECONDS, FAILED)
            await app.leave(finish=False)
            raise app.failure or RuntimeError("Faust stopped without a reason")
        health.stopping = True
        try:
            async with asyncio.timeout(self._settings.shutdown_timeout):
                await app.leave(finish=True)
        except TimeoutError:
            log.warning("not done within the shutdown's time: what is left will be read again")

    async def _is_first(self, work: Awaitable[object]) -> bool:
        """Whether `work` ends, or raises, before the signal to stop, which cancels it."""
        task, told = asyncio.ensure_future(work), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
                return True
            return False
        finally:
            told.cancel()
            task.cancel()

    def _handle_signals(self) -> None:
        """The first starts the clock of the last resort; the second ends at once."""
        loop = asyncio.get_running_loop()

        def on_signal(number: int, _: FrameType | None) -> None:
            self._signals += 1
            if self._signals > 1:
                os._exit(INTERRUPTED)
            name = signal.Signals(number).name
            log.info("%s: finishing the batch at hand; a second one ends at once", name)
            end_after(self._settings.shutdown_timeout + LAST_RESORT_SECONDS, STOPPED)
            loop.call_soon_threadsafe(self._stop.set)

        # Plain handlers, and not the loop's: they also run while the loop is stuck.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)


async def _watch(health: Health) -> None:
    while True:
        try:
            health.watch()
        except Exception:
            log.exception("cannot tell how far the commits are")
        await asyncio.sleep(healths.WATCH_SECONDS)


def end_after(seconds: float, code: int) -> None:
    """End the process then, whatever still hangs: threads of a consumer whose broker is gone."""

    def end() -> None:
        log.warning("not stopped in time, ending")
        os._exit(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
