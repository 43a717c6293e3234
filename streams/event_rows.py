"""From a record of the events topic to a row of the table `eventwire.events`, or why there is none.

docs/sink.md has the table. Nothing here knows a database or a broker.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, NoReturn

from eventwire.models.records import Participant, Place, Time
from eventwire.models.text import canonical
from eventwire.streams.decode import Headers
from eventwire.streams.export import decode_event
from eventwire.streams.feeds import moment
from eventwire.streams.gdelt import finest
from eventwire.streams.outputs import RUN_ID_HEADER, header

MAX_REASON_CHARACTERS = 500


class Row(NamedTuple):
    """A row; its fields are the columns, which the migrations describe."""

    event_id: str
    event_type: str
    status: str
    confidence: float
    reported_at: datetime
    published_at: datetime | None
    detected_at: datetime
    time_text: str | None
    time_value: str | None
    time_granularity: str | None
    starts_on: date | None
    ends_on: date | None
    quad_class: int
    plover_event: str | None
    plover_mode: str | None
    plover_score: float | None
    cameo: str | None
    goldstein: float | None
    actor: str | None
    actor_country: str | None
    actor_sector: str | None
    target: str | None
    target_country: str | None
    target_sector: str | None
    attributed_to: str | None
    place: str | None
    place_admin: str | None
    place_country: str | None
    place_precision: str | None
    latitude: float | None
    longitude: float | None
    trigger: str
    evidence: str
    article_id: str
    article_title: str | None
    article_url: str | None
    source: str | None
    model: str
    model_version: str
    model_sha256: str
    run_id: str | None
    repaired: bool
    kafka_partition: int
    kafka_offset: int
    record: str
    """JSON."""


class Message(NamedTuple):
    """A record as it stands on the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Refused(NamedTuple):
    """A message that changes nothing, and why, in one line."""

    message: Message
    reason: str


class Change(NamedTuple):
    """What a message does to the table; no row: the event is taken back."""

    message: Message
    event_id: str
    row: Row | None


def change(message: Message) -> Change | Refused:
    """Never raises for what a message contains."""
    if message.key is None:
        return refused(message, "expected the event_id as key, got none")
    key = canonical(message.key.decode(errors="replace"))
    if message.value is None:
        return Change(message, key, None)
    try:
        row = _row(message, message.value)
    except RecursionError:
        return refused(message, "expected an event record: JSON nested too deeply")
    except ValueError as error:  # of msgspec, json and the decoding of UTF-8 too
        return refused(message, f"expected an event record: {error}")
    if row.event_id != key:
        # A tombstone names the key only, and would never find the row.
        return refused(message, f"expected event_id {row.event_id!r} as key, got {key!r}")
    return Change(message, key, row)


def refused(message: Message, reason: str) -> Refused:
    line = " ".join(canonical(reason).split())
    return Refused(message, line[:MAX_REASON_CHARACTERS])


def _row(message: Message, value: bytes) -> Row:
    text = value.decode("utf-8-sig")
    # Not msgspec: the escape of a lone surrogate is beyond it, and no reason to refuse a record.
    found = json.loads(text, parse_constant=_no_number)
    storable = _storable(found)
    record = json.dumps(storable, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    event = decode_event(record.encode())
    published, detected = moment(event.article.published_at), moment(event.detected_at)
    assert detected is not None  # decode_event checks it
    return Row(
        event_id=event.event_id,
        event_type=event.event_type,
        status=event.status,
        confidence=event.confidence,
        reported_at=min(published or detected, detected),  # no news is from the future
        published_at=published,
        detected_at=detected,
        **_when(event.time),
        quad_class=event.quad_class,
        plover_event=event.plover.event,
        plover_mode=event.plover.mode,
        plover_score=event.plover.score,
        cameo=event.cameo,
        goldstein=event.goldstein,
        **_first("actor", event.actors),
        **_first("target", event.targets),
        attributed_to=_name(event.attribution) if event.attribution else None,
        **_where(finest(event.places) or next(iter(event.places), None)),
        trigger=event.trigger.text,
        evidence=event.evidence.sentence,
        article_id=event.article.id,
        article_title=event.article.title,
        article_url=event.article.url,
        source=event.article.source,
        model=event.model.name,
        model_version=event.model.version,
        model_sha256=event.model.sha256,
        run_id=_run_id(message.headers),
        repaired=storable != found,
        kafka_partition=message.partition,
        kafka_offset=message.offset,
        record=record,
    )


def days(value: str | None) -> tuple[date | None, date | None]:
    """First and last day of an event's time; None where it does not tell, or is no ISO 8601."""
    first, _, last = (value or "").partition("/")
    return _day(first), _day(last or first)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:  # `..` too: an open end
        return None


def _when(time: Time | None) -> dict[str, Any]:
    starts_on, ends_on = days(time.value if time else None)
    return {
        "time_text": time.text if time else None,
        "time_value": time.value if time else None,
        "time_granularity": time.granularity if time else None,
        "starts_on": starts_on,
        "ends_on": ends_on,
    }


def _where(place: Place | None) -> dict[str, Any]:
    return {
        "place": (place.name or place.text) if place else None,
        "place_admin": place.admin if place else None,
        "place_country": place.country if place else None,
        "place_precision": place.precision if place else None,
        "latitude": place.lat if place else None,
        "longitude": place.lon if place else None,
    }


def _first(role: str, participants: Sequence[Participant]) -> dict[str, Any]:
    first = next(iter(participants), None)
    return {
        role: first and _name(first),
        f"{role}_country": first and first.country,
        f"{role}_sector": first and first.sector,
    }


def _name(participant: Participant) -> str:
    return participant.name or participant.text


def _run_id(headers: Headers) -> str | None:
    run_id = header(headers, RUN_ID_HEADER)
    return None if run_id is None else canonical(run_id)


def _storable(value: Any) -> Any:
    """With U+FFFD for what neither text nor jsonb of PostgreSQL can hold, one for one."""
    match value:
        case str():
            return canonical(value)
        case list():
            return [_storable(each) for each in value]
        case dict():
            return {canonical(name): _storable(each) for name, each in value.items()}
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"expected JSON, got {text}")
