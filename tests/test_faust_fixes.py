import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from eventwire.streams import faust_fixes
from eventwire.streams.app import build_app
from eventwire.streams.faust_fixes import Consumer, FlowControl
from eventwire.streams.metrics import Metrics
from eventwire.streams.settings import Settings

ARTICLES = TP("articles", 0)


async def test_resuming_twice_does_not_clear_what_was_fetched_between() -> None:
    flow = FlowControl()
    queue: FlowControlQueue[str] = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    await queue.put("fetched")
    flow.resume()
    assert queue.qsize() == 1


async def test_resuming_after_a_pause_clears_what_is_stale() -> None:
    flow = FlowControl()
    queue: FlowControlQueue[str] = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    await queue.put("stale")
    flow.suspend()
    flow.resume()
    assert queue.qsize() == 0
    assert flow.is_active()


async def test_the_hole_is_still_there_in_the_library() -> None:
    """If this fails, Faust has closed it and FlowControl can go."""
    flow = FlowControlEvent()
    queue: FlowControlQueue[str] = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    await queue.put("fetched")
    flow.resume()
    assert queue.qsize() == 0


class Record:
    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.timestamp = offset * 1000 - 1  # Kafka's "none" is -1


class Thread:
    """Kafka's side of the consumer."""

    def __init__(self) -> None:
        self.subscription = SubscriptionState()
        self.committed: int | None = None
        self.takes = True
        self.sought: list[int] = []
        self.next: list[int] = []

    async def getmany(self, partitions: Any, timeout: float) -> dict[TP, list[Record]]:
        fetched, self.next = self.next, []
        return {ARTICLES: [Record(offset) for offset in fetched]} if fetched else {}

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return {ARTICLES: self.committed}

    async def commit(self, offsets: dict[TP, int]) -> bool:
        return self.takes

    def seek(self, partition: TP, offset: int) -> None:
        self.sought.append(offset)


class Offline(Consumer):
    """The bookkeeping of the consumer, without the services around it."""

    def __init__(self) -> None:
        self.thread = self._thread = Thread()  # type: ignore[assignment]
        self._fetched = faust_fixes.defaultdict(deque)
        self._first = {}
        self._acked = {ARTICLES: []}
        self._acked_index = {ARTICLES: set()}

    async def fetch(self, *offsets: int) -> None:
        self.thread.next = list(offsets)
        await self._getmany({ARTICLES}, 1.0)

    def acknowledge(self, *offsets: int) -> None:
        self._acked[ARTICLES] += offsets
        self._acked_index[ARTICLES].update(offsets)

    def new_offset(self) -> int | None:
        return self._new_offset(ARTICLES)


async def test_the_commit_goes_up_to_the_first_message_that_is_not_acknowledged() -> None:
    consumer = Offline()
    await consumer.fetch(5, 6, 7, 8)
    consumer.acknowledge(5, 6, 8)
    assert consumer.new_offset() == 7
    assert consumer.new_offset() is None
    consumer.acknowledge(7)
    assert consumer.new_offset() == 9


async def test_gaps_in_the_log_cost_nothing_however_long() -> None:
    consumer = Offline()
    await consumer.fetch(1, 2_000_000_000, 2_000_000_002)
    consumer.acknowledge(1, 2_000_000_000, 2_000_000_002)
    assert consumer.new_offset() == 2_000_000_003


async def test_a_gap_never_covers_the_message_that_follows_it() -> None:
    consumer = Offline()
    await consumer.fetch(0, 100, 101)
    consumer.acknowledge(0, 101)
    assert consumer.new_offset() == 1


async def test_a_message_that_was_fetched_and_then_dropped_is_not_committed_past() -> None:
    consumer = Offline()
    await consumer.fetch(0, 1, 2)
    consumer.acknowledge(0, 2)  # 1 was lost on the way to the agent
    assert consumer.new_offset() == 1
    await consumer.fetch(3)
    consumer.acknowledge(3)
    assert consumer.new_offset() is None


async def test_after_seeking_to_the_commit_messages_come_and_count_again() -> None:
    consumer = Offline()
    await consumer.fetch(4, 5, 6)
    consumer.acknowledge(4)
    consumer.thread.committed = 5
    await consumer.seek_to_committed()
    await consumer.fetch(5, 6)
    consumer.acknowledge(5, 6)
    assert consumer.new_offset() == 7


async def test_before_the_first_commit_seeking_goes_back_to_what_was_not_done() -> None:
    consumer = Offline()
    await consumer.fetch(0, 1, 2)
    await consumer.seek_to_committed()
    assert consumer.thread.sought == [0]


async def test_the_oldest_message_is_the_first_that_is_not_committed() -> None:
    consumer = Offline()
    assert consumer.oldest(ARTICLES) is None
    await consumer.fetch(5, 6, 8)
    consumer.acknowledge(5, 8)
    consumer.new_offset()
    assert consumer.oldest(ARTICLES) == 5_999
    consumer.acknowledge(6)
    consumer.new_offset()
    assert consumer.oldest(ARTICLES) is None


