"""`eventwire evaluate`: the model on a gold file, in whichever of two forms it is."""

from pathlib import Path

import msgspec

from eventwire.models import plv, predict, scores
from eventwire.models.corpus import read_corpus, read_gold


def run(
    path: Path, *, as_json: bool = False, model: Path | None = None, min_confidence: float = 0.0
) -> str:
    """Scores as text to print, of annotated sentences (.jsonl, or a corpus .txt) or of PLV pairs.

    Raises AnnotationError for a gold file that cannot be read, WeightsError.
    """
    found: plv.PairScores | scores.Scores
    if path.suffix != ".txt" and not path.is_dir() and plv.is_plv(path):
        pairs = plv.read(path)
        found = plv.score(pairs, predict.load(model or predict.DEFAULT_MODEL))
    else:
        gold = read_gold(path) if path.suffix == ".jsonl" else read_corpus(path)
        predictor = predict.load(model or predict.DEFAULT_MODEL)
        predicted = predictor.predict([sentence.text for sentence in gold])
        sure = [[e for e in events if e.confidence >= min_confidence] for events in predicted]
        found = scores.score(gold, sure)
    if as_json:
        return msgspec.json.format(msgspec.json.encode(found.as_json())).decode()
    return found.table()
