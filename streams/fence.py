"""Nothing is written once others may have been given the partitions.

A worker that stood still for longer than its session (a process or a machine that was suspended, a
network that was cut) goes on with a batch at hand. Others have read the same articles since, and
perhaps their corrections: written now, the old text's events would stand again. So before it writes
the worker asks the group whether it is still a member, unless that was certain within half a
session. If it is not, what it has at hand is dropped, and read again by whoever has the partitions.

What stays open is a worker that is suspended for a session between the answer and the writing.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any


class Lost(Exception):  # noqa: N818
    """Others may have our partitions."""


class Fence:
    def __init__(
        self,
        is_member: Callable[[], Awaitable[bool]],
        generation: Callable[[], int],
        *,
        session_timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`is_member` asks the group, `generation` counts its rebalances."""
        self._is_member = is_member
        self._generation = generation
        self._certain_for = session_timeout / 2
        self._clock = clock
        self._certain = float("-inf")

    async def check(self) -> None:
        """Raises Lost, or what is wrong where the group cannot be asked."""
        asked = self._clock()
        if asked - self._certain < self._certain_for:
            return
        if not await self._is_member():
            raise Lost
        self._certain = asked

    def is_current(self, message: Any) -> bool:
        """Whether a message was read since the last rebalance; others come again."""
        return bool(message.generation_id == self._generation())
