"""The coder around a predictor that finds `captured` and what stands beside it."""

import json
import re
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventwire.models import coder as coding
from eventwire.models.coder import EventCoder
from eventwire.models.ontology import ontology
from eventwire.models.predict import DEFAULT_MODEL, Prediction
from eventwire.models.records import Article, Coding, Event, ModelRef, Stats
from eventwire.models.seam import Limits
from eventwire.models.words import WordReader

MODEL = ModelRef(name="fake", version="1", sha256="00")


class Captures:
    """Stands where the network would; raises on a sentence that says so."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.calls = 0
        self.reader: WordReader | None = None

    def predict(self, sentences: Sequence[str]) -> list[list[Prediction]]:
        self.calls += 1
        self.unknown_shares = [sentence.count("?") / len(sentence) for sentence in sentences]
        if any("explode" in sentence for sentence in sentences):
            raise RuntimeError("out of\nmemory")
        return [[self._event(m) for m in re.finditer(r"captured", s)] for s in sentences]

    def _event(self, match: re.Match[str]) -> Prediction:
        beside = re.compile(r"\S+")
        before = list(beside.finditer(match.string, 0, match.start()))
        after = beside.search(match.string, match.end())
        return Prediction(
            type="capture",
            status="negated",
            trigger=match.span(),
            actor=[before[-1].span()] if before else [],
            target=[after.span()] if after else [],
            place=[after.span()] if after else [],
            time=[after.span()] if after else [],
            source=[before[0].span()] if before else [],
            confidence=0.75,
        )


@pytest.fixture
def coder() -> EventCoder:
    return EventCoder(Captures(), MODEL)  # type: ignore[arg-type]


def code(coder: EventCoder, text: str, **fields: str) -> Coding:
    (coded,) = coder.code([Article(id="a", text=text, **fields)])
    return coded


def spans(event: Event) -> list[dict[str, object]]:
    """Everything in the record that has offsets, but the evidence."""
    found: list[dict[str, object]] = []

    def visit(node: object) -> None:
        if isinstance(node, dict):
            if {"text", "start", "end"} <= set(node):
                found.append(node)
            for child in node.values():
                visit(child)
        elif isinstance(node, list):
            for child in node:
                visit(child)

    import msgspec

    visit(json.loads(msgspec.json.encode(event)))
    return found


def test_an_article_with_an_event_is_coded(coder: EventCoder) -> None:
    coded = code(coder, "It rained. Rebels captured pilots.", title="T", url="U", source="S")
    (event,) = coded.events
    assert (coded.outcome, coded.sentences) == ("coded", 2)
    assert (event.event_type, event.status, event.confidence) == ("capture", "negated", 0.75)
    assert event.evidence.sentence == "Rebels captured pilots."
    assert (event.article.title, event.article.url, event.article.source) == ("T", "U", "S")
    assert event.model == MODEL


def test_codes_come_from_the_ontology(coder: EventCoder) -> None:
    (event,) = code(coder, "Rebels captured pilots.").events
    kind = ontology().types["capture"]
    assert event.plover.event == kind.plover_event == "ASSAULT"
    assert (event.cameo, event.quad_class, event.goldstein) == ("181", 4, -9.0)
    assert event.ontology_version == ontology().version


def test_an_article_without_an_event_says_so(coder: EventCoder) -> None:
    assert code(coder, "It rained.").outcome == "no_event"


def test_another_language_is_not_coded(coder: EventCoder) -> None:
    coded = code(coder, "Rebels captured pilots.", language="fr")
    assert (coded.outcome, coded.events) == ("unsupported_language", [])


class Captured(Captures):
    """Its events have been."""

    def _event(self, match: re.Match[str]) -> Prediction:
        return msgspec.structs.replace(super()._event(match), status="occurred")


class Events(Captures):
    """Finds what it is told to find, with the word after it as its target."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def _event(self, match: re.Match[str]) -> Prediction:
        return msgspec.structs.replace(super()._event(match), type=self._kind)


