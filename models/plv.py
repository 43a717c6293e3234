"""The PLV test of Zero-Shot PLOVER (ACL 2024): one root code for a marked pair of actors.

A line has a sentence, the same with its source in <s></s> and its target in <t></t>, and the gold
root. Of the events found in the sentence the one counts whose actor and target overlap the pair
best, else the most confident. The sentences all report an event, so the threshold is low here.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from eventwire.models.corpus import AnnotationError, read_text
from eventwire.models.ontology import ontology
from eventwire.models.predict import Prediction, Predictor
from eventwire.models.scores import HEADING, Tally, row

ROOTS = (
    "AGREE", "CONSULT", "SUPPORT", "COOPERATE", "AID", "YIELD", "REQUEST", "ACCUSE", "REJECT",
    "THREATEN", "PROTEST", "SANCTION", "MOBILIZE", "COERCE", "ASSAULT",
)  # fmt: skip

_ELSEWHERE = {"sanctions": "COERCE", "conviction": "ACCUSE"}
"""Types that the test's mapping of 2021 puts under another root than the manual of 2024."""
_MERGED = {"CONCEDE": "YIELD", "RETREAT": "YIELD"}

THRESHOLD = 0.05

Offsets = tuple[int, int]


@dataclass(frozen=True)
class Pair:
    text: str
    source: Offsets | None
    """None where the sentence does not name it, as of some passives."""
    target: Offsets | None
    root: str


def is_plv(path: Path) -> bool:
    """Whether the first line of the file has a marked sentence."""
    with path.open("rb") as lines:
        return b"marked_sentence" in lines.readline(1_000_000)


def read(path: Path) -> list[Pair]:
    """Raises AnnotationError naming file and line."""
    return [_pair(f"{path}:{number}", row) for number, row in _rows(path)]


@dataclass
class PairScores:
    right: int = 0
    pairs: int = 0
    roots: dict[str, Tally] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        return self.right / self.pairs if self.pairs else 0.0

    @property
    def macro_f1(self) -> float:
        """Mean F1 over the roots that the gold has."""
        tallies = [tally for tally in self.roots.values() if tally.gold]
        return sum(tally.f1 for tally in tallies) / len(tallies) if tallies else 0.0

    def as_json(self) -> dict[str, Any]:
        roots = {root: tally.ratios() for root, tally in sorted(self.roots.items())}
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "roots": roots}

    def table(self) -> str:
        lines = [f"{self.pairs} pair{'s' * (self.pairs != 1)}", "", f"accuracy {self.accuracy:.3f}"]
        lines += [f"macro-F1 {self.macro_f1:.3f}", "", HEADING]
        return "\n".join(lines + [row(root, t) for root, t in sorted(self.roots.items())])


def score(pairs: Sequence[Pair], predictor: Predictor) -> PairScores:
    usual = predictor.decoding
    predictor.decoding = replace(usual, threshold=THRESHOLD)
    found = predictor.predict([pair.text for pair in pairs])
    predictor.decoding = usual
    scores = PairScores()
    for pair, events in zip(pairs, found, strict=True):
        chosen = choose(pair, events)
        came = root_of(chosen.type) if chosen else None
        scores.pairs += 1
        scores.roots.setdefault(pair.root, Tally()).gold += 1
        if came:
            scores.roots.setdefault(came, Tally()).predicted += 1
        if came == pair.root:
            scores.right += 1
            scores.roots[pair.root].right += 1
    return scores


def root_of(event_type: str) -> str | None:
    """Of the test's fifteen; None for a type that PLOVER does not have."""
    root = ontology().types[event_type].plover_event
    return _ELSEWHERE.get(event_type) or _MERGED.get(root or "") or root


def choose(pair: Pair, events: Sequence[Prediction]) -> Prediction | None:
    """Of the events that have a root: the best overlap with the pair, then confidence, decides."""
    with_root = [event for event in events if root_of(event.type)]
    if not with_root:
        return None
    return max(with_root, key=lambda event: (_overlap(pair, event), event.confidence))


def _overlap(pair: Pair, event: Prediction) -> float:
    """0 to 2: how much of the source is in the actors, and of the target in the targets."""
    return _share(pair.source, event.actor) + _share(pair.target, event.target)


def _share(span: Offsets | None, spans: Sequence[Offsets]) -> float:
    if span is None:
        return 0.0
    covered = sum(max(0, min(span[1], end) - max(span[0], start)) for start, end in spans)
    return covered / (span[1] - span[0])


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = read_text(path).split("\n")
    if path.suffix == ".jsonl":
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    yield number, msgspec.json.decode(line, type=dict[str, Any])
                except (ValueError, RecursionError) as error:
                    raise AnnotationError(f"{path}:{number}: {error}") from error
    else:
        reader = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            for row in reader:
                yield reader.line_num, row
        except csv.Error as error:
            raise AnnotationError(f"{path}:{reader.line_num}: {error}") from error


def _pair(where: str, row: dict[str, Any]) -> Pair:
    marked, root = row.get("marked_sentence"), row.get("gold_root")
    if not isinstance(marked, str) or root not in ROOTS:
        raise AnnotationError(
            f"{where}: expected marked_sentence and gold_root, one of {', '.join(ROOTS)}; "
            f"came {marked!r} and {root!r}"
        )
    text = ""
    spans: dict[str, int] = {}
    rest = marked
    while rest:
        marks = [(rest.find(mark), mark) for mark in ("<s>", "</s>", "<t>", "</t>")]
        at, mark = min(((a, m) for a, m in marks if a >= 0), default=(len(rest), ""))
        text += rest[:at]
        rest = rest[at + len(mark) :]
        if mark:
            spans[mark] = len(text)
    return Pair(
        text=text,
        source=_marked(where, spans, "<s>", "</s>"),
        target=_marked(where, spans, "<t>", "</t>"),
        root=root,
    )


def _marked(where: str, marks: dict[str, int], opening: str, closing: str) -> Offsets | None:
    start, end = marks.get(opening), marks.get(closing)
    if start is None and end is None:
        return None
    if start is None or end is None or start >= end:
        raise AnnotationError(f"{where}: expected words between {opening} and {closing}")
    return start, end
