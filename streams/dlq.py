"""Dead letters for people: which there are, what one holds, and back to the articles with them.

A dead letter is settled when its article was read without fault since, because it was sent again or
another text came under its id, or when the same message or what was sent again is a newer one.
Settled ones are shown only when asked for, and never sent: an old text would replace a newer one.
"""

import json
import logging
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from kafka import KafkaProducer, TopicPartition
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.producer.future import FutureRecordMetadata

from eventwire.models.text import canonical
from eventwire.streams import clients
from eventwire.streams.clients import BrokerError
from eventwire.streams.dead_letters import (
    RETRY_HEADER,
    SIZE_HEADER,
    DeadLetterHeaders,
    original_headers,
)
from eventwire.streams.decode import Headers
from eventwire.streams.feeds import Reports
from eventwire.streams.outputs import LedgerRecord, Record, timestamp
from eventwire.streams.settings import Settings, variable
from eventwire.streams.standing import until_the_end
from eventwire.streams.terminal import printable, visible
from eventwire.streams.topics import Topic, topics

log = logging.getLogger(__name__)

UNKNOWN = "unknown"
"""Reason of what another program has written to the topic."""

MAX_UNACKNOWLEDGED = 1_000


class Place(NamedTuple):
    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Position(NamedTuple):
    """Of a dead letter on its topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}@{self.offset}"


def position(text: str) -> Position:
    """Of what `str(position)` wrote; raises ValueError."""
    partition, at, offset = text.partition("@")
    if not (at and partition.isdecimal() and offset.isdecimal()):
        raise ValueError(f"expected PARTITION@OFFSET as `eventwire dlq list` has it, got {text!r}")
    return Position(int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class Letter:
    """A record of the dead letters' topic."""

    position: Position
    time: str | None
    """When the message was sent, ISO 8601 in UTC."""
    reason: str
    message: str
    """What was wrong, for people."""
    source: Place | None
    """Where the message stood; None of what another program has written."""
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    """Those of the message."""
    cut_from: int | None
    """Bytes that the value had, where it was cut."""

    @property
    def size(self) -> int:
        return len(self.value or b"")

    @property
    def article_id(self) -> str:
        """What the ledger will call it once it can be read; where its id cannot be read, a guess,
        its key."""
        with suppress(ValueError, RecursionError):
            found = json.loads(self.value or b"")
            if isinstance(found, dict) and isinstance(found.get("id"), str):
                return canonical(found["id"])
        return (self.key or b"").decode(errors="replace")


@dataclass(frozen=True)
class Filter:
    """Which dead letters; an empty set lets all pass."""

    reasons: frozenset[str] = field(default_factory=frozenset)
    positions: frozenset[Position] = field(default_factory=frozenset)

    def __call__(self, letter: Letter) -> bool:
        return (not self.reasons or letter.reason in self.reasons) and (
            not self.positions or letter.position in self.positions
        )


# ------------------------------------------------------------------------------------- reading


def letters(settings: Settings, wanted: Filter) -> Iterator[tuple[Letter, bool]]:
    """Dead letters that are on the topic now, each with whether it is settled.

    In the order of each partition. Raises BrokerError, also for a position where there is none.
    """
    settled = _Settled(settings)
    missing = set(wanted.positions)
    for letter in _all(settings):
        settled.ask(letter, wanted=wanted(letter))
        missing.discard(letter.position)
    if missing:
        topic = topics(settings).dead_letters.name
        raise BrokerError(
            f"{topic}: no dead letter at {min(missing)}; `eventwire dlq list --all` shows those"
            " there are"
        )
    settled.look_up()
    for letter in _all(settings):
        if wanted(letter) and letter.position in settled.asked:
            yield letter, settled(letter)


def read(settings: Settings, at: Position) -> Letter:
    """One dead letter; raises BrokerError where there is none."""
    topic = topics(settings).dead_letters
    with clients.reader(
        settings, [topic.name], from_beginning=True, isolation_level="read_committed"
    ) as consumer:
        partition = TopicPartition(topic.name, at.partition)
        if partition in consumer.assignment():
            consumer.assign([partition])
            consumer.seek(partition, at.offset)
            for record in until_the_end(settings, consumer):
                if record.offset == at.offset:
                    return _letter(record)
                break
    raise BrokerError(
        f"{topic.name}: no dead letter at {at}; `eventwire dlq list --all` shows those there are"
    )


def _all(settings: Settings) -> Iterator[Letter]:
    for record in _records(settings, topics(settings).dead_letters):
        yield _letter(record)


def _records(settings: Settings, topic: Topic) -> Iterator[Any]:
    with clients.reader(
        settings, [topic.name], from_beginning=True, isolation_level="read_committed"
    ) as consumer:
        yield from until_the_end(settings, consumer)


