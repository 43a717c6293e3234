"""What is trained on and what is measured on, and that the two share nothing."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from eventwire.models.corpus import (
    CORPUS,
    FEED_STANDOFF,
    STANDOFF,
    AnnotatedSentence,
    read_corpus,
    read_gold,
    read_standoff,
)

SHARED = Path("../shared")
TRAINING = [
    SHARED / "data" / "train.jsonl",
    SHARED / "data" / "train_world.jsonl",
    CORPUS,
    STANDOFF,
    FEED_STANDOFF,
]
EVALUATION = [
    SHARED / "data" / "dev.jsonl",
    SHARED / "data" / "dev_world.jsonl",
    SHARED / "corpus_test",
    Path("tests/behaviour"),
]
UNLABELLED = SHARED / "data" / "unlabelled.jsonl.gz"
"""Texts of the stand-off annotations, and what a teacher looks at."""
GUARDIAN = SHARED / "feeds" / "guardian.jsonl"
REFERENCE_SENTENCES = 10_000
"""Of `UNLABELLED`, that drift is measured against: some hundred events of each type not rare."""
VALIDATION_SHARE = 0.06
"""Of the documents; they choose thresholds and calibration and are never fitted."""


class TrainingError(ValueError):
    """What a training was given cannot serve; the message says what would."""


class LeakageError(TrainingError):
    """A training sentence is in an evaluation file too."""


def read_sentences(path: Path, texts: Path) -> list[AnnotatedSentence]:
    if path.name.endswith(".standoff.jsonl"):
        return read_standoff(path, GUARDIAN if path.name == FEED_STANDOFF.name else texts)
    return read_gold(path) if path.suffix == ".jsonl" else read_corpus(path)


def normalised(text: str) -> str:
    """Letters and digits only: what two copies of a sentence share."""
    return re.sub(r"\W+", " ", text.lower()).strip()


def refuse_leakage(
    training: Iterable[AnnotatedSentence], evaluation: Iterable[AnnotatedSentence]
) -> None:
    """Raises LeakageError naming the first shared sentence and how many there are."""
    held_out = {normalised(sentence.text): sentence.id for sentence in evaluation}
    shared = [s for s in training if normalised(s.text) in held_out]
    if shared:
        raise LeakageError(
            f"{len(shared)} training sentences are in the evaluation files too, first "
            f"{shared[0].id} (there {held_out[normalised(shared[0].text)]}); take them out"
        )


def split(
    sentences: Sequence[AnnotatedSentence],
) -> tuple[list[AnnotatedSentence], list[AnnotatedSentence]]:
    """Training and validation sentences; whole documents (id up to the last hyphen) move.

    Our own corpus, whose ids have a colon, only trains: it is denser than a day's news.
    """
    parts: tuple[list[AnnotatedSentence], list[AnnotatedSentence]] = ([], [])
    for sentence in sentences:
        document = sentence.id.rpartition("-")[0] or sentence.id
        share = int(hashlib.sha256(document.encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
        parts[":" not in sentence.id and share < VALIDATION_SHARE].append(sentence)
    return parts
