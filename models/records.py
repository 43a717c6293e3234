"""The records both halves speak: article in, coding out, and the events a coding carries.

Every offset counts code points of the canonical text (see `text.canonical`), end exclusive:
`text[start:end]` equals the stored string. JSON is the wire form; `msgspec.json.encode` writes it.
"""

import hashlib
import uuid
from typing import Literal

import msgspec

SCHEMA_VERSION = "1.0"

Status = Literal["occurred", "planned", "hypothetical", "alleged", "negated"]
Outcome = Literal["coded", "no_event", "unsupported_language", "failed"]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://eventwire.dev/event/v1")


class Article(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A news article as it arrives. Unknown fields are tolerated and dropped."""

    id: str
    text: str
    title: str | None = None
    """Stored with every event, not coded."""
    url: str | None = None
    source: str | None = None
    """Outlet, as the feed names it."""
    published_at: str | None = None
    """ISO 8601; a bare date or a time without zone is fine."""
    language: str | None = None
    """ISO 639-1, or a tag that starts with it such as `en-GB`."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Words of the canonical text."""

    text: str
    start: int
    end: int


class Participant(Span, frozen=True, kw_only=True):
    """An actor, a target or whoever asserts the event."""

    name: str | None = None
    country: str | None = None
    """ISO 3166-1 alpha-3."""
    sector: str | None = None
    """PLOVER sector: GOV, MIL, REB, CVL …"""
    resolution: str | None = None
    """How name, country and sector were found; None where they were not."""


class Place(Span, frozen=True, kw_only=True):
    name: str | None = None
    admin: str | None = None
    """First-level region."""
    country: str | None = None
    """ISO 3166-1 alpha-3."""
    lat: float | None = None
    lon: float | None = None
    geoname_id: int | None = None
    precision: str | None = None
    """country, region or city."""
    reason: str | None = None
    """Why the coordinates are null."""


class Time(Span, frozen=True, kw_only=True):
    value: str | None = None
    """ISO 8601 date or interval; None where the expression has no anchor."""
    granularity: str | None = None


class Plover(msgspec.Struct, frozen=True, kw_only=True):
    event: str | None
    mode: str | None
    score: float | None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    sentence: str
    start: int
    end: int


class ArticleRef(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    sha256: str
    """Of the canonical text in UTF-8."""
    title: str | None = None
    url: str | None = None
    source: str | None = None
    published_at: str | None = None


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    version: str
    sha256: str
    """Of the weights file."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    schema_version: str = SCHEMA_VERSION
    event_id: str
    event_type: str
    plover: Plover
    cameo: str | None
    quad_class: int
    goldstein: float | None
    status: Status
    confidence: float
    """Calibrated probability that the sentence reports this event, 0 to 1."""
    trigger: Span
    actors: list[Participant]
    targets: list[Participant]
    places: list[Place]
    time: Time | None
    not_after: str | None
    """The article's published_at: an occurred event cannot be later."""
    attribution: Participant | None
    evidence: Evidence
    article: ArticleRef
    model: ModelRef
    ontology_version: str
    detected_at: str


class Coding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one article; `events` in order of their triggers."""

    article_id: str
    text_sha256: str
    outcome: Outcome
    events: list[Event] = []
    reason: str | None = None
    """Why coding failed, in one line; None otherwise."""
    sentences: int = 0
    skipped_characters: int = 0
    """Characters no model window has read (none, unless a limit cut the article)."""


class Stats(msgspec.Struct, kw_only=True):
    """What one call of `EventCoder.code` cost; seconds of wall time by stage."""

    articles: int = 0
    sentences: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    """Token positions computed, padding included."""
    seconds: dict[str, float] = msgspec.field(default_factory=dict)


def event_id(article_id: str, event_type: str, sentence_start: int, trigger_start: int) -> str:
    """The id that the same event of the same article gets from any run and any model."""
    return str(
        uuid.uuid5(_NAMESPACE, f"{event_type}\0{sentence_start}\0{trigger_start}\0{article_id}")
    )


def text_sha256(canonical_text: str) -> str:
    return hashlib.sha256(canonical_text.encode()).hexdigest()
