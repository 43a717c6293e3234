"""`eventwire dlq` on topics that workers have written, and on such as they might have."""

import asyncio
import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from conftest import AnyBroker, HasSettings, Room, WorkerProcess, room_settings

from eventwire.streams import cli, clients
from eventwire.streams.dead_letters import dead_letter
from eventwire.streams.decode import Reason, Refusal
from eventwire.streams.outputs import LedgerOutcome, LedgerRecord, Record, ledger_record
from eventwire.streams.settings import Settings
from eventwire.streams.standing import until_the_end

NewRoom = Callable[..., Room]
NewWorker = Callable[..., WorkerProcess]
Run = Callable[..., "Ran"]

on_kafka = pytest.mark.parametrize("broker", ["kafka"], indirect=True)
on_both = pytest.mark.parametrize("broker", ["embedded_broker", "kafka"], indirect=True)


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest) -> AnyBroker:
    found: AnyBroker = request.getfixturevalue(getattr(request, "param", "embedded_broker"))
    return found


SENT = 1_700_000_000_123


class Ran:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def dlq(capsys: pytest.CaptureFixture[str]) -> Run:
    """`eventwire dlq` in a room."""

    def run(room: HasSettings, action: str, *arguments: str) -> Ran:
        where = (
            f"--brokers={room.settings.brokers}",
            f"--topic-prefix={room.settings.topic_prefix}",
        )
        capsys.readouterr()
        status = cli.main(["dlq", action, *where, *arguments])
        said = capsys.readouterr()
        return Ran(status, said.out, said.err)

    return run


class Topics(Room):
    """Where a worker might have been."""

    def bury(
        self,
        value: bytes,
        *,
        reason: Reason = "not_json",
        key: bytes | None = b"a1",
        source: tuple[int, int] = (0, 5),
        **others: Any,
    ) -> str:
        """Position of the dead letter."""
        letter = dead_letter(
            topic=self.topics.dead_letters.name,
            source=(self.topics.articles.name, *source),
            key=key,
            value=value,
            refusal=Refusal(reason, "expected JSON, got something else"),
            stage="VALUE_CONVERTER",
            **{"headers": [], "timestamp_ms": SENT, "max_bytes": 1_000_000} | others,
        )
        return self._write(letter, partition=0)

    def record(self, article_id: str, outcome: LedgerOutcome, source: tuple[int, int]) -> None:
        coding = LedgerRecord(
            article_id=article_id,
            outcome=outcome,
            received_at="2026-01-01T00:00:00Z",
            topic=self.topics.articles.name,
            partition=source[0],
            offset=source[1],
        )
        self._write(ledger_record(coding, self.topics, []), source[0])

    def write_foreign(self) -> str:
        foreign = Record(self.topics.dead_letters.name, None, b"?", [("x", b"1")])
        return self._write(foreign, partition=0)

    def _write(self, record: Record, partition: int) -> str:
        async def send() -> str:  # kafka-python has no headers that are null
            async with AIOKafkaProducer(
                bootstrap_servers=self.settings.brokers, max_request_size=5_000_000
            ) as producer:
                done = await producer.send_and_wait(
                    record.topic,
                    record.value,
                    key=record.key,
                    headers=record.headers,
                    timestamp_ms=record.timestamp_ms,
                    partition=partition,
                )
            return f"{done.partition}@{done.offset}"

        return asyncio.run(send())

    def articles(self) -> list[Any]:
        """What stands on the articles topic."""
        with clients.reader(
            self.settings, [self.topics.articles.name], from_beginning=True
        ) as consumer:
            return list(until_the_end(self.settings, consumer))


@pytest.fixture
def room(broker: Any, request: pytest.FixtureRequest) -> Iterator[Topics]:
    name = hashlib.md5(request.node.name.encode()).hexdigest()[:12]
    made = Topics(room_settings(broker, f"dlq-{name}"))
    yield made
    made.close()


