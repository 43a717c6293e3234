"""The behaviour of the model that ships, in the manner of CheckList (Ribeiro et al., ACL 2020).

Minimum functionality: plain sentences of every type, and near misses. Invariance: templates that
are filled with one name after another. Direction: pairs of sentences that differ in one respect.
The sentences are written for this and never trained on; `eventwire train` refuses them. Shares that
pass are printed too: `pytest -rP tests/test_behaviour.py`.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from eventwire.models import predict
from eventwire.models.corpus import ROLES, AnnotatedEvent, AnnotatedSentence, read_corpus
from eventwire.models.ontology import ontology
from eventwire.models.predict import Prediction, Predictor

BEHAVIOUR = Path(__file__).with_name("behaviour")

# Floors: ratchets, only ever raised. What the model that ships was measured at, rounded down to a
# whole 5 %, with one outcome to spare because other CPUs round differently.
MINIMUM = 0.95
HEADLINE = ("capture", "summons", "denial", "arrest", "killing", "demand", "protest", "air_strike")
"""Types of which all four plain sentences are found."""
NOT_TEMPTED = 0.9
NO_PHANTOM = 0.85
SAME_EVENTS = {"person": 0.95, "place": 0.95, "nationality": 0.95, "outlet": 0.95, "day": 0.95}
SAME_WORDS = {"person": 0.75, "place": 0.7, "nationality": 0.9, "outlet": 0.9, "day": 0.85}
TEMPLATES = {"same_events": 0.9, "same_words": 0.3}
DIRECTION = {
    "negated: a denial": 0.85,
    "negated: a plain no": 0.65,
    "planned": 0.75,
    "hypothetical": 0.85,
    "alleged": 0.85,
    "passive: who did it to whom": 0.85,
}

# What fills a slot: first the name that the others are compared with.
COUNTRIES = (
    "Norway", "Eswatini", "Papua New Guinea", "South Korea", "Côte d'Ivoire", "Uzbekistan",
    "El Salvador", "Bosnia and Herzegovina",
)  # fmt: skip
FILLINGS = {
    "person": (
        "Maria Novak", "Nguyễn Thị Hạnh", "Chukwuemeka Okonkwo", "Þórdís Gunnarsdóttir",
        "Abd al-Rahman al-Fadhli", "José Ramón Ñáñez", "Lakshmi Venkataraman", "Wiremu Tūhoe",
        "Xi Guangming", "Pieter van den Heuvel",
    ),
    "city": (
        "Madrid", "Ouagadougou", "Nizhny Novgorod", "São Paulo", "Ho Chi Minh City", "Łódź",
        "Mbuji-Mayi", "Rawalpindi", "Port Moresby",
    ),
    "country": COUNTRIES,
    "other": ("Denmark", *COUNTRIES[1:]),
    "nationality": (
        "Portuguese", "Kenyan", "Vietnamese", "Chilean", "Lebanese", "Malagasy", "South Korean",
        "Burkinabé",
    ),
    "outlet": (
        "Reuters", "Al Jazeera", "Xinhua", "Le Monde", "Kyodo News", "Folha de S.Paulo",
        "Radio Okapi", "Dawn",
    ),
    "day": ("Monday", "Friday", "17 March", "3 May 2021", "New Year's Eve", "29 February"),
}  # fmt: skip
KINDS = {
    "person": ("person",),
    "place": ("city", "country", "other"),
    "nationality": ("nationality",),
    "outlet": ("outlet",),
    "day": ("day",),
}


class Outcome(NamedTuple):
    passed: bool
    shown: str
    """The sentence and what the model found in it."""


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    # In float32 on the CPU, so that every machine finds the same.
    return predict.load(predict.DEFAULT_MODEL)


# ------------------------------------------------------------------------ minimum functionality


@pytest.fixture(scope="module")
def minimum(predictor: Predictor) -> dict[str, list[Outcome]]:
    """Outcomes of each type: is the event of the sentence found, with its type and trigger?"""
    sentences = read_corpus(BEHAVIOUR / "minimum.txt")
    outcomes: dict[str, list[Outcome]] = {}
    for sentence, found in zip(sentences, _predict(predictor, sentences), strict=True):
        event = sentence.events[0]
        passed = _match(event, found) is not None
        outcomes.setdefault(event.type, []).append(Outcome(passed, _shown(sentence.text, found)))
    return outcomes


def test_every_type_has_four_plain_sentences(minimum: dict[str, list[Outcome]]) -> None:
    assert {kind: len(each) for kind, each in minimum.items()} == dict.fromkeys(ontology().names, 4)


def test_plain_sentences_of_every_type_are_found(minimum: dict[str, list[Outcome]]) -> None:
    for kind, each in minimum.items():
        print(f"{kind:18}", sum(outcome.passed for outcome in each), "of", len(each))
    _assert_share((outcome for each in minimum.values() for outcome in each), MINIMUM)


@pytest.mark.parametrize("kind", HEADLINE)
def test_plain_sentences_of_a_headline_type_are_found(
    minimum: dict[str, list[Outcome]], kind: str
) -> None:
    _assert_share(minimum[kind], 1.0)


class NearMiss(NamedTuple):
    sentence: AnnotatedSentence
    tempting: str
    """The type that its words suggest and that it does not report."""
    found: list[Prediction]


@pytest.fixture(scope="module")
def near_misses(predictor: Predictor) -> list[NearMiss]:
    pairs = _under_headings(BEHAVIOUR / "near_misses.txt")
    found = _predict(predictor, [sentence for _, sentence in pairs])
    return [
        NearMiss(sentence, heading.removeprefix("not "), events)
        for (heading, sentence), events in zip(pairs, found, strict=True)
    ]


def test_near_misses_do_not_tempt(near_misses: list[NearMiss]) -> None:
    assert {miss.tempting for miss in near_misses} <= set(ontology().names)
    outcomes = [
        Outcome(
            all(event.type != miss.tempting for event in miss.found),
            _shown(miss.sentence.text, miss.found),
        )
        for miss in near_misses
    ]
    _assert_share(outcomes, NOT_TEMPTED)


def test_near_misses_yield_no_phantom_event(near_misses: list[NearMiss]) -> None:
    outcomes = [
        Outcome(
            {event.type for event in miss.found} <= {event.type for event in miss.sentence.events},
            _shown(miss.sentence.text, miss.found),
        )
        for miss in near_misses
    ]
    _assert_share(outcomes, NO_PHANTOM)


# ------------------------------------------------------------------------------------ invariance


class Filled(NamedTuple):
    """A template with its slots filled."""

    text: str
    units: list[tuple[int, int]]
    """Where the template's words and slots stand; a slot is one unit, whatever fills it."""

    def covered(self, spans: Iterable[tuple[int, int]]) -> frozenset[tuple[int, bool]]:
        """Units that the spans touch, and whether they cover the whole unit."""
        return frozenset(
            (number, start <= first and last <= end)
            for start, end in spans
            for number, (first, last) in enumerate(self.units)
            if start < last and first < end
        )


