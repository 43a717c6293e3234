from collections.abc import Callable
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError

from eventwire.streams.fence import Fence, Lost


class Group:
    """What the group says of us, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked = 0
        self.answer: bool | Exception = True
        self.meanwhile: Callable[[], None] = lambda: None

    async def is_member(self) -> bool:
        self.asked += 1
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def fence(self) -> Fence:
        return Fence(self.is_member, lambda: 7, session_timeout=10, clock=lambda: self.now)


async def test_the_group_is_asked_before_the_first_writing_and_then_twice_a_session() -> None:
    group = Group()
    fence = group.fence()
    for group.now in (0, 1, 4.9, 5, 9.9, 10.1):
        await fence.check()
    assert group.asked == 3


async def test_who_is_no_member_is_told_so_at_once_and_asks_again_the_next_time() -> None:
    group = Group()
    fence = group.fence()
    await fence.check()
    group.now, group.answer = 30, False
    for _ in range(2):
        with pytest.raises(Lost):
            await fence.check()
    group.answer = True
    await fence.check()


async def test_an_answer_is_as_old_as_its_question() -> None:
    group = Group()
    fence = group.fence()

    def suspended() -> None:
        group.now += 30

    group.meanwhile = suspended
    await fence.check()
    group.answer = False
    with pytest.raises(Lost):
        await fence.check()


async def test_no_answer_is_no_yes() -> None:
    group = Group()
    fence = group.fence()
    group.answer = KafkaConnectionError("away")
    with pytest.raises(KafkaConnectionError):
        await fence.check()
    group.answer = False
    with pytest.raises(Lost):
        await fence.check()


def test_a_message_of_an_earlier_generation_is_not_current() -> None:
    fence = Group().fence()
    assert fence.is_current(SimpleNamespace(generation_id=7))
    assert not fence.is_current(SimpleNamespace(generation_id=6))
