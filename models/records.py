"""The records both halves speak: article in, coding out, and the events a coding carries.

Every offset counts code points of the canonical text (see `text.canonical`), end exclusive:
`text[start:end]` equals the stored string. JSON is the wire form; `msgspec.json.encode` writes it.
"""

import hashlib
import uuid
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from eventwire.models.drift import Profile

SCHEMA_VERSION = "1.1"
"""Major and minor; docs/schemas says what may change with which."""

Status = Literal["occurred", "planned", "hypothetical", "alleged", "negated"]
Outcome = Literal["coded", "no_event", "unsupported_language", "failed"]
Failing = Literal["coder_error", "too_many_sentences", "sentence_too_long", "too_many_events"]
Offset = Annotated[int, Meta(ge=0)]
Score = Annotated[float, Meta(ge=-10, le=10)]

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://eventwire.dev/event/v1")


class Article(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A news article as it arrives. Unknown fields are tolerated and dropped."""

    id: Annotated[str, Meta(min_length=1, max_length=512)]
    """Of the article, unique among all feeds; the same id with another text is a correction."""
    text: Annotated[str, Meta(min_length=1)]
    """What is coded, and what all offsets refer to."""
    title: str | None = None
    """Stored with every event, not coded."""
    url: str | None = None
    """Where the article stands on the web."""
    source: str | None = None
    """Outlet, as the feed names it."""
    published_at: str | None = None
    """ISO 8601; a bare date or a time without zone is fine."""
    language: str | None = None
    """ISO 639-1, or a tag that starts with it such as `en-GB`; detected where it is null."""
    timezone: str | None = None
    """Of the outlet, by its IANA name such as `Asia/Tokyo`: "on Friday" is a Friday there. Where it
    is null, or no such zone, the offset of `published_at` counts."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Words of the canonical text: `text[start:end]` of the article equals `text`."""

    text: str
    """The words as they stand in the article."""
    start: Offset
    """Offset of the first code point."""
    end: Offset
    """Offset behind the last code point."""


class Participant(Span, frozen=True, kw_only=True):
    """An actor, a target or whoever asserts the event."""

    name: str | None = None
    """Canonical name, such as `Volodymyr Zelensky` for "he"; null where none was found."""
    country: str | None = None
    """ISO 3166-1 alpha-3, XKX for Kosovo; null for international organisations and where none was
    found."""
    sector: str | None = None
    """PLOVER sector: GOV government, LEG parliament, JUD courts, MIL military, COP police, SPY
    intelligence, OPP opposition, PTY party, REB rebels, PRM paramilitaries, UAF unidentified armed,
    CVL civilians, BUS business, EDU education, LAB labour, AGR farmers, REF refugees, REL religion,
    SOC civil society, CRM criminals, MED media, HLH health; IGO and NGO international
    organisations; null where none was found."""
    resolution: str | None = None
    """How country and sector were found: exact, demonym, metonym, place, coreference, leader,
    context or role; null where they were not."""


class Place(Span, frozen=True, kw_only=True):
    """Where the event took place."""

    name: str | None = None
    """Of the place in GeoNames; null where it is not known."""
    admin: str | None = None
    """Name of the first-level region that a city lies in, or of the region itself."""
    country: str | None = None
    """ISO 3166-1 alpha-3, XKX for Kosovo."""
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    """Degrees north, WGS 84. A region or country stands at a city of its own."""
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    """Degrees east, WGS 84; null with lat."""
    geoname_id: int | None = None
    """Id in GeoNames."""
    precision: str | None = None
    """What the coordinates stand for: country, region or city."""
    reason: str | None = None
    """Why the coordinates are null; null where they are not."""


class Time(Span, frozen=True, kw_only=True):
    """The words that say when, and what they mean at the time of publication."""

    value: str | None = None
    """ISO 8601: a date, a time of a date, or an interval of two dates, both included, with `..` as
    its end where nothing says when it ended; null where the words have no anchor."""
    granularity: str | None = None
    """Unit in which the words speak: minute, hour, day, weekend, week, month, quarter, year, decade
    or century; null with value."""


class Plover(msgspec.Struct, frozen=True, kw_only=True):
    """The event in PLOVER; all null where PLOVER has no such event."""

    event: str | None
    """Such as ASSAULT."""
    mode: str | None
    """Such as abduct; null where PLOVER has none for it."""
    score: Score | None
    """From -10, conflict, to 10, cooperation."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The sentence that reports the event."""

    sentence: str
    """As it stands in the article."""
    start: Offset
    """Offset of its first code point."""
    end: Offset
    """Offset behind its last code point."""


class ArticleRef(msgspec.Struct, frozen=True, kw_only=True):
    """The article that reports the event."""

    id: str
    """As the article had it."""
    sha256: str
    """Of the canonical text in UTF-8, hexadecimal."""
    title: str | None = None
    """As the article had it."""
    url: str | None = None
    """As the article had it."""
    source: str | None = None
    """Outlet, as the article had it."""
    published_at: str | None = None
    """As the article had it: not always ISO 8601."""


class ModelRef(msgspec.Struct, frozen=True, kw_only=True):
    """What coded the article."""

    name: str
    """Of the model."""
    version: str
    """Of eventwire."""
    sha256: str
    """Of the weights file, hexadecimal."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to whom, where, when and according to whom, in one article."""

    schema_version: str = SCHEMA_VERSION
    """Major and minor of the schema that the record was written by."""
    event_id: str
    """UUID from article id, type and position: the same for any run and any model."""
    event_type: str
    """One of the ontology's types."""
    plover: Plover
    """The type in PLOVER."""
    cameo: str | None
    """CAMEO code of three or four digits, a string: `016` keeps its zero; null where CAMEO has no
    such event."""
    quad_class: Annotated[int, Meta(ge=1, le=4)]
    """1 verbal cooperation, 2 material cooperation, 3 verbal conflict, 4 material conflict; after
    the PLOVER event."""
    goldstein: Score | None
    """Goldstein scale of the CAMEO code as GDELT publishes it, from -10, conflict, to 10,
    cooperation; null where it has none."""
    status: Status
    """Whether the article reports the event as a fact (occurred), to come (planned), possible
    (hypothetical), the content of a claim (alleged) or of a denial (negated)."""
    confidence: Annotated[float, Meta(ge=0, le=1)]
    """Calibrated probability that the sentence reports this event, 0 to 1."""
    trigger: Span
    """The words that tell the event."""
    actors: list[Participant]
    """Who did it, in order of the text; empty where the sentence does not say."""
    targets: list[Participant]
    """To whom it was done, in order of the text."""
    places: list[Place]
    """Where, in order of the text."""
    time: Time | None
    """When, if the sentence says so."""
    not_after: str | None
    """The article's published_at: an occurred event cannot be later."""
    attribution: Participant | None
    """Who asserts the event; null where it is the article itself."""
    evidence: Evidence
    """The sentence that reports it."""
    article: ArticleRef
    """The article that reports it."""
    model: ModelRef
    """What found it."""
    ontology_version: str
    """Of the types and their codes."""
    detected_at: str
    """When eventwire coded the event, ISO 8601 in UTC."""


class Coding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one article; `events` in order of their triggers."""

    article_id: str
    text_sha256: str
    outcome: Outcome
    events: list[Event] = []
    reason: str | None = None
    """Why coding failed, in one line; None otherwise."""
    failing: Failing = "coder_error"
    """Where coding failed: what kind of reason that is."""
    sentences: int = 0
    skipped_characters: int = 0
    """Characters no model window has read (none, unless a limit cut the article)."""
    profile: Profile = {}
    """What the article is like and what was found in it, for `drift`; empty where coding failed."""


class Stats(msgspec.Struct, kw_only=True):
    """What one call of `EventCoder.code` cost; seconds of wall time by stage."""

    articles: int = 0
    sentences: int = 0
    tokens: int = 0
    padded_tokens: int = 0
    """Token positions of the batches, padding included; the encoder on a CPU skips it."""
    seconds: dict[str, float] = msgspec.field(default_factory=dict)

    def add(self, other: "Stats") -> None:
        self.articles += other.articles
        self.sentences += other.sentences
        self.tokens += other.tokens
        self.padded_tokens += other.padded_tokens
        for stage, seconds in other.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds


def event_id(article_id: str, event_type: str, sentence_start: int, trigger_start: int) -> str:
    """The id that the same event of the same article gets from any run and any model."""
    return str(
        uuid.uuid5(_NAMESPACE, f"{event_type}\0{sentence_start}\0{trigger_start}\0{article_id}")
    )


def text_sha256(canonical_text: str) -> str:
    return hashlib.sha256(canonical_text.encode()).hexdigest()
