"""Run a worker until it is told to stop: signals, the shutdown's deadline, HTTP, the exit code."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Awaitable, Coroutine
from types import FrameType
from typing import Any, NoReturn

import prometheus_client
from mode.threads import WorkerThread

from eventwire.streams import clients, record_batches, topics
from eventwire.streams import health as healths
from eventwire.streams.app import App, build_app
from eventwire.streams.clients import BrokerError
from eventwire.streams.health import Health, PortTaken
from eventwire.streams.inference import CoderFailed
from eventwire.streams.outage import Outage
from eventwire.streams.publisher import PublishError
from eventwire.streams.settings import Settings, variable

log = logging.getLogger(__name__)

STOPPED = 0
FAILED = 1
INTERRUPTED = 130

LEAVE_SECONDS = 4.0
"""To leave the group, so that others take over before the session times out; 0.2 to 1.5 s where
Kafka answers. Where it does not, Faust's threads wait for it without end: they are left behind."""
LAST_RESORT_SECONDS = LEAVE_SECONDS + 2.0
"""After the shutdown's deadline, until the process ends whatever still hangs."""


def run_worker(settings: Settings) -> int:
    """Code articles until SIGTERM or SIGINT; returns the exit code. For a process of its own.

    0: stopped when asked, also where the deadline came first: what was not committed by then is
    read again, to the same event ids. 1: it cannot go on, and stderr says why in one line. A second
    signal ends the process at once with 130.
    """
    # They would double the series, and nobody asks for them.
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
    threading.excepthook = _thread_failed
    return asyncio.run(_Worker(settings).main())


class _Worker:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._signals = 0
        self._left_behind = False

    async def main(self) -> int:
        code = STOPPED
        try:
            await self._run()
        except Exception as error:
            # The line says all, but to who looks for a fault in the worker itself.
            log.error(  # noqa: TRY400
                "%s", _one_line(error), exc_info=log.isEnabledFor(logging.DEBUG)
            )
            code = FAILED
        if self._left_behind:
            # To close the event loop would throw Faust's tasks and threads into confusion.
            _end(code)
        return code

    async def _run(self) -> None:
        settings = self._settings
        self._handle_signals()
        record_batches.bound(settings.article_max_bytes)
        app = build_app(settings)
        health = Health(app.positions, progress_timeout=settings.progress_timeout)
        server = await healths.serve(settings, health, app.metrics.registry)
        for address in server.addresses:
            log.info("metrics and health on http://%s:%d", *address[:2])
        watching = asyncio.create_task(_watch(settings, app, health))
        try:
            if await self._prepare(app):
                health.model_ready = True
                await self._consume(app, health)
        finally:
            watching.cancel()
            await app.coder.stop()
            await server.cleanup()

    async def _prepare(self, app: App) -> bool:
        """Topics and model, before joining the group; False where told to stop meanwhile."""

        async def prepare() -> None:
            existing = await asyncio.to_thread(topics.create_missing, self._settings)
            if created := [topic.name for topic in existing if topic.created]:
                log.info("created topics %s", ", ".join(created))
            await asyncio.to_thread(clients.check_group, self._settings)
            await app.coder.start()
            ready = app.coder.ready
            app.metrics.model(ready.model)
            app.metrics.inference(ready.device, ready.precision)
            app.metrics.reference(ready.reference)
            if ready.reference is None:
                log.warning(
                    "model %s has no reference.json of its weights: drift is not measured;"
                    " `eventwire train --reference-only --out FOLDER` makes one",
                    ready.model.name,
                )

        return await self._is_first(prepare())

    async def _consume(self, app: App, health: Health) -> None:
        """Join the group, and leave it when told to or when something is broken."""
        if await self._is_first(app.run_until_broken()):
            await self._leave(app, health)
            raise app.failure or RuntimeError("Faust stopped without a reason")
        health.stopping = True
        seconds = self._settings.shutdown_timeout
        if not await _within(seconds, app.finish()):
            log.warning(
                "not done within %g s (%s): what is left will be read again",
                seconds,
                variable("shutdown_timeout"),
            )
        await self._leave(app, health)

    async def _leave(self, app: App, health: Health) -> None:
        if health.lost is not None or not await _within(LEAVE_SECONDS, app.leave()):
            self._left_behind = True
            log.warning(
                "ends without leaving the group, whose other workers take over in %g s (%s)",
                self._settings.session_timeout,
                variable("session_timeout"),
            )

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


async def _watch(settings: Settings, app: App, health: Health) -> None:
    outage = Outage(settings.brokers, app.ask)
    while True:
        try:
            health.watch()
            await outage.check(health.silence)
        except Exception:
            log.exception("cannot tell how far the commits are")
        health.lost = outage.lost
        app.metrics.kafka(answers=outage.lost is None)
        await asyncio.sleep(healths.WATCH_SECONDS)


async def _within(seconds: float, work: Coroutine[Any, Any, None]) -> bool:
    """Whether `work` ends in time; else it goes on, since not all that Faust does can be ended."""
    task = asyncio.create_task(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if done and (error := task.exception()) is not None:
        log.debug("while stopping", exc_info=error)
    return bool(done)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, CoderFailed | PortTaken | BrokerError | PublishError):
        return text
    return f"{type(error).__name__}: {text} (unexpected; --debug shows where)"


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """Faust tells the app when a thread of its own fails, and the app ends for that reason."""
    if isinstance(failed.thread, WorkerThread) and failed.exc_value is not None:
        log.debug("%s failed", failed.thread.name, exc_info=failed.exc_value)
    else:
        threading.__excepthook__(failed)


def end_after(seconds: float, code: int) -> None:
    """End the process then, whatever still hangs."""

    def end() -> None:
        log.warning("not stopped in time, ending")
        _end(code)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _end(code: int) -> NoReturn:
    logging.shutdown()
    os._exit(code)
