"""Articles that mean harm, from the line they come on to the terminal that shows their events."""

import itertools
import json
import re
import time
import unicodedata

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_offsets import astray
from test_tail import OBEYED, event

from eventwire.models import weights
from eventwire.models.coder import EventCoder, load_coder
from eventwire.models.records import Article
from eventwire.models.text import canonical, sentences
from eventwire.streams.decode import Refusal, decode
from eventwire.streams.tail import line
from eventwire.streams.terminal import harmless_json

WHERE = "news.articles.v1[0] offset 1841"
EVIL = st.text(
    st.sampled_from("\x00\x07\x08\x0c\r\n\t\x1b\x7f\x85\x9b\u0301\u0489\u200b\u200d\u202e\u2028\u2066\ufeff"
        "\ud800\udfff\ufffe\U000e0041\U0010ffff[]0;2Jm'\"\\{}. eA中🙂")
    | st.characters(exclude_categories=()),
    min_size=1,
    max_size=60,
)  # fmt: skip


def read(text: str, *, max_bytes: int = 20_000_000, **others: str) -> Article | Refusal:
    value = json.dumps({"id": "a", "text": text, **others}).encode()
    return decode(value, [], where=WHERE, max_bytes=max_bytes)


def test_a_line_of_ten_megabytes_is_refused_unread_and_where_it_may_come_it_is_read() -> None:
    text = "They met in Geneva. " * 500_000
    began = time.process_time()
    refused = read(text, max_bytes=1_048_576)
    assert isinstance(refused, Refusal)
    assert refused.reason == "too_large"
    article = read(text)
    assert isinstance(article, Article)
    assert len(sentences(article.text)) == 500_000
    assert time.process_time() - began < 60


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
@pytest.mark.parametrize("closed", [True, False])
def test_json_nested_a_hundred_thousand_deep_is_refused_and_ends_nothing(
    opening: str, closed: bool
) -> None:
    closing = "".join({"[": "]", "{": "}"}[c] for c in reversed(opening) if c in "[{")
    deep = opening * 100_000 + "1" + closing * 100_000 * closed
    for value in (deep, f'{{"id": "a", "text": "x", "more": {deep}}}', f'{{"id": {deep}}}'):
        refused = decode(value.encode(), [], where=WHERE, max_bytes=10_000_000)
        assert isinstance(refused, Refusal)
        assert refused.reason in ("nested_too_deeply", "not_json")


@given(EVIL, EVIL)
@settings(max_examples=300)
def test_any_text_comes_through_the_decoder_letter_by_letter_and_is_split_without_a_loss(
    before: str, after: str
) -> None:
    sent = f"{before} They met. {after}"
    article = read(sent, title=after)
    assert isinstance(article, Article)
    # Escapes of a high and a low surrogate one after the other are one character in JSON.
    assert article.text == canonical(json.loads(json.dumps(sent)))
    article.text.encode()
    spans = sentences(article.text)
    assert all(0 <= s.start < s.end <= len(article.text) for s in spans)
    assert all(one.end <= two.start for one, two in itertools.pairwise(spans))
    assert "met" in "".join(article.text[s.start : s.end] for s in spans)


@given(EVIL, EVIL, st.booleans())
@settings(max_examples=300)
def test_whatever_an_event_holds_tail_shows_nothing_that_a_terminal_obeys(
    evil: str, other: str, color: bool
) -> None:
    evil, other = canonical(evil), canonical(other)
    sentence = f"{evil} Rebels shelled {other} Aden"
    found = event(sentence, actor=evil, not_after=other, detected_at=evil, status=other)
    shown = line(found, color=color)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown) if color else shown
    assert not set(plain) & set(OBEYED)
    as_json = harmless_json(msgspec.json.encode(found))
    assert not set(as_json) & set(OBEYED)
    assert json.loads(as_json)["evidence"]["sentence"] == sentence


# ------------------------------------------------------------------------------- through the model

HOSTILE = {
    "a billion laughs of combining characters": "They met. e" + "\u0301\u0327\u0489" * 60_000,
    "combining characters on all": "".join(c + "\u0301" * 500 for c in "They met him. " * 9),
    "control characters": "They met. " + "\x00\x07\x08\x1b\x7f\x85\x9b" * 8_000,
    "terminal escapes": "They \x1b[2J\x1b]0;owned\x07 met \x1b[31m in Geneva. " * 200,
    "bidirectional overrides": "They \u202e\u2066 met \u2069 in Geneva. " * 200,
    "one word": "x" * 180_000,
    "one sentence": "They met and " * 15_000,
    "no white space": "met." * 40_000,
    "nothing that is a letter": "\u200b\ufeff\U000e0041 .,;" * 10_000,
    "brackets": "(" * 60_000 + "They met" + ")" * 60_000,
    "letters that grow in small letters": "İ" * 60_000 + " met.",
    "emoji of many parts": "👩\u200d👩\u200d👧\u200d👦" * 8_000 + " They met.",
}  # fmt: skip


@pytest.fixture(scope="module")
def coder() -> EventCoder:
    try:
        return load_coder()
    except weights.WeightsError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_coded_or_refused_and_its_neighbours_are_coded(
    kind: str, coder: EventCoder
) -> None:
    article = read(HOSTILE[kind])
    assert isinstance(article, Article)
    good = Article(id="good", text="The foreign minister met the ambassador in Geneva on Monday.")
    [hostile, neighbour] = coder.code([article, good])
    assert neighbour.outcome == "coded"
    assert hostile.outcome in ("coded", "no_event", "failed", "unsupported_language")
    if hostile.outcome == "failed":
        assert hostile.failing in ("sentence_too_long", "too_many_sentences", "too_many_events")
    assert astray(article.text, hostile) == []


def test_the_texts_are_what_their_names_say() -> None:
    laughs = HOSTILE["a billion laughs of combining characters"]
    assert (
        sum(unicodedata.combining(c) > 0 or unicodedata.category(c) == "Me" for c in laughs) > 1e5
    )
    assert all(len(json.dumps(text)) > 5_000 for text in HOSTILE.values())
