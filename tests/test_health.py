import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

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
        self.told = 0
        self.health = Health(lambda: self.partitions, progress_timeout=60, clock=self.clock)

    def after(self, seconds: int, *partitions: Partition, silent: bool = False) -> None:
        """Let seconds pass, with a look in each; the broker tells something, or is silent."""
        for _ in range(max(seconds, 1)):
            self.clock.now += bool(seconds)
            told = self.told if silent else int(self.clock.now)
            self.told = told
            self.partitions = [partition._replace(told=told) for partition in partitions]
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
    room.after(50, at(5, 9))
    room.after(1, at(6, 9))
    room.after(59, at(6, 9))
    assert room.health.live()[0]
    room.after(2, at(6, 9))
    assert not room.health.live()[0]


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
    room.health.lost = "Kafka at kafka:9092 does not answer (no answer)"
    assert room.health.ready() == (False, room.health.lost)
    room.health.lost = None
    room.health.stopping = True
    assert room.health.ready() == (False, "stopping")


def test_a_worker_that_cannot_reach_kafka_is_live_and_its_time_counts_anew_afterwards() -> None:
    room = Room()
    room.after(50, at(5, 9))
    room.health.lost = "Kafka at kafka:9092 does not answer (no answer)"
    room.after(1_000, at(5, 9), silent=True)
    live, why = room.health.live()
    assert live
    assert why.startswith("Kafka at kafka:9092 does not answer")
    room.health.lost = None
    room.after(59, at(5, 9))
    assert room.health.live()[0]
    room.after(2, at(5, 9))
    assert not room.health.live()[0]


def test_a_worker_that_hears_nothing_from_a_kafka_that_answers_is_not_live() -> None:
    room = Room()
    room.after(10, at(9, 9))
    room.after(70, at(9, 9), silent=True)
    assert not room.health.live()[0]
    assert room.health.live()[1].endswith("while no partition hears from Kafka")
    room.after(1, at(9, 9))
    assert room.health.live() == (True, "nothing waits")


def test_a_worker_that_commits_is_live_however_little_it_hears() -> None:
    room = Room()
    room.after(10, at(1, 9))
    for committed in range(2, 9):
        room.after(30, at(committed, 9), silent=True)
        assert room.health.live() == (True, "commits advance")


def test_a_worker_without_partitions_is_live() -> None:
    room = Room()
    room.after(1_000, silent=True)
    assert room.health.live()[0]


# ------------------------------------------------------------------------------------------ HTTP


@asynccontextmanager
async def served(registry: CollectorRegistry | None = None) -> AsyncIterator[tuple[str, int]]:
    server = await module.serve(
        Settings(http_port=0), Room().health, registry or CollectorRegistry()
    )
    try:
        yield server.addresses[0][:2]
    finally:
        await server.cleanup()


async def ask(address: tuple[str, int], request: bytes) -> str:
    """The answer to raw bytes, up to where the server closes the connection."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    try:
        async with asyncio.timeout(30):
            return (await reader.read()).decode()
    except ConnectionResetError:
        return ""
    finally:
        writer.close()


LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_http_tells_health_with_its_status_and_the_metrics() -> None:
    registry = CollectorRegistry()
    Counter("things", "Things", registry=registry).inc(3)
    async with served(registry) as (host, port):
        assert host == "127.0.0.1"
        async with aiohttp.ClientSession(f"http://{host}:{port}") as client:
            async with client.get("/health/live") as answer:
                assert (answer.status, await answer.text()) == (200, "nothing waits\n")
            async with client.get("/health/ready") as answer:
                assert (answer.status, await answer.text()) == (503, "the model is loading\n")
            async with client.get("/metrics") as answer:
                assert "things_total 3.0" in await answer.text()
                assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/metrics", "/health/live", "/health/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"])
async def test_only_get_is_answered(method: str, path: str) -> None:
    async with (
        served() as (host, port),
        aiohttp.request(method, f"http://{host}:{port}{path}", data=b"x") as answer,
    ):
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"


@pytest.mark.parametrize("path", ["/", "/health", "/metrics/", "/health/live/../../etc/passwd"])
async def test_no_other_path_is_there(path: str) -> None:
    async with served() as address:
        answer = await ask(address, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer.startswith("HTTP/1.1 404 ")


async def test_metrics_are_not_rendered_for_every_request() -> None:
    class Slow(Collector):
        asked = 0

        def collect(self) -> Iterator[Metric]:
            self.asked += 1
            time.sleep(0.05)
            yield GaugeMetricFamily("slow", "Slow", value=self.asked)

    registry, slow = CollectorRegistry(auto_describe=False), Slow()
    registry.register(slow)
    before = slow.asked
    async with served(registry) as address:
        began = time.monotonic()
        for _ in range(200):
            assert "slow " in await ask(address, LIVE.replace(b"/health/live", b"/metrics"))
        seconds = time.monotonic() - began
    assert slow.asked - before <= 1 + seconds / (0.05 / module.RENDERING_SHARE)


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nCookie: " + b"x" * 100_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 100_000 + b"\r\n",
        b"GET /metrics HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"\xff" * 10_000 + b"\r\n\r\n",
    ],
    ids=["path", "header", "headers", "length", "tls", "junk"],
)
async def test_requests_that_are_none_are_refused_quietly(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with served() as address:
        # Who still sends when the server has hung up may not see its answer.
        assert (await ask(address, request_))[:13] in ("", "HTTP/1.0 400 ", "HTTP/1.1 400 ")
        assert "nothing waits" in await ask(address, LIVE)
    assert [record for record in caplog.records if record.levelno > logging.DEBUG] == []


async def test_clients_that_never_end_their_request_are_hung_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONNECTION_SECONDS", 0.5)
    async with served() as address:
        assert await ask(address, b"GET /metrics HTTP/1.1\r\nHost: ") == ""
        body = b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx"
        assert "200 OK" in await ask(address, body)


async def test_many_clients_at_once_leave_the_worker_its_file_descriptors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CONNECTION_SECONDS", 2.0)
    async with served() as address:
        connected = [await asyncio.open_connection(*address) for _ in range(200)]
        await asyncio.sleep(0.1)
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        for _, writer in connected:
            writer.write(b"GET /metrics HTTP/1.1\r\n")
        open_ = sum(not reader.at_eof() and not reader.exception() for reader, _ in connected)
        assert open_ <= module.CONNECTIONS
        assert descriptors < 200 + module.CONNECTIONS + 100
        deadline = time.monotonic() + 30
        while "nothing waits" not in await ask(address, LIVE):
            assert time.monotonic() < deadline, "nobody gets through any more"
            await asyncio.sleep(0.2)
        for _, writer in connected:
            writer.close()


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
