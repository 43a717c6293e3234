"""Two sets of events side by side: what is gained, lost and changed from A to B.

Of two models, two thresholds, or of a replay and what the topic holds. An event of both is one that
has the same id, so the same type at the same place of the same article; or else one at the same
words, whose type or trigger has changed. docs/compare.md has examples.
"""

import itertools
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Literal

import msgspec

from eventwire.models.records import Article, Event, Participant, Span
from eventwire.streams import feeds, tail, terminal
from eventwire.streams.export import decode_event
from eventwire.streams.feeds import FeedError, Reports, counted
from eventwire.streams.formats import Reading, find, open_source
from eventwire.streams.settings import Settings
from eventwire.streams.standing import standing_records

TOPIC = "topic:"
"""Before the name of a topic; alone it is the events topic."""

Kind = Literal["same", "changed", "lost", "gained"]


class Side(msgspec.Struct, kw_only=True):
    """A or B."""

    name: str
    """As it was asked for."""
    min_confidence: float
    """Events below it were left out."""
    events: int = 0
    articles: int = 0
    """That have events."""
    models: dict[str, int] = {}
    """Name, version and SHA-256 to how many events are by it."""
    failed: int = 0
    """Records that are no events."""


class Row(msgspec.Struct, kw_only=True):
    """Of a type; what has changed its type counts under the old one."""

    a: int = 0
    b: int = 0
    same: int = 0
    changed: int = 0
    lost: int = 0
    gained: int = 0

    @property
    def differences(self) -> int:
        return self.changed + self.lost + self.gained


class Example(msgspec.Struct, kw_only=True):
    kind: Kind
    a: Event | None = None
    b: Event | None = None
    fields: list[str] = []
    """What has changed."""

    @property
    def event(self) -> Event:
        event = self.b or self.a
        assert event is not None
        return event

    @property
    def type(self) -> str:
        return (self.a or self.event).event_type


class Comparison(msgspec.Struct, kw_only=True):
    """What `--json` prints."""

    a: Side
    b: Side
    articles_in_both: int = 0
    same: int = 0
    changed: int = 0
    lost: int = 0
    gained: int = 0
    fields: dict[str, int] = {}
    """Field to how many of the changed events differ in it; several may in one."""
    confidence_change: float | None = None
    """By how much the probability of an event of both differs, on average; null: there is none."""
    types: dict[str, Row] = {}
    examples: list[Example] = []
    """Of each type and kind the most probable ones."""


def compare(
    settings: Settings,
    a: str,
    b: str,
    *,
    thresholds: tuple[float, float] = (0.0, 0.0),
    articles: str | None = None,
    examples: int = 2,
) -> Comparison:
    """Compare two files of event records or topics (`topic:NAME`); of the articles of a feed only,
    if there is one.

    Memory is constant: events lie in a temporary file until their article's turn comes. Raises
    FeedError and BrokerError.
    """
    if (a, b, articles).count(feeds.STDIN) > 1:
        raise FeedError("expected stdin (-) once")
    sides = [
        Side(name=name, min_confidence=least)
        for name, least in zip((a, b), thresholds, strict=True)
    ]
    with _database() as database:
        if articles is not None:
            _keep_articles(database, settings, articles)
        for number, side in enumerate(sides):
            _keep_events(database, settings, number, side, only=articles is not None)
        found = Comparison(a=sides[0], b=sides[1])
        _Counting(found, examples).count(_by_article(database))
    return found


def page(found: Comparison) -> str:
    """For people."""
    return "\n".join(_page(found))


# ------------------------------------------------------------------------------- one article


def matched(a: Sequence[Event], b: Sequence[Event]) -> Iterator[tuple[Event | None, Event | None]]:
    """Events of an article in pairs; what is only in one of them is alone."""
    ours, theirs = {e.event_id: e for e in a}, {e.event_id: e for e in b}
    for event_id in [known for known in ours if known in theirs]:
        yield ours.pop(event_id), theirs.pop(event_id)
    left = list(theirs.values())
    for event in ours.values():
        near = [other for other in left if _at_the_same_words(event, other)]
        near.sort(key=lambda other: other.event_type != event.event_type)
        if near:
            left.remove(near[0])
        yield event, near[0] if near else None
    for other in left:
        yield None, other


def changes(a: Event, b: Event) -> list[str]:
    """Fields in which two records of an event differ. Confidence is none: it always does."""
    return [field for field, of in _FIELDS.items() if of(a) != of(b)]


def _at_the_same_words(a: Event, b: Event) -> bool:
    return (
        a.article.sha256 == b.article.sha256
        and a.trigger.start < b.trigger.end
        and b.trigger.start < a.trigger.end
    )