def _letter(record: Any) -> Letter:
    headers: Headers = record.headers or []
    theirs = original_headers(headers)
    ours = {name: (value or b"").decode(errors="replace") for name, value in headers[len(theirs) :]}
    try:
        said = msgspec.convert(ours, DeadLetterHeaders)
        source = Place(said.topic, int(said.partition), int(said.offset))
    except (msgspec.ValidationError, ValueError):
        said, source, theirs = None, None, list(headers)
    milliseconds = record.timestamp
    moment = None
    if milliseconds is not None and milliseconds >= 0:
        with suppress(OverflowError, ValueError):  # years that Python does not have
            moment = timestamp(datetime.fromtimestamp(milliseconds / 1000, UTC))
    cut_from = ours.get(SIZE_HEADER, "") if said else ""
    return Letter(
        position=Position(record.partition, record.offset),
        time=moment,
        reason=said.reason if said else UNKNOWN,
        message=said.message if said else "not written by eventwire: the headers say no reason",
        source=source,
        key=record.key,
        value=record.value,
        headers=theirs,
        cut_from=int(cut_from) if cut_from.isdecimal() else None,
    )


class _Settled:
    """Whether the article of a dead letter was read later, or is a newer dead letter."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._last: dict[tuple[str, int, str], int] = {}
        """Of the articles that are asked for, by topic, partition and id: the last offset that was
        read without fault, or -1."""
        self._newest: dict[Place, Position] = {}
        """Of each message; a worker that dies leaves it to the next to bury it once more."""
        self._again: set[str] = set()
        """Places of articles that were sent again, and are dead letters again."""
        self.asked: set[Position] = set()

    def ask(self, letter: Letter, *, wanted: bool) -> None:
        for name, value in letter.headers:
            if name == RETRY_HEADER:
                self._again.add((value or b"").decode(errors="replace"))
        if wanted:
            self.asked.add(letter.position)
            if letter.source is not None:
                self._last[*letter.source[:2], letter.article_id] = -1
                self._newest[letter.source] = letter.position

    def look_up(self) -> None:
        if not self._last:
            return
        for record in _records(self._settings, topics(self._settings).codings):
            try:
                coding = msgspec.json.decode(record.value or b"", type=LedgerRecord)
            except (ValueError, RecursionError):
                continue
            key = coding.topic, coding.partition, coding.article_id
            if key in self._last and coding.outcome != "dead_letter":
                self._last[key] = max(self._last[key], coding.offset)

    def __call__(self, letter: Letter) -> bool:
        if letter.source is None:
            return False
        return (
            str(letter.source) in self._again
            or self._newest[letter.source] != letter.position
            or self._last[*letter.source[:2], letter.article_id] >= letter.source.offset
        )


# --------------------------------------------------------------------------------- for people


def line(letter: Letter, *, settled: bool) -> str:
    """One line: position, time, reason, size, where from, key."""
    size = f"{letter.size:,} B" + (f" of {letter.cut_from:,}" if letter.cut_from else "")
    cells = [
        f"{letter.position!s:<8}",
        f"{(letter.time or 'no time')[:19].replace('T', ' '):<19}",
        f"{visible(letter.reason):<16}",
        f"{size:>10}",
        visible(str(letter.source or "-")),
        _key(letter.key),
    ]
    return "  ".join(cells) + ("  (settled)" if settled else "")


def row(letter: Letter, *, settled: bool) -> str:
    """The same for programs, as JSON."""
    return json.dumps(
        {
            "dead_letter": str(letter.position),
            "time": letter.time,
            "reason": letter.reason,
            "message": letter.message,
            "key": None if letter.key is None else letter.key.decode(errors="replace"),
            "source": letter.source._asdict() if letter.source else None,
            "size": letter.size,
            "cut_from": letter.cut_from,
            "settled": settled,
        }
    )


def page(letter: Letter) -> str:
    """All of it, with what cannot be printed as `\\x1b`."""
    value = f"{letter.size:,} bytes"
    if letter.cut_from:
        value += f", the beginning of {letter.cut_from:,}: the others did not fit"
    lines = [
        f"reason   {visible(letter.reason)}",
        f"why      {visible(letter.message)}",
        f"from     {visible(str(letter.source or '-'))}",
        f"sent     {letter.time or '-'}",
        f"key      {_key(letter.key)}",
        *(f"header   {visible(name)}: {_key(content)}" for name, content in letter.headers),
        f"value    {'null' if letter.value is None else value}",
        "",
        printable(letter.value or b""),
    ]
    return "\n".join(lines)


def _key(value: bytes | None) -> str:
    return "null" if value is None else visible(value.decode(errors="backslashreplace"))


@dataclass
class Tally:
    """How many dead letters there are of each reason."""

    reasons: Counter[str] = field(default_factory=Counter)
    """Of those that are not settled."""
    settled: int = 0
    shown: int = 0

    def add(self, letter: Letter, *, settled: bool) -> None:
        if settled:
            self.settled += 1
        else:
            self.reasons[letter.reason] += 1

    def __str__(self) -> str:
        each = ", ".join(f"{n:,} {visible(name)}" for name, n in self.reasons.most_common())
        return (
            f"{self.reasons.total():,} dead letters"
            + (f" ({each})" if each else "")
            + (f", and {self.settled:,} that are settled" if self.settled else "")
        )


# ------------------------------------------------------------------------------------- retrying


@dataclass
class Retried:
    topic: str
    dry_run: bool
    sent: int = 0
    settled: int = 0
    unsent: int = 0
    """Those that cannot be sent, each told on the way."""

    def __str__(self) -> str:
        return (
            f"{self.sent:,} dead letters {'would be ' if self.dry_run else ''}sent to {self.topic}"
            f" again, {self.unsent:,} cannot be, {self.settled:,} are settled"
        )


def retry(settings: Settings, wanted: Filter, *, limit: int | None, dry_run: bool) -> Retried:
    """Send the messages of dead letters to the articles topic again, to the partitions that they
    came from: keys, values and headers as they were, and RETRY_HEADER.

    At most `limit` of them. What is settled, was cut, or would come back for its size is not sent.
    Raises BrokerError where the brokers do not take one.
    """
    done = Retried(topics(settings).articles.name, dry_run)
    sending: deque[tuple[Letter, FutureRecordMetadata]] = deque()

    with Reports() as reports, clients.producer(settings) as producer:

        def acknowledged() -> None:
            letter, future = sending.popleft()
            try:
                future.get()  # the producer's delivery timeout bounds it
            except MessageSizeTooLargeError as error:
                done.sent, done.unsent = done.sent - 1, done.unsent + 1
                reports.add(f"{letter.position}: not sent: {error}")
            except KafkaError as error:
                raise _failure(settings, letter, error) from error

        for letter, settled in letters(settings, wanted):
            if settled:
                done.settled += 1
                continue
            if limit is not None and done.sent >= limit:
                break
            record = _article(settings, letter)
            if isinstance(record, str):
                done.unsent += 1
                reports.add(f"{letter.position}: not sent: {record}")
                continue
            done.sent += 1
            if any(value is None for _, value in record.headers):
                reports.add(f"{letter.position}: its headers that are null are sent empty")
            if not dry_run:
                sending.append((letter, _send(settings, producer, letter, record)))
            while len(sending) > MAX_UNACKNOWLEDGED or (sending and sending[0][1].is_done):
                acknowledged()
        while sending:
            acknowledged()
    return done


def _article(settings: Settings, letter: Letter) -> Record | str:
    """The message to send, or why it cannot be sent."""
    topic = topics(settings).articles.name
    if letter.source is None:
        return "it was not written by eventwire, so nobody knows where it came from"
    if letter.source.topic != topic:
        return f"it came from {letter.source.topic}, and articles go to {topic}"
    if letter.cut_from is not None:
        return (
            f"{letter.size:,} of its {letter.cut_from:,} bytes are left; the whole message stood at"
            f" {letter.source}"
        )
    headers = [header for header in letter.headers if header[0] != RETRY_HEADER]
    if len(headers) < settings.article_max_headers:  # else the one too many would be ours
        headers.append((RETRY_HEADER, str(letter.source).encode()))
    record = Record(topic, letter.key, letter.value, headers, letter.source.partition)
    if record.size > settings.article_max_bytes:
        return (
            f"expected a record of at most {settings.article_max_bytes:,} bytes"
            f" ({variable('article_max_bytes')}), got {record.size:,}"
        )
    return record


def _send(
    settings: Settings, producer: KafkaProducer, letter: Letter, record: Record
) -> FutureRecordMetadata:
    try:
        there = producer.partitions_for(record.topic)
        return producer.send(
            record.topic,
            record.value,
            key=record.key,
            headers=[(name, value or b"") for name, value in record.headers],  # it knows no null
            partition=record.partition if record.partition in there else None,
        )
    except KafkaError as error:
        raise _failure(settings, letter, error) from error


def _failure(settings: Settings, letter: Letter, error: KafkaError) -> BrokerError:
    return BrokerError(
        f"{letter.position}: not acknowledged by {settings.brokers}: {error}; those before it are"
        " sent, and once they are coded the same command sends the rest"
    )
