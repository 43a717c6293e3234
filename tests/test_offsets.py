"""Offsets are sacred: `text[start:end]` equals the stored string, for every span of a record."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventwire.models import weights
from eventwire.models.coder import EventCoder, load_coder
from eventwire.models.ontology import STATUSES, ontology
from eventwire.models.predict import Prediction
from eventwire.models.records import Article, Coding, ModelRef, Stats
from eventwire.models.text import canonical

FEEDS = Path(__file__).parents[2] / "shared" / "feeds"
BATCH = 50
"""Articles coded at a time, where a whole feed is."""


def spans(node: Any) -> Iterator[tuple[str, int, int]]:
    """Everything in a record that has offsets, as text, start and end."""
    if isinstance(node, dict):
        if {"start", "end"} <= node.keys():
            yield node["sentence" if "sentence" in node else "text"], node["start"], node["end"]
        for child in node.values():
            yield from spans(child)
    elif isinstance(node, list):
        for child in node:
            yield from spans(child)


def astray(text: str, coding: Coding) -> list[tuple[str, int, int]]:
    """Spans that are not where they say, in the text as a reader of JSON has it."""
    return [
        (said, start, end)
        for said, start, end in spans(json.loads(msgspec.json.encode(coding.events)))
        if not 0 <= start < end <= len(text) or text[start:end] != said
    ]


# ------------------------------------------------------------------- any text, through enrichment


class Anything:
    """Stands where the network would, and finds events of any type with spans of any place."""

    def __init__(self, seed: int) -> None:
        self.stats = Stats()
        self._random = random.Random(seed)

    def predict(self, sentences: Sequence[str]) -> list[list[Prediction]]:
        self.unknown_shares = [0.0] * len(sentences)
        return [self._events(sentence) for sentence in sentences]

    def _events(self, sentence: str) -> list[Prediction]:
        count = self._random.choice([0, 1, 1, 2]) if sentence else 0
        return [
            Prediction(
                type=self._random.choice(ontology().names),
                status=self._random.choice(STATUSES),
                trigger=self._span(sentence),
                actor=self._spans(sentence),
                target=self._spans(sentence),
                place=self._spans(sentence),
                time=self._spans(sentence),
                source=self._spans(sentence),
                confidence=0.9,
            )
            for _ in range(count)
        ]

    def _spans(self, sentence: str) -> list[tuple[int, int]]:
        return [self._span(sentence) for _ in range(self._random.choice([0, 1, 1, 2]))]

    def _span(self, sentence: str) -> tuple[int, int]:
        """Mostly some words, as the network finds them; sometimes any code points."""
        words = [match.span() for match in re.finditer(r"\w+(?:['’.-]\w+)*", sentence)]
        if words and self._random.random() < 0.8:
            first = self._random.randrange(len(words))
            last = min(first + self._random.randrange(4), len(words) - 1)
            return words[first][0], words[last][1]
        start = self._random.randrange(len(sentence))
        return start, self._random.randint(start + 1, len(sentence))


WORDS = st.sampled_from(
    """
    Ukraine's|foreign minister|Andrii Sybiha|he|She|they|two Chinese nationals|the Russian army
    Moscow|Beijing and Moscow|the UN Security Council|M23 fighters|Hezbollah|police|the government
    in Tripoli|near Paris, Texas|Georgia|the Syrian town of Qamishli|on Tuesday|in 2017|May 3
    two days later|at 5:30 p.m.|06/07/2016|said|told reporters|denied|captured|shelled|met|Mr.
    "We will not yield|he said."|“It is over,”|‘No.’|according to|U.S.|No. 5|e.g.|.|?|!|,|;|—|(|)
    """.replace("\n", "|").split("|")
).map(str.strip)
UNICODE = st.sampled_from(
    [
        # emoji of one and of several code points
        "🙂", "\U0001f469\u200d\U0001f467", "🇺🇦", "❤\ufe0f", "\U0001d11e",
        # combining marks, letters that change length with their case
        "e\u0301", "Ze\u0301lensky\u0308", "n\u0303", "Ⅷ", "ﬁ", "İstanbul", "ẞ", "ǅ",
        # from right to left, with and without marks of direction
        "שלום", "محمد بن سلمان", "\u202bעברית\u202c", "\u200f", "北京", "北京市。",
        # blanks and what looks like one
        "\u00a0", "\u2009", "\u3000", "\u200b", "\ufeff", "\x85", "\u2028",
        # what cannot be stored
        "\x00", "\ud800",
    ]
)  # fmt: skip
BLANKS = st.sampled_from([" ", " ", " ", "  ", "\n", "\r\n", "\r", "\r\n\r\n", "\n\n", "\t", ""])
TEXTS = st.lists(st.tuples(WORDS | UNICODE | st.text(max_size=4), BLANKS), max_size=40).map(
    lambda pairs: "".join(word + blank for word, blank in pairs)
)
DATES = st.sampled_from([None, "2024-03-08", "2024-03-08T23:30:00Z", "2024-03-08T00:30+09:00", "?"])


@settings(max_examples=300, deadline=None)
@given(TEXTS, DATES, st.integers(0, 2**32))
def test_spans_stay_where_they_were_found_in_any_text(
    text: str, published_at: str | None, seed: int
) -> None:
    coder = EventCoder(
        Anything(seed),  # type: ignore[arg-type]
        ModelRef(name="anything", version="1", sha256="00"),
    )
    article = Article(id="a", text=text, language="en", published_at=published_at)
    (coding,) = coder.code([article])
    assert coding.outcome != "failed", coding.reason
    assert astray(canonical(text), coding) == []


@given(st.text(st.characters() | st.sampled_from("\x00\ud800\udfff\r\n"), max_size=50))
def test_the_canonical_text_has_the_length_of_the_text(text: str) -> None:
    assert len(canonical(text)) == len(text)


# ------------------------------------------------------------------- real articles, real model


def sample(feed: str, count: int) -> list[Article]:
    """Articles spread evenly over a feed; of its first 6,000 characters, to bound the time."""
    lines = (FEEDS / f"{feed}.jsonl").read_bytes().splitlines()
    articles = [
        msgspec.json.decode(line, type=Article) for line in lines[:: max(1, len(lines) // count)]
    ]
    return [msgspec.structs.replace(each, text=each.text[:6000]) for each in articles[:count]]


def check(coder: EventCoder, articles: list[Article]) -> int:
    """How many spans their events have, once none is astray and no event has another's id."""
    found = 0
    for article, coding in zip(articles, coder.code(articles), strict=True):
        assert coding.outcome != "failed", coding.reason
        assert astray(canonical(article.text), coding) == [], article.id
        ids = {event.event_id for event in coding.events}
        assert len(ids) == len(coding.events), article.id
        found += sum(1 for _ in spans(json.loads(msgspec.json.encode(coding.events))))
    return found