def _span(span: Span | None) -> object:
    return span and (span.start, span.end)


def _who(one: Participant | None) -> object:
    return one and (_span(one), one.name, one.country, one.sector)


_FIELDS: dict[str, Callable[[Event], object]] = {
    "event_type": lambda event: event.event_type,
    "status": lambda event: event.status,
    "trigger": lambda event: _span(event.trigger),
    "actors": lambda event: [_who(one) for one in event.actors],
    "targets": lambda event: [_who(one) for one in event.targets],
    "places": lambda event: [
        (_span(one), one.name, one.country, one.geoname_id, one.lat, one.lon)
        for one in event.places
    ],
    "time": lambda event: event.time and (_span(event.time), event.time.value),
    "attribution": lambda event: _who(event.attribution),
}


# ----------------------------------------------------------------------------------- counting


class _Counting:
    def __init__(self, found: Comparison, examples: int) -> None:
        self._found, self._most = found, examples
        self._fields: Counter[str] = Counter()
        self._shown: dict[tuple[str, Kind], list[Example]] = {}
        self._moved, self._pairs = 0.0, 0

    def count(self, articles: Iterable[tuple[list[Event], list[Event]]]) -> None:
        found = self._found
        for a, b in articles:
            found.a.articles += bool(a)
            found.b.articles += bool(b)
            found.articles_in_both += bool(a and b)
            for ours, theirs in matched(a, b):
                self._pair(ours, theirs)
        found.fields = dict(self._fields.most_common())
        if self._pairs:
            found.confidence_change = self._moved / self._pairs
        order = sorted(found.types.items(), key=lambda item: (-item[1].differences, item[0]))
        found.types = dict(order)
        kinds: tuple[Kind, ...] = ("lost", "gained", "changed")
        found.examples = [
            example
            for name in found.types
            for kind in kinds
            for example in self._shown.get((name, kind), [])
        ]

    def _pair(self, a: Event | None, b: Event | None) -> None:
        kind: Kind
        fields: list[str] = []
        if a and b:
            self._pairs += 1
            self._moved += abs(a.confidence - b.confidence)
            fields = changes(a, b)
            self._fields.update(fields)
            kind = "changed" if fields else "same"
        else:
            kind = "lost" if a else "gained"
        example = Example(kind=kind, a=a, b=b, fields=fields)
        row = self._row(example.type)
        setattr(row, kind, getattr(row, kind) + 1)
        setattr(self._found, kind, getattr(self._found, kind) + 1)
        if a:
            self._row(a.event_type).a += 1
        if b:
            self._row(b.event_type).b += 1
        if kind != "same":
            self._show(example)

    def _row(self, name: str) -> Row:
        return self._found.types.setdefault(name, Row())

    def _show(self, example: Example) -> None:
        shown = self._shown.setdefault((example.type, example.kind), [])
        shown.append(example)
        shown.sort(key=lambda one: -one.event.confidence)
        del shown[self._most :]


# ------------------------------------------------------------------------------- keeping events


@contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    with (
        tempfile.TemporaryDirectory(prefix="eventwire-", ignore_cleanup_errors=True) as folder,
        closing(sqlite3.connect(Path(folder) / "events")) as database,
    ):
        database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE articles (id TEXT PRIMARY KEY) WITHOUT ROWID;"
            "CREATE TABLE events (article TEXT, side INTEGER, id TEXT, confidence REAL, model TEXT,"
            " value BLOB, PRIMARY KEY (article, side, id)) WITHOUT ROWID;"
        )
        yield database


def _keep_articles(database: sqlite3.Connection, settings: Settings, feed: str) -> None:
    reading = Reading(max_bytes=settings.article_max_bytes)
    kept = 0
    for name, path in find([feed], None):
        with open_source(name, path, reading) as source:
            for entry in source.entries():
                if isinstance(entry, feeds.Line) and isinstance(entry.article, Article):
                    kept += 1
                    database.execute(
                        "INSERT OR IGNORE INTO articles VALUES (?)", (entry.article.id,)
                    )
    if not kept:
        raise FeedError(f"--articles {feed}: expected articles, got none")


