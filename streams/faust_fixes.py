"""Five holes of faust-streaming closed, as subclasses that `streams.app.App` uses.

Nothing is patched: other Faust apps in the process are not touched. The holes were reproduced on
faust-streaming 0.15.3 with this project's worker, on Apache Kafka and on the embedded broker.

1. A lost race at the end of a rebalance. Faust calls `FlowControlEvent.resume()` twice, and each
   call clears the streams' queues, also of messages fetched between the two. 2 of 12 runs with a
   killed worker lost up to 260 of 4,000 messages, committed as if done.
2. `Consumer._new_offset` writes every offset between two acknowledged ones into a list. A log
   whose start has moved on by two milliards of offsets ends the worker for want of memory.
3. When partitions are revoked, `Consumer.on_partitions_revoked` forgets what was acknowledged since
   the last commit, and only then waits for the batches at hand and commits. Every rebalance made
   about 200 articles of 200 a second come again.
4. `Consumer.commit` does nothing where another commit is under way, which may have begun before the
   last messages were acknowledged: at the end of a rebalance or of the worker these come again.
5. A consumer that has not read for max.poll.interval leaves the group, and aiokafka joins again
   when it reads. Faust reads only once it has joined: it waits for ever.

The second is closed by remembering which offsets were fetched, in their order, and committing up
to the first that is not acknowledged. Gaps then cost nothing, and a message that Faust drops
after fetching it holds the commit back (liveness tells) instead of being committed as done.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any, cast

from aiokafka import TopicPartition
from aiokafka.errors import (
    IllegalGenerationError,
    NoError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.group import HeartbeatRequest
from faust import tables
from faust.transport.consumer import ConsumerThread
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from eventwire.streams.clients import BrokerError
from eventwire.streams.record_batches import BatchTooLarge

log = logging.getLogger(__name__)


class FlowControl(FlowControlEvent):
    """Clears the queues when flow resumes, and only then."""

    def resume(self) -> None:
        if not self.is_active():
            super().resume()


class Consumer(driver.Consumer):
    """Commits up to the first fetched offset that is not acknowledged."""

    leaving = False
    """Set before it is stopped: what was read and not begun is then not waited for."""
    lost = False
    """The group knows us no more: what is at hand will not be done, see `fence`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._fetched: defaultdict[TP, deque[tuple[int, int | None]]] = defaultdict(deque)
        """Offset and timestamp in milliseconds of each message that is not committed."""
        self._first: dict[TP, int] = {}
        super().__init__(*args, **kwargs)

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def wait_empty(self) -> None:
        if not (self.leaving or self.lost):
            await super().wait_empty()

    async def commit(self, *args: Any, **kwargs: Any) -> bool:
        while await self.maybe_wait_for_commit_to_finish():
            pass
        return await super().commit(*args, **kwargs)

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        committed = await super()._commit(offsets)
        if committed:
            cast(Any, self.app).metrics.commit()
        return bool(committed)

    async def is_member(self) -> bool:
        """Ask the group whether we are still in it; raises KafkaError where that fails."""
        if not await cast(_ConsumerThread, self._thread).is_member():
            self.lost = True
            self._unacked_messages.clear()  # ends a `wait_empty` that goes on
        return not self.lost

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        try:
            records = await super()._getmany(active_partitions, timeout)
        except BatchTooLarge as error:
            places = ", ".join(f"{tp.topic}[{tp.partition}]" for tp in sorted(self.assignment()))
            raise BrokerError(
                f"{places}: {error}; `kafka-consumer-groups --describe` shows where the group"
                " stands, and with --reset-offsets it goes on behind that batch"
            ) from error
        for partition, fetched in records.items():
            self._fetched[partition].extend((record.offset, record.timestamp) for record in fetched)
            self._first.setdefault(partition, fetched[0].offset)
        return records

    def committed(self, partition: TP) -> int | None:
        """The committed offset, None before the first commit."""
        return self._committed_offset.get(partition)

    def read_up_to(self, partition: TP) -> int | None:
        """The position, where all that was read is committed; None where it is not.

        It lies behind the committed offset where a transaction's markers follow the last message.
        """
        reader = self._thread._consumer
        if self._fetched.get(partition) or reader is None:
            return None
        assignment = reader._subscription.subscription.assignment
        state = assignment.state_value(TopicPartition(*partition))
        return cast(int, state.position) if state and state.has_valid_position else None

    def oldest(self, partition: TP) -> int | None:
        """The timestamp in milliseconds of the first message that was read and is not committed;
        None where there is none, or where it has no timestamp."""
        fetched = self._fetched.get(partition)
        timestamp = fetched[0][1] if fetched else None
        return timestamp if timestamp is not None and timestamp >= 0 else None

    def told(self, partition: TP) -> int | None:
        """When the partition's broker last answered a fetch, if only that nothing is new."""
        reader = self._thread._consumer
        timestamp = reader.last_poll_timestamp(TopicPartition(*partition)) if reader else None
        return cast(int | None, timestamp)

    def first(self, partition: TP) -> int | None:
        """Where reading the partition started, None before anything was read."""
        return self._first.get(partition)

    def _new_offset(self, tp: TP) -> int | None:
        acked, fetched = self._acked_index[tp], self._fetched[tp]
        done = None
        while fetched and fetched[0][0] in acked:
            done, _ = fetched.popleft()
            acked.discard(done)
        if done is None:
            return None
        self._acked[tp][:] = sorted(acked)
        return done + 1

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Offsets that the broker no longer has, or that hold a transaction's markers."""
        if offset_to - offset_from > 1_000:
            log.warning(
                "%s[%d] offset %d: %d offsets before it are no longer on the broker, skipped",
                tp.topic,
                tp.partition,
                offset_to,
                offset_to - offset_from,
            )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        if revoked:
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            await self.wait_empty()  # it commits
        await super().on_partitions_revoked(revoked)
        # Who left for not having read too long (max.poll.interval) joins again once it reads. But
        # Faust reads only in the group, and would wait for ever: so this counts as reading.
        with cast(_ConsumerThread, self._thread).subscription.fetch_context():
            pass

    # Who moves the position back makes the broker send again what is not acknowledged.

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._fetched.clear()
        self._first.clear()
        self._unacked_messages.clear()  # of those that were lost: they come again
        self.lost = False
        await super().on_partitions_assigned(assigned, generation_id)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        committed = await super().seek_to_committed()
        for partition, offset in committed.items():
            fetched = self._fetched.pop(partition, None)
            if fetched and not offset:
                # Without a commit the position stays, behind what a rebalance made Faust drop.
                self._thread.seek(partition, fetched[0][0])
        return committed

    async def _seek(self, partition: TP, offset: int) -> None:
        self._fetched.pop(partition, None)
        await super()._seek(partition, offset)


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    @property
    def subscription(self) -> Any:
        return self._ensure_consumer()._subscription

    async def is_member(self) -> bool:
        return bool(await self.call_thread(self._is_member))

    async def _is_member(self) -> bool:
        # Not the coordinator's own heartbeat, which makes it leave and join on some answers.
        coordinator = self._ensure_consumer()._coordinator
        answer = await coordinator._send_req(
            HeartbeatRequest(coordinator.group_id, coordinator.generation, coordinator.member_id)
        )
        error = for_code(answer.error_code)
        if error in (UnknownMemberIdError, IllegalGenerationError):
            return False
        if error not in (NoError, RebalanceInProgressError):
            raise error(coordinator.group_id)
        return True

    def on_crash(self, msg: str, *fmt: Any, **_: Any) -> None:
        """Mode prints a traceback; the worker tells in a line why the app has crashed."""
        log.debug(msg.format(*fmt), exc_info=True)