@pytest.fixture(scope="module")
def coder() -> EventCoder:
    try:
        return load_coder()
    except weights.WeightsError as error:
        pytest.skip(f"the model that ships is not here: {error}")


@pytest.mark.skipif(not FEEDS.exists(), reason="../shared/feeds is not here")
@pytest.mark.parametrize(
    ("feed", "count"),
    [("seed", 1), ("guardian", 20), ("world", 20), ("unseen", 20), ("bbc", 10)],
)
def test_spans_of_real_articles_are_where_they_say(
    coder: EventCoder, feed: str, count: int
) -> None:
    articles = sample(feed, count)
    assert len(articles) == count
    assert check(coder, articles) >= count


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
@pytest.mark.skipif(not FEEDS.exists(), reason="../shared/feeds is not here")
@pytest.mark.parametrize("feed", ["seed", "unseen", "guardian", "bbc", "world"])
def test_spans_of_every_article_of_a_feed_are_where_they_say(
    coder: EventCoder, feed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (FEEDS / f"{feed}.jsonl").read_bytes().splitlines()
    articles = [msgspec.json.decode(line, type=Article) for line in lines]
    found = sum(check(coder, articles[i : i + BATCH]) for i in range(0, len(articles), BATCH))
    with capsys.disabled():
        print(f"\n{feed}: {len(articles)} articles, {found} spans where they say")
    assert found >= len(articles)
