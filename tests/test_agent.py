"""The agent with a fake stream, coder and broker; nothing here needs Kafka."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from aiokafka.errors import MessageSizeTooLargeError, TopicAuthorizationFailedError
from fakes.fake_coder import FakeCoder

from eventwire.models.records import Article, Stats
from eventwire.streams import outputs
from eventwire.streams.agent import Agent
from eventwire.streams.fence import Fence
from eventwire.streams.inference import Coded, CoderFailed
from eventwire.streams.ledger import Ledger, Memory
from eventwire.streams.metrics import Metrics
from eventwire.streams.outputs import LedgerRecord, Record
from eventwire.streams.publisher import Publisher, PublishError
from eventwire.streams.settings import Settings
from eventwire.streams.topics import topics


@dataclass
class Message:
    offset: int
    value: bytes | None
    key: bytes | None = None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    topic: str = "news.articles.v1"
    partition: int = 0
    generation_id: int = 1
    timestamp: float = 1_700_000_000.123


class Event:
    def __init__(self, message: Message) -> None:
        self.message = message


class Stream:
    """Faust's stream: yields events, and remembers what was acknowledged."""

    def __init__(self, log: list[str]) -> None:
        self._queue: asyncio.Queue[Event] = asyncio.Queue()
        self._log = log
        self.acknowledged: list[int] = []

    def noack(self) -> "Stream":
        return self

    async def events(self) -> Any:
        while True:
            yield await self._queue.get()

    async def ack(self, event: Event) -> None:
        self.acknowledged.append(event.message.offset)
        self._log.append(f"ack {event.message.offset}")

    def feed(self, *messages: Message) -> None:
        for message in messages:
            self._queue.put_nowait(Event(message))


class InProcess:
    """The coder's child process, without the process."""

    def __init__(self) -> None:
        self.coder = FakeCoder()
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    @property
    def model(self) -> Any:
        return self.coder.model

    async def code(self, articles: Sequence[Article], estimate: float) -> Coded:
        self.batches.append([article.id for article in articles])
        await self.gate.wait()
        if self.error:
            raise self.error
        return Coded(list(self.coder.code(articles)), Stats(), 0.001)


