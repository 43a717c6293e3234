"""The reference of a model, see `drift`: what it makes of ordinary news of many outlets."""

import json
import logging
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import msgspec

from eventwire.models import drift
from eventwire.models.coder import REFERENCE, load_coder
from eventwire.models.drift import Profile, Reference
from eventwire.models.records import Article

log = logging.getLogger(__name__)

BATCH = 500


def write(folder: Path, sentences: Sequence[str]) -> None:
    """Code the sentences with the model in `folder`, and write its reference there.

    Raises WeightsError where there is no model.
    """
    coder = load_coder(folder)
    total: Profile = {}
    waiting = iter(sentences)
    while batch := list(islice(waiting, BATCH)):
        articles = [Article(id=str(number), text=text) for number, text in enumerate(batch)]
        for coding in coder.code(articles):
            drift.add(total, coding.profile)
    made = Reference(
        sha256=coder.model.sha256,
        sentences=len(sentences),
        histograms={feature: dict(sorted(bins.items())) for feature, bins in total.items()},
    )
    text = json.dumps(msgspec.to_builtins(made), indent=2) + "\n"
    (folder / REFERENCE).write_text(text, encoding="utf-8")
    log.info("%s: %d sentences", folder / REFERENCE, len(sentences))
