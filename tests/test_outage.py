import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from conftest import AnyBroker

from eventwire.streams.outage import Outage, ask


class Brokers:
    """Brokers that tests switch off, and a clock that they set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.why: str | None = None
        self.asked = 0
        self.outage = Outage("kafka:9092", self._ask, clock=lambda: self.now)

    async def _ask(self) -> str | None:
        self.asked += 1
        return self.why

    async def after(self, seconds: int, *, silence: float | None = None) -> None:
        """Let seconds pass, a check in each; silence grows unless it is given."""
        for _ in range(seconds):
            self.now += 1
            await self.outage.check(self.now if silence is None else silence)


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_an_outage_has_a_line_at_its_beginning_and_one_at_its_end(
    brokers: Brokers, caplog: pytest.LogCaptureFixture
) -> None:
    brokers.why = "Connection refused"
    await brokers.after(60)
    assert brokers.outage.lost == "Kafka at kafka:9092 does not answer (Connection refused)"
    brokers.why = None
    await brokers.after(3)
    assert brokers.outage.lost is None
    lost, back = lines(caplog)
    assert lost == (
        "lost Kafka at kafka:9092 (EVENTWIRE_BROKERS); trying again: Connection refused"
    )
    assert back == "Kafka at kafka:9092 is back, after 61 s"


async def test_seconds_without_an_answer_are_not_worth_a_line(
    brokers: Brokers, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        brokers.why = "Connection refused"
        await brokers.after(4)
        brokers.why = None
        await brokers.after(3)
    assert lines(caplog) == []
    assert brokers.outage.lost is None


async def test_while_clients_hear_from_kafka_it_is_not_asked(brokers: Brokers) -> None:
    brokers.why = "Connection refused"
    await brokers.after(60, silence=1.5)
    assert brokers.asked == 0
    assert brokers.outage.lost is None


async def test_it_is_back_when_a_client_hears_from_it_again(
    brokers: Brokers, caplog: pytest.LogCaptureFixture
) -> None:
    brokers.why = "Connection refused"
    await brokers.after(20)
    await brokers.after(1, silence=0.0)
    assert brokers.outage.lost is None
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


async def test_an_outage_that_goes_on_is_asked_about_every_other_second(brokers: Brokers) -> None:
    brokers.why = "Connection refused"
    await brokers.after(60)
    assert brokers.asked == 30


# ---------------------------------------------------------------------------------- the question

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listener(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    return


async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example.org ESMTP\r\n")
    await writer.drain()


async def test_kafka_answers(broker: AnyBroker) -> None:
    assert await ask([broker.address], None) is None


async def test_one_broker_that_answers_is_enough(broker: AnyBroker) -> None:
    assert await ask(["127.0.0.1:1", broker.address], None) is None


async def test_apache_kafka_answers(kafka: AnyBroker) -> None:
    assert await ask([kafka.address], None) is None


async def test_a_port_where_nobody_listens_is_told() -> None:
    assert await ask(["127.0.0.1:1"], None) == "Connection refused"


async def test_a_host_that_does_not_exist_is_told() -> None:
    why = await ask(["no-such-host.invalid:9092"], None)
    assert why
    assert "\n" not in why


@pytest.mark.parametrize(
    ("answer", "said"),
    [(silent, "no answer"), (hang_up, "it hangs up"), (greet, "it is not Kafka")],
)
async def test_what_listens_and_does_not_answer_as_kafka_does_is_told(
    answer: Answer, said: str
) -> None:
    async with listener(answer) as address:
        assert await ask([address], None) == said


async def test_a_listener_without_tls_is_told_where_tls_is_expected() -> None:
    async with listener(greet) as address:
        why = await ask([address], ssl.create_default_context())
    assert why
    assert why.startswith("no TLS: ")
