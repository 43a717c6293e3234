"""`eventwire sink`: the events topic as a table in PostgreSQL.

One sink writes to a database at a time; a second one stands by. It reads every partition itself,
from where the database says that it is, and commits to its consumer group after each transaction:
for those who watch its lag, since what counts is the position that the transaction wrote.
While the database is away nothing is read, so nothing piles up.
"""

import contextlib
import itertools
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from eventwire.streams import clients
from eventwire.streams.clients import BrokerError
from eventwire.streams.database import Batch, Database, DatabaseAway, connection_parameters
from eventwire.streams.event_rows import Change, Message, Refused, change
from eventwire.streams.health import PortTaken
from eventwire.streams.settings import Settings, variable
from eventwire.streams.tail import Connection
from eventwire.streams.topics import topics

log = logging.getLogger(__name__)

BATCH_RECORDS = 500
"""Of one transaction at most."""
FETCH_BYTES = 16 * 1024 * 1024
"""That are read ahead: what bounds memory."""
COMMIT_SECONDS = 1.0
"""Between commits to the consumer group while records come without a pause."""
LOOK_SECONDS = 30.0
"""Between two looks whether the topic has more partitions, or is another one."""
STANDBY_SECONDS = 2.0
"""Between two attempts to become the one that writes."""
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0)
"""Between attempts to connect to the database; the last one goes on."""
REMIND_SECONDS = 60.0
"""Between two lines that say that the database is still away."""

OUTCOMES = ("stored", "retracted", "refused")


class SinkMetrics:
    """The sink's series in a registry of the caller's."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self.records = Counter(
            "eventwire_sink_records",
            "Records of the events topic, by what they did to the table",
            ["outcome"],
            registry=self.registry,
        )
        self.transaction = Histogram(
            "eventwire_sink_transaction_seconds",
            "Time in the database for one batch",
            registry=self.registry,
        )
        self.lag = Gauge(
            "eventwire_sink_lag_messages",
            "Records not stored yet, by partition",
            ["partition"],
            registry=self.registry,
        )
        self.connected = Gauge(
            "eventwire_sink_database_up",
            "1 while the database is connected and this sink is the one that writes",
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            self.records.labels(outcome)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)


def run(settings: Settings, url: str) -> NoReturn:
    """Follow the topic until stopped.

    Raises SettingsError, PortTaken, BrokerError if Kafka is away at the start, and DatabaseError.
    """
    parameters = connection_parameters(url, settings.sink_password)
    disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody asks for them
    metrics = SinkMetrics()
    _serve(settings, metrics.registry)
    topic = topics(settings).events.name
    with clients.reader(settings, [topic], from_beginning=True, **_reading(settings)) as consumer:
        while True:
            with contextlib.closing(_writer(parameters)) as database:
                metrics.connected.set(1)
                try:
                    follow(settings, consumer, database, metrics)
                except DatabaseAway as error:
                    log.warning("PostgreSQL is away: %s", error)
                except BrokerError as error:
                    log.warning("%s; trying again", error)
                    time.sleep(RETRY_SECONDS[-1])
                finally:
                    metrics.connected.set(0)


def follow(
    settings: Settings, consumer: KafkaConsumer, database: Database, metrics: SinkMetrics
) -> None:
    """Store what is on the topic and what arrives, until the topic gets more partitions or is
    created anew. Raises BrokerError, DatabaseAway and DatabaseError."""
    topic = _describe(settings)
    try:
        partitions = _go_on(consumer, topic, database)
        log.info(
            "storing %s in PostgreSQL %s from %s",
            topic.name,
            database.name,
            ", ".join(f"[{p.partition}] offset {consumer.position(p)}" for p in partitions),
        )
        _store_all(settings, consumer, database, metrics, topic)
    except KafkaError as error:
        raise BrokerError(f"Kafka at {settings.brokers}: {error}") from error


# ---------------------------------------------------------------------------------------- reading


class _Topic(NamedTuple):
    name: str
    id: str
    """Kafka's: another one means that the topic was created anew, and its offsets begin again."""
    partitions: tuple[int, ...]


def _describe(settings: Settings) -> _Topic:
    name = topics(settings).events.name
    try:
        with clients.admin(settings) as admin:
            (found,) = admin.describe_topics([name])
    except KafkaError as error:
        raise BrokerError(f"Kafka at {settings.brokers}: {error}") from error
    if found["error_code"]:
        raise clients.missing_topic(settings, name)
    numbers = (partition["partition_index"] for partition in found["partitions"])
    return _Topic(name, str(found["topic_id"]), tuple(sorted(numbers)))


def _reading(settings: Settings) -> dict[str, Any]:
    """Options of the consumer. With a group only to commit to: its partitions are assigned by
    hand, so no rebalance takes one away in the middle of a transaction."""
    return {
        "group_id": f"{settings.group}-sink",
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "fetch_max_bytes": max(FETCH_BYTES, settings.output_max_bytes),
    }


def _go_on(consumer: KafkaConsumer, topic: _Topic, database: Database) -> list[TopicPartition]:
    """Seek to where the database is."""
    partitions = [TopicPartition(topic.name, number) for number in topic.partitions]
    stored = database.positions(topic.id)
    consumer.assign(partitions)
    for partition in partitions:
        if partition.partition in stored:
            consumer.seek(partition, stored[partition.partition])
        else:
            consumer.seek_to_beginning(partition)
    return partitions


