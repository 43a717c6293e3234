import asyncio
import tracemalloc
import uuid
from random import Random
from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from eventwire.models.records import Article, ModelRef, text_sha256
from eventwire.streams import ledger as module
from eventwire.streams.clients import BrokerError
from eventwire.streams.ledger import Known, Ledger, Memory, event_ids, remembered, verdict
from eventwire.streams.outputs import LedgerRecord

MODEL = ModelRef(name="m", version="1", sha256="0" * 64)
OTHER_MODEL = ModelRef(name="m", version="2", sha256="1" * 64)
EVENT = str(uuid.uuid5(uuid.NAMESPACE_URL, "event"))


def known(text: str, model: ModelRef = MODEL) -> Known:
    return Known(bytes.fromhex(text_sha256(text)), model, b"")


def entry(article_id: str, partition: int = 0, **others: Any) -> LedgerRecord:
    record: dict[str, Any] = {
        "outcome": "coded",
        "text_sha256": text_sha256("text"),
        "event_ids": [EVENT],
        "model": MODEL,
    }
    return LedgerRecord(
        article_id=article_id,
        received_at="2026-01-01T00:00:00Z",
        topic="articles",
        partition=partition,
        offset=0,
        **record | others,
    )


@pytest.mark.parametrize(
    ("before", "recode", "expected"),
    [
        (None, False, "new"),
        (known("text"), False, "duplicate"),
        (known("text"), True, "duplicate"),
        (known("old text"), False, "correction"),
        (known("text", OTHER_MODEL), False, "duplicate"),
        (known("text", OTHER_MODEL), True, "recode"),
        (Known(None, None, b""), False, "correction"),
    ],
)
def test_an_article_is_coded_again_for_another_text_or_on_request_for_another_model(
    before: Known | None, recode: bool, expected: str
) -> None:
    article = Article(id="a", text="text")
    assert verdict(before, article, MODEL, recode=recode) == expected


def test_event_ids_come_back_as_they_were_written() -> None:
    assert event_ids(remembered(entry("a"))) == [EVENT]
    assert event_ids(None) == []


def test_memory_is_bounded_and_the_oldest_record_goes_first() -> None:
    memory = Memory(2)
    for article_id in ("a", "b", "a", "c"):
        memory.put(0, article_id, known("text"))
    assert len(memory) == 2
    assert memory.get(0, "b") is None
    assert memory.get(0, "a") is not None


def test_memory_is_bounded_in_bytes_whatever_ids_and_events_the_articles_have() -> None:
    memory = Memory(1_000)
    random = Random(1)
    tracemalloc.start()
    try:
        for number in range(4_000):
            article_id = f"{number}" + "\N{GRINNING FACE}" * random.choice([0, 20, 500])
            events = random.randbytes(16 * random.choice([0, 1, 3, 50, 2_000]))
            memory.put(0, article_id, Known(random.randbytes(32), MODEL, events))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used < 2 * 400 * memory.limit
    assert len(memory) > 10


def test_usual_articles_take_what_is_said_of_them() -> None:
    memory = Memory(2_000)
    random = Random(1)
    tracemalloc.start()
    try:
        for number in range(2_000):
            article_id = f"outlet.example/2026/11/25/{number}"
            memory.put(0, article_id, Known(random.randbytes(32), MODEL, random.randbytes(48)))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(memory) == memory.limit
    assert used / memory.limit == pytest.approx(400, rel=0.25)


def test_memory_counts_right_when_articles_come_again_go_and_are_forgotten() -> None:
    memory = Memory(10)
    long = Known(None, MODEL, bytes(16 * 100))  # counts as five
    memory.put(0, "a", long)
    memory.put(0, "a", known("text"))
    for number in range(9):
        memory.put(1, f"b{number}", known("text"))
    assert len(memory) == 10
    memory.keep({1})
    memory.put(1, "c", long._replace(event_ids=bytes(10)))
    assert len(memory) == 10
    memory.put(1, "d", long)
    assert len(memory) == 6
    memory.put(1, "e", long._replace(event_ids=bytes(16 * 1_000)))  # larger than all of it
    assert len(memory) == 0


def test_memory_keeps_one_object_for_each_model() -> None:
    memory = Memory(10)
    for article_id in ("a", "b"):
        memory.put(0, article_id, known("text", msgspec.structs.replace(MODEL)))
    first, second = memory.get(0, "a"), memory.get(0, "b")
    assert first
    assert second
    assert first.model is second.model


