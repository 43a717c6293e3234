"""A way from topic to topic that `eventwire bench stream` measures: its topics, the processes that
serve it, and eyes on what comes out."""

import os
import re
import sys
import time
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import msgspec
from kafka import KafkaConsumer
from kafka.producer.future import FutureRecordMetadata

from eventwire.models import text
from eventwire.models.records import Article
from eventwire.streams import clients, cores
from eventwire.streams.children import Child, Running
from eventwire.streams.demo import last_error
from eventwire.streams.embedded import EmbeddedBroker
from eventwire.streams.settings import Settings, to_environment
from eventwire.streams.topics import create_missing, topics

PATIENCE = 300.0
"""Seconds without anything new, after which it is not slow but stuck: a model loads in ten."""
GRACE = 8.0
"""Seconds from asking a process to stop to killing it: nothing of it has to be kept."""
CODED = frozenset({"coded", "no_event"})
"""Outcomes of articles whose sentences were read; the others cost next to nothing."""


class BenchError(Exception):
    """The benchmark could not go on; the message is one line."""


class Item(NamedTuple):
    """An article of the sample, with how many sentences it has."""

    article: Article
    sentences: int

    @classmethod
    def of(cls, article: Article) -> "Item":
        canonical = text.canonical(article.text)
        return cls(msgspec.structs.replace(article, text=canonical), len(text.sentences(canonical)))


class Counted(NamedTuple):
    """Articles that were coded, their sentences, and how long it took."""

    articles: int
    sentences: int
    seconds: float

    @classmethod
    def of(cls, outcomes: Iterable[tuple[Item, str]], seconds: float) -> "Counted":
        coded = [item.sentences for item, outcome in outcomes if outcome in CODED]
        return cls(len(coded), sum(coded), seconds)


class _Coding(msgspec.Struct):
    """What is read of a coding; the loop's say nothing of outcomes and events."""

    article_id: str
    outcome: str = "coded"
    event_ids: list[str] = []


class _ArticleRef(msgspec.Struct):
    id: str


class _Event(msgspec.Struct):
    event_id: str
    article: _ArticleRef


class Lane(Running):
    """Running from construction until `stop` or the end of a `with`."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        broker: EmbeddedBroker,
        commands: Sequence[Sequence[str]],
        *,
        folder: Path,
        cores_of_each: Sequence[int | None] = (None,),
    ) -> None:
        """`commands` are those of the processes, whose logs go to `folder`; `settings` name topics
        that no other lane has."""
        self._name = name
        self._settings = settings
        self._broker = broker
        self._topics = topics(settings)
        self._sent = 0
        self._processes: list[tuple[Child, Path]] = []
        with ExitStack() as stack:
            create_missing(settings)
            for number, (command, core) in enumerate(zip(commands, cores_of_each, strict=True)):
                log_file = folder / f"{name}-{number}.log"
                with cores.kept_to(core):
                    child = start(command, settings, log_file)
                self._processes.append((stack.enter_context(child), log_file))
            self._codings = self._reader(self._topics.codings.name, from_beginning=True)
            stack.callback(self._codings.close)
            self._producer = stack.enter_context(clients.producer(settings))
            self._stack = stack.pop_all()

    def stop(self) -> None:
        self._stack.close()

    def await_shares(self) -> None:
        """Until every worker has an equal share of the partitions."""
        share = self._settings.partitions // len(self._processes)
        deadline = time.monotonic() + PATIENCE
        while any(_partitions(log) != share for _, log in self._processes):
            self._check(deadline, f"expected {share} partitions for each worker")
            time.sleep(0.2)

    def measure(self, items: Sequence[Item]) -> Counted:
        """Send them, and wait for the coding of each. The clock runs from the first that is sent to
        the last coding that is read, the way into the empty stream and out of it included."""
        named = [(self._new_id(), item) for item in items]
        placed = list(zip(named, spread(items, self._settings.partitions), strict=True))
        outcomes: dict[str, str] = {}
        began = last = time.perf_counter()
        sent = [self._send(name, item, partition) for (name, item), partition in placed]
        ours = {name for name, _ in named}
        deadline = time.monotonic() + PATIENCE
        while len(outcomes) < len(ours):
            for coding in self._read(ours - outcomes.keys(), wait=0.1):
                outcomes[coding.article_id] = coding.outcome
                last = time.perf_counter()
                deadline = time.monotonic() + PATIENCE
            self._check(deadline, "expected a coding", sent)
        return Counted.of(((item, outcomes[name]) for name, item in named), last - began)

    def latencies(self, items: Sequence[Item], rate: float) -> list[float]:
        """Send them, `rate` a second; returns the seconds from the timestamp of its article to the
        arrival of each event.

        The timestamp is the moment an article was due, so that a sender that is held up hides no
        waiting.
        """
        due: dict[str, float] = {}
        sent: list[FutureRecordMetadata] = []
        expected: set[str] = set()
        arrived: dict[str, float] = {}
        told: set[str] = set()
        turns = list(zip(items, spread(items, self._settings.partitions), strict=True))
        events = self._reader(self._topics.events.name, from_beginning=False)
        try:
            began = time.time()
            deadline = time.monotonic() + PATIENCE
            while len(told) < len(items) or not expected <= arrived.keys():
                while len(due) < len(items) and (at := began + len(due) / rate) <= time.time():
                    name, (item, partition) = self._new_id(), turns[len(due)]
                    due[name] = at
                    sent.append(self._send(name, item, partition, timestamp=at))
                pause = began + len(due) / rate - time.time() if len(due) < len(items) else 0.1
                for name, event_id in _events(events, wait=min(max(pause, 0.0), 0.1)):
                    if name in due:  # the broker may begin with some that were there before
                        arrived.setdefault(event_id, time.time() - due[name])
                for coding in self._read(due.keys() - told, wait=0.0):
                    told.add(coding.article_id)
                    expected.update(coding.event_ids)
                    deadline = time.monotonic() + PATIENCE
                self._check(deadline, "expected the events of every coding", sent)
        finally:
            events.close()
        return list(arrived.values())

    def _new_id(self) -> str:
        self._sent += 1
        return f"{self._name}-{self._sent}"

    def _send(
        self, name: str, item: Item, partition: int, timestamp: float | None = None
    ) -> FutureRecordMetadata:
        return self._producer.send(
            self._topics.articles.name,
            msgspec.json.encode(msgspec.structs.replace(item.article, id=name)),
            key=name.encode(),
            partition=partition,
            timestamp_ms=None if timestamp is None else int(timestamp * 1000),
        )

    def _reader(self, topic: str, *, from_beginning: bool) -> KafkaConsumer:
        return clients.reader(self._settings, [topic], from_beginning=from_beginning)

    def _read(self, of: Collection[str], wait: float) -> Iterator[_Coding]:
        """The next codings of these articles, each article's once."""
        seen = set()
        for records in self._codings.poll(timeout_ms=int(wait * 1000)).values():
            for record in records:
                coding = msgspec.json.decode(record.value, type=_Coding)
                if coding.article_id in of and coding.article_id not in seen:
                    seen.add(coding.article_id)
                    yield coding

    def _check(
        self, deadline: float, expected: str, sent: Sequence[FutureRecordMetadata] = ()
    ) -> None:
        """Raises BenchError where it cannot go on."""
        for child, log_file in self._processes:
            if child.exit_status is not None:
                raise _ended(self._name, child, log_file)
        if not self._broker.running:
            raise BenchError(f"{self._name}: the broker ended: {self._broker.last_words}")
        if failed := next((future for future in sent if future.failed()), None):
            raise BenchError(f"{self._name}: an article was not sent: {failed.exception!r}")
        if time.monotonic() > deadline:
            raise BenchError(f"{self._name}: {expected}, got nothing new for {PATIENCE:.0f} s")