class TableManager(tables.TableManager):
    """Without Faust's second of waiting at every start for tables to be defined: there are none."""

    async def on_start(self) -> None:
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()


class Transport(driver.Transport):
    Consumer = Consumer


def check() -> None:
    """Raise RuntimeError where the installed Faust no longer has what the subclasses override."""
    overridden = {
        FlowControlEvent: ("resume", "is_active"),
        driver.Consumer: (
            "_new_consumer_thread",
            "wait_empty",
            "commit",
            "_commit",
            "maybe_wait_for_commit_to_finish",
            "_getmany",
            "_new_offset",
            "_add_gap",
            "stop_flow",
            "on_partitions_revoked",
            "on_partitions_assigned",
            "seek_to_committed",
            "_seek",
        ),
        ConsumerThread: ("getmany", "seek_to_committed"),
        driver.AIOKafkaConsumerThread: ("on_crash",),
        tables.TableManager: ("on_start", "_update_channels", "recovery"),
        driver.Transport: ("Consumer",),
    }
    for owner, names in overridden.items():
        for name in names:
            if not hasattr(owner, name):
                raise RuntimeError(
                    f"faust-streaming: expected {owner.__module__}.{owner.__name__}.{name}, which"
                    " eventwire.streams.faust_fixes overrides; see that module before upgrading"
                )
    if not asyncio.iscoroutinefunction(driver.Consumer._getmany):
        raise RuntimeError("faust-streaming: expected Consumer._getmany to be a coroutine")
