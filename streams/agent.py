"""The one agent: articles in, events out, and nothing acknowledged before all of it is written.

For every batch, in this order:
1. decode; what cannot be read becomes a dead letter, a null value is skipped;
2. look the articles up in the ledger: duplicates are not coded again;
3. code, in the child process, while the next batch gathers and the last one is published;
4. publish events, retractions and dead letters, and await the brokers' word on each;
5. only then write the ledger, which must never know of an event that was not published;
6. acknowledge in the order of the offsets.
A worker that stops anywhere in between reads the batch again, to the same event ids. One that has
lost its partitions meanwhile drops the batch before 4: see `fence`.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from eventwire.models.records import Article, Coding, ModelRef, text_sha256
from eventwire.streams import ledger as ledgers
from eventwire.streams import outputs
from eventwire.streams.dead_letters import Stage, dead_letter
from eventwire.streams.decode import Reason, Refusal, decode
from eventwire.streams.fence import Fence, Lost
from eventwire.streams.inference import Coded, Failure
from eventwire.streams.intake import Intake, Item, Rate
from eventwire.streams.ledger import Ledger
from eventwire.streams.metrics import Metrics
from eventwire.streams.outputs import LedgerOutcome, LedgerRecord, Record
from eventwire.streams.publisher import Publisher, TooLarge
from eventwire.streams.settings import Settings, variable
from eventwire.streams.topics import Topics

log = logging.getLogger(__name__)


class Codes(Protocol):
    """What the agent needs of `inference.CoderProcess`."""

    @property
    def model(self) -> ModelRef: ...

    async def code(self, articles: Sequence[Article], estimate: float) -> Coded: ...


@dataclass(slots=True)
class Result:
    """What became of one message: the records to write, and what the ledger will say."""

    item: Item
    outcome: LedgerOutcome | None = None
    """None: a tombstone, of which the ledger says nothing."""
    records: list[Record] = field(default_factory=list)
    reason: str | None = None
    text_sha256: str | None = None
    event_ids: list[str] = field(default_factory=list)
    model: ModelRef | None = None
    coded_at: str | None = None
    coding: Coding | None = None
    retracted: int = 0


class Agent:
    """Give `process` to Faust; it runs until cancelled, or raises."""

    def __init__(
        self,
        settings: Settings,
        topics: Topics,
        *,
        coder: Codes,
        ledger: Ledger,
        publisher: Publisher,
        fence: Fence,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._coder = coder
        self._ledger = ledger
        self._publisher = publisher
        self._fence = fence
        self._metrics = metrics
        self._rate = Rate()
        self._intake = Intake(
            batch_seconds=settings.batch_seconds, linger=settings.linger, rate=self._rate
        )
        self._stopping = asyncio.Event()
        self._coded: asyncio.Queue[list[Result]] = asyncio.Queue()
        """Batches to publish; never more than one, see `_work`."""
        self._losses = 0
        self._at_hand = 0
        """Batches that were taken and not acknowledged: one is coded, one published."""
        self._idle = asyncio.Event()
        self._idle.set()
        metrics.rate(self._rate.value)
        metrics.queue(lambda: len(self._intake))

    async def process(self, stream: Any) -> None:
        unacknowledged = stream.noack()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(unacknowledged))
                tasks.create_task(self._work())
                tasks.create_task(self._write(unacknowledged))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self._idle.set()

    async def drain(self) -> None:
        """Start no further batch, and return when those at hand are acknowledged."""
        self._stopping.set()
        await self._idle.wait()

    async def _read(self, stream: Any) -> None:
        async for event in stream.events():
            await self._intake.put(self._decode(event))

    async def _work(self) -> None:
        """Code batches, each while the one before it is published, and hand them over in order."""
        before: set[str] = set()
        while True:
            read = await self._intake.take()
            batch = [item for item in read if self._fence.is_current(item.message)]
            if self._stopping.is_set():
                await asyncio.Event().wait()  # until cancelled; what was taken is read again
            if not batch:
                continue
            self._take_up()
            losses = self._losses
            ids = {item.article_id for item in batch}
            if ids & before:  # what became of them is in the ledger when they are published
                await self._coded.join()
            results = await self._code(batch)
            before = ids
            await self._coded.join()
            if self._losses == losses:
                self._coded.put_nowait(results)
            else:
                self._put_down()

    async def _write(self, stream: Any) -> None:
        """Publish and acknowledge what was coded, batch by batch."""
        while True:
            results = await self._coded.get()
            try:
                await self._publish(results)
                for result in results:
                    await stream.ack(result.item.event)
                self._count(results)
            except Lost:
                self._losses += 1
                log.warning(
                    "this worker was silent for longer than its session (%s): the articles at hand"
                    " are left to whoever has their partitions now",
                    variable("session_timeout"),
                )
                self._intake.clear()
            finally:
                self._put_down()
                self._coded.task_done()

    def _take_up(self) -> None:
        self._at_hand += 1
        self._idle.clear()

    def _put_down(self) -> None:
        self._at_hand -= 1
        if not self._at_hand:
            self._idle.set()

    # ------------------------------------------------------------------------------- 1. decode

    def _decode(self, event: Any) -> Item:
        item = Item(event, event.message, outputs.now())
        value = event.message.value
        if value is None:
            item.tombstone = True
            return item
        self._metrics.received(value)
        began = time.monotonic()
        decoded = decode(
            value,
            item.headers,
            where=item.where,
            max_bytes=self._settings.article_max_bytes,
            max_headers=self._settings.article_max_headers,
            max_header_bytes=self._settings.article_max_header_bytes,
        )
        self._metrics.stage("decode", time.monotonic() - began)
        if isinstance(decoded, Article):
            item.article = decoded
        else:
            item.refusal = decoded
        return item

    # ---------------------------------------------------------------------- 2. and 3. look up, code

    async def _code(self, batch: list[Item]) -> list[Result]:
        results = [Result(item) for item in batch]
        asked: list[tuple[Result, Article]] = []
        for result in results:
            item = result.item
            if item.tombstone:
                continue
            await self._ledger.ready(item.message.partition)
            if item.refusal is not None:
                self._refuse(result, item.refusal, stage="VALUE_CONVERTER")
            elif item.article is not None and not self._is_duplicate(result, item.article):
                asked.append((result, item.article))
        if asked:
            characters = sum(len(article.text) for _, article in asked)
            coded = await self._coder.code(
                [article for _, article in asked], characters / self._rate.value
            )
            self._rate.measure(characters, coded.seconds)
            self._metrics.rate(self._rate.value)
            self._metrics.batch(len(asked))
            self._metrics.stage("code", coded.seconds)
            skipped = 0
            for (result, article), coding in zip(asked, coded.results, strict=True):
                self._take_coding(result, article, coding)
                skipped += coding.skipped_characters if isinstance(coding, Coding) else 0
            self._metrics.coder(coded.spent, skipped)
        return results

    def _is_duplicate(self, result: Result, article: Article) -> bool:
        known = self._ledger.known(result.item.message.partition, article.id)
        recode = outputs.header(result.item.headers, outputs.RECODE_HEADER) == "true"
        verdict = ledgers.verdict(known, article, self._coder.model, recode=recode)
        if verdict != "duplicate" or known is None:
            return False
        result.outcome = "duplicate"
        result.text_sha256 = text_sha256(article.text)
        result.event_ids = ledgers.event_ids(known)
        result.model = known.model
        return True

    def _take_coding(self, result: Result, article: Article, coding: Coding | Failure) -> None:
        if isinstance(coding, Failure):
            self._fail(result, coding.reason, coding.message)
        elif coding.outcome == "failed":
            self._fail(result, coding.failing, coding.reason or "no reason given")
        else:
            self._accept(result, article, coding, coding.outcome)
            if self._ledger_record(result).size > self._settings.output_max_bytes:
                count = len(result.event_ids)
                self._fail(
                    result, "output_too_large", f"{count:,} events are more than fit a record"
                )

    def _accept(
        self, result: Result, article: Article, coding: Coding, outcome: LedgerOutcome
    ) -> None:
        headers = result.item.headers
        result.outcome = outcome
        result.coding = coding
        result.coded_at = outputs.now()
        result.text_sha256 = coding.text_sha256
        result.model = self._coder.model
        result.records = outputs.published(
            coding.events, self._topics, self._settings.min_confidence, headers
        )
        result.event_ids = outputs.event_ids(result.records, self._topics)
        known = self._ledger.known(result.item.message.partition, article.id)
        vanished = sorted(set(ledgers.event_ids(known)) - set(result.event_ids))
        result.records += outputs.retracted(vanished, article.id, self._topics, headers)
        result.retracted = len(vanished)

    def _fail(self, result: Result, reason: Reason, what: str) -> None:
        self._refuse(
            result, Refusal(reason, f"{result.item.where}: {what}"), stage="TRANSFORMATION"
        )

    def _refuse(self, result: Result, refusal: Refusal, *, stage: Stage) -> None:
        item = result.item
        log.warning("%s (dead letter, %s)", refusal.message, refusal.reason)
        result.outcome = "dead_letter"
        result.reason = refusal.reason
        result.coding = result.model = result.coded_at = result.text_sha256 = None
        result.retracted = 0
        # What stood before of an article of this id still stands.
        known = self._ledger.known(item.message.partition, item.article_id)
        result.event_ids = ledgers.event_ids(known)
        result.records = [
            dead_letter(
                topic=self._topics.dead_letters.name,
                source=item.source,
                key=item.message.key,
                value=item.message.value,
                headers=item.headers,
                timestamp_ms=item.timestamp_ms,
                refusal=refusal,
                stage=stage,
                max_bytes=self._settings.output_max_bytes,
            )
        ]

    # ----------------------------------------------------------------------- 4. and 5. publish

    async def _publish(self, results: list[Result]) -> None:
        if not all(self._fence.is_current(result.item.message) for result in results):
            raise Lost
        began = time.monotonic()
        await self._publish_outputs(results)
        entered = [result for result in results if result.outcome is not None]
        try:
            await self._publisher.publish([self._ledger_record(result) for result in entered])
        except TooLarge as error:
            # The topic takes less than it is configured to. Not to stop here for ever, forget
            # which events stand: a correction of these articles will not take them back.
            large = {record.key for record in error.records}
            for result in entered:
                if result.item.article_id.encode() in large:
                    log.warning("%s: %s, written without event ids", result.item.where, error)
                    result.event_ids = []
            await self._publisher.publish([self._ledger_record(result) for result in entered])
        for result in entered:
            self._ledger.record(self._entry(result))
        self._metrics.stage("publish", time.monotonic() - began)

    async def _publish_outputs(self, results: list[Result]) -> None:
        """All records of all results; a result with a record that is too large for its topic
        becomes a dead letter, and its events that are small enough are taken back."""
        waiting = results
        while waiting:
            try:
                await self._publisher.publish([r for result in waiting for r in result.records])
            except TooLarge as error:
                waiting = [r for r in waiting if any(x in error.records for x in r.records)]
                for result in waiting:
                    item, written = result.item, result.event_ids
                    where = Refusal("output_too_large", f"{item.where}: {error}")
                    self._refuse(result, where, stage="KAFKA_PRODUCE")
                    excess = sorted(set(written) - set(result.event_ids))
                    result.records += outputs.retracted(
                        excess, item.article_id, self._topics, item.headers
                    )
            else:
                return

    def _ledger_record(self, result: Result) -> Record:
        return outputs.ledger_record(self._entry(result), self._topics, result.item.headers)

    def _entry(self, result: Result) -> LedgerRecord:
        assert result.outcome is not None
        topic, partition, offset = result.item.source
        return LedgerRecord(
            article_id=result.item.article_id,
            outcome=result.outcome,
            reason=result.reason,
            text_sha256=result.text_sha256,
            event_ids=result.event_ids,
            model=result.model,
            run_id=outputs.header(result.item.headers, outputs.RUN_ID_HEADER),
            received_at=result.item.received_at,
            coded_at=result.coded_at,
            topic=topic,
            partition=partition,
            offset=offset,
        )

    # ---------------------------------------------------------------------------------- counting

    def _count(self, results: list[Result]) -> None:
        metrics = self._metrics
        for result in results:
            if result.outcome is None:
                metrics.tombstone()
                continue
            metrics.article(result.outcome)
            metrics.retracted(result.retracted)
            if result.reason is not None:
                metrics.dead_letter(result.reason)
            if result.coding is not None:
                if outputs.header(result.item.headers, outputs.RUN_ID_HEADER) is None:
                    # A replay's articles are as old as its archive, and as unlike today's.
                    self._count_latency(result.item)
                    metrics.drift(result.coding.profile)
                published = set(result.event_ids)
                metrics.article_events(len(published))
                for event in result.coding.events:
                    if event.event_id in published:
                        metrics.event(event.event_type, event.status, event.confidence)
                metrics.below_confidence(len(result.coding.events) - len(published))

    def _count_latency(self, item: Item) -> None:
        now = time.time()
        if item.timestamp_ms is not None:
            self._metrics.latency("received", now - item.timestamp_ms / 1000)
        published = _instant(item.article.published_at) if item.article else None
        if published is not None:
            self._metrics.latency("published", now - published)


def _instant(published_at: str | None) -> float | None:
    """Seconds since 1970; None for a bare date and a time without a zone, which tell no instant."""
    try:
        moment = datetime.fromisoformat(published_at or "")
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None