class Swap(NamedTuple):
    """A template filled anew, with another name in one slot, and what that changed."""

    template: str
    kind: str
    same_events: bool
    """Types and statuses stay, and the annotated event is among them."""
    same_words: bool
    """The words of triggers and arguments stay too."""
    shown: str


@pytest.fixture(scope="module")
def swaps(predictor: Predictor) -> list[Swap]:
    templates = read_corpus(BEHAVIOUR / "invariance.txt")
    first = {slot: names[0] for slot, names in FILLINGS.items()}
    cases = [
        (template, slot, _fill(template.text, first | {slot: name}))
        for template in templates
        for slot in re.findall(r"\{(\w+)\}", template.text)
        for name in FILLINGS[slot][1:]
    ]
    bases = [_fill(template.text, first) for template in templates]
    texts = [filled.text for filled in bases] + [filled.text for _, _, filled in cases]
    found = predictor.predict(texts)
    base = dict(zip((t.id for t in templates), zip(bases, found, strict=False), strict=True))
    kind_of = {slot: kind for kind, slots in KINDS.items() for slot in slots}
    swaps = []
    for (template, slot, filled), events in zip(cases, found[len(bases) :], strict=True):
        plain, expected = base[template.id]
        moved = plain.covered([_move(template.text, template.events[0].trigger, first)])
        right = any(
            event.type == template.events[0].type and plain.covered([event.trigger]) & moved
            for event in expected
        )
        same_events = right and _labels(events) == _labels(expected)
        same_words = same_events and _words(filled, events) == _words(plain, expected)
        shown = f"{_shown(filled.text, events)}\n   as {_shown(plain.text, expected)}"
        swaps.append(Swap(template.id, kind_of[slot], same_events, same_words, shown))
    return swaps