@pytest.mark.parametrize(("kind", "sector"), [("shelling", None), ("accusation", "GOV")])
def test_a_capital_is_a_city_where_it_is_hit_and_a_government_elsewhere(
    kind: str, sector: str | None
) -> None:
    coder = EventCoder(Events(kind), MODEL)  # type: ignore[arg-type]
    (event,) = code(coder, "Rebels captured Damascus.").events
    assert [(t.country, t.sector) for t in event.targets] == [("SYR", sector)]


def test_published_at_bounds_the_event(coder: EventCoder) -> None:
    (event,) = code(coder, "Rebels captured pilots.", published_at="2024-03-08").events
    assert event.not_after == "2024-03-08"


@pytest.mark.parametrize(
    ("zone", "day"), [(None, "2024-03-01"), ("Asia/Tokyo", "2024-03-08"), ("Mars", "2024-03-01")]
)
def test_a_friday_is_one_in_the_time_zone_of_the_article(zone: str | None, day: str) -> None:
    article = Article(
        id="a", text="Rebels captured Friday", published_at="2024-03-07T23:30:00Z", timezone=zone
    )
    (coded,) = EventCoder(Captured(), MODEL).code([article])  # type: ignore[arg-type]
    (event,) = coded.events
    assert event.time is not None
    assert event.time.value == day


def test_a_coding_profiles_its_article(coder: EventCoder) -> None:
    coded = code(coder, "It rained. Rebels captured men of the ?????? unit.", language="en")
    assert coded.profile == {
        "event_type": {"capture": 1},
        "status": {"negated": 1},
        "confidence": {"0.8": 1},
        "sentence_length": {"50": 2},
        "unknown_tokens": {"0": 1, "0.2": 1},
        "language": {"en": 1},
    }


def test_of_an_article_that_is_not_read_the_language_is_profiled(coder: EventCoder) -> None:
    assert code(coder, "Pluie.", language="fr-CA").profile == {"language": {"fr": 1}}


def test_what_fails_has_no_profile_and_what_is_tried_again_has_one_only(
    coder: EventCoder,
) -> None:
    one, two = coder.code(
        [Article(id="a", text="It rained."), Article(id="b", text="This will explode.")]
    )
    assert one.profile["unknown_tokens"] == {"0": 1}
    assert two.profile == {}


def test_codings_come_in_the_order_of_the_articles(coder: EventCoder) -> None:
    articles = [
        Article(id=str(n), text="Rebels captured pilots. " * (n % 4 + 1)) for n in range(20)
    ]
    coded = coder.code(articles)
    assert [each.article_id for each in coded] == [str(n) for n in range(20)]
    assert [len(each.events) for each in coded] == [n % 4 + 1 for n in range(20)]


def test_one_article_that_breaks_the_model_fails_alone(coder: EventCoder) -> None:
    articles = [
        Article(id="a", text="Rebels captured pilots."),
        Article(id="b", text="This will explode."),
        Article(id="c", text="Marines captured a scout."),
    ]
    one, two, three = coder.code(articles)
    assert (one.outcome, three.outcome) == ("coded", "coded")
    assert (two.outcome, two.reason) == ("failed", "RuntimeError: out of")


def test_a_long_article_is_predicted_in_chunks(
    coder: EventCoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coding, "CHUNK", 3)
    coded = code(coder, "Rebels captured pilots. " * 10)
    assert len(coded.events) == 10
    assert coder._predictor.calls == 4  # type: ignore[attr-defined]


def test_the_same_sentence_twice_gives_two_events_at_two_places(coder: EventCoder) -> None:
    one, two = code(coder, "Rebels captured pilots.\n\nRebels captured pilots.").events
    assert one.event_id != two.event_id
    assert one.trigger.start < two.trigger.start


def test_two_events_of_a_type_in_one_sentence_differ(coder: EventCoder) -> None:
    one, two = code(coder, "Rebels captured pilots and marines captured scouts.").events
    assert one.event_id != two.event_id


