"""The Faust app: how articles are consumed. What is done with them is `agent.Agent`'s."""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Any, cast

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from faust.types import TP
from mode import CrashingSupervisor
from mode.utils.objects import cached_property
from prometheus_client import CollectorRegistry

from eventwire.streams import clients, faust_fixes, outage
from eventwire.streams import topics as names
from eventwire.streams.agent import Agent
from eventwire.streams.fence import Fence
from eventwire.streams.inference import CoderProcess
from eventwire.streams.ledger import Ledger, Memory
from eventwire.streams.metrics import Metrics, Partition
from eventwire.streams.outputs import Record
from eventwire.streams.publisher import Publisher
from eventwire.streams.settings import Settings

log = logging.getLogger("eventwire.streams.worker")
"""Faust logs at length in the name of this module, see `logs.QUIET`."""

COMMIT_SECONDS = 1.0
"""Between commits; what was acknowledged since the last one is read again after a crash."""
BUFFERED_MESSAGES = 64
"""Fetched and waiting, besides the batches at hand: 64 articles of 1 MiB are 64 MiB."""
MAX_POLL_SECONDS = 3600.0
"""Longest pause between fetches before the group gives the partitions to others. The consumer
pauses while its buffer is full, so this stays above what the slowest machine takes for 64 articles
of the largest size; whether batches get done is what liveness watches."""
REQUEST_SECONDS = 15.0
"""That the producer waits for the brokers before it gives a record back, to be sent anew."""
METADATA_SECONDS = 30.0
"""Between two looks at which partitions there are. Articles on one that was added wait as long."""
REBALANCE_SECONDS = 120.0
"""What the group gives its members to finish the batches at hand before partitions move."""


