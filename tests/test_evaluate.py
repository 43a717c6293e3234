import json
from pathlib import Path

import pytest

from eventwire.models import evaluate
from eventwire.models.corpus import AnnotatedEvent, AnnotatedSentence, AnnotationError

TEXT = "Rebels captured two pilots in Malha and denied abuse."


def event(kind: str, trigger: str, status: str = "occurred", **roles: list[str]) -> AnnotatedEvent:
    def place(words: str) -> tuple[int, int]:
        return TEXT.index(words), TEXT.index(words) + len(words)

    spans = {role: [place(words) for words in found] for role, found in roles.items()}
    return AnnotatedEvent(type=kind, status=status, trigger=place(trigger), **spans)


CAPTURE = event("capture", "captured", actor=["Rebels"], target=["two pilots"], place=["Malha"])
DENIAL = event("denial", "denied", actor=["Rebels"])


def score(gold: list[AnnotatedEvent], predicted: list[AnnotatedEvent]) -> evaluate.Scores:
    return evaluate.score([AnnotatedSentence("a-1", TEXT, gold)], [predicted])


def test_a_perfect_prediction_scores_one_everywhere() -> None:
    ratios = score([CAPTURE, DENIAL], [CAPTURE, DENIAL]).as_json()
    for part in ("any", "root", "type", "trigger", "actor", "target", "place"):
        assert ratios[part] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert ratios["status"]["accuracy"] == 1.0


def test_a_missed_event_costs_recall_and_a_spurious_one_precision() -> None:
    missed = score([CAPTURE, DENIAL], [CAPTURE])
    assert (missed.type.precision, missed.type.recall) == (1.0, 0.5)
    spurious = score([CAPTURE], [CAPTURE, DENIAL])
    assert (spurious.type.precision, spurious.type.recall) == (0.5, 1.0)


def test_two_types_of_one_root_match_as_root_only() -> None:
    scores = score([CAPTURE], [event("abduction", "captured")])
    assert scores.root.f1 == 1.0
    assert scores.type.f1 == 0.0


def test_a_type_found_at_other_words_counts_as_type_but_not_as_trigger() -> None:
    scores = score([CAPTURE], [event("capture", "abuse")])
    assert scores.type.f1 == 1.0
    assert scores.trigger.f1 == 0.0


def test_two_events_of_one_type_are_a_multiset() -> None:
    scores = score([CAPTURE, event("capture", "abuse")], [CAPTURE])
    assert (scores.type.right, scores.type.gold, scores.type.predicted) == (1, 2, 1)


def test_pairs_prefer_overlapping_triggers_over_order() -> None:
    other = event("capture", "abuse")
    assert evaluate.matched([other, CAPTURE], [CAPTURE]) == [(CAPTURE, CAPTURE)]


def test_arguments_are_compared_by_words_on_matched_events() -> None:
    found = event("capture", "captured", actor=["Rebels"], target=["pilots"])
    scores = score([CAPTURE], [found])
    assert (scores.target.precision, scores.target.recall) == (1.0, 0.5)
    assert scores.actor.f1 == 1.0
    assert scores.place.recall == 0.0


def test_arguments_of_a_missed_event_are_not_counted() -> None:
    assert score([CAPTURE], []).actor.gold == 0


def test_status_recall_is_none_where_no_matched_event_has_it() -> None:
    recall = score([event("denial", "denied", status="negated")], [DENIAL]).status_recall()
    assert recall["negated"] == 0.0
    assert recall["planned"] is None


def test_any_counts_sentences() -> None:
    scores = score([CAPTURE, DENIAL], [])
    assert (scores.any.gold, scores.any.predicted) == (1, 0)


def test_statements_count_as_a_root_of_their_own() -> None:
    scores = score([event("admission", "denied")], [event("decline_comment", "denied")])
    assert scores.root.f1 == 1.0


def test_run_prints_the_contracted_json(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "The weather was fine.", "events": []}\n')
    scores = json.loads(evaluate.run(gold, as_json=True))
    assert list(scores) == [
        "any", "root", "type", "trigger", "actor", "target", "place", "status", "types",
    ]  # fmt: skip
    assert list(scores["type"]) == ["precision", "recall", "f1"]
    assert set(scores["status"]["recall"]) == {
        "occurred", "planned", "hypothetical", "alleged", "negated",
    }  # fmt: skip


def test_run_prints_a_table_for_people(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "The weather was fine.", "events": []}\n')
    assert evaluate.run(gold).startswith("1 sentences\n")


def test_a_bad_gold_file_is_refused_with_its_line(tmp_path: Path) -> None:
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"id": "a-1", "text": "Fine."}\n')
    with pytest.raises(AnnotationError, match=r"gold\.jsonl:1"):
        evaluate.run(gold)
