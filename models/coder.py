"""EventCoder: articles in, codings out."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeVar

import torch

from eventwire.models import language, predict, text, weights
from eventwire.models.ontology import ontology
from eventwire.models.predict import Prediction, Predictor
from eventwire.models.records import (
    Article,
    ArticleRef,
    Coding,
    Event,
    Evidence,
    ModelRef,
    Outcome,
    Participant,
    Place,
    Plover,
    Span,
    Stats,
    Time,
    event_id,
    text_sha256,
)

log = logging.getLogger(__name__)

S = TypeVar("S", bound=Span)

Precision = Literal["auto", "float32", "bfloat16"]

CHUNK = 4096
"""Sentences predicted at a time: enough for even batches, and bounds memory on any article."""


def load_coder(
    model: Path | str | None = None, *, precision: Precision = "auto", threads: int | None = None
) -> "EventCoder":
    """The coder of a model folder (default: the model that ships with eventwire).

    `precision` auto takes bfloat16 where the processor multiplies it natively. Raises WeightsError.
    """
    folder = Path(model) if model else predict.DEFAULT_MODEL
    if threads:
        torch.set_num_threads(threads)
    device = predict.device()
    if precision == "auto":
        low = device != "cpu" or predict.fast_bfloat16()
    else:
        low = precision == "bfloat16"
    predictor = predict.load(folder, device=device, dtype=torch.bfloat16 if low else torch.float32)
    log.info(
        "model %s on %s in %s, %d threads",
        folder.name, device, "bfloat16" if low else "float32", torch.get_num_threads(),
    )  # fmt: skip
    reference = ModelRef(
        name=folder.name,
        version=version("eventwire"),
        sha256=str(weights.load_manifest(folder)["sha256"]),
    )
    return EventCoder(predictor, reference)


@dataclass(slots=True)
class _Draft:
    """An article on its way to its coding."""

    article: Article
    text: str
    sentences: list[text.Sentence]
    predictions: list[list[Prediction]]


class EventCoder:
    """Implements `seam.Coder`; not thread-safe."""

    def __init__(self, predictor: Predictor, model: ModelRef) -> None:
        self.model = model
        self._predictor = predictor

    @property
    def stats(self) -> Stats:
        return self._predictor.stats

    def code(self, articles: Sequence[Article]) -> list[Coding]:
        """One coding an article, in order. Never raises for what an article contains."""
        opened = [self._open(article) for article in articles]
        drafts = [draft for draft in opened if isinstance(draft, _Draft)]
        try:
            self._predict(drafts)
        except Exception:
            log.exception("batch of %d articles failed; one by one now", len(drafts))
            for draft in drafts:
                draft.predictions.clear()
        self.stats.articles += len(articles)
        return [self._close(each) if isinstance(each, _Draft) else each for each in opened]

    def _open(self, article: Article) -> _Draft | Coding:
        clock = predict.Clock(self.stats)
        canonical = text.canonical(article.text)
        if not language.is_english(canonical, article.language):
            clock.lap("language")
            return _coding(article, canonical, "unsupported_language")
        clock.lap("language")
        sentences = text.sentences(canonical)
        clock.lap("split")
        return _Draft(article, canonical, sentences, [])

    def _predict(self, drafts: Sequence[_Draft]) -> None:
        todo = [(draft, s) for draft in drafts for s in draft.sentences]
        for start in range(0, len(todo), CHUNK):
            chunk = todo[start : start + CHUNK]
            found = self._predictor.predict([draft.text[s.start : s.end] for draft, s in chunk])
            for (draft, _), events in zip(chunk, found, strict=True):
                draft.predictions.append(events)

    def _close(self, draft: _Draft) -> Coding:
        try:
            if len(draft.predictions) < len(draft.sentences):
                draft.predictions.clear()
                self._predict([draft])
            clock = predict.Clock(self.stats)
            events = self._events(draft)
            clock.lap("enrich")
        except Exception as error:
            log.exception("article %r failed", draft.article.id)
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return _coding(draft.article, draft.text, "failed", reason=reason)
        return _coding(
            draft.article,
            draft.text,
            "coded" if events else "no_event",
            events=events,
            sentences=len(draft.sentences),
        )

    def _events(self, draft: _Draft) -> list[Event]:
        article = draft.article
        reference = ArticleRef(
            id=article.id,
            sha256=text_sha256(draft.text),
            title=article.title,
            url=article.url,
            source=article.source,
            published_at=article.published_at,
        )
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return [
            self._event(draft, reference, sentence, prediction, now)
            for sentence, predictions in zip(draft.sentences, draft.predictions, strict=True)
            for prediction in predictions
        ]

    def _event(
        self,
        draft: _Draft,
        article: ArticleRef,
        sentence: text.Sentence,
        found: Prediction,
        now: str,
    ) -> Event:
        kind = ontology().types[found.type]

        def words(offsets: tuple[int, int]) -> tuple[str, int, int]:
            start, end = sentence.start + offsets[0], sentence.start + offsets[1]
            return draft.text[start:end], start, end

        trigger = _span(Span, words(found.trigger))
        return Event(
            event_id=event_id(article.id, found.type, sentence.start, trigger.start),
            event_type=found.type,
            plover=Plover(event=kind.plover_event, mode=kind.plover_mode, score=kind.plover_score),
            cameo=kind.cameo,
            quad_class=kind.quad_class,
            goldstein=kind.goldstein,
            status=found.status,
            confidence=found.confidence,
            trigger=trigger,
            actors=[_span(Participant, words(offsets)) for offsets in found.actor],
            targets=[_span(Participant, words(offsets)) for offsets in found.target],
            places=[_span(Place, words(offsets)) for offsets in found.place],
            time=_span(Time, words(found.time[0])) if found.time else None,
            not_after=article.published_at,
            attribution=_span(Participant, words(found.source[0])) if found.source else None,
            evidence=Evidence(
                sentence=draft.text[sentence.start : sentence.end],
                start=sentence.start,
                end=sentence.end,
            ),
            article=article,
            model=self.model,
            ontology_version=ontology().version,
            detected_at=now,
        )


def _coding(
    article: Article,
    canonical: str,
    outcome: Outcome,
    *,
    events: list[Event] | None = None,
    reason: str | None = None,
    sentences: int = 0,
) -> Coding:
    return Coding(
        article_id=article.id,
        text_sha256=text_sha256(canonical),
        outcome=outcome,
        events=events or [],
        reason=reason,
        sentences=sentences,
    )


def _span(kind: type[S], words: tuple[str, int, int]) -> S:
    text, start, end = words
    return kind(text=text, start=start, end=end)
