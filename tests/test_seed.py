"""The article that the project was created from, through the model that ships."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from eventwire.models.coder import load_coder
from eventwire.models.records import Article, Event, Span
from eventwire.streams.settings import Settings

SEED = Path(__file__).parents[2] / "shared" / "feeds" / "seed.jsonl"

pytestmark = pytest.mark.skipif(not SEED.exists(), reason="../shared/feeds is not here")


@pytest.fixture(scope="module")
def events() -> list[Event]:
    article = msgspec.json.decode(SEED.read_bytes(), type=Article)
    (coding,) = load_coder().code([article])
    return [event for event in coding.events if event.confidence >= Settings().min_confidence]


def says(spans: list[Span], *words: str) -> bool:
    """Each of the words stands in one of the spans."""
    return all(any(word in span.text for span in spans) for word in words)


EXPECTED: dict[str, Callable[[Event], bool]] = {
    "Ukrainian forces captured two Chinese nationals": lambda e: (
        e.event_type == "capture"
        and e.status == "occurred"
        and says(e.actors, "Ukrainian forces")
        and says(e.targets, "two Chinese nationals")
        and says(e.places, "Donetsk")
    ),
    "two of six Chinese soldiers were captured": lambda e: (
        e.event_type == "capture"
        and "taking two as prisoners" in e.evidence.sentence
        and (says(e.targets, "two") or says(e.targets, "six Chinese soldiers"))
    ),
    "Sybiha summoned the chargé d'affaires": lambda e: (
        e.event_type == "summons"
        and says(e.actors, "Andrii Sybiha")
        and says(e.targets, "chargé d'affaires")
        and (says(e.places, "Kyiv") or says(e.targets, "Kyiv"))
    ),
    "Sybiha demanded an explanation": lambda e: (
        e.event_type == "demand"
        and e.trigger.text.startswith("demand")
        and says(e.actors, "Sybiha")
        and "explanation" in e.evidence.sentence
    ),
    "Zelensky called for a strong response": lambda e: (
        e.event_type == "demand"
        and says(e.actors, "He")
        and "called for" in e.trigger.text
        and says(e.targets, "United States", "Europe")
    ),
    "Sybiha condemned the use of Chinese citizens": lambda e: (
        e.event_type == "condemnation" and says(e.actors, "Sybiha") and says(e.targets, "Russia")
    ),
    "an investigation is under way": lambda e: (
        e.event_type == "investigation" and "currently underway" in e.evidence.sentence
    ),
    "China denied": lambda e: e.event_type == "denial" and says(e.actors, "China"),
    "China did not give Russia military assistance": lambda e: (
        e.event_type == "military_aid"
        and e.status == "negated"
        and says(e.actors, "China")
        and says(e.targets, "Russia")
    ),
    "Chinese individuals claim to have joined the Russian army": lambda e: (
        e.event_type == "recruitment"
        and e.status == "alleged"
        and says(e.actors, "Chinese individuals")
        and says(e.targets, "Russian army")
    ),
    "Ukraine captured foreign fighters": lambda e: (
        e.event_type == "capture"
        and (says(e.actors, "Ukraine") or (e.attribution and "Ukraine" in e.attribution.text))
        and (says(e.targets, "foreign fighters") or says(e.targets, "North Koreans"))
    ),
    "Moscow and Beijing did not comment": lambda e: (
        e.event_type == "decline_comment" and "no immediate response" in e.evidence.sentence
    ),
}


def test_at_least_ten_of_the_twelve_events_are_found(events: list[Event]) -> None:
    missed = [what for what, is_it in EXPECTED.items() if not any(map(is_it, events))]
    assert len(missed) <= 2, missed


REAL = {
    "captured", "capture", "apprehended", "taking two as prisoners", "called for", "investigation",
    "summoned", "demand", "condemned", "denied", "providing military assistance",
    "no immediate response", "joined", "capturing",
}  # fmt: skip
"""Triggers of what the article does report, the captures several times."""

HIGH = 0.9
"""Of these 97 in 100 are right on dev.jsonl. A spurious condemnation, "raised serious questions",
has 0.81: still open."""


def test_the_rest_of_the_article_gives_no_event_with_high_confidence(events: list[Event]) -> None:
    spurious = [
        (e.event_type, e.trigger.text, e.confidence)
        for e in events
        if e.confidence >= HIGH and not any(real in e.trigger.text for real in REAL)
    ]
    assert spurious == []
