"""Messages on their way to the coder, gathered to batches of bounded work."""

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from eventwire.models.records import Article
from eventwire.streams.decode import MAX_ID_CHARACTERS, Refusal

MAX_BATCH = 256
"""Messages; bounds what dead letters and duplicates, which are no work, add to a batch."""
MAX_BATCH_CHARACTERS = 4_000_000
"""Of the articles of a batch together, however fast the coder: bounds memory."""
FIRST_RATE = 20_000.0
"""Characters a second, until the coder's speed was measured; slow machines do about this."""
MEASURABLE_CHARACTERS = 2_000
"""Smaller batches are mostly overhead and say little about the speed."""


@dataclass(slots=True)
class Item:
    """A message on its way; exactly one of article, refusal and tombstone is set."""

    event: Any
    message: Any
    received_at: str
    article: Article | None = None
    refusal: Refusal | None = None
    tombstone: bool = False
    arrived: float = 0.0

    @property
    def source(self) -> tuple[str, int, int]:
        return self.message.topic, self.message.partition, self.message.offset

    @property
    def headers(self) -> list[tuple[str, bytes | None]]:
        return list(self.message.headers or ())

    @property
    def timestamp_ms(self) -> int | None:
        seconds = self.message.timestamp
        return round(seconds * 1000) if seconds is not None and seconds >= 0 else None

    @property
    def where(self) -> str:
        topic, partition, offset = self.source
        return f"{topic}[{partition}] offset {offset}"

    @property
    def article_id(self) -> str:
        """What the ledger calls it; of an unreadable article its key, or else its position."""
        if self.article is not None:
            return self.article.id
        topic, partition, offset = self.source
        key = (self.message.key or b"").decode(errors="replace")
        return key if 0 < len(key) <= MAX_ID_CHARACTERS else f"{topic}[{partition}]@{offset}"

    @property
    def work(self) -> int:
        return len(self.article.text) if self.article else 0


class Rate:
    """The coder's speed, characters a second, following what was measured last."""

    def __init__(self, first: float = FIRST_RATE) -> None:
        self.value = first

    def measure(self, characters: int, seconds: float) -> None:
        if characters >= MEASURABLE_CHARACTERS and seconds > 0:
            self.value += 0.3 * (characters / seconds - self.value)


class Intake:
    """Messages that wait for the coder, at most one batch of them ahead.

    A batch ends at the estimated seconds of work, before a second article of the same id (which
    must see what became of the first), at `MAX_BATCH`, or when the first message has waited for
    `linger` seconds and the coder asks.
    """

    def __init__(self, *, batch_seconds: float, linger: float, rate: Rate) -> None:
        self._batch_seconds = batch_seconds
        self._linger = linger
        self._rate = rate
        self._items: deque[Item] = deque()
        self._work = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    async def put(self, item: Item) -> None:
        """Waits while a full batch is waiting already."""
        while self._full:
            await self._change()
        item.arrived = time.monotonic()
        self._items.append(item)
        self._work += item.work
        self._changed.set()

    async def take(self) -> list[Item]:
        while not self._full:
            left = None
            # Looked for anew each time: all may be cleared while others are waited for.
            if self._items:
                left = self._items[0].arrived + self._linger - time.monotonic()
                if left <= 0:
                    break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._change()
        return self._cut()

    def clear(self) -> None:
        self._items.clear()
        self._work = 0
        self._changed.set()

    def _cut(self) -> list[Item]:
        batch: list[Item] = []
        ids: set[str] = set()
        work = 0
        while self._items and len(batch) < MAX_BATCH:
            item = self._items[0]
            if item.article_id in ids or (batch and work + item.work > self._limit):
                break
            ids.add(item.article_id)
            work += item.work
            batch.append(self._items.popleft())
        self._work -= work
        self._changed.set()
        return batch

    @property
    def _limit(self) -> float:
        return min(self._batch_seconds * self._rate.value, MAX_BATCH_CHARACTERS)

    @property
    def _full(self) -> bool:
        return len(self._items) >= MAX_BATCH or self._work >= self._limit

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