@pytest.mark.parametrize("kind", KINDS)
def test_events_do_not_change_with_another_name(swaps: list[Swap], kind: str) -> None:
    chosen = [swap for swap in swaps if swap.kind == kind]
    _assert_share((Outcome(s.same_events, s.shown) for s in chosen), SAME_EVENTS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_words_of_events_move_with_another_name(swaps: list[Swap], kind: str) -> None:
    chosen = [swap for swap in swaps if swap.kind == kind]
    _assert_share((Outcome(s.same_words, s.shown) for s in chosen), SAME_WORDS[kind])


@pytest.mark.parametrize("what", TEMPLATES)
def test_templates_stay_the_same_whatever_fills_them(swaps: list[Swap], what: str) -> None:
    changed: dict[str, list[str]] = {swap.template: [] for swap in swaps}
    for swap in swaps:
        if not getattr(swap, what):
            changed[swap.template].append(swap.shown)
    outcomes = (
        Outcome(not shown, f"{template}, changed by {len(shown)} swaps: {''.join(shown[:1])}")
        for template, shown in changed.items()
    )
    _assert_share(outcomes, TEMPLATES[what])


# ------------------------------------------------------------------------------------- direction


class Pair(NamedTuple):
    heading: str
    sentences: tuple[AnnotatedSentence, AnnotatedSentence]
    found: tuple[list[Prediction], list[Prediction]]


@pytest.fixture(scope="module")
def pairs(predictor: Predictor) -> list[Pair]:
    headed = _under_headings(BEHAVIOUR / "direction.txt")
    found = _predict(predictor, [sentence for _, sentence in headed])
    return [
        Pair(headed[n][0], (headed[n][1], headed[n + 1][1]), (found[n], found[n + 1]))
        for n in range(0, len(headed), 2)
    ]


def test_pairs_differ_in_what_their_heading_says(pairs: list[Pair]) -> None:
    for pair in pairs:
        plain, changed = (sentence.events[0] for sentence in pair.sentences)
        status = pair.heading.partition(":")[0].replace("passive", "occurred")
        assert (plain.type, plain.status) == (changed.type, "occurred"), pair.sentences
        assert changed.status == status, pair.sentences


@pytest.mark.parametrize("heading", DIRECTION)
def test_a_change_of_the_sentence_changes_its_events_accordingly(
    pairs: list[Pair], heading: str
) -> None:
    outcomes = []
    for pair in pairs:
        if pair.heading == heading:
            both = list(zip(pair.sentences, pair.found, strict=True))
            passed = all(
                (match := _match(event, found)) is not None
                and match.status == event.status
                and (not heading.startswith("passive") or _same_parties(event, match))
                for sentence, found in both
                for event in sentence.events
            )
            shown = "\n    ".join(_shown(sentence.text, found) for sentence, found in both)
            outcomes.append(Outcome(passed, shown))
    _assert_share(outcomes, DIRECTION[heading])


# --------------------------------------------------------------------------------------- helpers


def _predict(
    predictor: Predictor, sentences: Iterable[AnnotatedSentence]
) -> list[list[Prediction]]:
    return predictor.predict([sentence.text for sentence in sentences])


def _under_headings(file: Path) -> list[tuple[str, AnnotatedSentence]]:
    """Sentences of a corpus file, each with the comment that heads it."""
    lines = file.read_text("utf-8").split("\n")
    headed = []
    for sentence in read_corpus(file):
        number = int(sentence.id.rpartition(":")[2])
        heading = next(line for line in reversed(lines[: number - 1]) if line.startswith("# "))
        headed.append((heading.removeprefix("# "), sentence))
    return headed


def _match(event: AnnotatedEvent, found: Iterable[Prediction]) -> Prediction | None:
    """The predicted event of the same type whose trigger overlaps."""
    return next(
        (
            each
            for each in found
            if each.type == event.type
            and each.trigger[0] < event.trigger[1]
            and event.trigger[0] < each.trigger[1]
        ),
        None,
    )


def _same_parties(one: AnnotatedEvent, other: AnnotatedEvent) -> bool:
    return one.actor == other.actor and one.target == other.target


def _fill(template: str, names: dict[str, str]) -> Filled:
    text, units = "", []
    for n, part in enumerate(re.split(r"\{(\w+)\}", template)):
        if n % 2:
            units.append((len(text), len(text) + len(names[part])))
            text += names[part]
        else:
            units += [
                (len(text) + word.start(), len(text) + word.end())
                for word in re.finditer(r"\w+", part)
            ]
            text += part
    return Filled(text, units)


def _move(template: str, span: tuple[int, int], names: dict[str, str]) -> tuple[int, int]:
    """Where words of the template stand once it is filled."""
    start = len(_fill(template[: span[0]], names).text)
    return start, start + len(_fill(template[slice(*span)], names).text)


def _labels(events: Iterable[Prediction]) -> list[tuple[str, str]]:
    return [(event.type, event.status) for event in events]


def _words(filled: Filled, events: Iterable[Prediction]) -> list[list[frozenset[tuple[int, bool]]]]:
    return [
        [filled.covered([event.trigger]), *(filled.covered(getattr(event, r)) for r in ROLES)]
        for event in events
    ]


def _shown(text: str, events: Iterable[Prediction]) -> str:
    found = [
        f"{event.type} ({event.status}): {text[slice(*event.trigger)]}"
        + "".join(
            f" | {role}: " + "; ".join(text[slice(*span)] for span in getattr(event, role))
            for role in ROLES
            if getattr(event, role)
        )
        for event in events
    ]
    return f"{text} -> {' + '.join(found) or 'nothing'}"


def _assert_share(outcomes: Iterable[Outcome], floor: float) -> None:
    """At least this share passed; else says which did not."""
    every = list(outcomes)
    passed = sum(outcome.passed for outcome in every)
    measured = f"{passed} of {len(every)} = {passed / len(every):.3f}, floor {floor:g}"
    failed = [f"  {outcome.shown}" for outcome in every if not outcome.passed]
    print("\n".join([measured, *failed]))
    assert passed / len(every) >= floor, "\n".join([measured, "failed:", *failed])
