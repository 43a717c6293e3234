"""Send a feed to the articles topic, as fast as the brokers take it or at the pace of its news."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TextIO
from urllib.parse import quote

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata

from eventwire.models.records import Article
from eventwire.streams.clients import BrokerError
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import Counts, Feed, Line, published
from eventwire.streams.outputs import RUN_ID_HEADER, Record, timestamp
from eventwire.streams.settings import Settings, variable
from eventwire.streams.topics import expect, topics

log = logging.getLogger(__name__)

CE_TYPE_ARTICLE = "news.article.v1"

MAX_UNACKNOWLEDGED = 1000
"""Records sent and not acknowledged, which the memory holds: 16 MB of usual articles."""


class Unsent(NamedTuple):
    """A line that was not sent, since no record of the topic may be so large."""

    where: str
    reason: str


class Progress:
    """Counts what was sent, and shows it in a terminal as it goes."""

    def __init__(self, terminal: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.sent = 0
        self.not_articles = 0
        """Of those sent."""
        self.unsent = 0
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._terminal = terminal if terminal.isatty() else None
        self._clock = clock
        self._began = self._shown = clock()

    def add(self, line: Line | Unsent) -> None:
        if isinstance(line, Unsent):
            self.unsent += 1
            log.warning("%s: not sent: %s", line.where, line.reason)
            return
        self.sent += 1
        if isinstance(line.article, Refusal):
            self.not_articles += 1
            log.warning("%s", line.article.message)
        elif moment := published(line.article):
            self._first = min(self._first or moment, moment)
            self._last = max(self._last or moment, moment)
        if self._terminal and self._clock() - self._shown > 0.2:
            self._shown = self._clock()
            self._terminal.write(f"\r{self.sent} sent, published {self._last or '?'}\x1b[K")
            self._terminal.flush()

    def summary(self, counts: Counts, *, dry_run: bool, run_id: str) -> str:
        if self._terminal:
            self._terminal.write("\r\x1b[K")
        period = ""
        if self._first and self._last:
            period = f", published {self._first:%Y-%m-%d} to {self._last:%Y-%m-%d}"
        return (
            f"{counts}; {self.sent} {'would be ' if dry_run else ''}sent"
            f" ({self.not_articles} of them no articles), {self.unsent} too large{period};"
            f" {self._clock() - self._began:.1f} s" + ("" if dry_run else f", run id {run_id}")
        )


@dataclass
class Pacer:
    """Waits until it is an article's turn: `speed` seconds of news a second, 0 for no waiting.

    Articles without a time of publication, or older than one that was sent, go at once.
    """

    speed: float
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    sleep: Callable[[float], None] = time.sleep
    _origin: float | None = None
    """Clock reading at which the news of the year 1970 would have been sent."""

    def wait(self, article: Article | Refusal) -> None:
        moment = published(article) if isinstance(article, Article) else None
        if not self.speed or moment is None:
            return
        due = moment.timestamp() / self.speed
        if self._origin is None:
            self._origin = self.clock() - due
        self.sleep(max(0.0, self._origin + due - self.clock()))


def article_record(line: Line, feed_name: str, run_id: str, topic: str) -> Record:
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
) -> Iterator[Line | Unsent]:
    """Send the lines of `feed`; yields each when the brokers have acknowledged it.

    Raises BrokerError for the first that they do not, and if the topic does not exist.
    """
    expect(settings, topics(settings).articles)
    waiting: deque[tuple[Line, FutureRecordMetadata]] = deque()
    for line, record in _records(settings, feed, run_id, limit):
        if isinstance(line, Unsent):
            yield line
            continue
        pacer.wait(line.article)
        waiting.append((line, _send(settings, producer, line, record)))
        while waiting and (len(waiting) > MAX_UNACKNOWLEDGED or waiting[0][1].is_done):
            yield _acknowledged(settings, *waiting.popleft())
    while waiting:
        yield _acknowledged(settings, *waiting.popleft())


def dry_run(settings: Settings, feed: Feed, *, limit: int | None) -> Iterator[Line | Unsent]:
    """What `replay` would yield, without sending anything."""
    for line, _ in _records(settings, feed, "dry-run", limit):
        yield line


def _records(
    settings: Settings, feed: Feed, run_id: str, limit: int | None
) -> Iterator[tuple[Line | Unsent, Record]]:
    topic = topics(settings).articles.name
    for line in islice(feed, limit):
        record = article_record(line, feed.name, run_id, topic)
        if record.size <= settings.article_max_bytes:
            yield line, record
        else:
            reason = (
                f"expected a record of at most {settings.article_max_bytes:,} bytes"
                f" ({variable('article_max_bytes')}), got {record.size:,}"
            )
            yield Unsent(line.where, reason), record


def _send(
    settings: Settings, producer: KafkaProducer, line: Line, record: Record
) -> FutureRecordMetadata:
    try:
        return producer.send(record.topic, record.value, key=record.key, headers=record.headers)
    except KafkaError as error:
        raise _failure(settings, line, error) from error


def _acknowledged(settings: Settings, line: Line, future: FutureRecordMetadata) -> Line:
    try:
        future.get()  # the producer's delivery timeout bounds it
    except KafkaError as error:
        raise _failure(settings, line, error) from error
    return line


def _failure(settings: Settings, line: Line, error: KafkaError) -> BrokerError:
    return BrokerError(
        f"{line.where}: not acknowledged by {settings.brokers}: {error};"
        " what was sent before it is on the topic"
    )
