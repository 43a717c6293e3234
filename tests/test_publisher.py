import asyncio
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    TopicAuthorizationFailedError,
)
from faust.exceptions import ProducerSendError

from eventwire.streams import publisher as module
from eventwire.streams.dead_letters import dead_letter
from eventwire.streams.decode import Refusal
from eventwire.streams.outputs import Record
from eventwire.streams.publisher import Publisher, PublishError, TooLarge


class Broker:
    """Answers each record with the next of `errors` for its topic, or takes it."""

    def __init__(self, errors: dict[str, list[Exception]] | None = None) -> None:
        self.errors = errors or {}
        self.taken: list[Record] = []
        self.limit = 1_000_000

    async def send(self, record: Record) -> Awaitable[Any]:
        if record.size > self.limit:
            raise ProducerSendError("too large") from MessageSizeTooLargeError("too large")
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self.errors.get(record.topic, [])
        if waiting:
            answer.set_exception(waiting.pop(0))
        else:
            self.taken.append(record)
            answer.set_result(None)
        return answer


def record(topic: str = "events", value: bytes = b"v") -> Record:
    return Record(topic, b"k", value, [])


def to(broker: Broker, timeout: float = 60.0) -> Publisher:
    return Publisher(broker.send, max_bytes=1_000_000, timeout=timeout)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.001)


async def test_it_returns_when_every_record_is_acknowledged() -> None:
    acknowledged = asyncio.get_running_loop().create_future()

    async def send(_: Record) -> Awaitable[Any]:
        return acknowledged

    publishing = asyncio.create_task(
        Publisher(send, max_bytes=9_999, timeout=1).publish([record()])
    )
    await asyncio.sleep(0.01)
    assert not publishing.done()
    acknowledged.set_result(None)
    await publishing


async def test_only_records_that_failed_are_sent_again() -> None:
    broker = Broker({"b": [KafkaConnectionError(), KafkaTimeoutError()]})
    await to(broker).publish([record("a"), record("b")])
    assert [taken.topic for taken in broker.taken] == ["a", "b"]


async def test_brokers_that_answer_and_do_not_take_it_end_it_after_the_timeout() -> None:
    broker = Broker({"a": [NotEnoughReplicasError() for _ in range(1_000)]})
    with pytest.raises(PublishError, match=r"^a: 1 records not written within 0\.02 s .*: NotEn"):
        await to(broker, timeout=0.02).publish([record("a")])


async def test_while_no_broker_answers_it_goes_on_trying_without_a_word_and_for_as_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = Broker({"a": [KafkaConnectionError("gone") for _ in range(8)]})

    async def ask() -> str | None:
        return "Connection refused" if not broker.taken else None

    publisher = Publisher(broker.send, max_bytes=9_999, timeout=0.001, ask=ask)
    await publisher.publish([record("a")])
    assert [taken.topic for taken in broker.taken] == ["a"]
    assert caplog.messages == []


async def test_the_timeout_runs_anew_from_when_a_broker_answers_again() -> None:
    broker = Broker({"a": [NotEnoughReplicasError() for _ in range(1_000)]})
    answers = ["no answer"] * 5
    asked: list[float] = []

    async def ask() -> str | None:
        asked.append(time.monotonic())
        return answers.pop() if answers else None

    with pytest.raises(PublishError, match=r"not written within 0\.2 s"):
        await Publisher(broker.send, max_bytes=9_999, timeout=0.2, ask=ask).publish([record("a")])
    assert asked[-1] - asked[5] >= 0.2


async def test_every_attempt_is_checked_and_nothing_is_sent_where_the_check_says_no() -> None:
    broker = Broker({"a": [KafkaConnectionError(), KafkaConnectionError()]})
    answers: list[Exception | None] = [None, KafkaConnectionError(), None, LookupError("lost")]

    async def check() -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    with pytest.raises(LookupError, match="lost"):
        await Publisher(broker.send, max_bytes=9_999, timeout=60, check=check).publish(
            [record("a")]
        )
    assert broker.taken == []
    assert answers == []


async def test_what_the_broker_refuses_for_good_ends_it_at_once() -> None:
    broker = Broker({"a": [TopicAuthorizationFailedError()]})
    with pytest.raises(PublishError, match="a: cannot be written: TopicAuthorizationFailedError"):
        await to(broker).publish([record("a")])


async def test_records_too_large_are_named_and_all_others_written() -> None:
    broker = Broker()
    large = record(value=b"v" * 2_000_000)
    with pytest.raises(TooLarge) as raised:
        await to(broker).publish([record("a"), large, record("b")])
    assert raised.value.records == [large]
    assert [taken.topic for taken in broker.taken] == ["a", "b"]


async def test_a_dead_letter_is_cut_until_the_topic_takes_it() -> None:
    broker = Broker()
    broker.limit = 5_000
    await to(broker).publish([letter(b"v" * 100_000)])
    [taken] = broker.taken
    assert taken.size <= 5_000
    assert dict(taken.headers)["eventwire-original-size"] == b"100000"


async def test_a_topic_that_takes_no_dead_letter_at_all_ends_it() -> None:
    broker = Broker()
    broker.limit = 10
    with pytest.raises(PublishError, match="dlq: does not even take"):
        await to(broker).publish([letter(b"v")])


def letter(value: bytes) -> Record:
    return dead_letter(
        topic="dlq",
        source=("articles", 0, 1),
        key=None,
        value=value,
        headers=[],
        timestamp_ms=None,
        refusal=Refusal("too_large", "too large"),
        stage="VALUE_CONVERTER",
        max_bytes=1_000_000,
    )