@on_kafka
def test_dead_letters_that_a_worker_can_code_by_now_are_sent_again_and_coded(
    room: Topics, new_worker: NewWorker, dlq: Run
) -> None:
    strict = new_worker(room, EVENTWIRE_ARTICLE_MAX_HEADERS="1")
    strict.wait_until_ready(120)
    headers = [("x", b"\xff\x00"), ("y", b"2")]
    good = room.send_article("good", "They met.", headers=headers, partition=1)
    bad = room.send(b"\xff no article", key="bad", headers=[("z", b"3")], partition=0)
    assert room.ledger_of(good, 60).reason == "too_many_headers"
    assert room.ledger_of(bad, 60).reason == "not_utf8"
    strict.signal(signal.SIGTERM)
    assert strict.wait(60) == 0

    listed = dlq(room, "list", "--json")
    assert {row["reason"] for row in listed.rows} == {"too_many_headers", "not_utf8"}
    assert "2 dead letters (1 " in listed.err

    new_worker(room).wait_until_ready(120)
    retried = dlq(room, "retry")
    assert retried.status == 0
    articles = room.topics.articles.name
    assert f"2 dead letters sent to {articles} again, 0 cannot be, 0 are settled" in retried.err
    again = room.ledger_of((good[0], good[1] + 1), 60)
    assert (again.article_id, again.outcome, len(again.event_ids)) == ("good", "coded", 1)
    assert room.ledger_of((bad[0], bad[1] + 1), 60).reason == "not_utf8"
    [first, second] = [record for record in room.articles() if record.partition == good[0]]
    assert (second.key, second.value) == (first.key, first.value)
    assert second.headers[:-1] == first.headers
    assert second.headers[-1] == ("eventwire-retry-of", f"{articles}[1]@{good[1]}".encode())

    [left] = dlq(room, "list", "--json").rows
    assert left["source"] == {"topic": articles, "partition": bad[0], "offset": bad[1] + 1}
    assert "2 are settled" in dlq(room, "retry").err
    assert len([record for record in room.articles() if record.key == b"bad"]) == 3


def test_a_list_has_a_line_for_each_and_ends_with_the_count_of_each_reason(
    room: Topics, dlq: Run
) -> None:
    at = [room.bury(b"{}", source=(0, n)) for n in range(3)]
    at.append(room.bury(b"", key=None, reason="empty_value", source=(1, 7)))
    listed = dlq(room, "list")
    lines = listed.out.splitlines()
    assert [line.split()[0] for line in lines] == at
    assert [line.split()[1:4] for line in lines[:1]] == [["2023-11-14", "22:13:20", "not_json"]]
    articles = room.topics.articles.name
    assert lines[3].split()[3:] == ["empty_value", "0", "B", f"{articles}[1]@7", "null"]
    assert "4 dead letters (3 not_json, 1 empty_value)" in listed.err


def test_reasons_positions_and_a_limit_choose_what_is_listed(room: Topics, dlq: Run) -> None:
    reasons: list[Reason] = ["not_json", "empty_value", "not_json", "coder_crash"]
    at = [room.bury(b"v", reason=r, source=(0, n)) for n, r in enumerate(reasons)]

    def listed(*arguments: str) -> list[str]:
        return [row["dead_letter"] for row in dlq(room, "list", "--json", *arguments).rows]

    assert listed("--reason", "not_json") == [at[0], at[2]]
    assert listed("--reason", "not_json", "--reason", "coder_crash") == [at[0], at[2], at[3]]
    assert listed("--limit", "3") == at[:3]
    assert listed(at[1], at[3]) == [at[1], at[3]]
    assert listed(at[1], "--reason", "not_json") == []