def test_the_same_id_on_another_partition_is_not_known() -> None:
    memory = Memory(10)
    memory.put(0, "a", known("text"))
    assert memory.get(1, "a") is None


class Topic:
    """A codings topic and the consumers on it, as aiokafka's look to the ledger."""

    def __init__(self) -> None:
        self.logs: dict[int, list[tuple[bytes, bytes | None]]] = {0: [], 1: []}
        self.read: list[tuple[int, int]] = []
        self.failures = 0
        self.failure: Exception = KafkaConnectionError("away")
        self.silent = False
        self.after_reading: Any = None
        self.pause = 0.0
        self.away: str | None = None
        self.asked = 0

    async def ask(self) -> str | None:
        self.asked += 1
        return self.away

    def write(self, record: LedgerRecord) -> None:
        self.logs[record.partition].append(
            (record.article_id.encode(), msgspec.json.encode(record))
        )

    def ledger(self, limit: int = 100, timeout: float = 60) -> Ledger:
        def new_consumer() -> Any:
            return _Consumer(self)

        return Ledger("codings", Memory(limit), new_consumer, timeout=timeout, ask=self.ask)


class _Message:
    def __init__(self, key: bytes, value: bytes | None) -> None:
        self.key, self.value = key, value


class _Consumer:
    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._positions: dict[TopicPartition, int] = {}
        self._fetched: set[TopicPartition] = set()

    async def start(self) -> None:
        if self._topic.failures:
            self._topic.failures -= 1
            raise self._topic.failure
        if self._topic.silent:
            await asyncio.Event().wait()

    async def stop(self) -> None:
        if self._topic.after_reading:
            self._topic.after_reading()

    def assign(self, partitions: set[TopicPartition]) -> None: ...

    async def beginning_offsets(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async def end_offsets(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        # As the embedded broker: too low.
        return {tp: max(len(self._topic.logs[tp.partition]) - 1, 0) for tp in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self._positions[partition] = offset

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int) -> dict[Any, Any]:
        fetched = {}
        await asyncio.sleep(self._topic.pause)
        for tp in partitions:
            log, at = self._topic.logs[tp.partition], self._positions[tp]
            self._fetched.add(tp)
            if at < len(log):
                fetched[tp] = [_Message(*log[at])]
                self._topic.read.append((tp.partition, at))
                self._positions[tp] += 1
        return fetched

    def highwater(self, partition: TopicPartition) -> int | None:
        return len(self._topic.logs[partition.partition]) if partition in self._fetched else None

    async def position(self, partition: TopicPartition) -> int:
        return self._positions[partition]


async def test_what_was_coded_before_is_known_once_the_partition_is_ready() -> None:
    topic = Topic()
    topic.write(entry("a"))
    topic.write(entry("b", partition=1))
    ledger = topic.ledger()
    ledger.assign({0})
    assert ledger.known(0, "a") is None
    await ledger.ready(0)
    assert event_ids(ledger.known(0, "a")) == [EVENT]
    assert ledger.known(1, "b") is None


async def test_only_the_tail_that_fits_the_memory_is_read() -> None:
    topic = Topic()
    for number in range(50):
        topic.write(entry(f"a{number}"))
    ledger = topic.ledger(limit=10)
    ledger.assign({0})
    await ledger.ready(0)
    assert ledger.known(0, "a49")
    assert ledger.known(0, "a39") is None
    assert len(topic.read) <= 11


async def test_after_a_rebalance_only_what_was_written_since_is_read() -> None:
    topic = Topic()
    topic.write(entry("a"))
    ledger = topic.ledger()
    ledger.assign({0})
    await ledger.ready(0)
    topic.write(entry("b"))  # by whoever had the partition meanwhile
    ledger.assign({0})
    await ledger.ready(0)
    assert topic.read == [(0, 0), (0, 1)]
    assert ledger.known(0, "a")
    assert ledger.known(0, "b")


async def test_a_partition_that_went_away_is_forgotten_and_read_again() -> None:
    topic = Topic()
    topic.write(entry("a"))
    ledger = topic.ledger()
    ledger.assign({0})
    await ledger.ready(0)
    ledger.assign({1})
    assert ledger.known(0, "a") is None
    ledger.assign({0})
    await ledger.ready(0)
    assert ledger.known(0, "a")


async def test_a_rebalance_while_reading_makes_it_read_what_came_since() -> None:
    topic = Topic()
    topic.write(entry("a"))
    ledger = topic.ledger()
    ledger.assign({0})

    def rebalance() -> None:
        topic.after_reading = None
        topic.write(entry("b"))  # by whoever had the partition in between
        ledger.assign({0})

    topic.after_reading = rebalance
    await ledger.ready(0)
    assert ledger.known(0, "a")
    assert ledger.known(0, "b")


async def test_a_null_value_in_the_ledger_is_forgotten() -> None:
    topic = Topic()
    topic.write(entry("a"))
    topic.logs[0].append((b"a", None))
    ledger = topic.ledger()
    ledger.assign({0})
    await ledger.ready(0)
    assert ledger.known(0, "a") is None


async def test_a_record_that_is_none_is_skipped() -> None:
    topic = Topic()
    topic.logs[0] += [(b"a", b"junk"), (b"a", b'{"article_id": "a"}')]
    topic.logs[0] += [(b"a", b'{"article_id": "\xff"}'), (b"a", b'{"x": ' + b"[" * 100_000)]
    topic.write(entry("b", event_ids=["no uuid"]))
    topic.write(entry("c"))
    ledger = topic.ledger()
    ledger.assign({0})
    await ledger.ready(0)
    assert ledger.known(0, "b") is None
    assert ledger.known(0, "c")


async def test_brokers_that_are_away_are_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    topic = Topic()
    topic.failures = 3
    topic.write(entry("a"))
    ledger = topic.ledger()
    ledger.assign({0})
    async with asyncio.timeout(5):
        await ledger.ready(0)
    assert ledger.known(0, "a")


@pytest.mark.parametrize("silent", [True, False])
async def test_while_no_broker_answers_it_waits_on_without_a_word(
    silent: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    topic = Topic()
    topic.write(entry("a"))
    topic.away = "Connection refused"
    topic.silent, topic.failures = silent, 0 if silent else 1_000_000
    ledger = topic.ledger(timeout=0.05)
    ledger.assign({0})
    waiting = asyncio.create_task(ledger.ready(0))
    async with asyncio.timeout(60):
        while topic.asked < 5:
            await asyncio.sleep(0.01)
    assert not waiting.done()
    assert caplog.messages == []
    topic.away, topic.silent, topic.failures = None, False, 0
    async with asyncio.timeout(60):
        await waiting
    assert ledger.known(0, "a")


async def test_brokers_that_answer_and_fail_to_be_read_end_the_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    topic = Topic()
    topic.failures = 1_000_000
    ledger = topic.ledger(timeout=0.1)
    ledger.assign({0})
    with pytest.raises(
        BrokerError, match=r"^codings: partitions \[0\] could not .* 0.1 s .*: away;"
    ):
        await ledger.ready(0)


async def test_a_topic_of_which_nothing_is_heard_ends_the_waiting() -> None:
    topic = Topic()
    topic.silent = True
    ledger = topic.ledger(timeout=0.1)
    ledger.assign({0})
    with pytest.raises(BrokerError, match=r"EVENTWIRE_PUBLISH_TIMEOUT.*: no answer; `eventw"):
        await ledger.ready(0)


async def test_a_ledger_that_takes_long_but_goes_on_is_waited_for() -> None:
    topic = Topic()
    topic.pause = 0.3
    for number in range(6):
        topic.write(entry(f"a{number}"))
    ledger = topic.ledger(timeout=1.5)
    ledger.assign({0})
    await ledger.ready(0)
    assert ledger.known(0, "a5")


async def test_a_ledger_that_may_not_be_read_is_told_and_not_asked_again() -> None:
    topic = Topic()
    topic.failures, topic.failure = 1, TopicAuthorizationFailedError("codings")
    ledger = topic.ledger()
    ledger.assign({0})
    with pytest.raises(BrokerError, match=r"^codings: this worker may not read it: docs/security"):
        await ledger.ready(0)


async def test_a_record_for_a_partition_of_another_worker_is_not_remembered() -> None:
    ledger = Topic().ledger()
    ledger.assign({0})
    ledger.record(entry("a", partition=1))
    ledger.record(entry("b", partition=0))
    assert ledger.known(1, "a") is None
    assert ledger.known(0, "b")
