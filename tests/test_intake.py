import asyncio

import pytest

from eventwire.models.records import Article
from eventwire.streams.intake import Intake, Item, Rate


def item(article_id: str, characters: int = 10) -> Item:
    return Item(None, None, "", article=Article(id=article_id, text="x" * characters))


def intake(*, rate: float = 100.0, batch_seconds: float = 1.0, linger: float = 0.0) -> Intake:
    return Intake(batch_seconds=batch_seconds, linger=linger, rate=Rate(rate))


def ids(batch: list[Item]) -> list[str]:
    return [item.article_id for item in batch]


async def test_a_batch_is_bounded_by_estimated_seconds_of_work() -> None:
    waiting = intake(rate=100.0, batch_seconds=1.0)
    for article_id in "abc":
        await waiting.put(item(article_id, 45))
    assert ids(await waiting.take()) == ["a", "b"]
    assert ids(await waiting.take()) == ["c"]


async def test_an_article_longer_than_a_batch_is_a_batch_of_its_own() -> None:
    waiting = intake(rate=100.0)
    await waiting.put(item("a", 10))
    await waiting.put(item("long", 5_000))
    assert ids(await waiting.take()) == ["a"]
    assert ids(await waiting.take()) == ["long"]


async def test_a_second_article_of_the_same_id_waits_for_the_next_batch() -> None:
    waiting = intake()
    for article_id in ("a", "b", "a", "c"):
        await waiting.put(item(article_id, 1))
    assert ids(await waiting.take()) == ["a", "b"]
    assert ids(await waiting.take()) == ["a", "c"]


async def test_an_article_waits_for_others_no_longer_than_the_linger() -> None:
    waiting = intake(linger=0.05)
    await waiting.put(item("a"))
    taking = asyncio.create_task(waiting.take())
    await asyncio.sleep(0.01)
    await waiting.put(item("b"))
    async with asyncio.timeout(1):
        assert ids(await taking) == ["a", "b"]


async def test_what_is_cleared_while_it_waits_for_others_is_not_taken() -> None:
    waiting = intake(linger=0.05)
    await waiting.put(item("a"))
    taking = asyncio.create_task(waiting.take())
    await asyncio.sleep(0.01)
    waiting.clear()
    await asyncio.sleep(0.01)
    await waiting.put(item("b"))
    async with asyncio.timeout(1):
        assert ids(await taking) == ["b"]


async def test_a_full_batch_does_not_linger() -> None:
    waiting = intake(rate=10.0, linger=60.0)
    await waiting.put(item("a", 10))
    async with asyncio.timeout(1):
        assert ids(await waiting.take()) == ["a"]


async def test_no_more_than_a_batch_gathers_ahead_of_the_coder() -> None:
    waiting = intake(rate=100.0)

    async def fill() -> None:
        for number in range(50):
            await waiting.put(item(str(number), 50))

    filling = asyncio.create_task(fill())
    await asyncio.sleep(0.01)
    assert len(waiting) == 2
    await waiting.take()
    await asyncio.sleep(0.01)
    assert len(waiting) == 2
    filling.cancel()


def test_the_rate_follows_what_is_measured_and_ignores_tiny_batches() -> None:
    rate = Rate(20_000)
    for _ in range(50):
        rate.measure(100_000, 1.0)
    assert rate.value == pytest.approx(100_000, rel=0.01)
    rate.measure(10, 5.0)
    assert rate.value == pytest.approx(100_000, rel=0.01)