def test_event_ids_do_not_depend_on_the_batch(coder: EventCoder) -> None:
    alone = code(coder, "Rebels captured pilots.")
    _, together = coder.code(
        [Article(id="z", text="It rained."), Article(id="a", text="Rebels captured pilots.")]
    )
    assert [e.event_id for e in together.events] == [e.event_id for e in alone.events]


def test_the_same_text_under_another_id_has_other_event_ids(coder: EventCoder) -> None:
    one, two = coder.code([Article(id=i, text="Rebels captured pilots.") for i in "ab"])
    assert one.events[0].event_id != two.events[0].event_id
    assert one.text_sha256 == two.text_sha256


def test_unstorable_code_points_keep_their_places(coder: EventCoder) -> None:
    (event,) = code(coder, "A\0rmy captured\ud83d pilots.").events
    assert event.evidence.sentence == "A\ufffdrmy captured\ufffd pilots."
    assert event.trigger.start == 6


@pytest.mark.parametrize(
    ("limits", "failing", "said"),
    [
        (
            {"sentences": 2},
            "too_many_sentences",
            "expected at most 2 sentences, got 3",
        ),
        (
            {"sentence_tokens": 5},
            "sentence_too_long",
            "expected sentences of at most 5 tokens, got one of 6 at offset 24",
        ),
        ({"events": 1}, "too_many_events", "expected at most 1 events, got 2"),
    ],
)
def test_an_article_over_a_limit_fails_with_the_limit_and_its_neighbours_do_not(
    limits: dict[str, int], failing: str, said: str
) -> None:
    predictor = Captures()
    predictor.reader = WordReader(DEFAULT_MODEL)
    coder = EventCoder(predictor, MODEL, Limits(**limits))  # type: ignore[arg-type]
    text = "Rebels captured pilots. Soldiers captured two of them. It rained."
    over, other = coder.code(
        [Article(id="a", text=text), Article(id="b", text="They captured it.")]
    )
    assert (over.outcome, over.failing, over.reason) == ("failed", failing, said)
    assert over.events == []
    assert (other.outcome, len(other.events)) == ("coded", 1)


@pytest.mark.parametrize("text", ["captured " * 100_000, "Rebels captured it. " * 50_000])
def test_an_article_over_a_limit_does_not_reach_the_model(text: str) -> None:
    predictor = Captures()
    predictor.reader = WordReader(DEFAULT_MODEL)
    coded = code(EventCoder(predictor, MODEL), text, language="en")  # type: ignore[arg-type]
    assert coded.failing in ("sentence_too_long", "too_many_sentences")
    assert predictor.calls == 0


def test_an_article_at_its_limits_is_coded() -> None:
    predictor = Captures()
    predictor.reader = WordReader(DEFAULT_MODEL)
    limits = Limits(sentences=2, sentence_tokens=4, events=2)
    coder = EventCoder(predictor, MODEL, limits)  # type: ignore[arg-type]
    coded = code(coder, "Rebels captured pilots. Soldiers captured rebels.")
    assert (coded.outcome, len(coded.events)) == ("coded", 2)


TEXTS = st.lists(
    st.sampled_from(
        ["captured", "Rebels", "pilots.", "\r\n", "\n\n", " ", "😀", "é", "ב", "\u00a0"]
    )
    | st.text(max_size=5),
    max_size=30,
).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_every_span_is_where_it_says_in_any_text(text: str) -> None:
    article = Article(id="a", text=text, language="en")
    (coded,) = EventCoder(Captures(), MODEL).code([article])  # type: ignore[arg-type]
    canonical = coding.text.canonical(text)
    for event in coded.events:
        evidence = event.evidence
        assert canonical[evidence.start : evidence.end] == evidence.sentence
        for span in spans(event):
            assert canonical[span["start"] : span["end"]] == span["text"]  # type: ignore[misc]
