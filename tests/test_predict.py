import random
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from eventwire.models import predict
from eventwire.models.corpus import read_corpus
from eventwire.models.predict import (
    READ_TRIGGERS,
    READ_WORDS,
    Decoding,
    Predictor,
    _glued,
    _of_the_event,
    _spans,
)

SENTENCES = [
    "Rebels captured two pilots near Malha on Tuesday.",
    "The foreign ministry in Oslo summoned the Iranian ambassador to protest.",
    "The weather was fine.",
    "Turkey denied that its drones had struck the hospital in Idlib.",
    "Police arrested 40 people after a rally in Tbilisi, and the president condemned the violence.",
    "",
    "!!!",
]


BEHAVIOUR = Path(__file__).with_name("behaviour")


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return predict.load(predict.DEFAULT_MODEL)


def probabilities(rows: list[dict[int, tuple[str, float]]], predictor: Predictor, words: int = 6):
    """Each row names the words with an event type and its probability; the rest is no event."""
    table = torch.zeros(len(rows), words, 1 + len(predictor.types))
    table[..., 0] = 1
    for row, found in enumerate(rows):
        for word, (kind, p) in found.items():
            table[row, word, 0] = 1 - p
            table[row, word, 1 + predictor.types.index(kind)] = p
    return table


def triggers(
    predictor: Predictor, row: dict[int, tuple[str, float]]
) -> list[tuple[str, tuple[int, int]]]:
    found = predictor.triggers(probabilities([row], predictor), torch.ones(1, 6, dtype=torch.bool))
    return [(predictor.types[t.type], t.words) for t in found]


@pytest.fixture
def decoding(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor, "decoding", Decoding(threshold=0.5, extend=0.2))


@pytest.mark.usefixtures("decoding")
def test_neighbouring_words_of_one_type_are_one_trigger(predictor: Predictor) -> None:
    assert triggers(predictor, {1: ("arrest", 0.9), 2: ("arrest", 0.8)}) == [("arrest", (1, 2))]


@pytest.mark.usefixtures("decoding")
def test_a_trigger_takes_in_less_likely_neighbours_on_both_sides(predictor: Predictor) -> None:
    row = {1: ("arrest", 0.3), 2: ("arrest", 0.9), 3: ("arrest", 0.3), 4: ("arrest", 0.1)}
    assert triggers(predictor, row) == [("arrest", (1, 3))]


@pytest.mark.usefixtures("decoding")
def test_words_apart_are_two_events_of_one_type(predictor: Predictor) -> None:
    row = {0: ("arrest", 0.9), 4: ("arrest", 0.9)}
    assert triggers(predictor, row) == [("arrest", (0, 0)), ("arrest", (4, 4))]


@pytest.mark.usefixtures("decoding")
def test_neighbours_of_two_types_are_two_events(predictor: Predictor) -> None:
    row = {2: ("arrest", 0.9), 3: ("killing", 0.9)}
    assert triggers(predictor, row) == [("arrest", (2, 2)), ("killing", (3, 3))]


