"""What was coded: the tail of the codings topic, in bounded memory.

A worker that is given partitions first reads what is on the same partitions of the codings topic,
and so knows which articles were coded, with which text and model, by whichever worker. What has
fallen out of the memory is coded again, to the same event ids; only a correction of such an
article can no longer take back the events that its new text does not report.
"""

import asyncio
import logging
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from eventwire.models.records import Article, ModelRef, text_sha256
from eventwire.streams.clients import BrokerError
from eventwire.streams.outputs import LedgerRecord

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0


class Known(NamedTuple):
    """An article's last record; hashes and ids as bytes, to keep the memory small."""

    text_sha256: bytes | None
    """None after a dead letter: no text equals it."""
    model: ModelRef | None
    event_ids: tuple[bytes, ...]


Verdict = Literal["new", "duplicate", "correction", "recode"]


def verdict(known: Known | None, article: Article, model: ModelRef, *, recode: bool) -> Verdict:
    """What to do with an article of which `known` is on record.

    The same text is coded again only by another model, and only when that is asked for.
    """
    if known is None:
        return "new"
    if known.text_sha256 != bytes.fromhex(text_sha256(article.text)):
        return "correction"
    if known.model == model or not recode:
        return "duplicate"
    return "recode"


def remembered(record: LedgerRecord) -> Known:
    return Known(
        bytes.fromhex(record.text_sha256) if record.text_sha256 else None,
        record.model,
        tuple(uuid.UUID(event_id).bytes for event_id in record.event_ids),
    )


def event_ids(known: Known | None) -> list[str]:
    return [str(uuid.UUID(bytes=packed)) for packed in known.event_ids] if known else []


class Memory:
    """The last `limit` articles of all partitions, least recently recorded first out."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._known: OrderedDict[tuple[int, str], Known] = OrderedDict()
        self._models: dict[ModelRef, ModelRef] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, partition: int, article_id: str) -> Known | None:
        return self._known.get((partition, article_id))

    def put(self, partition: int, article_id: str, known: Known) -> None:
        if known.model is not None:  # one object for all the articles that a model coded
            known = known._replace(model=self._models.setdefault(known.model, known.model))
        self._known[partition, article_id] = known
        self._known.move_to_end((partition, article_id))
        while len(self._known) > self.limit:
            self._known.popitem(last=False)

    def forget(self, partition: int, article_id: str) -> None:
        self._known.pop((partition, article_id), None)

    def keep(self, partitions: Iterable[int]) -> None:
        """Forget the articles of all other partitions."""
        kept = set(partitions)
        for key in [key for key in self._known if key[0] not in kept]:
            del self._known[key]


class Ledger:
    """Reads assigned partitions when the first of their articles is about to be coded.

    That is not done within the rebalance, which all other workers would have to wait for.
    """

    def __init__(
        self, topic: str, memory: Memory, new_consumer: Callable[[], AIOKafkaConsumer]
    ) -> None:
        self._topic = topic
        self.memory = memory
        self._new_consumer = new_consumer
        self._assigned: set[int] = set()
        self._assignments = 0
        self._unread: set[int] = set()
        self._positions: dict[int, int] = {}
        """Up to where each partition was read; what others wrote since then stands behind it."""
        self._reading = asyncio.Lock()

    def assign(self, partitions: set[int]) -> None:
        """Take over `partitions`: others may have coded their articles meanwhile."""
        self._assignments += 1
        self._assigned = set(partitions)
        self._unread = set(partitions)
        self.memory.keep(partitions)
        self._positions = {p: o for p, o in self._positions.items() if p in partitions}

    async def ready(self, partition: int) -> None:
        """Wait until what is on record of the partition's articles is in the memory."""
        async with self._reading:
            while partition in self._unread:
                reading, assignment = set(self._unread), self._assignments
                try:
                    await self._read(reading)
                except TopicAuthorizationFailedError as error:
                    raise BrokerError(
                        f"{self._topic}: this worker may not read it:"
                        " docs/security.md lists the permissions that eventwire needs"
                    ) from error
                except KafkaError as error:
                    log.warning("%s: cannot be read (%s), trying again", self._topic, error)
                    await asyncio.sleep(RETRY_SECONDS)
                else:
                    if assignment == self._assignments:  # else others may have written since
                        self._unread -= reading

    def known(self, partition: int, article_id: str) -> Known | None:
        return self.memory.get(partition, article_id)

    def record(self, record: LedgerRecord) -> None:
        """Remember what was just written, unless its partition has gone to another worker."""
        if record.partition in self._assigned:
            self.memory.put(record.partition, record.article_id, remembered(record))

    async def _read(self, partitions: set[int]) -> None:
        consumer = self._new_consumer()
        await consumer.start()
        try:
            await self._read_with(consumer, sorted(partitions))
        finally:
            await consumer.stop()

    async def _read_with(self, consumer: Any, partitions: list[int]) -> None:
        waiting = {TopicPartition(self._topic, partition) for partition in partitions}
        consumer.assign(waiting)
        begins = await consumer.beginning_offsets(waiting)
        # The embedded broker's ends are too low by up to a batch: good enough to start from.
        ends = await consumer.end_offsets(waiting)
        for tp in waiting:
            tail = max(begins[tp], ends[tp] - self.memory.limit)
            consumer.seek(tp, max(tail, self._positions.get(tp.partition, 0)))
        read = 0
        while waiting:
            fetched = await consumer.getmany(*waiting, timeout_ms=50)
            for tp, messages in fetched.items():
                for message in messages:
                    self._take(tp.partition, message.key, message.value)
                read += len(messages)
            for tp in list(waiting):
                end = consumer.highwater(tp)  # known once a fetch was answered, and never too low
                position = await consumer.position(tp)
                if end is not None and position >= end:
                    waiting.discard(tp)
                    self._positions[tp.partition] = position
        log.info("%s: read %d records of partitions %s", self._topic, read, partitions)

    def _take(self, partition: int, key: bytes | None, value: bytes | None) -> None:
        if value is None:
            self.memory.forget(partition, (key or b"").decode(errors="replace"))
            return
        try:
            record = msgspec.json.decode(value, type=LedgerRecord)
            known = remembered(record)
        except (msgspec.MsgspecError, ValueError) as error:
            log.warning("%s[%d]: not a record of the ledger: %s", self._topic, partition, error)
            return
        self.memory.put(partition, record.article_id, known)
