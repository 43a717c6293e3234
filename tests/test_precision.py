"""The model that ships, in both precisions, over the project's own sample feed."""

import json
from pathlib import Path

import pytest

from eventwire.models.coder import Precision, load_coder
from eventwire.models.records import Article, Event

SAMPLE = Path(__file__).parents[1] / "streams" / "sample.jsonl"


def sample() -> list[Article]:
    articles = []
    for line in SAMPLE.read_bytes().splitlines():
        try:
            articles.append(Article(**json.loads(line)))
        except ValueError:
            continue  # the malformed line that the feed has on purpose
    return articles


def coded(precision: Precision) -> list[Event]:
    codings = load_coder(precision=precision).code(sample())
    return [event for coding in codings for event in coding.events]


@pytest.fixture(scope="module")
def exact() -> list[Event]:
    return coded("float32")


@pytest.fixture(scope="module")
def fast() -> list[Event]:
    return coded("bfloat16")


def what(event: Event) -> tuple[str, str, int]:
    return event.article.id, event.event_type, event.trigger.start


def test_the_same_event_has_the_same_id_in_both_precisions(
    exact: list[Event], fast: list[Event]
) -> None:
    ids = {what(event): event.event_id for event in exact}
    assert all(ids.get(what(event), event.event_id) == event.event_id for event in fast)


def test_bfloat16_finds_what_float32_finds(exact: list[Event], fast: list[Event]) -> None:
    sure = {what(event) for event in exact if event.confidence >= 0.5}
    found = {what(event) for event in fast}
    assert len(sure & found) >= 0.97 * len(sure)


def test_ids_are_unique(exact: list[Event]) -> None:
    assert len({event.event_id for event in exact}) == len(exact) > 30