def spread(items: Iterable[Item], partitions: int) -> Iterator[int]:
    """The partition of each: all get about the same work, as those of many more articles would."""
    work = [0] * partitions
    for item in items:
        partition = work.index(min(work))
        work[partition] += item.sentences
        yield partition


def worker_command() -> list[str]:
    return _python("eventwire.streams.cli", "worker")


def child_command(what: str, *arguments: str) -> list[str]:
    """Of bench_child."""
    return _python("eventwire.streams.bench_child", what, *arguments)


def run_to_end(name: str, command: Sequence[str], settings: Settings, folder: Path) -> None:
    """Raises BenchError where the command fails."""
    log_file = folder / f"{name}.log"
    with start(command, settings, log_file) as child:
        child.wait()
        if child.exit_status:
            raise _ended(name, child, log_file)


def start(command: Sequence[str], settings: Settings, log_file: Path) -> Child:
    environment: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith("EVENTWIRE_")},
        **to_environment(settings),
        "TMPDIR": str(log_file.parent),
    }
    with log_file.open("wb") as log:
        return Child(command, log=log, environment=environment, grace=GRACE)


def _python(module: str, *arguments: str) -> list[str]:
    # -P: what lies in the user's folder is not to be imported.
    return [sys.executable, "-P", "-m", module, *arguments]


def _ended(name: str, child: Child, log_file: Path) -> BenchError:
    lines = log_file.read_text(errors="replace").strip().split("\n")
    return BenchError(
        f"{name}: its process ended with status {child.exit_status}: {last_error(lines)}"
    )


def _events(consumer: KafkaConsumer, wait: float) -> Iterator[tuple[str, str]]:
    """Article id and event id of what arrives."""
    for records in consumer.poll(timeout_ms=int(wait * 1000)).values():
        for record in records:
            if record.value is not None:
                event = msgspec.json.decode(record.value, type=_Event)
                yield event.article.id, event.event_id


def _partitions(log_file: Path) -> int | None:
    """That the worker with this log has; None while it is not ready."""
    at = re.search(r"http://127\.0\.0\.1:\d+", log_file.read_text(errors="replace"))
    if at is None:
        return None
    try:
        with urllib.request.urlopen(f"{at[0]}/health/ready", timeout=5) as answer:  # noqa: S310
            told = re.search(rb"(\d+) partitions", answer.read())
    except OSError:  # also 503: not ready
        return None
    return int(told[1]) if told else None