def _store_all(
    settings: Settings,
    consumer: KafkaConsumer,
    database: Database,
    metrics: SinkMetrics,
    topic: _Topic,
) -> None:
    connection = Connection(settings)
    commits = _Commits(consumer)
    begun = {p.partition: consumer.position(p) for p in consumer.assignment()}
    stored: dict[int, int] = {}
    look = time.monotonic() + LOOK_SECONDS
    while True:
        fetched = consumer.poll(timeout_ms=1000, max_records=BATCH_RECORDS)
        # Not the last record's offset and one: behind it may stand the markers of a transaction.
        reached = {p.partition: consumer.position(p) for p in consumer.assignment()}
        moved = {number: to for number, to in reached.items() if stored.get(number) != to}
        if moved:
            # Before as well: a transaction that hangs, on a table that someone locks, is lag.
            _measure_lag(consumer, metrics, begun | stored)
            records = itertools.chain.from_iterable(fetched.values())
            _store(database, topic, _batch(records, moved), metrics)
            stored |= moved
            commits.add({TopicPartition(topic.name, number): to for number, to in moved.items()})
        if not fetched:
            connection.check()
        commits.commit(now=not fetched)
        _measure_lag(consumer, metrics, begun | stored)
        if time.monotonic() > look:
            look = time.monotonic() + LOOK_SECONDS
            with contextlib.suppress(BrokerError):  # which `connection` tells of
                if _describe(settings) != topic:
                    log.warning("%s has changed: looking at it anew", topic.name)
                    return


def _batch(records: Iterable[ConsumerRecord], positions: dict[int, int]) -> Batch:
    changes: list[Change] = []
    refusals: list[Refused] = []
    for record in records:
        found = change(
            Message(record.partition, record.offset, record.key, record.value, record.headers)
        )
        if isinstance(found, Refused):
            refusals.append(found)
        else:
            changes.append(found)
    return Batch(changes, refusals, positions)


def _store(database: Database, topic: _Topic, batch: Batch, metrics: SinkMetrics) -> None:
    with metrics.transaction.time():
        refusals = database.store(topic.name, topic.id, batch)
    for message, reason in refusals:
        log.warning(
            "%s[%d] offset %d: %s; kept in eventwire.refused",
            topic.name,
            message.partition,
            message.offset,
            reason,
        )
    late = {(message.partition, message.offset) for message, _ in refusals}
    for each in batch.changes:
        if (each.message.partition, each.message.offset) not in late:
            metrics.records.labels("retracted" if each.row is None else "stored").inc()
    metrics.records.labels("refused").inc(len(refusals))


class _Commits:
    """Commits to the consumer group, once a second: they are for those who watch."""

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._waiting: dict[TopicPartition, int] = {}
        self._next = 0.0

    def add(self, offsets: dict[TopicPartition, int]) -> None:
        """Of what is stored."""
        self._waiting |= offsets

    def commit(self, *, now: bool) -> None:
        if not self._waiting or (not now and time.monotonic() < self._next):
            return
        offsets = {p: OffsetAndMetadata(offset, "", -1) for p, offset in self._waiting.items()}
        try:
            self._consumer.commit(offsets, timeout_ms=5000)
        except KafkaError as error:
            log.warning("cannot commit to the consumer group: %s; the table is right", error)
        else:
            self._waiting.clear()
        self._next = time.monotonic() + COMMIT_SECONDS


def _measure_lag(consumer: KafkaConsumer, metrics: SinkMetrics, stored: Mapping[int, int]) -> None:
    for partition in consumer.assignment():
        end = consumer.highwater(partition)
        if end is not None:
            lag = max(end - stored[partition.partition], 0)
            metrics.lag.labels(str(partition.partition)).set(lag)


# ------------------------------------------------------------------------------------ the database


def _writer(parameters: Mapping[str, Any]) -> Database:
    """A connection that may write; waits until there is a database, and no other sink on it."""
    say = _Reminder()
    for seconds in itertools.chain(RETRY_SECONDS, itertools.repeat(RETRY_SECONDS[-1])):
        try:
            return _locked(Database(parameters), say)
        except DatabaseAway as error:
            say(f"waiting for PostgreSQL, nothing is read: {error}")
        time.sleep(seconds)
    raise AssertionError("unreachable")


def _locked(database: Database, say: "_Reminder") -> Database:
    try:
        while not database.lock():
            say(f"another sink writes to PostgreSQL {database.name}: standing by")
            time.sleep(STANDBY_SECONDS)
    except BaseException:
        database.close()
        raise
    return database


class _Reminder:
    """Logs a line when it is new, and once in a while."""

    def __init__(self) -> None:
        self._line = ""
        self._next = 0.0

    def __call__(self, line: str) -> None:
        if line != self._line or time.monotonic() > self._next:
            log.warning("%s", line)
            self._line, self._next = line, time.monotonic() + REMIND_SECONDS


# --------------------------------------------------------------------------------------- /metrics


def _serve(settings: Settings, registry: CollectorRegistry) -> None:
    host, port = settings.http_host, settings.sink_http_port
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        raise PortTaken(
            f"cannot listen on {host}:{port} for the sink's /metrics ({error.strerror}); set"
            f" {variable('sink_http_port')} to another port, or to 0 for a free one"
        ) from None
    log.info("metrics on http://%s:%d", host, server.server_port)
