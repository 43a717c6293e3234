"""What stands on the events topic: the last record of every key, without those taken back."""

import itertools
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from eventwire.streams import clients
from eventwire.streams.clients import BrokerError
from eventwire.streams.settings import Settings
from eventwire.streams.topics import topics

CHECK_SECONDS = 5.0
"""Of silence, before the brokers are asked whether they are still there."""
STALLED_SECONDS = 60.0
"""Without any record, although the end is not reached, after which reading is given up."""


def standing_records(settings: Settings, topic: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Place and value of every record that stands, in the order they were written by partition: on
    the events topic, or on one that is named.

    Reads from the beginning to where the topic ended at the start; what arrives later is not
    looked at. Only the last record of a key counts, which is known at the end: until then records
    lie in a temporary file, so memory is constant and the file as large as the events that stand.
    Raises BrokerError.
    """
    topic = topic or topics(settings).events.name
    with (
        tempfile.TemporaryDirectory(prefix="eventwire-", ignore_cleanup_errors=True) as folder,
        closing(sqlite3.connect(Path(folder) / "standing")) as database,
        clients.reader(
            settings, [topic], from_beginning=True, isolation_level="read_committed"
        ) as consumer,
    ):
        database.execute("PRAGMA journal_mode = OFF")
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TABLE standing (key BLOB PRIMARY KEY, place TEXT, value BLOB)")
        for record in until_the_end(settings, consumer):
            place = f"{record.topic}[{record.partition}] offset {record.offset}"
            key = place.encode() if record.key is None else record.key
            database.execute("DELETE FROM standing WHERE key = ?", (key,))
            if record.value is not None:
                database.execute(
                    "INSERT INTO standing VALUES (?, ?, ?)", (key, place, record.value)
                )
        database.commit()
        yield from database.execute("SELECT place, value FROM standing ORDER BY rowid")


def until_the_end(settings: Settings, consumer: KafkaConsumer) -> Iterator[ConsumerRecord]:
    """Records up to the end that each partition has now; where the consumer reads what is committed
    only, not behind a transaction that is open."""
    partitions = list(consumer.assignment())
    try:
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    except KafkaError as error:
        raise BrokerError(f"Kafka at {settings.brokers}: {error}") from error
    committed = dict(ends) if consumer.config["isolation_level"] == "read_committed" else {}
    waiting = {partition for partition in partitions if begins[partition] < ends[partition]}
    told: set[TopicPartition] = set()
    heard = checked = time.monotonic()
    while waiting:
        fetched = consumer.poll(timeout_ms=500)
        for partition in waiting - told:
            # The embedded broker's end offsets are too low by up to a batch; with the first answer
            # to a fetch it tells the right one.
            if (highwater := consumer.highwater(partition)) is not None:
                ends[partition] = max(ends[partition], highwater)
                told.add(partition)
        for record in itertools.chain.from_iterable(fetched.values()):
            if record.offset < ends[TopicPartition(record.topic, record.partition)]:
                yield record
        for partition in list(waiting):
            if partition in told and consumer.position(partition) >= ends[partition]:
                waiting.discard(partition)
                consumer.pause(partition)
        now = time.monotonic()
        if fetched:
            heard = checked = now
        elif now - heard > STALLED_SECONDS:
            missing = min(waiting)
            raise BrokerError(
                f"{missing.topic}[{missing.partition}]: expected records up to offset"
                f" {ends[missing]}, none came for {STALLED_SECONDS:g} s"
            )
        elif now - checked > CHECK_SECONDS:
            clients.greet(settings)  # raises where they are gone
            checked = now
            waiting = {
                partition
                for partition in waiting
                if partition not in committed or consumer.position(partition) < committed[partition]
            }
