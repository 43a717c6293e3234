"""`eventwire evaluate`: the model on a gold file, in whichever form it is."""

from pathlib import Path
from typing import TypeVar

import msgspec

from eventwire.models import plv, predict, reliability, scores
from eventwire.models.corpus import AnnotationError, read_corpus, read_gold


def run(
    path: Path,
    *,
    as_json: bool = False,
    model: Path | None = None,
    min_confidence: float = 0.0,
    diagram: Path | None = None,
) -> str:
    """Scores as text to print, of annotated sentences (JSON lines, or a corpus: .txt or a folder of
    them) or of PLV pairs; a reliability diagram of the former goes to `diagram`.

    Raises AnnotationError for a gold file that has none or another form, OSError, WeightsError.
    """
    found: plv.PairScores | scores.Scores
    is_corpus = path.suffix == ".txt" or path.is_dir()
    if not is_corpus and plv.is_plv(path):
        if diagram:
            raise AnnotationError(
                f"{path}: expected annotated sentences for a diagram, came PLV pairs, one answer"
                " each; leave --diagram out"
            )
        pairs = _some(plv.read(path), path)
        found = plv.score(pairs, predict.load(model or predict.DEFAULT_MODEL))
    else:
        gold = _some(read_corpus(path) if is_corpus else read_gold(path), path)
        predictor = predict.load(model or predict.DEFAULT_MODEL)
        predicted = predictor.predict([sentence.text for sentence in gold])
        sure = [[e for e in events if e.confidence >= min_confidence] for events in predicted]
        found = scores.score(gold, sure)
        if diagram:
            diagram.write_text(reliability.svg(found.reliability(), path.name), encoding="utf-8")
    if as_json:
        return msgspec.json.format(msgspec.json.encode(found.as_json())).decode()
    return found.table()


T = TypeVar("T")


def _some(found: list[T], path: Path) -> list[T]:
    if not found:
        raise AnnotationError(f"{path}: expected annotated sentences, came none")
    return found