class App(faust.App):
    """A Faust app with `faust_fixes`, and the parts of the worker around its agent."""

    settings: Settings
    topic_names: names.Topics
    metrics: Metrics
    ledger: Ledger
    coder: CoderProcess
    articles: Agent
    ask: outage.Ask
    failure: BaseException | None = None
    """What ended the agent or one of Faust's services."""
    leaving = False

    @cached_property
    def flow_control(self) -> faust_fixes.FlowControl:
        return faust_fixes.FlowControl(loop=self.loop)

    def _new_transport(self) -> faust_fixes.Transport:
        return faust_fixes.Transport(self.conf.broker_consumer, self, loop=self.loop)

    def _create_directories(self) -> None:
        """None: there are no tables, and no folder appears where the worker was started."""

    async def run_until_broken(self) -> None:
        """Join the group and work. Returns, or raises, only when something is broken."""
        starting, broken = asyncio.create_task(self.start()), asyncio.create_task(self._broken())
        try:
            await asyncio.wait({starting, broken}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await broken
        finally:
            starting.cancel()
            broken.cancel()

    async def _broken(self) -> None:
        await self._crashed.wait()
        self.failure = self.failure or self.crash_reason

    def fail(self, error: BaseException) -> None:
        """End `run_until_broken`: nothing can be acknowledged after `error`."""
        self.failure = self.failure or error
        self._crash(error)

    async def finish(self) -> None:
        """Begin nothing more; the batches at hand are then done and committed."""
        await self.articles.drain()
        await self.commit({self.topic_names.articles.name})

    async def leave(self) -> None:
        """Leave the group. What was begun and is not done will be read again."""
        self.leaving = True
        if self._consumer is not None:
            cast(faust_fixes.Consumer, self._consumer).leaving = True
        await self.stop()

    def positions(self) -> list[Partition]:
        """Where the partitions stand that this worker has now."""
        consumer = cast(faust_fixes.Consumer | None, self._consumer)
        if consumer is None:
            return []
        try:
            return [
                Partition(
                    number=tp.partition,
                    committed=consumer.committed(tp),
                    start=consumer.first(tp),
                    read_up_to=consumer.read_up_to(tp),
                    told=consumer.told(tp),
                    oldest=consumer.oldest(tp),
                    # Read last: a commit that came before it cannot lie beyond it.
                    end=consumer.highwater(tp),
                )
                for tp in sorted(consumer.assignment())
            ]
        except (ConsumerNotStarted, AssertionError, KafkaError):
            return []  # its thread has just started, or just lost a partition


def build_app(
    settings: Settings, coder: CoderProcess | None = None, registry: CollectorRegistry | None = None
) -> App:
    """The app with its agent, connected to nothing yet.

    Without `coder` it codes in a child process, which `app.coder.start()` starts. Raises
    BrokerError for certificates that cannot be read.
    """
    faust_fixes.check()
    app = _new_app(settings)
    app.settings = settings
    context = clients.ssl_context(settings)
    app.ask = lambda: outage.ask(settings.broker_list, context)
    app.topic_names = names.topics(settings)
    app.metrics = Metrics(registry)
    app.coder = coder or new_coder(settings, app.metrics)
    memory = Memory(settings.ledger_entries)
    app.ledger = Ledger(
        app.topic_names.codings.name,
        memory,
        lambda: _ledger_consumer(app),
        timeout=settings.publish_timeout,
        ask=app.ask,
    )
    app.metrics.ledger(lambda: len(memory), memory.limit)
    app.metrics.partitions(app.positions)
    app.metrics.coder_process(lambda: app.coder.pid)
    fence = Fence(
        lambda: cast(faust_fixes.Consumer, app.consumer).is_member(),
        lambda: app.consumer_generation_id,
        session_timeout=settings.session_timeout,
    )
    app.articles = Agent(
        settings,
        app.topic_names,
        coder=app.coder,
        ledger=app.ledger,
        publisher=Publisher(
            lambda record: _send(app, record),
            max_bytes=settings.output_max_bytes,
            timeout=settings.publish_timeout,
            check=fence.check,
            ask=app.ask,
        ),
        fence=fence,
        metrics=app.metrics,
    )

    async def assigned(_: Any, partitions: set[TP], **__: Any) -> None:
        numbers = {partition.partition for partition in partitions}
        log.info("%s: given partitions %s", app.topic_names.articles.name, sorted(numbers))
        app.ledger.assign(numbers)
        app.metrics.rebalance()

    app.on_partitions_assigned.connect(assigned, weak=False)  # type: ignore[arg-type]
    # Bytes, and empty ones too: what they are is for `decode` to say.
    articles = app.topic(
        app.topic_names.articles.name,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )

    @app.agent(articles, name="articles", supervisor_strategy=CrashingSupervisor)
    async def process(stream: Any) -> None:
        try:
            await app.articles.process(stream)
        except asyncio.CancelledError:
            if not app.leaving:  # else Faust would call that a crash
                raise
        except Exception as error:  # noqa: BLE001 - a worker must not outlive its agent
            app.fail(error)

    return app


def new_coder(settings: Settings, metrics: Metrics) -> CoderProcess:
    return CoderProcess(
        settings.coder,
        settings.coder_options,
        start_timeout=settings.coder_start_timeout,
        timeout=settings.coder_timeout,
        logging_settings={
            "log_format": settings.log_format,
            # --debug is no setting, but is meant for the coder too.
            "log_level": "debug" if log.isEnabledFor(logging.DEBUG) else settings.log_level,
        },
        on_restart=metrics.coder_restart,
    )


def _new_app(settings: Settings) -> App:
    brokers = ";".join(f"kafka://{address}" for address in settings.broker_list)
    return App(
        settings.group,
        # Without it Faust lets variables like BROKER_URL and PRODUCER_ACKS override all of this.
        env={},
        broker=brokers,
        broker_credentials=_credentials(settings),
        broker_client_id="eventwire-worker",
        broker_session_timeout=settings.session_timeout,
        broker_heartbeat_interval=settings.heartbeat,
        broker_request_timeout=max(40.0, settings.session_timeout + 5),
        broker_rebalance_timeout=max(REBALANCE_SECONDS, settings.session_timeout),
        broker_commit_interval=COMMIT_SECONDS,
        broker_max_poll_interval=MAX_POLL_SECONDS,
        broker_max_poll_records=BUFFERED_MESSAGES,
        consumer_metadata_max_age_ms=int(METADATA_SECONDS * 1000),
        # Its complaints name Faust's settings; liveness is the answer to a worker that hangs.
        broker_commit_livelock_soft_timeout=MAX_POLL_SECONDS,
        stream_processing_timeout=MAX_POLL_SECONDS,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=settings.output_max_bytes,
        producer_acks=-1,
        producer_max_request_size=settings.output_max_bytes + 1024,
        producer_request_timeout=REQUEST_SECONDS,
        stream_buffer_maxsize=BUFFERED_MESSAGES,
        stream_wait_empty=True,  # partitions move after the batches at hand, not amid them
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        store="memory://",
        TableManager=faust_fixes.TableManager,
        autodiscover=False,
        datadir=Path(),
    )


def _credentials(settings: Settings) -> Any:
    context: ssl.SSLContext | None = clients.ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None  # Settings checks it
        return faust.SASLCredentials(
            username=settings.sasl_user,
            password=settings.sasl_password.reveal(),
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return faust.SSLCredentials(context) if context else None


def _ledger_consumer(app: App) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=app.settings.broker_list,
        client_id="eventwire-ledger",
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,  # the brokers' half a second would pass at the end of each partition
        **credentials_to_aiokafka_auth(app.conf.broker_credentials, app.conf.ssl_context),
    )


async def _send(app: App, record: Record) -> Any:
    if record.partition is not None:
        await _know(app, record.topic, record.partition)
    headers = cast(list[tuple[str, bytes]], record.headers)  # null values go through as well
    return await app.producer.send(
        record.topic,
        record.key,
        record.value,
        record.partition,
        # Faust takes seconds and rounds down: half a millisecond more keeps the milliseconds.
        None if record.timestamp_ms is None else (record.timestamp_ms + 0.5) / 1000,
        headers,
    )


async def _know(app: App, topic: str, partition: int) -> None:
    """Look again for a partition that the producer does not know: it was just added, and the
    consumer saw it first. Raises a KafkaError that passes where it is not there."""
    producer = app.producer._ensure_producer()  # type: ignore[attr-defined]
    if partition in await producer.partitions_for(topic):
        return
    await producer.client.force_metadata_update()
    if partition not in await producer.partitions_for(topic):
        raise UnknownTopicOrPartitionError(f"{topic}[{partition}]")
