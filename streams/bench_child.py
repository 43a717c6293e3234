"""The two of `eventwire bench stream` that compute in processes of their own beside the worker:
the bare coder over a list, and the loop that most people would write."""

import importlib
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from eventwire.models import text
from eventwire.models.records import Article
from eventwire.streams import clients, coding, logs, settings
from eventwire.streams.settings import Settings
from eventwire.streams.topics import topics

CODER, LOOP = "coder", "loop"

log = logging.getLogger(__name__)


class CoderRun(msgspec.Struct):
    """What the bare coder made of the articles."""

    outcomes: list[str]
    """Of the articles, in their order."""
    seconds: float
    cpu: str
    features: list[str]
    """See `models.predict.matrix_instructions`."""


def main(what: str, *others: str) -> int:
    loaded = settings.load(os.environ)
    logs.configure(loaded)
    try:
        if what == CODER:
            code(loaded, Path(others[0]), int(others[1]), Path(others[2]))
        else:
            loop(loaded, others[0])
    except Exception as error:  # noqa: BLE001 - the parent tells its user in one line
        log.error("%s: %s", type(error).__name__, " ".join(str(error).split()))  # noqa: TRY400
        return 1
    return 0


def code(loaded: Settings, feed: Path, warm_up: int, answer: Path) -> None:
    """Code the articles of `feed` as one list, and write a CoderRun to `answer`."""
    articles = msgspec.json.Decoder(Article).decode_lines(feed.read_bytes())
    coder = coding.load_coder(loaded)
    coder.code(articles[:warm_up])
    began = time.perf_counter()
    codings = coder.code(articles)
    seconds = time.perf_counter() - began

    from eventwire.models import predict  # not before: a fake coder needs none of its imports

    run = CoderRun(
        outcomes=[coding.outcome for coding in codings],
        seconds=seconds,
        cpu=predict.cpu_name(),
        features=predict.matrix_instructions(),
    )
    answer.write_bytes(msgspec.json.encode(run))


def loop(loaded: Settings, classifier: str) -> None:
    """Articles in, the labels of their sentences out, one by one, until stopped.

    `classifier` is module:function, called with `model` and `threads`; what it returns is called
    with a sentence.
    """
    module, _, function = classifier.partition(":")
    make = getattr(importlib.import_module(module), function)
    classify = make(model=loaded.model, threads=loaded.coder_threads)
    named = topics(loaded)
    consumer = clients.reader(loaded, [named.articles.name], from_beginning=True)
    with clients.producer(loaded) as producer:
        for record in consumer:
            article: dict[str, Any] = json.loads(record.value)
            labels = [
                classify(article["text"][sentence.start : sentence.end])
                for sentence in text.sentences(article["text"])
            ]
            value = json.dumps({"article_id": article["id"], "labels": labels}).encode()
            producer.send(named.codings.name, value, key=record.key)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
