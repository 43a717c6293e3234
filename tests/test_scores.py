import pytest

from eventwire.models import scores
from eventwire.models.corpus import AnnotatedEvent, AnnotatedSentence

TEXT = "Rebels captured two pilots in Malha and denied abuse."


def event(kind: str, trigger: str, status: str = "occurred", **roles: list[str]) -> AnnotatedEvent:
    def place(words: str) -> tuple[int, int]:
        return TEXT.index(words), TEXT.index(words) + len(words)

    spans = {role: [place(words) for words in found] for role, found in roles.items()}
    return AnnotatedEvent(type=kind, status=status, trigger=place(trigger), **spans)


CAPTURE = event("capture", "captured", actor=["Rebels"], target=["two pilots"], place=["Malha"])
DENIAL = event("denial", "denied", actor=["Rebels"])


def score(gold: list[AnnotatedEvent], predicted: list[AnnotatedEvent]) -> scores.Scores:
    return scores.score([AnnotatedSentence("a-1", TEXT, gold)], [predicted])


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
    found = score([CAPTURE], [event("abduction", "captured")])
    assert found.root.f1 == 1.0
    assert found.type.f1 == 0.0


def test_a_type_found_at_other_words_counts_as_type_but_not_as_trigger() -> None:
    found = score([CAPTURE], [event("capture", "abuse")])
    assert found.type.f1 == 1.0
    assert found.trigger.f1 == 0.0


def test_two_events_of_one_type_are_a_multiset() -> None:
    found = score([CAPTURE, event("capture", "abuse")], [CAPTURE])
    assert (found.type.right, found.type.gold, found.type.predicted) == (1, 2, 1)


def test_pairs_prefer_overlapping_triggers_over_order() -> None:
    other = event("capture", "abuse")
    assert scores.matched([other, CAPTURE], [CAPTURE]) == [(CAPTURE, CAPTURE)]


def test_arguments_are_compared_by_words_on_matched_events() -> None:
    found = event("capture", "captured", actor=["Rebels"], target=["pilots"])
    found = score([CAPTURE], [found])
    assert (found.target.precision, found.target.recall) == (1.0, 0.5)
    assert found.actor.f1 == 1.0
    assert found.place.recall == 0.0


def test_arguments_of_a_missed_event_are_not_counted() -> None:
    assert score([CAPTURE], []).actor.gold == 0


def test_status_recall_is_none_where_no_matched_event_has_it() -> None:
    recall = score([event("denial", "denied", status="negated")], [DENIAL]).status_recall()
    assert recall["negated"] == 0.0
    assert recall["planned"] is None


def test_any_counts_sentences() -> None:
    found = score([CAPTURE, DENIAL], [])
    assert (found.any.gold, found.any.predicted) == (1, 0)


def test_statements_count_as_a_root_of_their_own() -> None:
    found = score([event("admission", "denied")], [event("decline_comment", "denied")])
    assert found.root.f1 == 1.0


def test_calibration_error_is_the_distance_of_confidence_and_share_right() -> None:
    found = scores.Scores(confidences=[(0.9, True)] * 8 + [(0.9, False)] * 2 + [(0.3, False)] * 10)
    assert found.calibration_error() == pytest.approx(0.2)
    assert scores.Scores().calibration_error() is None
