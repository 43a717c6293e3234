import io
import json
import time

import pytest
from conftest import on_both_brokers
from kafka.errors import KafkaTimeoutError

from eventwire.models.records import Article
from eventwire.streams import clients, topics
from eventwire.streams.clients import BrokerError
from eventwire.streams.feeds import Feed, Line
from eventwire.streams.replay import Pacer, Unsent, article_record, dry_run, replay
from eventwire.streams.settings import Settings

broker = on_both_brokers()


class Clock:
    """Time that passes only in sleep."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def at(moment):
    return Article(id="a", text="b", published_at=moment)


def waits(speed, *moments):
    clock = Clock()
    pacer = Pacer(speed, clock, clock.sleep)
    for moment in moments:
        pacer.wait(at(moment))
    return [seconds for seconds in clock.slept if seconds]


def feed(*lines, max_bytes=1_048_576):
    return Feed("feed.jsonl", io.BytesIO(b"\n".join(lines)), max_bytes=max_bytes)


def article(number, **more):
    return json.dumps({"id": f"a{number}", "text": "Rebels shelled the port.", **more}).encode()


def only(name, content):
    (line,) = Feed(name, io.BytesIO(content), max_bytes=1_048_576)
    return line


def headers(record):
    return {name: value.decode() for name, value in record.headers}


def test_at_speed_one_an_article_waits_as_long_as_its_news_did():
    moments = ("2025-03-03T07:00:00Z", "2025-03-03T07:00:30Z", "2025-03-03T07:01:00Z")
    assert waits(1, *moments) == pytest.approx([30, 30])


def test_at_speed_sixty_an_hour_takes_a_minute():
    moments = ("2025-03-03T07:00:00Z", "2025-03-03T08:00:00Z")
    assert waits(60, *moments) == pytest.approx([60], abs=1e-3)


def test_at_speed_zero_nothing_waits():
    assert waits(0, "2025-03-03", "2025-03-04") == []


def test_no_more_than_the_rate_goes_in_a_second():
    clock = Clock()
    pacer = Pacer(0, clock, clock.sleep, rate=4)
    for _ in range(9):
        pacer.wait(at(None))
    assert clock.now - 1000 == pytest.approx(2, abs=0.15)


def test_a_rate_does_not_let_later_articles_make_up_for_a_pause():
    clock = Clock()
    pacer = Pacer(0, clock, clock.sleep, rate=1)
    pacer.wait(at(None))
    clock.now += 3600
    for _ in range(5):
        pacer.wait(at(None))
    assert sum(clock.slept) == pytest.approx(4, abs=0.2)


def test_articles_without_time_or_out_of_order_go_at_once():
    assert waits(1, "2025-03-03", None, "last week", "2025-03-01") == []


def test_the_time_spent_sending_is_not_waited_for_again():
    clock = Clock()
    pacer = Pacer(1, clock, clock.sleep)
    pacer.wait(at("2025-03-03T07:00:00Z"))
    clock.now += 20
    pacer.wait(at("2025-03-03T07:00:30Z"))
    assert clock.slept[-1] == pytest.approx(10)


def test_an_article_is_sent_byte_for_byte_under_its_id():
    line = only("feed.jsonl", article(1, unknown=[1, 2]))
    record = article_record(line, "feed.jsonl", "run-1", "articles")
    assert (record.topic, record.key, record.value) == ("articles", b"a1", line.raw)


def test_cloud_event_headers_tell_where_an_article_comes_from_and_when_it_was_published():
    line = only("my feed.jsonl", article(1, published_at="2025-03-03T09:00:00+02:00"))
    assert headers(article_record(line, "my feed.jsonl", "run-1", "articles")) == {
        "ce_specversion": "1.0",
        "ce_id": "a1",
        "ce_source": "urn:eventwire:feed:my%20feed.jsonl",
        "ce_type": "news.article.v1",
        "ce_time": "2025-03-03T07:00:00.000Z",
        "content-type": "application/json",
        "eventwire-run-id": "run-1",
    }


def test_a_record_of_a_replay_has_its_number_in_a_header():
    record = article_record(only("feed", article(1)), "feed", "run-1", "articles", "2:1841")
    assert headers(record)["eventwire-replay-record"] == "2:1841"


def test_an_unreadable_time_of_publication_gives_no_header():
    line = only("feed", article(1, published_at="29.06.2016"))
    assert "ce_time" not in headers(article_record(line, "feed", "run-1", "articles"))


def test_a_line_that_is_no_article_is_sent_as_it_is_without_a_key():
    record = article_record(only("feed", b'{"id": "a1", "te'), "feed", "run-1", "articles")
    assert (record.key, record.value) == (None, b'{"id": "a1", "te')
    assert headers(record)["ce_id"] == "feed:1"


def test_an_oversize_line_is_refused_before_it_is_sent():
    settings = Settings(article_max_bytes=2_000)
    lines = list(dry_run(settings, feed(article(1), article(2, pad="x" * 3_000)), limit=None))
    assert isinstance(lines[0], Line)
    assert isinstance(lines[1], Unsent)
    assert lines[1].where == "feed.jsonl:2"
    assert "at most 2,000 bytes (EVENTWIRE_ARTICLE_MAX_BYTES)" in lines[1].reason


def test_the_limit_counts_lines_and_reads_no_further():
    source = feed(article(1), b"", article(2), article(3))
    assert len(list(dry_run(Settings(), source, limit=2))) == 2
    assert source.counts.lines == 3


def test_a_replay_arrives_whole_and_in_order_and_every_line_is_acknowledged(broker):
    settings = Settings(brokers=broker.address, topic_prefix="replay.", partitions=1)
    topics.create_missing(settings)
    lines = [article(n) for n in range(2_500)]
    with clients.producer(settings) as producer:
        done = list(replay(settings, feed(*lines), producer, run_id="r", pacer=Pacer(0)))
    assert [line.raw for line in done] == lines
    assert sorted(line.offset for line in done) == list(range(2_500))
    arrived = []
    with clients.reader(settings, ["replay.news.articles.v1"], from_beginning=True) as reader:
        deadline = time.monotonic() + 20
        while len(arrived) < len(lines) and time.monotonic() < deadline:
            for records in reader.poll(200).values():
                arrived += records
    assert [record.value for record in arrived] == lines
    assert dict(arrived[0].headers)["eventwire-run-id"] == b"r"
    assert abs(arrived[0].timestamp / 1000 - time.time()) < 60


def test_a_send_that_fails_is_told_with_the_line_it_was(broker):
    settings = Settings(brokers=broker.address, topic_prefix="failing.")
    topics.create_missing(settings)

    class Dead:
        def send(self, *_, **__):
            raise KafkaTimeoutError("no metadata")

    with pytest.raises(BrokerError, match=r"^feed\.jsonl:1: not acknowledged by 127\.0\.0\.1:"):
        list(replay(settings, feed(article(1)), Dead(), run_id="r", pacer=Pacer(0)))


def test_a_replay_to_a_topic_that_does_not_exist_creates_none(broker):
    settings = Settings(brokers=broker.address, topic_prefix="absent.")
    for _ in range(2):
        with (
            clients.producer(settings) as producer,
            pytest.raises(BrokerError, match=r"topic absent\.news\.articles\.v1 does not exist"),
        ):
            list(replay(settings, feed(article(1)), producer, run_id="r", pacer=Pacer(0)))