@on_both
def test_what_a_terminal_would_obey_is_shown_and_not_obeyed(room: Topics, dlq: Run) -> None:
    hostile = b"\x1b[2J\xff\r\nsecond \xe2\x80\xae line\t!"
    at = room.bury(hostile, key=hostile, headers=[("\x1b[31m", hostile), ("none", None)])
    for ran in (dlq(room, "list"), dlq(room, "list", "--json"), dlq(room, "show", at)):
        assert not {"\x1b", "\r", "\u202e"} & set(ran.out)
    shown = dlq(room, "show", at).out
    assert shown.endswith("\\x1b[2J\\xff\\r\nsecond \\u202e line\t!\n")
    assert "header   \\x1b[31m: \\x1b[2J\\xff second \\u202e line !\n" in shown
    assert "header   none: null\n" in shown
    assert f"from     {room.topics.articles.name}[0]@5\n" in shown
    assert "why      expected JSON, got something else\n" in shown
    assert "value    24 bytes\n" in shown


def test_a_value_comes_raw_byte_for_byte(room: Topics, capfdbinary: Any) -> None:
    value = bytes(range(256))
    at = room.bury(value)
    where = (f"--brokers={room.settings.brokers}", f"--topic-prefix={room.settings.topic_prefix}")
    assert cli.main(["dlq", "show", *where, "--raw", at]) == 0
    assert capfdbinary.readouterr().out == value


@on_both
@pytest.mark.parametrize("at", ["0@3", "0@999999999", "17@0"])
def test_where_there_is_no_dead_letter_that_is_told_in_one_line(
    room: Topics, dlq: Run, at: str
) -> None:
    room.bury(b"v")
    for action in ("show", "list", "retry"):
        ran = dlq(room, action, at)
        assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert f"{room.topics.dead_letters.name}: no dead letter at {at};" in ran.err


@on_both
def test_a_correction_that_was_coded_meanwhile_is_not_overwritten(room: Topics, dlq: Run) -> None:
    first = room.bury(b'{"id": "a1", "text": "old"}', key=b"other", reason="coder_crash")
    later = room.bury(b'{"id": "a2", "text": "old"}', reason="coder_crash", source=(0, 6))
    room.record("a1", "dead_letter", (0, 5))
    room.record("a2", "coded", (0, 4))  # an older one does not settle it
    room.record("a2", "dead_letter", (0, 6))
    room.record("a1", "coded", (0, 9))
    room.record("a2", "coded", (1, 9))  # of another partition: not the same log
    assert [row["dead_letter"] for row in dlq(room, "list", "--json").rows] == [later]
    every = dlq(room, "list", "--all").out.splitlines()
    assert [line.endswith("(settled)") for line in every] == [True, False]
    assert every[0].startswith(first)
    assert "1 dead letters sent to" in dlq(room, "retry").err
    assert [record.value for record in room.articles()] == [b'{"id": "a2", "text": "old"}']


def test_messages_without_key_and_id_do_not_multiply_when_they_are_sent_again(
    room: Topics, dlq: Run
) -> None:
    room.bury(b"junk", key=None, source=(0, 5))
    assert "1 dead letters sent" in dlq(room, "retry").err
    [sent] = room.articles()
    # As a worker does it, for which it is junk as before.
    again = room.bury(sent.value, key=None, headers=sent.headers, source=(0, sent.offset))
    assert [row["dead_letter"] for row in dlq(room, "list", "--json").rows] == [again]
    assert "1 dead letters sent" in dlq(room, "retry").err
    assert len(room.articles()) == 2
    names = [name for name, _ in room.articles()[-1].headers]
    assert names == ["eventwire-retry-of"]


def test_a_message_that_was_buried_twice_or_then_coded_counts_once_or_not(
    room: Topics, dlq: Run
) -> None:
    room.bury(b"twice", source=(0, 5))
    last = room.bury(b"twice", source=(0, 5))  # by a worker after one that was killed
    room.bury(b'{"id": "a7"}', source=(0, 7))
    room.record("a7", "coded", (0, 7))  # by one with other limits
    assert [row["dead_letter"] for row in dlq(room, "list", "--json").rows] == [last]
    assert "1 dead letters sent to" in dlq(room, "retry").err


