import socket

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from eventwire.streams import health as module
from eventwire.streams.health import Health, PortTaken
from eventwire.streams.metrics import Partition
from eventwire.streams.settings import Settings


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Room:
    def __init__(self) -> None:
        self.clock = Clock()
        self.partitions: list[Partition] = []
        self.health = Health(lambda: self.partitions, progress_timeout=60, clock=self.clock)

    def after(self, seconds: float, *partitions: Partition) -> None:
        self.clock.now += seconds
        self.partitions = list(partitions)
        self.health.watch()


def at(committed: int | None, end: int | None) -> Partition:
    return Partition(number=0, committed=committed, start=0, end=end)


def test_a_worker_without_articles_is_live_for_ever() -> None:
    room = Room()
    room.after(0, at(5, 5))
    room.after(1_000, at(5, 5))
    assert room.health.live() == (True, "nothing waits")


def test_a_worker_whose_commits_stand_still_while_articles_wait_is_not_live() -> None:
    room = Room()
    room.after(0, at(5, 9))
    room.after(59, at(5, 9))
    assert room.health.live()[0]
    room.after(2, at(5, 9))
    assert room.health.live() == (False, "no commit for 61 s while 4 articles wait")


def test_every_commit_starts_the_clock_anew() -> None:
    room = Room()
    room.after(0, at(5, 9))
    room.after(50, at(6, 9))
    room.after(50, at(6, 9))
    assert room.health.live()[0]


def test_articles_that_wait_before_the_first_commit_count() -> None:
    room = Room()
    room.after(0, at(None, 9))
    room.after(61, at(None, 9))
    assert not room.health.live()[0]


def test_it_is_ready_with_a_warm_model_and_partitions_until_it_stops() -> None:
    room = Room()
    assert room.health.ready() == (False, "the model is loading")
    room.health.model_ready = True
    assert room.health.ready() == (False, "no partitions assigned")
    room.after(0, at(None, 0))
    assert room.health.ready() == (True, "1 partitions")
    room.health.stopping = True
    assert room.health.ready() == (False, "stopping")


async def test_http_tells_health_with_its_status_and_the_metrics() -> None:
    room = Room()
    registry = CollectorRegistry()
    Counter("things", "Things", registry=registry).inc(3)
    runner = await module.serve(Settings(http_port=0), room.health, registry)
    try:
        host, port = runner.addresses[0][:2]
        assert host == "127.0.0.1"
        async with aiohttp.ClientSession(f"http://{host}:{port}") as client:
            async with client.get("/health/live") as answer:
                assert (answer.status, await answer.text()) == (200, "nothing waits\n")
            async with client.get("/health/ready") as answer:
                assert (answer.status, await answer.text()) == (503, "the model is loading\n")
            async with client.get("/metrics") as answer:
                assert "things_total 3.0" in await answer.text()
            async with client.post("/metrics") as answer:
                assert answer.status == 405
    finally:
        await runner.cleanup()


async def test_a_taken_port_is_named_with_its_setting_and_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as raised:
            await module.serve(Settings(http_port=port), Room().health, CollectorRegistry())
    said = str(raised.value)
    assert f"127.0.0.1:{port}" in said
    assert "EVENTWIRE_HTTP_PORT" in said
    assert "--http-port" in said
    assert "\n" not in said
