"""EventCoder: articles in, codings out."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import torch

from eventwire.models import drift, language, predict, text, weights
from eventwire.models.drift import Profile, Reference
from eventwire.models.enrich.actors import Resolver
from eventwire.models.enrich.attribution import attribution
from eventwire.models.enrich.places import ArticlePlaces
from eventwire.models.enrich.times import resolve_time
from eventwire.models.ontology import ontology
from eventwire.models.predict import Prediction, Predictor
from eventwire.models.records import (
    Article,
    ArticleRef,
    Coding,
    Event,
    Evidence,
    Failing,
    ModelRef,
    Outcome,
    Participant,
    Plover,
    Span,
    Stats,
    Status,
    Time,
    event_id,
    text_sha256,
)
from eventwire.models.seam import Limits
from eventwire.models.text import Sentence

log = logging.getLogger(__name__)

Precision = Literal["auto", "float32", "bfloat16"]

CHUNK = 4096
"""Sentences predicted at a time: enough for even batches, and bounds memory on any article."""

REFERENCE = "reference.json"

ON_PLACES = frozenset(
    ["air_strike", "shelling", "bombing", "occupation", "destruction", "withdrawal", "deployment"]
)
"""Types whose target is a place where it can be one: "shelled Damascus" is no government."""


def load_coder(
    model: Path | str | None = None,
    *,
    precision: Precision = "auto",
    threads: int | None = None,
    limits: Mapping[str, int] | None = None,
) -> "EventCoder":
    """The coder of a model folder (default: the model that ships with eventwire).

    `precision` auto takes bfloat16 where the processor multiplies it natively; `limits` are the
    fields of `seam.Limits`. Raises WeightsError.
    """
    folder = Path(model) if model else predict.DEFAULT_MODEL
    device = predict.device()
    if precision == "auto":
        low = device != "cpu" or predict.fast_bfloat16()
    else:
        low = precision == "bfloat16"
    dtype = torch.bfloat16 if low else torch.float32
    predictor = predict.load(folder, device=device, dtype=dtype, threads=threads)
    log.info(
        "model %s on %s in %s, %d threads",
        folder.name, device, "bfloat16" if low else "float32", predictor.threads,
    )  # fmt: skip
    named = ModelRef(
        name=folder.name,
        version=version("eventwire"),
        sha256=str(weights.load_manifest(folder)["sha256"]),
    )
    reference = load_reference(folder, named.sha256)
    return EventCoder(predictor, named, Limits(**(limits or {})), reference)


def load_reference(folder: Path, sha256: str) -> Profile | None:
    """Of a model folder whose weights have this SHA-256; None where there is none of these weights.

    Raises WeightsError where it cannot be read.
    """
    if not (folder / REFERENCE).is_file():
        return None
    reference = weights.read(folder, REFERENCE, Reference)
    return reference.histograms if reference.sha256 == sha256 else None


class _OverLimit(Exception):  # noqa: N818
    def __init__(self, failing: Failing, what: str) -> None:
        super().__init__(what)
        self._failing = failing

    def coding(self, article: Article, canonical: str) -> Coding:
        return _coding(article, canonical, "failed", reason=str(self), failing=self._failing)


@dataclass(slots=True)
class _Draft:
    """An article on its way to its coding."""

    article: Article
    text: str
    sentences: list[Sentence]
    language: str | None
    predictions: list[list[Prediction]] = field(default_factory=list)
    unknown_shares: list[float] = field(default_factory=list)

    def forget(self) -> None:
        self.predictions.clear()
        self.unknown_shares.clear()


class EventCoder:
    """Implements `seam.Coder`; not thread-safe."""

    def __init__(
        self,
        predictor: Predictor,
        model: ModelRef,
        limits: Limits | None = None,
        reference: Profile | None = None,
    ) -> None:
        self.model = model
        self.reference = reference
        self._predictor = predictor
        self._limits = limits or Limits()

    @property
    def stats(self) -> Stats:
        return self._predictor.stats

    @property
    def device(self) -> str:
        return self._predictor.device.type

    @property
    def precision(self) -> str:
        return str(self._predictor.dtype).removeprefix("torch.")

    def code(self, articles: Sequence[Article]) -> list[Coding]:
        """One coding an article, in order. Never raises for what an article contains."""
        opened = [self._open(article) for article in articles]
        drafts = [draft for draft in opened if isinstance(draft, _Draft)]
        try:
            self._predict(drafts)
        except Exception:
            log.exception("batch of %d articles failed; one by one now", len(drafts))
            for draft in drafts:
                draft.forget()
        self.stats.articles += len(articles)
        return [self._close(each) if isinstance(each, _Draft) else each for each in opened]

    def _open(self, article: Article) -> _Draft | Coding:
        clock = predict.Clock(self.stats)
        canonical = text.canonical(article.text)
        told = language.tell(canonical, article.language)
        clock.lap("language")
        if told not in language.READ:
            found = drift.profile(language=told)
            return _coding(article, canonical, "unsupported_language", profile=found)
        sentences = text.sentences(canonical)
        clock.lap("split")
        try:
            self._check(canonical, sentences)
        except _OverLimit as over:
            return over.coding(article, canonical)
        return _Draft(article, canonical, sentences, told)

    def _check(self, canonical: str, sentences: Sequence[Sentence]) -> None:
        limits = self._limits
        if len(sentences) > limits.sentences:
            raise _OverLimit(
                "too_many_sentences",
                f"expected at most {limits.sentences:,} sentences, got {len(sentences):,}",
            )
        for start, end in sentences:
            # No token is shorter than a character: hardly a sentence has to be counted.
            if end - start > limits.sentence_tokens:
                (words,) = self._predictor.reader.read([canonical[start:end]])
                if len(words.ids) > limits.sentence_tokens:
                    raise _OverLimit(
                        "sentence_too_long",
                        f"expected sentences of at most {limits.sentence_tokens:,} tokens,"
                        f" got one of {len(words.ids):,} at offset {start}",
                    )

    def _predict(self, drafts: Sequence[_Draft]) -> None:
        todo = [(draft, s) for draft in drafts for s in draft.sentences]
        for start in range(0, len(todo), CHUNK):
            chunk = todo[start : start + CHUNK]
            found = self._predictor.predict([draft.text[s.start : s.end] for draft, s in chunk])
            shares = self._predictor.unknown_shares
            for (draft, _), events, share in zip(chunk, found, shares, strict=True):
                draft.predictions.append(events)
                draft.unknown_shares.append(share)

    def _close(self, draft: _Draft) -> Coding:
        try:
            events = self._events(draft)
        except _OverLimit as over:
            return over.coding(draft.article, draft.text)
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
            profile=drift.profile(
                language=draft.language,
                lengths=[end - start for start, end in draft.sentences],
                unknown_shares=draft.unknown_shares,
                events=events,
            ),
        )

    def _events(self, draft: _Draft) -> list[Event]:
        if len(draft.predictions) < len(draft.sentences):
            draft.forget()
            self._predict([draft])
        count = sum(map(len, draft.predictions))
        if count > self._limits.events:
            raise _OverLimit(
                "too_many_events",
                f"expected at most {self._limits.events:,} events, got {count:,}",
            )
        clock = predict.Clock(self.stats)
        writer = _Writer(draft, self.model)
        events = [
            writer.event(sentence, found)
            for sentence, predictions in zip(draft.sentences, draft.predictions, strict=True)
            for found in predictions
        ]
        clock.lap("enrich")
        return events


class _Writer:
    """Writes the records of one article."""

    def __init__(self, draft: _Draft, model: ModelRef) -> None:
        article = draft.article
        self.text = draft.text
        self.model = model
        self.article = ArticleRef(
            id=article.id,
            sha256=text_sha256(draft.text),
            title=article.title,
            url=article.url,
            source=article.source,
            published_at=article.published_at,
        )
        self.timezone = article.timezone
        self.resolver = Resolver(draft.text, draft.sentences, article.published_at)
        self.places = ArticlePlaces(draft.text)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.now = now.replace("+00:00", "Z")

    def event(self, sentence: Sentence, found: Prediction) -> Event:
        kind = ontology().types[found.type]

        def moved(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
            return [(sentence.start + start, sentence.start + end) for start, end in spans]

        (trigger,) = moved([found.trigger])
        evidence = self.text[sentence.start : sentence.end]
        return Event(
            event_id=event_id(self.article.id, found.type, sentence.start, trigger[0]),
            event_type=found.type,
            plover=Plover(event=kind.plover_event, mode=kind.plover_mode, score=kind.plover_score),
            cameo=kind.cameo,
            quad_class=kind.quad_class,
            goldstein=kind.goldstein,
            status=found.status,
            confidence=found.confidence,
            trigger=Span(text=self.text[slice(*trigger)], start=trigger[0], end=trigger[1]),
            actors=self._participants(moved(found.actor)),
            targets=self._participants(moved(found.target), on_places=found.type in ON_PLACES),
            places=[self.places.geocode(*span) for span in moved(found.place)],
            time=self._time(moved(found.time[:1]), evidence, found.status),
            not_after=self.article.published_at,
            attribution=attribution(self.resolver, trigger, moved(found.source)),
            evidence=Evidence(sentence=evidence, start=sentence.start, end=sentence.end),
            article=self.article,
            model=self.model,
            ontology_version=ontology().version,
            detected_at=self.now,
        )

    def _participants(
        self, spans: Iterable[tuple[int, int]], *, on_places: bool = False
    ) -> list[Participant]:
        found = (self.resolver.participant(*span, on_places=on_places) for span in spans)
        return [one for several in found for one in several]

    def _time(self, spans: list[tuple[int, int]], sentence: str, status: Status) -> Time | None:
        if not spans:
            return None
        ((start, end),) = spans
        words = self.text[start:end]
        published_at = self.article.published_at
        found = resolve_time(
            words,
            published_at=published_at,
            sentence=sentence,
            status=status,
            timezone=self.timezone,
        )
        return Time(
            text=words, start=start, end=end, value=found.value, granularity=found.granularity
        )


def _coding(
    article: Article,
    canonical: str,
    outcome: Outcome,
    *,
    events: list[Event] | None = None,
    reason: str | None = None,
    failing: Failing = "coder_error",
    sentences: int = 0,
    profile: Profile | None = None,
) -> Coding:
    return Coding(
        article_id=article.id,
        text_sha256=text_sha256(canonical),
        outcome=outcome,
        events=events or [],
        reason=reason,
        failing=failing,
        sentences=sentences,
        profile=profile or {},
    )
