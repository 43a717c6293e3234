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
from eventwire.streams.outage import Ask, it_answers
from eventwire.streams.outputs import LedgerRecord
from eventwire.streams.settings import variable

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
ENTRY_BYTES = 400
"""Of an usual article in the memory. One whose id and events are longer counts as several."""
ID_BYTES = 16
"""Of an event's id."""


class Known(NamedTuple):
    """An article's last record; hashes and ids as bytes, to keep the memory small."""

    text_sha256: bytes | None
    """None after a dead letter: no text equals it."""
    model: ModelRef | None
    event_ids: bytes
    """One after the other."""


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
        b"".join(uuid.UUID(event_id).bytes for event_id in record.event_ids),
    )


def event_ids(known: Known | None) -> list[str]:
    packed = known.event_ids if known else b""
    starts = range(0, len(packed), ID_BYTES)
    return [str(uuid.UUID(bytes=packed[start : start + ID_BYTES])) for start in starts]


class Memory:
    """The last articles of all partitions, least recently recorded first out.

    `limit` articles of usual size are 400 bytes each; whatever comes, it stays below twice that.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._known: OrderedDict[tuple[int, str], Known] = OrderedDict()
        self._size = 0
        self._models: dict[ModelRef, ModelRef] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, partition: int, article_id: str) -> Known | None:
        return self._known.get((partition, article_id))

    def put(self, partition: int, article_id: str, known: Known) -> None:
        if known.model is not None:  # one object for all the articles that a model coded
            known = known._replace(model=self._models.setdefault(known.model, known.model))
        self.forget(partition, article_id)
        self._known[partition, article_id] = known
        self._size += _size(article_id, known)
        while self._size > self.limit:
            (_, oldest), gone = self._known.popitem(last=False)
            self._size -= _size(oldest, gone)

    def forget(self, partition: int, article_id: str) -> None:
        if (gone := self._known.pop((partition, article_id), None)) is not None:
            self._size -= _size(article_id, gone)

    def keep(self, partitions: Iterable[int]) -> None:
        """Forget the articles of all other partitions."""
        kept = set(partitions)
        for partition, article_id in [key for key in self._known if key[0] not in kept]:
            self.forget(partition, article_id)


def _size(article_id: str, known: Known) -> int:
    """In entries of usual size."""
    return 1 + (len(article_id.encode()) + len(known.event_ids)) // ENTRY_BYTES


class Ledger:
    """Reads assigned partitions when the first of their articles is about to be coded.

    That is not done within the rebalance, which all other workers would have to wait for.
    """

    def __init__(
        self,
        topic: str,
        memory: Memory,
        new_consumer: Callable[[], AIOKafkaConsumer],
        *,
        timeout: float,
        ask: Ask = it_answers,
    ) -> None:
        """`timeout`: seconds to go on trying while Kafka answers, as `ask` tells, and nothing can
        be read."""
        self._topic = topic
        self.memory = memory
        self._new_consumer = new_consumer
        self._timeout = timeout
        self._ask = ask
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
        """Wait until what is on record of the partition's articles is in the memory.

        Raises BrokerError where it may not be read, or where Kafka answers and yet it cannot be
        read for too long.
        """
        async with self._reading:
            while partition in self._unread:
                await self._read_unread()

    async def _read_unread(self) -> None:
        why = "no answer"
        lost = await self._ask()
        try:
            async with asyncio.timeout(self._timeout) as patience:
                while True:
                    reading, assignment = set(self._unread), self._assignments
                    try:
                        await self._read(reading, patience)
                        break
                    except TopicAuthorizationFailedError as error:
                        raise BrokerError(
                            f"{self._topic}: this worker may not read it:"
                            " docs/security.md lists the permissions that eventwire needs"
                        ) from error
                    except KafkaError as error:
                        why = str(error)
                        if await self._ask() is None:
                            log.warning("%s: cannot be read (%s), trying again", self._topic, why)
                        else:  # `outage` tells
                            patience.reschedule(asyncio.get_running_loop().time() + self._timeout)
                        await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError:
            if lost is None and await self._ask() is None:
                raise BrokerError(
                    f"{self._topic}: partitions {sorted(self._unread)} could not be read for"
                    f" {self._timeout:g} s ({variable('publish_timeout')}): {why};"
                    " `eventwire topics` shows whether they are there"
                ) from None
        else:
            if assignment == self._assignments:  # else others may have written
                self._unread -= reading

    def known(self, partition: int, article_id: str) -> Known | None:
        return self.memory.get(partition, article_id)

    def record(self, record: LedgerRecord) -> None:
        """Remember what was just written, unless its partition has gone to another worker."""
        if record.partition in self._assigned:
            self.memory.put(record.partition, record.article_id, remembered(record))

    async def _read(self, partitions: set[int], patience: asyncio.Timeout) -> None:
        consumer = self._new_consumer()
        await consumer.start()
        try:
            await self._read_with(consumer, sorted(partitions), patience)
        finally:
            await consumer.stop()

    async def _read_with(
        self, consumer: Any, partitions: list[int], patience: asyncio.Timeout
    ) -> None:
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
                patience.reschedule(asyncio.get_running_loop().time() + self._timeout)
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
        except (ValueError, RecursionError) as error:
            log.warning("%s[%d]: not a record of the ledger: %s", self._topic, partition, error)
            return
        self.memory.put(partition, record.article_id, known)
