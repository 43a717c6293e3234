"""A coder without a model, for tests of everything around it.

Every sentence with the word "met" is a meeting, with "captured" a capture. Words in capitals in
the text make it misbehave: KILL ends the process, RAISE raises on the whole batch, CROWD on any of
more than one, FAIL fails the article, OVER LIMIT fails it for that limit, FREEZE sleeps for a
minute, LONG for three seconds, SLOW for one, WORK for five milliseconds, PRINT writes to stdout.
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eventwire.models.drift import profile
from eventwire.models.ontology import ontology
from eventwire.models.records import (
    Article,
    ArticleRef,
    Coding,
    Event,
    Evidence,
    ModelRef,
    Plover,
    Span,
    Stats,
    event_id,
    text_sha256,
)

WORDS = {"met": "meeting", "captured": "capture", "denied": "denial"}


class FakeCoder:
    def __init__(self, model: str | None = None, **options: Any) -> None:
        self.model = ModelRef(name="fake", version=model or "1", sha256="0" * 64)
        self.stats = Stats()
        self.reference = None
        self.device, self.precision = "cpu", "float32"
        self.options = options

    def code(self, articles: Sequence[Article]) -> list[Coding]:
        for article in articles:
            if "KILL" in article.text:
                os.kill(os.getpid(), signal.SIGKILL)
            if "RAISE" in article.text:
                raise RuntimeError("cannot allocate\n42 tensors")
            if "CROWD" in article.text and len(articles) > 1:
                raise RuntimeError("too many at once")
            if "FREEZE" in article.text:
                time.sleep(60)
            if "SLOW" in article.text:
                time.sleep(1)
            if "LONG" in article.text:
                time.sleep(3)
            if "WORK" in article.text:
                time.sleep(0.005)
            if "PRINT" in article.text:
                print("library chatter", flush=True)
        self.stats.articles += len(articles)
        self.stats.sentences += sum(article.text.count(".") for article in articles)
        self.stats.seconds["network"] = self.stats.seconds.get("network", 0.0) + 0.001
        return [self.coding(article) for article in articles]

    def coding(self, article: Article) -> Coding:
        """What it makes of the article when it behaves."""
        sha = text_sha256(article.text)
        if "FAIL" in article.text:
            return Coding(
                article_id=article.id, text_sha256=sha, outcome="failed", reason="no luck"
            )
        if article.text.startswith("OVER "):
            failing: Any = article.text.removeprefix("OVER ")
            return Coding(
                article_id=article.id,
                text_sha256=sha,
                outcome="failed",
                reason="expected at most 7, got 8",
                failing=failing,
            )
        if article.language and not article.language.startswith("en"):
            return Coding(
                article_id=article.id,
                text_sha256=sha,
                outcome="unsupported_language",
                profile=profile(language=article.language),
            )
        events = list(self._events(article, sha))
        return Coding(
            article_id=article.id,
            text_sha256=sha,
            outcome="coded" if events else "no_event",
            events=events,
        )

    def _events(self, article: Article, sha: str) -> Any:
        start = 0
        for sentence in article.text.split(". "):
            for word, event_type in WORDS.items():
                at = sentence.find(word)
                if at >= 0:
                    kind = ontology().types[event_type]
                    yield Event(
                        event_id=event_id(article.id, event_type, start, start + at),
                        event_type=event_type,
                        plover=Plover(event=kind.plover_event, mode=None, score=None),
                        cameo=kind.cameo,
                        quad_class=1,
                        goldstein=kind.goldstein,
                        status="occurred",
                        confidence=0.3 if "perhaps" in sentence else 0.9,
                        trigger=Span(text=word, start=start + at, end=start + at + len(word)),
                        actors=[],
                        targets=[],
                        places=[],
                        time=None,
                        not_after=article.published_at,
                        attribution=None,
                        evidence=Evidence(
                            sentence=sentence, start=start, end=start + len(sentence)
                        ),
                        article=ArticleRef(id=article.id, sha256=sha, title=article.title),
                        model=self.model,
                        ontology_version="1",
                        detected_at="2026-01-01T00:00:00Z",
                    )
            start += len(sentence) + 2


def load(**options: Any) -> FakeCoder:
    return FakeCoder(**options)


def load_slowly(**options: Any) -> FakeCoder:
    time.sleep(3)
    return FakeCoder()


def fail(**options: Any) -> FakeCoder:
    raise OSError("model.safetensors: expected 24,117,248 bytes, got 134")


def die(**options: Any) -> FakeCoder:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def load_once(model: str, **options: Any) -> FakeCoder:
    """Loads one time; `model` is a file that remembers it."""
    with Path(model).open("x"):
        return FakeCoder()
