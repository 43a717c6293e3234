"""What a coded article becomes on Kafka: records, with CloudEvents 1.0 headers (binary mode)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import msgspec

from eventwire.models.records import SCHEMA_VERSION, Event, ModelRef
from eventwire.streams.decode import Headers
from eventwire.streams.topics import Topics

CE_SOURCE = "/eventwire"
CE_TYPE_EVENT = "politics.event.v1"
CE_TYPE_RETRACTION = "politics.event.retracted.v1"
CE_TYPE_CODING = "news.coding.v1"

RUN_ID_HEADER = "eventwire-run-id"
RECODE_HEADER = "eventwire-recode"
PASSED_THROUGH = ("traceparent", RUN_ID_HEADER)
"""Headers of an article that its events, its ledger record and its dead letter carry on."""

MAX_PASSED_BYTES = 256
"""Of such a header; a traceparent has 55. Longer ones stay behind: all outputs must stay small."""

RECORD_OVERHEAD_BYTES = 512
"""Room for what Kafka puts around a record and its batch; both together are under 100 bytes."""

LedgerOutcome = Literal["coded", "no_event", "unsupported_language", "duplicate", "dead_letter"]


class CloudEventHeaders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        **{
            name: f"ce_{name}"
            for name in ("specversion", "id", "source", "type", "time", "subject")
        },
        "content_type": "content-type",
        "run_id": RUN_ID_HEADER,
    },
):
    """CloudEvents 1.0 in binary mode, and what passes through; null headers are not sent."""

    specversion: Literal["1.0"] = "1.0"
    """Of CloudEvents."""
    id: str
    """Of an event, its event_id; of a ledger record, topic[partition]@offset of the article."""
    source: str
    """/eventwire, or the feed that a replay sent."""
    type: str
    """What the record is; ends with its major version."""
    time: str | None = None
    """ISO 8601: when an event was detected, or a replayed article was published."""
    subject: str | None = None
    """The article's id."""
    content_type: Literal["application/json"] = "application/json"
    """Of the value."""
    traceparent: str | None = None
    """W3C Trace Context, as the article had it."""
    run_id: str | None = None
    """Of the replay that sent the article."""


@dataclass(frozen=True, slots=True)
class Record:
    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    partition: int | None = None
    """None: by the key."""
    timestamp_ms: int | None = None
    """None: the time of sending."""

    @property
    def size(self) -> int:
        headers = sum(len(name.encode()) + len(value or b"") + 10 for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers + RECORD_OVERHEAD_BYTES


class LedgerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message of the articles topic."""

    schema_version: str = SCHEMA_VERSION
    """Major and minor of the schema that the record was written by."""
    article_id: str
    """Of a message without a readable id: its key, or else its position."""
    outcome: LedgerOutcome
    """Whether the article has events (coded) or not, is in another language, was coded before with
    this text, or became a dead letter."""
    reason: str | None = None
    """Of a dead letter: what was wrong, as in its header eventwire-reason."""
    text_sha256: str | None = None
    """Of the canonical text in UTF-8, hexadecimal; null where there was no article to read."""
    event_ids: list[str] = []
    """Events of the article that stand on the events topic after this record."""
    model: ModelRef | None = None
    """What coded the article; null where nothing did."""
    run_id: str | None = None
    """Of the replay that sent the article."""
    received_at: str
    """When a worker read the article, ISO 8601 in UTC."""
    coded_at: str | None = None
    """When it was coded, ISO 8601 in UTC."""
    topic: str
    """Where the article stands."""
    partition: int
    """Of that topic, and of the ledger."""
    offset: int
    """In that partition."""


def now() -> str:
    return timestamp(datetime.now(UTC))


def timestamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def header(headers: Headers, name: str) -> str | None:
    """The last header of that name, as text; None where there is none, or none of our length."""
    for found, value in reversed(headers):
        if found == name and len(value or b"") <= MAX_PASSED_BYTES:
            return (value or b"").decode(errors="replace")
    return None


def published(
    events: Iterable[Event], topics: Topics, min_confidence: float, passed: Headers
) -> list[Record]:
    """Records of the events that are probable enough, each also to the topic of its type."""
    records = []
    for event in events:
        if event.confidence < min_confidence:
            continue
        value = msgspec.json.encode(event)
        headers = _cloud_event(
            CE_TYPE_EVENT, event.event_id, event.detected_at, event.article.id, passed
        )
        destinations = [topics.events]
        if event.event_type in topics.routed:
            destinations.append(topics.routed[event.event_type])
        records += [
            Record(topic.name, event.event_id.encode(), value, headers) for topic in destinations
        ]
    return records


def retracted(
    event_ids: Iterable[str], article_id: str, topics: Topics, passed: Headers
) -> list[Record]:
    """Null values that take events back. The ledger does not know their types, so every routed
    topic gets one; where there was no such event it retracts nothing."""
    moment = now()
    return [
        Record(
            topic.name,
            event_id.encode(),
            None,
            _cloud_event(CE_TYPE_RETRACTION, event_id, moment, article_id, passed),
        )
        for event_id in event_ids
        for topic in (topics.events, *topics.routed.values())
    ]


def ledger_record(entry: LedgerRecord, topics: Topics, passed: Headers) -> Record:
    """To the partition of the articles topic that the message came from, whatever its key."""
    identity = f"{entry.topic}[{entry.partition}]@{entry.offset}"
    moment = entry.coded_at or entry.received_at
    return Record(
        topics.codings.name,
        entry.article_id.encode(),
        msgspec.json.encode(entry),
        _cloud_event(CE_TYPE_CODING, identity, moment, entry.article_id, passed),
        entry.partition,
    )


def passed_through(headers: Headers) -> list[tuple[str, bytes | None]]:
    return [
        (name, text.encode())
        for name in PASSED_THROUGH
        if (text := header(headers, name)) is not None
    ]


def event_ids(records: Sequence[Record], topics: Topics) -> list[str]:
    """Ids of the events among `records`, in their order."""
    return [
        record.key.decode()
        for record in records
        if record.topic == topics.events.name and record.key and record.value is not None
    ]


def _cloud_event(
    kind: str, identity: str, moment: str, subject: str, passed: Headers
) -> list[tuple[str, bytes | None]]:
    headers = CloudEventHeaders(
        id=identity, source=CE_SOURCE, type=kind, time=moment, subject=subject
    )
    own: list[tuple[str, bytes | None]] = [
        (name, text.encode()) for name, text in msgspec.to_builtins(headers).items() if text
    ]
    return own + passed_through(passed)
