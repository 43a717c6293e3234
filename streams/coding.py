"""`eventwire code`: a feed through the coder in this process, without Kafka."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec

from eventwire.models.records import Article, Event
from eventwire.models.seam import Coder
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import Counts, Feed, Reports, counted
from eventwire.streams.settings import Settings, SettingsError, variable
from eventwire.streams.terminal import harmless_json

BATCH_ARTICLES = 64
BATCH_CHARACTERS = 200_000
"""Of text: about 100 articles of a newspaper, or two seconds of work on a small machine."""
FIRST_BATCH = 1 / 16
"""Of a full one; each batch is twice the one before. Who waits sees the first events soon."""


@dataclass
class Summary:
    lines: Counts
    """`failed` also counts the articles that the coder failed on."""
    events: int = 0
    no_event: int = 0
    unsupported_language: int = 0

    def __str__(self) -> str:
        return (
            f"{self.lines}; {counted(self.events, 'event')},"
            f" {counted(self.no_event, 'article')} without event,"
            f" {self.unsupported_language} not English"
        )


def load_coder(settings: Settings) -> Coder:
    """The coder that the settings name; raises SettingsError, or what the coder raises."""
    module, _, function = settings.coder.partition(":")
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsError(
            f"{variable('coder')}: expected module:function, got {settings.coder!r}: {error}"
        ) from error
    coder: Coder = make(**settings.coder_options)
    return coder


def code(feed: Feed, coder: Coder, out: BinaryIO, *, min_confidence: float) -> Summary:
    """Write the events of `feed` to `out`, a JSON object a line, in the order of the feed.

    Lines and articles that fail are logged with their place and reason, and counted. A terminal
    gets no character that it would obey.
    """
    summary = Summary(feed.counts)
    encode = _harmless if out.isatty() else msgspec.json.encode
    with Reports() as reports:
        for batch in _batches(feed, reports):
            articles = [article for _, article in batch]
            for (where, _), coding in zip(batch, coder.code(articles), strict=True):
                events = [e for e in coding.events if e.confidence >= min_confidence]
                out.writelines(encode(event) + b"\n" for event in events)
                summary.events += len(events)
                if coding.outcome == "failed":
                    reports.add(f"{where}: {coding.reason}")
                    feed.counts.read -= 1
                    feed.counts.failed += 1
                elif coding.outcome == "unsupported_language":
                    summary.unsupported_language += 1
                elif not events:
                    summary.no_event += 1
            out.flush()
    return summary


def _harmless(event: Event) -> bytes:
    return harmless_json(msgspec.json.encode(event)).encode()


def _batches(feed: Feed, reports: Reports) -> Iterator[list[tuple[str, Article]]]:
    """The good lines as (where, article), many enough for the coder and few enough for memory."""
    batch: list[tuple[str, Article]] = []
    characters = 0
    share = FIRST_BATCH
    for line in feed:
        if isinstance(line.article, Refusal):
            reports.add(line.article.message)
            continue
        batch.append((line.where, line.article))
        characters += len(line.article.text)
        if len(batch) >= share * BATCH_ARTICLES or characters >= share * BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
            share = min(1.0, 2 * share)
    if batch:
        yield batch