def _keep_events(
    database: sqlite3.Connection, settings: Settings, number: int, side: Side, *, only: bool
) -> None:
    """Keep the last record of each event, if that is probable enough."""
    read = 0
    with ExitStack() as stack:
        reports = stack.enter_context(Reports())
        if side.name.startswith(TOPIC):
            records = standing_records(settings, side.name.removeprefix(TOPIC) or None)
        else:
            size = settings.output_max_bytes
            records = stack.enter_context(feeds.open_feed(side.name, max_bytes=size)).lines()
        for where, value in records:
            try:
                event = decode_event(value)
            except ValueError as error:
                side.failed += 1
                reports.add(f"{where}: expected an event record: {error}")
                continue
            read += 1
            model = f"{event.model.name} {event.model.version} {event.model.sha256}"
            database.execute(
                "INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?, ?, ?)",
                (event.article.id, number, event.event_id, event.confidence, model, value),
            )
    if side.failed and not read:
        raise FeedError(
            f"{side.name}: expected event records as `eventwire code` writes them, one JSON object"
            f" a line; of {counted(side.failed, 'record')} none is one"
        )
    database.execute(
        "DELETE FROM events WHERE side = ? AND confidence < ?", (number, side.min_confidence)
    )
    if only:
        database.execute("DELETE FROM events WHERE article NOT IN (SELECT id FROM articles)")
    count = "SELECT model, count(*) FROM events WHERE side = ? GROUP BY 1 ORDER BY 2 DESC, 1"
    side.models = dict(database.execute(count, (number,)))
    side.events = sum(side.models.values())


def _by_article(database: sqlite3.Connection) -> Iterator[tuple[list[Event], list[Event]]]:
    rows = database.execute("SELECT article, side, value FROM events ORDER BY article, side")
    for _, group in itertools.groupby(rows, key=lambda row: row[0]):
        sides: tuple[list[Event], list[Event]] = [], []
        for _, side, value in group:
            sides[side].append(msgspec.json.decode(value, type=Event))
        for events in sides:
            events.sort(key=lambda event: (event.trigger.start, event.event_type))
        yield sides


# --------------------------------------------------------------------------------- for people

_SIGNS: dict[Kind, str] = {"lost": "-", "gained": "+", "changed": "~", "same": "="}


def _page(found: Comparison) -> Iterator[str]:
    yield _side("A", found.a)
    yield _side("B", found.b)
    yield (
        f"{found.same} the same, {found.changed} changed, {found.lost} lost, {found.gained} gained"
        f" ({counted(found.articles_in_both, 'article')} with events in both)"
    )
    if found.fields:
        fields = ", ".join(f"{field} {number}" for field, number in found.fields.items())
        yield f"changed: {fields}"
    if found.confidence_change is not None:
        yield f"confidence of what is in both differs by {found.confidence_change:.3f} on average"
    differing = {name: row for name, row in found.types.items() if row.differences}
    if not differing:
        return
    yield ""
    yield f"{'type':<18}{'A':>7}{'B':>7}{'same':>7}{'changed':>9}{'lost':>7}{'gained':>8}"
    for name, row in differing.items():
        yield (
            f"{terminal.visible(name):<18}{row.a:>7}{row.b:>7}{row.same:>7}{row.changed:>9}"
            f"{row.lost:>7}{row.gained:>8}"
        )
    if found.examples:
        yield ""
    for example in found.examples:
        yield f"{_SIGNS[example.kind]} {tail.line(example.event)}  [{_article(example)}]"
        yield from _what_changed(example)


def _side(letter: str, side: Side) -> str:
    events = f"{counted(side.events, 'event')} of {counted(side.articles, 'article')}"
    least = f", of {side.min_confidence:g} or more" if side.min_confidence else ""
    models = [
        f"{' '.join(terminal.visible(model).split()[:-1])} ({model.split()[-1][:8]})"
        for model in side.models
    ]
    more = f" and {len(models) - 3} more" if models[3:] else ""
    by = f", by {', '.join(models[:3])}{more}" if models else ""
    failed = f", {counted(side.failed, 'record')} failed" if side.failed else ""
    name = "the events topic" if side.name == TOPIC else side.name
    return f"{letter}  {name}: {events}{least}{by}{failed}"


def _article(example: Example) -> str:
    return terminal.visible(example.event.article.id)


def _what_changed(example: Example) -> Iterator[str]:
    """A line for every field that was another in A."""
    a, b = example.a, example.b
    for field in example.fields:
        assert a is not None
        assert b is not None
        yield f"    {field}: {_value(a, field)} -> {_value(b, field)}"


def _value(event: Event, field: str) -> str:
    value = getattr(event, field)
    spans = value if isinstance(value, list) else [value]
    return ", ".join(_said(one) for one in spans if one is not None) or "none"


def _said(one: object) -> str:
    """The words of a span, and what they were found to mean."""
    if not isinstance(one, Span):
        return terminal.visible(str(one))
    meant = [getattr(one, name, None) for name in ("name", "country", "sector", "value")]
    known = " ".join(terminal.visible(str(said)) for said in meant if said is not None)
    return f"“{terminal.visible(one.text)}”" + (f" ({known})" if known else "")
