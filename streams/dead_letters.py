"""Dead letters: a message as it came, and why it could not be coded.

Key, value, headers and timestamp stay those of the message. The reason travels in headers named
as Kafka Connect names them, so that its tools read them, and in two of our own. A dead letter is
never dropped for its size: what its topic would not take is cut, and the headers then say how
long the value was, its SHA-256 and where the original stands.
"""

import hashlib
from dataclasses import replace
from typing import Literal

import msgspec

from eventwire.streams.decode import Headers, Refusal
from eventwire.streams.outputs import Record

REASON_HEADER = "eventwire-reason"
CUT_HEADER = "eventwire-cut"
SIZE_HEADER = "eventwire-original-size"
SHA256_HEADER = "eventwire-original-sha256"
POSITION_HEADER = "eventwire-original-position"
RETRY_HEADER = "eventwire-retry-of"
"""Of an article that `eventwire dlq retry` sent: where the dead letter says that it stood before,
topic[partition]@offset."""

EXCEPTION_CLASS = "eventwire.streams.decode.Refusal"
MAX_MESSAGE_CHARACTERS = 2_000

Stage = Literal["VALUE_CONVERTER", "TRANSFORMATION", "KAFKA_PRODUCE"]
"""Of those that Kafka Connect knows."""


class DeadLetterHeaders(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "topic": "__connect.errors.topic",
        "partition": "__connect.errors.partition",
        "offset": "__connect.errors.offset",
        "connector_name": "__connect.errors.connector.name",
        "task_id": "__connect.errors.task.id",
        "stage": "__connect.errors.stage",
        "class_name": "__connect.errors.class.name",
        "exception_class": "__connect.errors.exception.class.name",
        "message": "__connect.errors.exception.message",
        "reason": REASON_HEADER,
        "cut": CUT_HEADER,
        "original_size": SIZE_HEADER,
        "original_sha256": SHA256_HEADER,
        "original_position": POSITION_HEADER,
    },
):
    """What the headers of a dead letter say, each as text; those the message had stand before."""

    topic: str
    """Where the message stood."""
    partition: str
    """Where the message stood."""
    offset: str
    """Where the message stood."""
    connector_name: Literal["eventwire"] = "eventwire"
    """As Kafka Connect has it."""
    task_id: Literal["0"] = "0"
    """As Kafka Connect has it."""
    stage: Stage
    """Reading the message, coding the article, or publishing what came of it."""
    class_name: str = EXCEPTION_CLASS
    """As Kafka Connect has it."""
    exception_class: str = EXCEPTION_CLASS
    """As Kafka Connect has it."""
    message: str
    """One line for people: where, what was expected, what came."""
    reason: str
    """What was wrong, one of `decode.REASONS`; more may come."""
    cut: Literal["value"] | None = None
    """There where the value (and then headers and key) had to be cut to fit the topic."""
    original_size: str | None = None
    """Of a cut value, bytes."""
    original_sha256: str | None = None
    """Of a cut value before it was cut, hexadecimal."""
    original_position: str | None = None
    """Of a cut message, topic[partition]@offset."""


def dead_letter(
    *,
    topic: str,
    source: tuple[str, int, int],
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    timestamp_ms: int | None,
    refusal: Refusal,
    stage: Stage,
    max_bytes: int,
) -> Record:
    """The record for the dead letters' topic; `source` is topic, partition and offset."""
    source_topic, partition, offset = source
    why = msgspec.to_builtins(
        DeadLetterHeaders(
            topic=source_topic,
            partition=str(partition),
            offset=str(offset),
            stage=stage,
            message=refusal.message[:MAX_MESSAGE_CHARACTERS],
            reason=refusal.reason,
        )
    )
    record = Record(
        topic=topic,
        key=key,
        value=value,
        headers=[
            *headers,
            *((name, text.encode(errors="replace")) for name, text in why.items() if text),
        ],
        timestamp_ms=timestamp_ms,
    )
    return cut(record, max_bytes)


def is_dead_letter(record: Record) -> bool:
    return any(name == REASON_HEADER for name, _ in record.headers)


def original_headers(headers: Headers) -> list[tuple[str, bytes | None]]:
    """Those that the message of a dead letter had, which stand before our own."""
    names = [name for name, _ in headers]
    first = msgspec.structs.fields(DeadLetterHeaders)[0].encode_name
    ours = len(names) - 1 - names[::-1].index(first) if first in names else len(names)
    return list(headers[:ours])


def smaller(record: Record) -> Record | None:
    """The dead letter at half its size, for a topic that takes less than its configuration says;
    None where nothing is left to cut."""
    shrunk = cut(record, record.size // 2)
    return shrunk if shrunk.size < record.size else None


def cut(record: Record, max_bytes: int) -> Record:
    """The dead letter in at most `max_bytes`, or as near as its own headers allow.

    The value is cut first. Headers that came with the message go where that is not enough, the
    largest first, and last a long key, of which the hash stays.
    """
    if record.size <= max_bytes:
        return record
    value = record.value or b""
    if not any(name == CUT_HEADER for name, _ in record.headers):
        record = replace(record, headers=[*record.headers, *_marks(record)])
    record = replace(record, value=value[: max(len(value) - (record.size - max_bytes), 0)])
    foreign = [
        h for h in record.headers if not h[0].startswith(("__connect.errors.", "eventwire-"))
    ]
    for largest in sorted(foreign, key=lambda h: -len(h[1] or b"")):
        if record.size <= max_bytes:
            return record
        record = replace(record, headers=[h for h in record.headers if h is not largest])
    key = record.key or b""
    if record.size > max_bytes and len(key) > 64:
        return replace(record, key=hashlib.sha256(key).hexdigest().encode())
    return record


def _marks(record: Record) -> list[tuple[str, bytes]]:
    value = record.value or b""
    said = dict(record.headers)
    topic, partition, offset = (
        (said[f"__connect.errors.{name}"] or b"").decode()
        for name in ("topic", "partition", "offset")
    )
    marks = {
        CUT_HEADER: "value",
        SIZE_HEADER: str(len(value)),
        SHA256_HEADER: hashlib.sha256(value).hexdigest(),
        POSITION_HEADER: f"{topic}[{partition}]@{offset}",
    }
    return [(name, mark.encode()) for name, mark in marks.items()]