async def test_a_message_without_a_timestamp_does_not_tell_its_age() -> None:
    consumer = Offline()
    await consumer.fetch(0)
    assert consumer.oldest(ARTICLES) is None


async def test_commits_are_counted_when_the_group_has_taken_them() -> None:
    consumer, metrics = Offline(), Metrics()
    consumer.app = SimpleNamespace(metrics=metrics)  # type: ignore[assignment]
    for taken in (True, False, True):
        consumer.thread.takes = taken
        await consumer._commit({ARTICLES: 5})
    assert metrics.registry.get_sample_value("eventwire_commits_total") == 2


async def test_bookkeeping_does_not_grow_with_what_was_done() -> None:
    consumer = Offline()
    for start in range(0, 10_000, 100):
        offsets = range(start, start + 100)
        await consumer.fetch(*offsets)
        consumer.acknowledge(*offsets)
        consumer.new_offset()
    assert not consumer._acked[ARTICLES]
    assert not consumer._acked_index[ARTICLES]
    assert not consumer._fetched[ARTICLES]


async def test_what_was_acknowledged_is_committed_before_a_rebalance_forgets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    consumer, offsets, flow = Offline(), [], FlowControl()
    flow.resume()
    consumer.app = SimpleNamespace(flow_control=flow)  # type: ignore[assignment]
    await consumer.fetch(5, 6)
    consumer.acknowledge(5, 6)

    async def wait_empty() -> None:
        assert not flow.is_active()  # nothing new is begun
        offsets.append(consumer.new_offset())

    async def forget(self: Consumer, revoked: set[TP]) -> None:
        self._acked_index[ARTICLES].clear()

    monkeypatch.setattr(consumer, "wait_empty", wait_empty)
    monkeypatch.setattr(consumer, "stop_flow", lambda: None)
    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", forget)
    await consumer.on_partitions_revoked({ARTICLES})
    assert offsets == [7]


async def test_who_has_not_read_for_too_long_counts_as_reading_and_may_join_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(self: Consumer, revoked: set[TP]) -> None: ...

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", nothing)
    consumer = Offline()
    subscription = consumer._thread.subscription
    subscription._last_fetch_ended -= 5_000
    assert subscription.fetcher_idle_time >= 5_000  # and so aiokafka does not join
    await consumer.on_partitions_revoked(set())
    assert subscription.fetcher_idle_time < 60


async def test_a_commit_that_comes_while_another_is_under_way_is_not_left_out() -> None:
    consumer = Offline()
    consumer.app = SimpleNamespace(client_only=False)  # type: ignore[assignment]
    consumer._loop = asyncio.get_running_loop()
    sending, sent = asyncio.Event(), []

    async def force_commit(*_: Any, **__: Any) -> bool:
        offset = consumer.new_offset()
        await sending.wait()
        sent.append(offset)
        return True

    consumer.force_commit = force_commit  # type: ignore[method-assign]
    await consumer.fetch(5, 6)
    consumer.acknowledge(5)
    first = asyncio.create_task(consumer.commit())
    await asyncio.sleep(0.01)
    consumer.acknowledge(6)
    second = asyncio.create_task(consumer.commit())
    await asyncio.sleep(0.01)
    sending.set()
    await asyncio.gather(first, second)
    assert sent == [6, 7]


async def test_a_consumer_that_leaves_does_not_wait_for_what_was_never_begun() -> None:
    consumer = Offline()
    await consumer.fetch(1, 2)
    consumer.leaving = True
    async with asyncio.timeout(1):
        await consumer.wait_empty()


def test_a_thread_that_fails_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    faust_fixes._ConsumerThread.on_crash(None, "{0} crashed", "thread")  # type: ignore[arg-type]
    assert capsys.readouterr() == ("", "")


def test_the_installed_faust_has_what_is_overridden() -> None:
    faust_fixes.check()


def test_a_faust_without_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "Consumer", type("Consumer", (), {}))
    with pytest.raises(RuntimeError, match=r"expected .*\.Consumer\.\w+, which"):
        faust_fixes.check()


def test_nothing_of_the_library_is_patched() -> None:
    assert FlowControlEvent.resume is not FlowControl.resume
    assert driver.Consumer._new_offset is not Consumer._new_offset
    assert driver.Transport.Consumer is driver.Consumer


async def test_the_worker_does_not_wait_for_tables_that_it_does_not_have(monkeypatch: Any) -> None:
    manager = build_app(Settings()).tables
    calls: list[str] = []

    def note(call: str) -> Any:
        async def noting(*_: Any) -> None:
            calls.append(call)

        return noting

    monkeypatch.setattr(manager, "sleep", note("sleep"))
    monkeypatch.setattr(manager, "_update_channels", note("register"))
    monkeypatch.setattr(manager, "_recovery", SimpleNamespace(start=note("recover")))
    await manager.on_start()
    assert calls == ["register", "recover"]
