"""Events as they arrive, a line each for people or as they are for programs."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from eventwire.models.records import Event, Participant, Span
from eventwire.streams import clients
from eventwire.streams.settings import Settings
from eventwire.streams.terminal import visible
from eventwire.streams.topics import topics

log = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
"""Between two looks whether silent brokers are still there."""
EVIDENCE_CHARACTERS = 110
"""Of the sentence, around the trigger, in a line for people."""

_PLAIN, _DIM = "\x1b[0m", "\x1b[2m"
_BY_QUAD_CLASS = {1: "\x1b[1;32m", 2: "\x1b[1;32m", 3: "\x1b[1;33m", 4: "\x1b[1;31m"}
"""Bold: cooperation green, conflict in words yellow, in deeds red."""


@dataclass(frozen=True)
class Filter:
    """Which events to show; an empty set of types or statuses lets all pass."""

    types: frozenset[str] = field(default_factory=frozenset)
    statuses: frozenset[str] = field(default_factory=frozenset)
    min_confidence: float = 0.0

    def __call__(self, event: Event) -> bool:
        return (
            (not self.types or event.event_type in self.types)
            and (not self.statuses or event.status in self.statuses)
            and event.confidence >= self.min_confidence
        )


def tail(
    settings: Settings,
    *,
    from_beginning: bool = False,
    since: float | None = None,
    idle: Callable[[], None] = lambda: None,
) -> Iterator[tuple[bytes, Event | None]]:
    """Key or value and event of every record of the events topic, without end: of those that come
    from now on, of those since `since` (seconds since 1970) too, or of all. `idle` is called now
    and then while none comes.

    A retraction has no event, and its key instead of a value. Records that are not events, as
    another producer may have sent, are skipped.
    """
    topic = topics(settings).events.name
    connection = Connection(settings)
    earliest = -1 if since is None else max(0, int(since * 1000))
    with clients.reader(
        settings, [topic], from_beginning=from_beginning, isolation_level="read_committed"
    ) as consumer:
        if since is not None:
            found = consumer.offsets_for_times(dict.fromkeys(consumer.assignment(), earliest))
            for partition, start in found.items():
                if start is not None:  # else nothing has come since then: from where it ended
                    consumer.seek(partition, start.offset)
        while True:
            arrived = consumer.poll(timeout_ms=250)  # in which a signal waits
            if not arrived:
                idle()
                connection.check()
            for record in itertools.chain.from_iterable(arrived.values()):
                if record.timestamp < earliest:
                    continue  # brokers find a batch, and times need not rise
                if record.value is None:
                    yield record.key or b"", None
                    continue
                try:
                    event = msgspec.json.decode(record.value, type=Event)
                    msgspec.json.decode(record.value)  # the fields too that an event has not
                except (ValueError, RecursionError):  # of msgspec, and of the decoding of UTF-8
                    continue
                yield record.value, event


class Connection:
    """Tells once when the brokers are gone and once when they are back: the consumer is silent."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lost = False
        self._next = time.monotonic() + CHECK_SECONDS

    def check(self) -> None:
        if time.monotonic() < self._next:
            return
        try:
            clients.greet(self._settings)
        except clients.BrokerError as error:
            if not self._lost:
                log.warning("%s; waiting for it to come back", error)
            self._lost = True
        else:
            if self._lost:
                log.warning("Kafka at %s is back", self._settings.brokers)
            self._lost = False
        self._next = time.monotonic() + CHECK_SECONDS


def line(event: Event, *, color: bool = False) -> str:
    """One line: time, type, who -> whom, where, status, confidence, evidence."""
    paint: Callable[[str, str], str] = (
        (lambda style, text: f"{style}{text}{_PLAIN}") if color else (lambda _, text: text)
    )
    who, whom = _names(event.actors), _names(event.targets)
    where = f" @ {_names(event.places)}" if event.places else ""
    return "  ".join(
        [
            paint(_DIM, f"{_time(event):<16}"),
            paint(_BY_QUAD_CLASS[event.quad_class], f"{visible(event.event_type):<16}"),
            f"{who} -> {whom}{where}",
            f"{visible(event.status)} {event.confidence:.2f}",
            paint(_DIM, f"“{_evidence(event)}”"),
        ]
    )


def retraction_line(key: bytes) -> str:
    return f"retracted  {visible(key.decode(errors='replace'))}"


def _names(spans: Sequence[Span]) -> str:
    return ", ".join(visible(_name(span)) for span in spans) or "?"


def _name(span: Span) -> str:
    """The words of the article, and who is meant where the sentence alone does not say: `he`."""
    if isinstance(span, Participant) and span.resolution == "coreference" and span.name:
        return f"{span.text} ({span.name})"
    return span.text


def _time(event: Event) -> str:
    """When the article was published; where that is not known, when the event was `seen`."""
    if event.not_after is None:
        return visible(f"seen {event.detected_at[5:16].replace('T', ' ')}")
    return visible(event.not_after[:16].replace("T", " "))


def _evidence(event: Event) -> str:
    """The sentence, or what of it is around the trigger."""
    sentence, offset = event.evidence.sentence, event.evidence.start
    if len(sentence) <= EVIDENCE_CHARACTERS:
        return visible(sentence)
    middle = (event.trigger.start + event.trigger.end) // 2 - offset
    start = min(max(0, middle - EVIDENCE_CHARACTERS // 2), len(sentence) - EVIDENCE_CHARACTERS)
    end = start + EVIDENCE_CHARACTERS
    if start and (blank := sentence.find(" ", start, middle)) >= 0:  # do not begin within a word
        start = blank + 1
    if end < len(sentence) and (blank := sentence.rfind(" ", middle, end)) > start:
        end = blank
    return (
        ("…" if start else "") + visible(sentence[start:end]) + ("…" if end < len(sentence) else "")
    )
