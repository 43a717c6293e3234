"""Send articles to their topic, as fast as the brokers take it or at the pace of their news."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple
from urllib.parse import quote

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata

from eventwire.models.records import Article
from eventwire.streams.clients import BrokerError
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import Feed, FeedError, Line, published
from eventwire.streams.outputs import RUN_ID_HEADER, Record, timestamp
from eventwire.streams.settings import Settings, variable
from eventwire.streams.stopping import Stopped
from eventwire.streams.topics import expect, topics

CE_TYPE_ARTICLE = "news.article.v1"

NUMBER_HEADER = "eventwire-replay-record"
"""Which record of the replay it is, as in 2:1841 for the third file: who resumes looks for it."""

MAX_UNACKNOWLEDGED = 1000
"""Records sent and not acknowledged, which the memory holds: 16 MB of usual articles."""

IDLE_SECONDS = 0.5
"""Of waiting for the next article, from which on what was sent is settled first."""


class Sent(NamedTuple):
    """A line, and where it stands on the topic."""

    where: str
    raw: bytes
    article: Article | Refusal
    partition: int
    offset: int
    number: str | None = None


class Unsent(NamedTuple):
    """A record that was not sent."""

    where: str
    reason: str
    why: Literal["too_large", "malformed", "damaged", "skipped", "outside", "undated"] = "too_large"
    number: str | None = None


class Chosen(NamedTuple):
    """A record of a replay that is to be sent, or was before, or is not to be."""

    record: Line | Sent | Unsent
    feed: str
    """Name of the file."""
    number: str | None = None
    """See NUMBER_HEADER."""


@dataclass
class Pacer:
    """Waits until it is an article's turn: `speed` seconds of news a second, 0 for no waiting, and
    no more than `rate` articles a second.

    Articles without a time of publication, or older than one that was sent, go at once.
    """

    speed: float
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    sleep: Callable[[float], None] = time.sleep
    rate: float | None = None
    _origin: float | None = None
    """Clock reading at which the news of the year 1970 would have been sent."""
    _next: float = 0.0
    """Clock reading from which on the rate lets another article go."""

    def delay(self, article: Article | Refusal) -> float:
        """Seconds until it is the article's turn."""
        now = self.clock()
        due = self._next
        moment = published(article) if isinstance(article, Article) else None
        if self.speed and moment is not None:
            news = moment.timestamp() / self.speed
            if self._origin is None:
                self._origin = now - news
            due = max(due, self._origin + news)
        return max(0.0, due - now)

    def wait(self, article: Article | Refusal) -> None:
        if delay := self.delay(article):
            self.sleep(delay)
        if self.rate:
            # Not faster afterwards because it was slower before, but for what sleep is inexact.
            now = self.clock()
            self._next = max(self._next, now - 0.1) + 1 / self.rate


def article_record(
    line: Line, feed_name: str, run_id: str, topic: str, number: str | None = None
) -> Record:
    """A line as a record: the value as it is in the feed, CloudEvents headers around it.

    A line that holds no article is sent all the same, to end as a dead letter: a replay hides
    nothing.
    """
    article = line.article if isinstance(line.article, Article) else None
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": article.id if article else line.where,
        "ce_source": f"urn:eventwire:feed:{quote(feed_name)}",
        "ce_type": CE_TYPE_ARTICLE,
        "content-type": "application/json",
        RUN_ID_HEADER: run_id,
    }
    if article and (moment := published(article)):
        attributes["ce_time"] = timestamp(moment)
    if number is not None:
        attributes[NUMBER_HEADER] = number
    return Record(
        topic,
        article.id.encode() if article else None,
        line.raw,
        [(name, text.encode()) for name, text in attributes.items()],
    )


def replay(
    settings: Settings,
    feed: Feed,
    producer: KafkaProducer,
    *,
    run_id: str,
    pacer: Pacer,
    limit: int | None = None,
) -> Iterator[Sent | Unsent]:
    """Send the lines of `feed`; see `send`."""
    chosen = (Chosen(line, feed.name) for line in islice(feed, limit))
    return send(settings, chosen, producer, run_id=run_id, pacer=pacer)


def send(
    settings: Settings,
    chosen: Iterable[Chosen],
    producer: KafkaProducer,
    *,
    run_id: str,
    pacer: Pacer,
) -> Iterator[Sent | Unsent]:
    """Send what is chosen; yields each in order, when the brokers have acknowledged it.

    Raises BrokerError for the first that they do not, and if the topic does not exist; FeedError
    where the feed does, or Stopped, after what was sent before.
    """
    expect(settings, topics(settings).articles)
    waiting: deque[tuple[Chosen, FutureRecordMetadata | None]] = deque()

    def settled(least: int) -> Iterator[Sent | Unsent]:
        """What is done, until no more than `least` are waiting."""
        while waiting and (len(waiting) > least or waiting[0][1] is None or waiting[0][1].is_done):
            yield _done(settings, *waiting[0])
            waiting.popleft()

    try:
        for one in chosen:
            checked, record = _record(settings, one, run_id)
            future = None
            if record is not None and isinstance(one.record, Line):
                if pacer.delay(one.record.article) > IDLE_SECONDS:
                    yield from settled(0)
                pacer.wait(one.record.article)
                future = _send(settings, producer, one.record.where, record)
            waiting.append((checked, future))
            yield from settled(MAX_UNACKNOWLEDGED)
    except (FeedError, Stopped):
        yield from settled(0)
        raise
    yield from settled(0)


def dry_run(
    settings: Settings, feed: Iterable[Line] | Feed, *, limit: int | None
) -> Iterator[Line | Unsent]:
    """What `replay` would yield, without sending anything."""
    for one in would_send(settings, (Chosen(line, "feed") for line in islice(feed, limit))):
        assert not isinstance(one, Sent)
        yield one


def would_send(settings: Settings, chosen: Iterable[Chosen]) -> Iterator[Line | Sent | Unsent]:
    """What `send` would do."""
    for one in chosen:
        checked, _ = _record(settings, one, "dry-run")
        yield checked.record


def _record(settings: Settings, one: Chosen, run_id: str) -> tuple[Chosen, Record | None]:
    """A line's record; or, if that is too large for the topic, why there is none."""
    if not isinstance(one.record, Line):
        return one, None
    topic = topics(settings).articles.name
    record = article_record(one.record, one.feed, run_id, topic, one.number)
    if record.size <= settings.article_max_bytes:
        return one, record
    reason = (
        f"expected a record of at most {settings.article_max_bytes:,} bytes"
        f" ({variable('article_max_bytes')}), got {record.size:,}"
    )
    return one._replace(record=Unsent(one.record.where, reason, number=one.number)), None


def _send(
    settings: Settings, producer: KafkaProducer, where: str, record: Record
) -> FutureRecordMetadata:
    try:
        return producer.send(record.topic, record.value, key=record.key, headers=record.headers)
    except KafkaError as error:
        raise _failure(settings, where, error) from error


def _done(settings: Settings, one: Chosen, future: FutureRecordMetadata | None) -> Sent | Unsent:
    if isinstance(one.record, Line):
        assert future is not None
        try:
            metadata = future.get()  # the producer's delivery timeout bounds it
        except KafkaError as error:
            raise _failure(settings, one.record.where, error) from error
        return Sent(*one.record, metadata.partition, metadata.offset, one.number)
    return one.record


def _failure(settings: Settings, where: str, error: KafkaError) -> BrokerError:
    return BrokerError(
        f"{where}: not acknowledged by {settings.brokers}: {error};"
        " what was sent before it is on the topic"
    )