def test_headers_that_are_null_are_sent_empty_and_that_is_told(room: Topics, dlq: Run) -> None:
    at = room.bury(b"v", headers=[("x", None), ("y", b"2")])
    retried = dlq(room, "retry")
    assert retried.status == 0
    assert f"{at}: its headers that are null are sent empty" in retried.err
    assert room.articles()[0].headers[:2] == [("x", b""), ("y", b"2")]


def test_what_cannot_be_sent_again_is_told_and_all_else_is_sent(room: Topics, dlq: Run) -> None:
    cut = room.bury(b"v" * 5_000, max_bytes=4_000, source=(0, 1))
    large = room.bury(b"v" * 1_048_576, max_bytes=2_000_000, source=(0, 2))
    foreign = room.write_foreign()
    room.bury(b"small", source=(0, 3))
    retried = dlq(room, "retry")
    assert retried.status == 1
    said = retried.err
    articles = room.topics.articles.name
    assert "1 dead letters sent to" in said
    assert "3 cannot be" in said
    assert f"{cut}: not sent: " in said
    assert f"of its 5,000 bytes are left; the whole message stood at {articles}[0]@1" in said
    assert f"{large}: not sent: expected a record of at most 1,048,576 bytes" in said
    assert f"{foreign}: not sent: it was not written by eventwire" in said
    assert [record.value for record in room.articles()] == [b"small"]
    assert [row["reason"] for row in dlq(room, "list", "--json", foreign).rows] == ["unknown"]


def test_a_message_of_another_topic_is_not_sent_to_this_one(room: Topics, dlq: Run) -> None:
    room.bury(b"v")
    retried = dlq(room, "retry", "--set", "articles_topic=backfill")
    assert retried.status == 1
    assert f"it came from {room.topics.articles.name}, and articles go to backfill" in retried.err
    assert room.articles() == []


def test_a_message_with_as_many_headers_as_may_be_gets_none_more(room: Topics, dlq: Run) -> None:
    headers = [(f"h{number}", b"") for number in range(64)]
    room.bury(b"v", headers=headers)
    assert dlq(room, "retry").status == 0
    [sent] = room.articles()
    assert sent.headers == headers


def test_a_dry_run_and_a_limit_send_no_more_than_they_say(room: Topics, dlq: Run) -> None:
    for number in range(5):
        room.bury(b"%d" % number, source=(0, number))
    assert "5 dead letters would be sent to" in dlq(room, "retry", "--dry-run").err
    assert room.articles() == []
    assert "2 dead letters sent to" in dlq(room, "retry", "--limit", "2").err
    assert [record.value for record in room.articles()] == [b"0", b"1"]


def test_a_partition_that_is_no_more_makes_the_key_decide(room: Topics, dlq: Run) -> None:
    room.bury(b"v", key=b"a1", source=(17, 0))  # before the topic was made anew
    assert dlq(room, "retry").status == 0
    assert [record.key for record in room.articles()] == [b"a1"]


def test_without_the_topic_one_line_says_how_to_make_it(broker: Any, dlq: Run) -> None:
    class Nowhere:
        settings = Settings(brokers=broker.address, topic_prefix="nowhere.")

    for action in (["list"], ["show", "0@0"], ["retry"]):
        ran = dlq(Nowhere(), *action)
        assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert "topic nowhere.news.articles.v1.dlq does not exist" in ran.err
        assert "`eventwire topics` creates it" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show"], "PARTITION@OFFSET"),
        (["show", "12"], "expected PARTITION@OFFSET, as in 0@12, got '12'"),
        (["retry", "0@1", "x@1"], "expected PARTITION@OFFSET"),
        (["list", "--reason", "no_reason"], "invalid choice: 'no_reason'"),
        (["list", "--limit", "0"], "expected a whole number of at least 1"),
        ([], "ACTION"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["dlq", *arguments])
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