def test_what_may_be_either_of_two_types_is_no_event(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = probabilities([{2: ("arrest", 0.4)}], predictor)
    table[0, 2, 0] = 0.2  # the other 0.4 are a killing's
    table[0, 2, 1 + predictor.types.index("killing")] = 0.4
    counts = []
    for least in (0.3, 0.5):
        monkeypatch.setattr(predictor, "decoding", Decoding(threshold=0.5, least=least))
        counts.append(len(predictor.triggers(table, torch.ones(1, 6, dtype=torch.bool))))
    assert counts == [1, 0]


@pytest.mark.usefixtures("decoding")
def test_nothing_above_the_threshold_is_no_event(predictor: Predictor) -> None:
    assert triggers(predictor, {2: ("arrest", 0.49)}) == []


TEXT = "Oslo and Riga met in the U.S. (again) last week; O'Brien's envoy left."
WORDS = [m.span() for m in re.finditer(r"\w+|[^\w\s]", TEXT)]


def spans(inside: set[str | int], begin: set[str | int]) -> list[str]:
    """What is found in TEXT where the named words are inside a span, or begin one."""
    names = [TEXT[start:end] for start, end in WORDS]
    marks = [[name in chosen or n in chosen for n, name in enumerate(names)]
             for chosen in (inside, begin)]  # fmt: skip
    found = _spans(TEXT, *marks, WORDS, _glued(TEXT, WORDS))
    return [TEXT[start:end] for start, end in found]


def test_spans_break_where_a_new_one_begins() -> None:
    assert spans({"Oslo", "and", "Riga"}, {"Oslo", "Riga"}) == ["Oslo", "Riga"]


def test_a_span_needs_no_marked_beginning() -> None:
    assert spans({"Oslo", "and", "Riga"}, set()) == ["Oslo and Riga"]


def test_spans_lose_the_loose_words_and_punctuation_at_their_ends() -> None:
    assert spans({"Riga", "met", "in", "the"}, {"Riga"}) == ["Riga met"]
    assert spans({"(", "again", ")"}, set()) == ["again"]
    assert spans({"in", "the"}, set()) == []


def test_spans_keep_the_full_stop_of_an_abbreviation() -> None:
    assert spans({"the", "U", ".", "S"}, set()) == ["U.S."]


def test_an_abbreviation_a_name_and_a_date_are_not_cut() -> None:
    assert spans({"S"}, set()) == ["U.S."]
    assert spans({"Brien"}, {"Brien"}) == ["O'Brien"]
    assert spans({"week"}, {"week"}) == ["last week"]
    assert spans({"envoy"}, set()) == ["envoy"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sentence_has_the_same_result_to_the_last_bit_in_any_batch_and_any_number_of_threads(
    dtype: torch.dtype,
) -> None:
    predictor = predict.load(predict.DEFAULT_MODEL, dtype=dtype, threads=1)
    sentences = [s.text for s in read_corpus(BEHAVIOUR)][::12]
    alone = [predictor.predict([sentence])[0] for sentence in sentences]
    predictor = predict.load(predict.DEFAULT_MODEL, dtype=dtype, threads=3)
    assert predictor.predict(sentences) == alone
    shuffled = sentences * 3
    random.Random(3).shuffle(shuffled)
    assert predictor.predict(shuffled) == [alone[sentences.index(s)] for s in shuffled]


def test_what_a_predictor_remembers_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Rebels captured two pilots near Malha.", "rebels captured two pilots near malha."]
    texts += [f"Minister {n} met his colleague and denied the report." for n in range(80)]
    predictor = predict.load(predict.DEFAULT_MODEL)
    found = predictor.predict(texts)
    calls, encode = [], predictor._encode
    monkeypatch.setattr(predictor, "_encode", lambda pieces: calls.append(1) or encode(pieces))
    predictor.remember()
    assert predictor.predict(texts) == found
    often = len(calls)
    chosen = predictor.decoding
    predictor.decoding = replace(chosen, threshold=1.0)
    assert not any(predictor.predict(texts))
    predictor.decoding = chosen
    assert predictor.predict(texts) == found
    assert len(calls) == often


def test_the_threads_of_a_predictor_are_its_own() -> None:
    before = torch.get_num_threads()
    predictor = predict.load(predict.DEFAULT_MODEL, threads=before + 1)
    assert len(predictor.predict(SENTENCES)) == len(SENTENCES)
    assert torch.get_num_threads() == before


def test_stages_take_no_longer_together_than_the_whole(predictor: Predictor) -> None:
    before, began = sum(predictor.stats.seconds.values()), time.perf_counter()
    predictor.predict(SENTENCES * 20)
    assert sum(predictor.stats.seconds.values()) - before <= time.perf_counter() - began


def test_sentences_without_words_have_no_events(predictor: Predictor) -> None:
    assert predictor.predict(["", "   ", "\u200b"]) == [[], [], []]


def test_no_sentences_are_no_work(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


@pytest.mark.parametrize("words_before", [0, 60, 90, 94, 95, 96, 97, 100, 180, 190, 192, 250, 700])
def test_an_event_is_found_once_wherever_a_window_ends(
    predictor: Predictor, words_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of windows, and not of what the model makes of so much prattle: one is an occupation to it.
    monkeypatch.setattr(predictor, "decoding", Decoding(threshold=0.3))
    sentence = (
        "and so on " * (words_before // 3) + "Rebels captured two pilots near Malha on Tuesday"
    )
    sentence += " and so on" * 40 + "."
    found = predictor.predict([sentence])[0]
    events = [e for e in found if sentence[slice(*e.trigger)] == "captured"]
    assert len(events) == 1
    assert any("pilots" in sentence[slice(*span)] for span in events[0].target)


def test_confidence_is_linear_between_the_points(predictor: Predictor) -> None:
    calibration = ((0.0, 0.0), (0.5, 0.2), (1.0, 0.9))
    decoding = Decoding(calibration=calibration)
    assert [decoding.confidence(s) for s in (0.0, 0.25, 0.5, 0.75, 1.0)] == [
        0.0, 0.1, 0.2, 0.55, 0.9,
    ]  # fmt: skip


def test_padding_stays_small_on_mixed_lengths(predictor: Predictor) -> None:
    before = predictor.stats.tokens, predictor.stats.padded_tokens
    predictor.predict([f"Troops left {'the town ' * n}." for n in range(1, 60)] * 8)
    tokens = predictor.stats.tokens - before[0]
    padded = predictor.stats.padded_tokens - before[1]
    assert padded < 1.15 * tokens


def test_a_bias_for_what_occurred_wins_over_the_other_statuses() -> None:
    predictor = predict.load(predict.DEFAULT_MODEL)
    text = "Rebels will allegedly not capture the town."
    (before,) = predictor.predict([text])[0]
    predictor.decoding = replace(predictor.decoding, occurred=99.0)
    (after,) = predictor.predict([text])[0]
    assert before.status != "occurred"
    assert after.status == "occurred"


def test_the_share_of_unknown_tokens_of_each_sentence_is_kept(predictor: Predictor) -> None:
    predictor.predict(["Rebels fled.", "", "Rebels 🧿 fled.", "🧿"])
    assert predictor.unknown_shares == [0.0, 0.0, 0.25, 1.0]


@pytest.mark.parametrize("modal", ["may", "might"])
def test_what_may_happen_is_not_planned(modal: str) -> None:
    predictor = predict.load(predict.DEFAULT_MODEL)
    (event,) = predictor.predict([f"Maria Novak {modal} visit Norway next month."])[0]
    assert (event.type, event.status) == ("visit", "hypothetical")


@pytest.mark.parametrize("joining", ["in", "of"])
def test_two_parts_of_a_place_are_one(joining: str) -> None:
    text = f"a bank {joining} Madrid"
    words = [match.span() for match in re.finditer(r"\w+", text)]
    inside, begin = [False, True, False, True], [False, True, False, True]
    assert _spans(text, inside, begin, words, [False] * 4) == [(2, len(text))]


@pytest.mark.parametrize(
    ("text", "trigger", "kept"),
    [
        ("Peru expelled two envoys, Reuters said on Monday.", "expelled", []),
        ("Peru expelled two envoys, the agency reported Monday.", "expelled", []),
        ("Peru expelled two envoys on Monday, Reuters said.", "expelled", ["Monday"]),
        ("The two sides said on Monday that they had met.", "said", ["Monday"]),
    ],
)
def test_when_it_was_said_is_not_when_it_happened(text: str, trigger: str, kept: list[str]) -> None:
    at = text.index(trigger), text.index(trigger) + len(trigger)
    time = text.index("Monday"), text.index("Monday") + len("Monday")
    assert [text[slice(*span)] for span in _of_the_event(text, at, [time])] == kept


def test_a_place_begins_behind_the_words_that_say_how_near() -> None:
    text = "Rockets fell near Madrid and outside."
    spans = [(0, 7), (8, 12), (13, 17), (18, 24), (25, 28), (29, 36)]
    inside = [False, False, True, True, False, True]
    found = _spans(text, inside, [False] * 6, spans, [False] * 6)
    assert [text[slice(*span)] for span in found] == ["Madrid"]


def test_what_is_read_has_few_shapes_since_a_kernel_is_kept_for_each(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = set()
    read = predictor.network.read

    def recorded(vectors, word_mask, triggers):
        shapes.add((len(triggers.sentence), vectors.shape[1]))
        return read(vectors, word_mask, triggers)

    monkeypatch.setattr(predictor.network, "read", recorded)
    found = predictor.predict(
        [f"Rebels {'and troops ' * n}captured two pilots in Malha." for n in range(20)]
    )
    assert all(found)
    assert {triggers for triggers, _ in shapes} == {READ_TRIGGERS}
    assert {words % READ_WORDS for _, words in shapes} == {0}