class World:
    """An agent at work."""

    def __init__(self, **settings: Any) -> None:
        self.log: list[str] = []
        self.settings = Settings(linger=0.0, **settings)
        self.topics = topics(self.settings)
        self.metrics = Metrics()
        self.coder = InProcess()
        self.stream = Stream(self.log)
        self.records: list[Record] = []
        self.errors: dict[str, Exception] = {}
        self.limits: dict[str, int] = {}
        self.broker_takes = asyncio.Event()
        self.broker_takes.set()
        self.ledger = Ledger("codings", Memory(100), lambda: None, timeout=60)  # type: ignore[arg-type,return-value]
        self.ledger._assigned = {0}
        self.member = True
        self.generation = 1
        fence = Fence(self._is_member, lambda: self.generation, session_timeout=0)
        self.agent = Agent(
            self.settings,
            self.topics,
            coder=self.coder,
            ledger=self.ledger,
            publisher=Publisher(
                self._send,
                max_bytes=self.settings.output_max_bytes,
                timeout=0.01,
                check=fence.check,
            ),
            fence=fence,
            metrics=self.metrics,
        )
        self.task = asyncio.create_task(self.agent.process(self.stream))
        self._offset = 0

    async def _is_member(self) -> bool:
        return self.member

    async def _send(self, record: Record) -> Any:
        await self.broker_takes.wait()
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if record.size > self.limits.get(record.topic, record.size):
            answer.set_exception(MessageSizeTooLargeError("too large"))
        elif record.topic in self.errors:
            answer.set_exception(self.errors[record.topic])
        else:
            self.records.append(record)
            self.log.append(record.topic)
            answer.set_result(None)
        return answer

    async def send(self, *values: bytes | None, **message: Any) -> None:
        """Feed messages and wait until all are acknowledged."""
        for value in values:
            self.stream.feed(Message(self._offset, value, **message))
            self._offset += 1
        async with asyncio.timeout(60):
            while len(self.stream.acknowledged) < self._offset and not self.task.done():
                await asyncio.sleep(0.001)
        if self.task.done():
            self.task.result()

    def on(self, topic: str) -> list[Record]:
        return [record for record in self.records if record.topic == topic]

    def codings(self) -> list[LedgerRecord]:
        return [
            msgspec.json.decode(record.value or b"", type=LedgerRecord)
            for record in self.on(self.topics.codings.name)
        ]

    def counted(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
async def world() -> Any:
    made = World()
    yield made
    made.task.cancel()


def article(article_id: str, text: str) -> bytes:
    return json.dumps({"id": article_id, "text": text}).encode()


async def test_the_ledger_is_written_after_the_events_and_the_ack_comes_last(world: World) -> None:
    await world.send(article("a", "They met."))
    events, codings = world.topics.events.name, world.topics.codings.name
    assert world.log == [events, codings, "ack 0"]


async def test_acks_come_in_the_order_of_the_offsets_whatever_became_of_the_messages(
    world: World,
) -> None:
    await world.send(article("a", "They met."), None, b"junk", article("a", "They met."), None)
    assert world.stream.acknowledged == [0, 1, 2, 3, 4]


async def test_the_next_batch_gathers_while_the_coder_is_busy(world: World) -> None:
    world.coder.gate.clear()
    sending = asyncio.create_task(world.send(*[article(f"a{n}", "They met.") for n in range(20)]))
    await asyncio.sleep(0.05)
    world.coder.gate.set()
    await sending
    coded = [article_id for batch in world.coder.batches for article_id in batch]
    assert coded == [f"a{n}" for n in range(20)]
    assert len(world.coder.batches) <= 3


async def test_a_batch_is_coded_while_the_one_before_it_is_published_and_none_further_ahead(
    world: World,
) -> None:
    world.broker_takes.clear()
    for number in range(4):
        world.stream.feed(Message(number, article(f"a{number}", "They met.")))
        await asyncio.sleep(0.02)
    # One is published, one has been coded, and two wait as a batch.
    assert world.coder.batches == [["a0"], ["a1"]]
    assert world.counted("eventwire_queue_articles") == 2
    assert world.stream.acknowledged == []
    world.broker_takes.set()
    async with asyncio.timeout(60):
        while len(world.stream.acknowledged) < 4:
            await asyncio.sleep(0.001)
    assert world.coder.batches == [["a0"], ["a1"], ["a2", "a3"]]
    assert world.stream.acknowledged == [0, 1, 2, 3]
    assert [coding.article_id for coding in world.codings()] == ["a0", "a1", "a2", "a3"]


async def test_an_article_whose_last_text_is_being_published_waits_for_that(world: World) -> None:
    world.broker_takes.clear()
    for number, text in enumerate(("They met.", "They met.", "They captured it.")):
        world.stream.feed(Message(number, article("a", text)))
        await asyncio.sleep(0.02)
    assert world.coder.batches == [["a"]]
    world.broker_takes.set()
    async with asyncio.timeout(60):
        while len(world.stream.acknowledged) < 3:
            await asyncio.sleep(0.001)
    assert [coding.outcome for coding in world.codings()] == ["coded", "duplicate", "coded"]
    retracted = {record.key for record in world.records if record.value is None}
    assert retracted == {world.codings()[0].event_ids[0].encode()}


async def test_a_null_value_is_acknowledged_and_counted_and_leaves_nothing(world: World) -> None:
    await world.send(None, key=b"a")
    assert world.records == []
    assert world.counted("eventwire_tombstones_total") == 1


async def test_a_dead_letter_has_a_ledger_record_under_the_messages_key(world: World) -> None:
    await world.send(b"junk", key=b"its-key")
    [coding] = world.codings()
    assert (coding.article_id, coding.outcome, coding.reason) == (
        "its-key",
        "dead_letter",
        "not_json",
    )
    assert world.counted("eventwire_dead_letters_total", reason="not_json") == 1
    [letter] = world.on(world.topics.dead_letters.name)
    assert letter.timestamp_ms == 1_700_000_000_123


async def test_a_dead_letter_without_a_key_is_known_by_its_position(world: World) -> None:
    await world.send(b"junk")
    assert world.codings()[0].article_id == "news.articles.v1[0]@0"


async def test_the_ledger_record_goes_to_the_partition_of_its_article(world: World) -> None:
    world.ledger._assigned = {0, 3}
    await world.send(article("a", "They met."), partition=3)
    assert [record.partition for record in world.on(world.topics.codings.name)] == [3]


async def test_a_duplicate_in_the_same_batch_is_not_coded(world: World) -> None:
    world.coder.gate.clear()
    sending = asyncio.create_task(world.send(*[article("a", "They met.")] * 3))
    await asyncio.sleep(0.02)
    world.coder.gate.set()
    await sending
    assert [c.outcome for c in world.codings()] == ["coded", "duplicate", "duplicate"]
    assert world.coder.batches == [["a"]]
    assert len({tuple(c.event_ids) for c in world.codings()}) == 1


async def test_a_correction_retracts_on_the_events_topic_and_on_routed_ones(world: World) -> None:
    await world.send(article("a", "They met. They captured it."))
    before = len(world.records)
    await world.send(article("a", "They met."))
    vanished = world.codings()[0].event_ids[1]
    retractions = [r for r in world.records[before:] if r.value is None]
    assert {record.key for record in retractions} == {vanished.encode()}
    assert {record.topic for record in retractions} == {
        world.topics.events.name,
        *(topic.name for topic in world.topics.routed.values()),
    }
    assert dict(retractions[0].headers)["ce_type"] == b"politics.event.retracted.v1"
    assert world.counted("eventwire_events_retracted_total") == 1


async def test_another_model_codes_again_only_on_request(world: World) -> None:
    await world.send(article("a", "They met."))
    world.coder.coder = FakeCoder(model="2")
    await world.send(article("a", "They met."))
    await world.send(article("a", "They met."), headers=[("eventwire-recode", b"true")])
    await world.send(article("a", "They met."), headers=[("eventwire-recode", b"true")])
    assert [c.outcome for c in world.codings()] == ["coded", "duplicate", "coded", "duplicate"]
    assert [c.model.version for c in world.codings() if c.model] == ["1", "1", "2", "2"]


async def test_a_dead_letter_does_not_make_the_ledger_forget_the_articles_events(
    world: World,
) -> None:
    await world.send(article("a", "They met."))
    await world.send(article("a", ""), key=b"a")
    standing = world.codings()[0].event_ids
    assert world.codings()[1].event_ids == standing
    await world.send(article("a", "It rained."))
    retracted = {r.key for r in world.records if r.value is None}
    assert retracted == {standing[0].encode()}


async def test_an_output_that_is_too_large_makes_the_article_a_dead_letter(world: World) -> None:
    world.limits[world.topics.events.name] = 1_000
    await world.send(article("a", "They captured it."), article("b", "It rained."))
    first, second = world.codings()
    assert (first.outcome, first.reason, first.event_ids) == ("dead_letter", "output_too_large", [])
    assert second.outcome == "no_event"
    assert len(world.on(world.topics.dead_letters.name)) == 1
    # Its record on the routed topic was small enough, and is taken back.
    values = [record.value for record in world.on(world.topics.routed["capture"].name)]
    assert values[0] is not None
    assert values[-1] is None


async def test_an_article_with_more_events_than_the_ledger_can_hold_is_a_dead_letter() -> None:
    world = World(article_max_bytes=500_000)
    await world.send(article("a", "They met. " * 45_000))
    [coding] = world.codings()
    assert (coding.outcome, coding.reason) == ("dead_letter", "output_too_large")
    assert world.on(world.topics.events.name) == []
    world.task.cancel()


async def test_a_ledger_topic_that_takes_less_than_configured_does_not_stop_the_worker(
    world: World,
) -> None:
    world.limits[world.topics.codings.name] = 4_000
    await world.send(article("a", "They met. " * 100))
    [coding] = world.codings()
    assert (coding.outcome, coding.event_ids) == ("coded", [])
    assert len(world.on(world.topics.events.name)) == 100


async def test_every_limit_of_an_article_has_its_reason_in_the_dead_letter_and_the_ledger() -> None:
    world = World(article_max_bytes=1_000, article_max_headers=2, article_max_header_bytes=50)
    text = "They met."
    await world.send(article("a", "x" * 1_000))
    await world.send(article("b", text), headers=[("h", b"")] * 3)
    await world.send(article("c", text), headers=[("h", b"x" * 50)])
    for failing in ("too_many_sentences", "sentence_too_long", "too_many_events"):
        await world.send(article(failing, f"OVER {failing}"))
    await world.send(article("d", text), headers=[("h", b"x" * 24)] * 2)
    reasons = ["too_large", "too_many_headers", "headers_too_large"]
    reasons += ["too_many_sentences", "sentence_too_long", "too_many_events"]
    *over, last = world.codings()
    assert [coding.reason for coding in over] == reasons
    assert {coding.outcome for coding in over} == {"dead_letter"}
    assert last.outcome == "coded"
    letters = world.on(world.topics.dead_letters.name)
    assert [dict(r.headers)["eventwire-reason"] for r in letters] == [r.encode() for r in reasons]
    assert all(world.counted("eventwire_dead_letters_total", reason=r) == 1 for r in reasons)
    world.task.cancel()


async def test_headers_of_any_length_stay_out_of_the_outputs(world: World) -> None:
    long: list[tuple[str, bytes | None]] = [("traceparent", b"0" * 60_000)]
    long.append(("eventwire-run-id", b"r" * 5_000))
    await world.send(article("a", "They met."), headers=long)
    await world.send(b"junk", headers=long, key=b"k" * 5_000)
    assert all(record.size < 3_000 for record in world.on(world.topics.codings.name))
    assert world.codings()[0].run_id is None
    assert world.codings()[1].article_id == "news.articles.v1[0]@1"


async def test_where_not_even_the_dead_letter_can_be_written_nothing_is_acknowledged(
    world: World,
) -> None:
    world.errors[world.topics.dead_letters.name] = TopicAuthorizationFailedError()
    with pytest.raises(PublishError, match=r"news\.articles\.v1\.dlq: cannot be written"):
        await world.send(article("a", "They met."), b"junk")
    assert world.stream.acknowledged == []
    assert world.codings() == []


async def test_where_the_ledger_cannot_be_written_nothing_is_acknowledged(world: World) -> None:
    world.errors[world.topics.codings.name] = TopicAuthorizationFailedError()
    with pytest.raises(PublishError):
        await world.send(article("a", "They met."))
    assert world.stream.acknowledged == []


async def test_a_coder_that_cannot_be_replaced_ends_the_agent(world: World) -> None:
    world.coder.error = CoderFailed("no coder")
    with pytest.raises(CoderFailed):
        await world.send(article("a", "They met."))
    assert world.stream.acknowledged == []


async def test_draining_finishes_the_batch_at_hand_and_starts_no_other(world: World) -> None:
    world.coder.gate.clear()
    world.stream.feed(Message(0, article("a", "They met.")))
    await asyncio.sleep(0.02)
    world.stream.feed(Message(1, article("b", "They met.")))
    draining = asyncio.create_task(world.agent.drain())
    await asyncio.sleep(0.02)
    assert not draining.done()
    world.coder.gate.set()
    await draining
    await asyncio.sleep(0.02)
    assert world.stream.acknowledged == [0]


async def test_draining_waits_for_what_is_coded_and_for_what_is_published(world: World) -> None:
    world.broker_takes.clear()
    for number in range(3):
        world.stream.feed(Message(number, article(f"a{number}", "They met.")))
        await asyncio.sleep(0.02)
    draining = asyncio.create_task(world.agent.drain())
    await asyncio.sleep(0.02)
    assert not draining.done()
    world.broker_takes.set()
    await draining
    await asyncio.sleep(0.02)
    assert world.stream.acknowledged == [0, 1]


async def test_what_was_coded_while_the_worker_was_found_to_be_lost_is_not_written(
    world: World,
) -> None:
    world.broker_takes.clear()
    world.stream.feed(Message(0, article("a", "They met.")))
    await asyncio.sleep(0.02)
    world.coder.gate.clear()
    world.stream.feed(Message(1, article("b", "They met.")))
    await asyncio.sleep(0.02)
    world.member = False
    world.broker_takes.set()  # the events are written, and the ledger is not
    await asyncio.sleep(0.02)
    world.member = True  # it has joined again, and the app does not know yet
    world.coder.gate.set()
    await asyncio.sleep(0.05)
    assert world.coder.batches == [["a"], ["b"]]
    assert [record.topic for record in world.records] == [world.topics.events.name]
    assert world.stream.acknowledged == []


async def test_what_was_coded_before_a_rebalance_is_not_written_after_it(world: World) -> None:
    world.coder.gate.clear()
    world.stream.feed(Message(0, article("a", "They met.")))
    await asyncio.sleep(0.02)
    world.generation = 2
    world.coder.gate.set()
    await asyncio.sleep(0.05)
    assert world.coder.batches == [["a"]]
    assert world.records == []
    assert world.stream.acknowledged == []


async def test_a_batch_that_others_may_have_by_now_is_neither_written_nor_acknowledged(
    world: World,
) -> None:
    world.coder.gate.clear()
    world.stream.feed(Message(0, article("a", "They met.")))
    await asyncio.sleep(0.02)
    world.stream.feed(Message(1, article("b", "They met.")))
    await asyncio.sleep(0.02)
    world.member = False
    world.coder.gate.set()
    await asyncio.sleep(0.02)
    world.member, world.generation = True, 2  # it has joined again
    world.stream.feed(Message(2, article("c", "They met.")))  # fetched before, delivered late
    again = [Message(n, article(i, "They met."), generation_id=2) for n, i in enumerate("ab")]
    world.stream.feed(*again)
    async with asyncio.timeout(60):
        while len(world.stream.acknowledged) < 2:
            await asyncio.sleep(0.001)
    assert world.stream.acknowledged == [0, 1]
    assert [coding.article_id for coding in world.codings()] == ["a", "b"]
    assert world.coder.batches == [["a"], ["b"], ["a", "b"]]


async def test_a_worker_that_is_lost_between_events_and_ledger_leaves_the_ledger_alone(
    world: World,
) -> None:
    first, second = world.topics.events.name, world.topics.codings.name

    async def once() -> bool:
        world.member, answer = False, world.member
        return answer

    world.agent._fence._is_member = once
    world.stream.feed(Message(0, article("a", "They met.")))
    await asyncio.sleep(0.05)
    assert len(world.on(first)) == 1
    assert world.on(second) == []
    assert world.stream.acknowledged == []


async def test_events_are_counted_by_type_and_status_once_published(world: World) -> None:
    await world.send(article("a", "They met. They perhaps met."))
    counted = world.counted("eventwire_events_total", type="meeting", status="occurred")
    assert counted == 1
    assert world.counted("eventwire_events_below_confidence_total") == 1
    assert world.counted("eventwire_articles_total", outcome="coded") == 1


async def test_latency_runs_from_the_records_timestamp_and_from_an_exact_publication(
    world: World,
) -> None:
    an_hour_ago = time.time() - 3600
    published = datetime.fromtimestamp(an_hour_ago - 3600, UTC).isoformat()
    value = json.dumps({"id": "a", "text": "They met.", "published_at": published}).encode()
    await world.send(value, timestamp=an_hour_ago)
    await world.send(article("b", "They met."), timestamp=an_hour_ago)
    day = json.dumps({"id": "c", "text": "They met.", "published_at": "2026-01-05"}).encode()
    await world.send(day, timestamp=an_hour_ago)
    name = "eventwire_latency_seconds"
    assert world.counted(f"{name}_count", since="received") == 3
    assert world.counted(f"{name}_sum", since="received") == pytest.approx(3 * 3600, rel=0.02)
    assert world.counted(f"{name}_count", since="published") == 1
    assert world.counted(f"{name}_sum", since="published") == pytest.approx(7200, rel=0.02)


async def test_replays_and_what_was_not_coded_leave_latency_alone(world: World) -> None:
    run = [(outputs.RUN_ID_HEADER, b"archive-2019")]
    await world.send(article("a", "They met."), headers=run)
    await world.send(b"junk", None)
    assert world.counted("eventwire_latency_seconds_count", since="received") == 0


async def test_live_articles_count_for_drift_and_replays_do_not(world: World) -> None:
    world.metrics.reference({"language": {"en": 1000}})
    run = [(outputs.RUN_ID_HEADER, b"archive-2019")]
    foreign = [
        json.dumps({"id": f"a{n}", "text": "Pluie.", "language": "fr"}).encode() for n in range(50)
    ]
    await world.send(*foreign, headers=run)
    assert world.counted("eventwire_drift_psi", feature="language") == 0
    await world.send(*(value.replace(b'"a', b'"b') for value in foreign))
    assert (world.counted("eventwire_drift_psi", feature="language") or 0) > 1


async def test_bytes_events_of_an_article_and_their_confidence_are_counted(world: World) -> None:
    value = article("a", "They met. They captured it.")
    await world.send(value, article("b", "Nothing."), None)
    size = len(value) + len(article("b", "Nothing."))
    assert world.counted("eventwire_received_bytes_total") == size
    assert world.counted("eventwire_article_events_count") == 2
    assert world.counted("eventwire_article_events_sum") == 2
    assert world.counted("eventwire_event_confidence_count") == 2


async def test_the_queue_holds_what_waits_for_the_coder(world: World) -> None:
    world.coder.gate.clear()
    sending = asyncio.create_task(world.send(article("a", "They met.")))
    async with asyncio.timeout(60):
        while not world.coder.batches:
            await asyncio.sleep(0.001)
        world.stream.feed(Message(1, article("b", "They met.")))
        while world.counted("eventwire_queue_articles") != 1:
            await asyncio.sleep(0.001)
        world.coder.gate.set()
        await sending
        while world.counted("eventwire_queue_articles") != 0:
            await asyncio.sleep(0.001)
