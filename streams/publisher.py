"""Records to Kafka, with the brokers' word on each before `publish` returns."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
    RequestTimedOutError,
)
from faust.exceptions import ProducerSendError

from eventwire.streams.dead_letters import is_dead_letter, smaller
from eventwire.streams.outage import Ask, it_answers
from eventwire.streams.outputs import Record
from eventwire.streams.settings import variable

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0

Send = Callable[[Record], Awaitable[Awaitable[Any]]]
"""Hands a record to the producer; what it returns is done when the brokers have the record."""


class PublishError(Exception):
    """Records cannot be written, and so nothing more can be done; one line."""


class TooLarge(Exception):  # noqa: N818
    """Some records are larger than their topics take; all others are written."""

    def __init__(self, records: Sequence[Record], message: str) -> None:
        super().__init__(message)
        self.records = list(records)


async def _always() -> None:
    pass


class Publisher:
    def __init__(
        self,
        send: Send,
        *,
        max_bytes: int,
        timeout: float,
        check: Callable[[], Awaitable[None]] = _always,
        ask: Ask = it_answers,
    ) -> None:
        """`timeout`: seconds to go on trying while brokers answer and do not take a record. While
        none answers, as `ask` tells, it does not run: to stop would not bring them back. `check` is
        called before every attempt; what it raises ends the publishing, but where brokers are
        away."""
        self._send = send
        self._check = check
        self._ask = ask
        self._max_bytes = max_bytes
        self._timeout = timeout

    async def publish(self, records: Sequence[Record]) -> None:
        """Returns when all are acknowledged.

        Raises TooLarge for records that are too large, but cuts dead letters until they fit, and
        PublishError where the brokers refuse a record for good, or for too long.
        """
        deadline: float | None = None
        pause = FIRST_PAUSE_SECONDS
        too_large: list[Record] = []
        waiting = list(records)
        why = ""
        while waiting:
            outcomes = await self._attempt(waiting)
            again: list[Record] = []
            failed: BaseException | None = None
            for record, error in zip(waiting, outcomes, strict=True):
                if error is None:
                    continue
                if isinstance(error, MessageSizeTooLargeError | RecordTooLargeError):
                    shrunk = smaller(record) if is_dead_letter(record) else None
                    if shrunk is not None:
                        again.append(shrunk)
                    elif is_dead_letter(record):
                        raise PublishError(
                            f"{record.topic}: does not even take {record.size:,} bytes"
                        )
                    else:
                        too_large.append(record)
                        why = f"{record.topic}: a record of {record.size:,} bytes is too large"
                elif _passes(error):
                    failed = error
                    again.append(record)
                else:
                    raise PublishError(f"{record.topic}: cannot be written: {_name(error)}")
            waiting = again
            if failed is not None:
                deadline = await self._patience(waiting, failed, deadline)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        if too_large:
            raise TooLarge(too_large, why)

    async def _patience(
        self, waiting: list[Record], failed: BaseException, deadline: float | None
    ) -> float | None:
        """Until when to go on trying, None while no broker answers; raises PublishError where that
        is over."""
        if await self._ask() is not None:  # `outage` tells that Kafka is lost, and is back, once
            log.debug("%d records not written yet: %s", len(waiting), _name(failed))
            return None
        if deadline is not None and time.monotonic() > deadline:
            where = ", ".join(sorted({record.topic for record in waiting}))
            raise PublishError(
                f"{where}: {len(waiting)} records not written within {self._timeout:g} s"
                f" ({variable('publish_timeout')}): {_name(failed)};"
                " `eventwire topics` makes topics that are missing"
            )
        log.warning("%d records not written yet: %s", len(waiting), _name(failed))
        return deadline or time.monotonic() + self._timeout

    async def _attempt(self, records: list[Record]) -> list[BaseException | None]:
        """For each record what is wrong with it."""
        try:
            await self._check()
        except KafkaError as error:
            return [cast(BaseException, error)] * len(records)
        return await asyncio.gather(*(self._one(record) for record in records))

    async def _one(self, record: Record) -> BaseException | None:
        if record.size > self._max_bytes:
            return cast(BaseException, MessageSizeTooLargeError(f"{record.size:,} bytes"))
        try:
            await (await self._send(record))
        except ProducerSendError as error:
            return error.__cause__ or error
        except KafkaError as error:
            return cast(BaseException, error)
        return None


def _passes(error: BaseException) -> bool:
    """Whether brokers that come back may take the record after all."""
    return isinstance(error, KafkaTimeoutError | RequestTimedOutError) or (
        isinstance(error, KafkaError) and bool(error.retriable)
    )


def _name(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:300]
