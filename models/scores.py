"""How right predicted events are on annotated sentences.

Events of a sentence are matched as multisets of types. Within a type, pairs are made of events
whose triggers overlap first, then in order. Arguments are compared as multisets of words on the
matched pairs, status likewise.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eventwire.models import reliability
from eventwire.models.corpus import AnnotatedEvent, AnnotatedSentence
from eventwire.models.ontology import STATUSES, ontology
from eventwire.models.predict import Prediction

STATEMENT = "STATEMENT"
"""Counted as the root of the types that PLOVER does not have."""


@dataclass(slots=True)
class Tally:
    """Counts, and the ratios made of them (0 where nothing was counted)."""

    right: int = 0
    predicted: int = 0
    gold: int = 0

    def add(self, gold: Counter[Any], predicted: Counter[Any]) -> None:
        self.right += (gold & predicted).total()
        self.gold += gold.total()
        self.predicted += predicted.total()

    @property
    def precision(self) -> float:
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.predicted + self.gold) if self.right else 0.0

    def ratios(self) -> dict[str, float]:
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}


@dataclass(slots=True)
class Scores:
    sentences: int = 0
    any: Tally = field(default_factory=Tally)
    """Sentences with an event."""
    root: Tally = field(default_factory=Tally)
    type: Tally = field(default_factory=Tally)
    trigger: Tally = field(default_factory=Tally)
    """Type, with a trigger that overlaps."""
    actor: Tally = field(default_factory=Tally)
    target: Tally = field(default_factory=Tally)
    place: Tally = field(default_factory=Tally)
    status: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Gold and predicted status of the matched events."""
    types: dict[str, Tally] = field(default_factory=dict)
    confidences: list[tuple[float, bool]] = field(default_factory=list)
    """Of each predicted event that has one, and whether its type is right."""

    def status_accuracy(self) -> float:
        right = sum(count for (gold, came), count in self.status.items() if gold == came)
        return right / self.status.total() if self.status else 0.0

    def status_recall(self) -> dict[str, float | None]:
        """None for a status that no matched event has."""
        recall: dict[str, float | None] = {}
        for status in STATUSES:
            total = sum(count for (gold, _), count in self.status.items() if gold == status)
            recall[status] = self.status[status, status] / total if total else None
        return recall

    def reliability(self) -> list[reliability.Bin]:
        return reliability.bins(self.confidences)

    def calibration_error(self) -> float | None:
        """Expected calibration error over bins of equal width; None without confidences."""
        return reliability.error(self.reliability())

    def as_json(self) -> dict[str, Any]:
        parts = ("any", "root", "type", "trigger", "actor", "target", "place")
        return {
            **{name: getattr(self, name).ratios() for name in parts},
            "status": {"accuracy": self.status_accuracy(), "recall": self.status_recall()},
            "types": {name: tally.ratios() for name, tally in sorted(self.types.items())},
            "calibration_error": self.calibration_error(),
        }

    def table(self) -> str:
        """For people: one row a measure, then one a type, the frequent first."""
        lines = [f"{self.sentences} sentence{'s' * (self.sentences != 1)}", "", HEADING]
        for name in ("any", "root", "type", "trigger", "actor", "target", "place"):
            lines.append(row(name, getattr(self, name)))
        lines += ["", f"{'status':20}accuracy {self.status_accuracy():.3f}"]
        for status, recall in self.status_recall().items():
            shown = "     -" if recall is None else f"{recall:6.3f}"
            count = sum(n for (gold, _), n in self.status.items() if gold == status)
            lines.append(f"  {status:18}recall {shown}{'':17}{count:8}")
        lines.append("")
        lines += [row(name, tally) for name, tally in _by_frequency(self.types)]
        return "\n".join(lines)


def score(
    gold: Sequence[AnnotatedSentence], predicted: Sequence[Sequence[AnnotatedEvent]]
) -> Scores:
    """`predicted` has the events of each gold sentence, in the same order."""
    scores = Scores()
    for sentence, events in zip(gold, predicted, strict=True):
        _add(scores, sentence, events)
    return scores


def _add(scores: Scores, sentence: AnnotatedSentence, events: Sequence[AnnotatedEvent]) -> None:
    scores.sentences += 1
    scores.any.add(Counter([True] * bool(sentence.events)), Counter([True] * bool(events)))
    scores.root.add(_count(sentence.events, _root), _count(events, _root))
    by_type = _count(sentence.events, _type), _count(events, _type)
    scores.type.add(*by_type)
    for name in by_type[0] | by_type[1]:
        tally = scores.types.setdefault(name, Tally())
        tally.add(Counter({name: by_type[0][name]}), Counter({name: by_type[1][name]}))
    pairs = matched(sentence.events, events)
    right = {id(found) for _, found in pairs}
    scores.confidences += [
        (event.confidence, id(event) in right) for event in events if isinstance(event, Prediction)
    ]
    scores.trigger.right += sum(_overlap(one.trigger, other.trigger) for one, other in pairs)
    scores.trigger.gold += len(sentence.events)
    scores.trigger.predicted += len(events)
    for one, other in pairs:
        scores.status[one.status, other.status] += 1
        for role in ("actor", "target", "place"):
            tally = getattr(scores, role)
            tally.add(
                _words(sentence.text, getattr(one, role)),
                _words(sentence.text, getattr(other, role)),
            )


def matched(
    gold: Iterable[AnnotatedEvent], predicted: Iterable[AnnotatedEvent]
) -> list[tuple[AnnotatedEvent, AnnotatedEvent]]:
    """Pairs of one type: overlapping triggers first, then what is left in order."""
    left, pairs = list(gold), []
    rest = list(predicted)
    for must_overlap in (True, False):
        for one in list(left):
            for other in rest:
                if one.type == other.type and (
                    not must_overlap or _overlap(one.trigger, other.trigger)
                ):
                    pairs.append((one, other))
                    left.remove(one)
                    rest.remove(other)
                    break
    return pairs


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _count(events: Iterable[AnnotatedEvent], key: Callable[[AnnotatedEvent], str]) -> Counter[str]:
    return Counter(map(key, events))


def _type(event: AnnotatedEvent) -> str:
    return event.type


def _root(event: AnnotatedEvent) -> str:
    return ontology().types[event.type].plover_event or STATEMENT


def _words(text: str, spans: Iterable[tuple[int, int]]) -> Counter[str]:
    return Counter(
        word for start, end in spans for word in re.findall(r"\w+", text[start:end].lower())
    )


def one_line(scores: Scores) -> str:
    parts = ("type", "root", "trigger", "actor", "target", "place")
    ratios = " ".join(f"{name} {getattr(scores, name).f1:.3f}" for name in parts)
    return f"{ratios} status {scores.status_accuracy():.3f}"


HEADING = f"{'':20}precision  recall      f1    gold"


def row(name: str, tally: Tally) -> str:
    ratios = f"{tally.precision:9.3f}{tally.recall:8.3f}{tally.f1:8.3f}"
    return f"{name:20}{ratios}{tally.gold:8}"


def _by_frequency(types: Mapping[str, Tally]) -> list[tuple[str, Tally]]:
    return sorted(types.items(), key=lambda item: (-item[1].gold, item[0]))
