"""Articles through workers that tests break on the way, and the count of what came of each.

    trial = Trial(broker, "name", record_property)
    with trial.fed():                   # articles come, about as fast as workers can take them
        worker = new_worker(trial, **QUICK)
        …                               # break something
    trial.finish()                      # all that was sent is committed
    count = trial.count("what was broken")
    assert count.wrong == 0

A reader counts that sees what is committed (read_committed) and keys it by event_id. What it should
find is what the same articles give where nothing breaks: the fake coder's own answer, taken in the
test's process. The counts of all tests stand at the end of pytest's output, "counted", as the table
of docs/delivery.md.
"""

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from conftest import AnyBroker, WorkerProcess, room_settings
from fakes.fake_coder import FakeCoder
from kafka.errors import KafkaError
from kafka_cluster import Cluster, Embedded

from eventwire.models.records import Article, Coding
from eventwire.streams import clients, topics
from eventwire.streams.clients import BrokerError
from eventwire.streams.coding import load_coder
from eventwire.streams.outputs import LedgerRecord
from eventwire.streams.standing import until_the_end
from eventwire.streams.topics import Topic

QUICK = {"EVENTWIRE_BATCH_SECONDS": "0.2"}
"""For a worker: many small batches, so that whatever strikes finds one half done."""

REST = "WORK. " + "It rained. " * 12
"""Of an article, after what happens in it: the fake coder takes five milliseconds for WORK."""

FAKE = "fakes.fake_coder:load"

BACKLOG = 400
"""Articles that wait for a coder of 200 a second, less or more, while a trial is fed."""

NewWorker = Callable[..., WorkerProcess]


@dataclass
class Count:
    """What a reader found; `wrong` is what no fault may cause, the rest is for the record."""

    what: str
    on: str = ""
    """Which broker."""
    articles: int = 0
    events: int = 0
    """That the articles give where nothing breaks, and so that should stand."""
    lost: list[str] = field(default_factory=list)
    """Ids of events that should stand and do not, on any of their topics."""
    strange: list[str] = field(default_factory=list)
    """Ids of events that stand and should not."""
    changed: list[str] = field(default_factory=list)
    """Ids of events that stand with another value than they should have."""
    unrecorded: list[tuple[int, int]] = field(default_factory=list)
    """Messages, by partition and offset, of which the ledger says nothing."""
    misrecorded: list[str] = field(default_factory=list)
    """Articles whose last word in the ledger names other events than theirs."""
    buried: list[str] = field(default_factory=list)
    """Articles that are dead letters and should not be, or the other way round."""
    repeated: int = 0
    """Records of the events topic beyond the first of each id."""
    recorded_again: int = 0
    """Records of the ledger beyond the first for each message."""
    buried_again: int = 0
    """Dead letters beyond the first of each message."""
    outcomes: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> int:
        amiss = (self.lost, self.strange, self.changed, self.unrecorded, self.misrecorded)
        return sum(map(len, (*amiss, self.buried)))

    def row(self) -> str:
        """Of the table under `TABLE_HEAD`."""
        cells = (
            "; ".join([self.what, *self.notes]),
            self.on,
            f"{self.articles:,}",
            f"{self.events:,}",
            f"{len(self.lost)}",
            f"{len(self.strange) + len(self.changed)}",
            f"{self.repeated:,}",
            f"{self.recorded_again:,}",
        )
        return f"| {' | '.join(cells)} |"

    def faults(self) -> str:
        """What is wrong, in one line; empty where nothing is."""
        names = ("lost", "strange", "changed", "unrecorded", "misrecorded", "buried")
        told = [
            f"{name}: {len(found)}, {found[:3]}" for name in names if (found := getattr(self, name))
        ]
        return f"{self.what}: {'; '.join(told)}" if told else ""


TABLE_HEAD = """\
| what breaks | on | articles | events | lost | doubled, changed | events again | ledger again |
|---|---|---:|---:|---:|---:|---:|---:|"""


class Trial:
    """Topics of its own, what was sent to them, and what is to be found there in the end."""

    def __init__(
        self,
        broker: AnyBroker,
        name: str,
        record_property: Callable[[str, object], None],
        **settings: Any,
    ) -> None:
        self.settings = room_settings(broker, name, **settings)
        self._on = _named(broker)
        self.topics = topics.topics(self.settings)
        self._record_property = record_property
        self._articles: dict[str, Article] = {}
        self._ends: dict[int, int] = {}
        self._numbers = itertools.count()
        self._notes: list[str] = []
        topics.create_missing(self.settings)

    # ------------------------------------------------------------------------------- sending

    def articles(self, count: int, rest: str = REST) -> list[Article]:
        """New ones, of which some have no event, some one and some two, and all the same rest."""
        return [article(f"a{next(self._numbers)}", text, rest) for text in _texts(count)]

    def send(self, articles: Iterable[Article], partition: int | None = None) -> None:
        """Returns when the broker has them; tries again until it has."""
        waiting = list(articles)
        while waiting:
            failed = []
            with contextlib.suppress(BrokerError), clients.producer(self.settings) as producer:
                for sent in [self._send(producer, each, partition) for each in waiting]:
                    failed += sent()
                waiting = failed
            if waiting:
                time.sleep(0.5)

    def send_bad(self, count: int) -> list[str]:
        """Articles that become dead letters; their ids."""
        bad = [Article(id=f"bad{next(self._numbers)}", text=" ") for _ in range(count)]
        self.send(bad)
        return [each.id for each in bad]

    def _send(
        self, producer: Any, article: Article, partition: int | None
    ) -> Callable[[], list[Article]]:
        value = msgspec.json.encode(article)
        try:
            future = producer.send(
                self.topics.articles.name, value, key=article.id.encode(), partition=partition
            )
        except KafkaError:
            return lambda: [article]

        def sent() -> list[Article]:
            try:
                done = future.get(60)
            except KafkaError:
                return [article]  # it may be there all the same
            self._articles[article.id] = article
            self._ends[done.partition] = max(self._ends.get(done.partition, 0), done.offset + 1)
            return []

        return sent

    @contextlib.contextmanager
    def fed(self) -> Iterator[None]:
        """While it lasts, a backlog of articles waits for the workers."""
        done = threading.Event()

        def feed() -> None:
            while not done.is_set():
                with contextlib.suppress(BrokerError, KafkaError):
                    missing = BACKLOG - self.unfinished()
                    if missing > BACKLOG / 3:
                        self.send(self.articles(missing))
                done.wait(0.3)

        self.send(self.articles(BACKLOG))
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield
        finally:
            done.set()
            feeder.join()

    # ------------------------------------------------------------------------------ progress

    def committed(self, seconds: float = 60) -> dict[int, int]:
        """Offsets by partition; asks again for a while where the broker is not ready to tell."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                with clients.admin(self.settings) as admin:
                    offsets = admin.list_group_offsets(self.settings.group)
            except (BrokerError, KafkaError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
            else:
                break
        offsets = offsets.get(self.settings.group, {})
        return {
            partition.partition: found.offset
            for partition, found in offsets.items()
            if partition.topic == self.topics.articles.name and found.offset >= 0
        }

    def unfinished(self) -> int:
        """Messages that were sent and are not committed."""
        committed = self.committed()
        return sum(max(end - committed.get(p, 0), 0) for p, end in list(self._ends.items()))

    def finished(self) -> int:
        return sum(self.committed().values())

    def progress(self, *workers: WorkerProcess, beyond: int, seconds: float = 120) -> None:
        """Wait until more than `beyond` messages are committed."""
        self._wait(lambda: self.finished() > beyond, workers, seconds)

    def finish(self, *workers: WorkerProcess, seconds: float = 240) -> None:
        """Wait until all that was sent is committed; fails at once where a worker has ended."""
        self._wait(lambda: self.unfinished() == 0, workers, seconds)

    def _wait(
        self, done: Callable[[], bool], workers: tuple[WorkerProcess, ...], seconds: float
    ) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(BrokerError, KafkaError):
                if done():
                    return
            ended = [worker for worker in workers if worker.process.poll() is not None]
            late = time.monotonic() > deadline
            if ended or late:
                logs = "\n\n".join(worker.logged[-3000:] for worker in ended or workers)
                raise AssertionError(
                    f"{self.unfinished()} messages wait and"
                    f" {'a worker has ended' if ended else f'{seconds:g} s are over'}:\n{logs}"
                )
            time.sleep(0.3)

    # ------------------------------------------------------------------------------ counting

    def count(self, what: str, dead: Iterable[str] = ()) -> Count:
        """`dead` are the articles that are to be dead letters, by id."""
        buried = set(dead)
        expected = {
            event.event_id: event
            for coding in self._codings([a for a in self._articles.values() if a.id not in buried])
            for event in coding.events
            if event.confidence >= self.settings.min_confidence
        }
        count = Count(
            what,
            self._on,
            articles=len(self._articles),
            events=len(expected),
            notes=self._notes,
        )
        values = {name: msgspec.json.encode(event) for name, event in expected.items()}
        standing, count.repeated = self._standing(self.topics.events)
        _compare(count, values, standing)
        for event_type, topic in self.topics.routed.items():
            _compare(
                count,
                {n: values[n] for n, e in expected.items() if e.event_type == event_type},
                self._standing(topic)[0],
            )
        self._look_at_the_ledger(count, expected)
        self._look_at_dead_letters(count, buried)
        # Plain text: it has a way to go where the tests run in several processes.
        self._record_property("counted", {"row": count.row(), "faults": count.faults()})
        return count

    def _codings(self, articles: list[Article]) -> list[Coding]:
        """What they give where nothing breaks."""
        if self.settings.coder == FAKE:
            return [FakeCoder().coding(each) for each in articles]
        return load_coder(self.settings).code(articles)

    def note(self, line: str) -> None:
        """For the record, beside the count."""
        self._notes.append(line)

    def _look_at_the_ledger(self, count: Count, expected: dict[str, Any]) -> None:
        events: dict[str, set[str]] = {each: set() for each in self._articles}
        for name, event in expected.items():
            events[event.article.id].add(name)
        records = [
            msgspec.json.decode(record.value, type=LedgerRecord)
            for record in self._records(self.topics.codings)
        ]
        places = Counter((record.partition, record.offset) for record in records)
        last = {record.article_id: record for record in records}
        count.outcomes = Counter(record.outcome for record in records)
        count.recorded_again = places.total() - len(places)
        count.unrecorded = [
            (partition, offset)
            for partition, end in self._ends.items()
            for offset in range(end)
            if (partition, offset) not in places
        ]
        count.misrecorded = [
            each for each in events if each not in last or set(last[each].event_ids) != events[each]
        ]

    def _look_at_dead_letters(self, count: Count, buried: set[str]) -> None:
        letters = list(self._records(self.topics.dead_letters))
        places = Counter(
            tuple(dict(letter.headers)[f"__connect.errors.{n}"] for n in ("partition", "offset"))
            for letter in letters
        )
        count.buried = sorted(buried ^ {letter.key.decode() for letter in letters})
        count.buried_again = places.total() - len(places)

    def _standing(self, topic: Topic) -> tuple[dict[str, bytes], int]:
        """Values by key, and how many of the records were a repetition of their key."""
        standing: dict[str, bytes] = {}
        seen: Counter[str] = Counter()
        for record in self._records(topic):
            key = record.key.decode()
            if record.value is None:
                standing.pop(key, None)
            else:
                seen[key] += 1
                standing[key] = record.value
        return standing, seen.total() - len(seen)

    def _records(self, topic: Topic) -> Iterator[Any]:
        """In the order of each partition."""
        with clients.reader(
            self.settings, [topic.name], from_beginning=True, isolation_level="read_committed"
        ) as consumer:
            yield from until_the_end(self.settings, consumer)


def _compare(count: Count, expected: dict[str, bytes], standing: dict[str, bytes]) -> None:
    count.lost += sorted(expected.keys() - standing.keys())
    count.strange += sorted(standing.keys() - expected.keys())
    both = expected.keys() & standing.keys()
    count.changed += sorted(n for n in both if _timeless(standing[n]) != _timeless(expected[n]))


def _timeless(event: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(event)
    return decoded | {"detected_at": None}


def _named(broker: AnyBroker) -> str:
    if isinstance(broker, Embedded):
        return "embedded"
    count = len(broker.brokers) if isinstance(broker, Cluster) else 1
    return "Kafka" if count == 1 else f"Kafka, {count} brokers"


def article(article_id: str, text: str, rest: str = REST) -> Article:
    return Article(id=article_id, text=f"{text}. {rest}")


def _texts(count: int) -> Iterator[str]:
    for number in range(count):
        if number % 10 == 9:
            yield "It rained"
        elif number % 3 == 0:
            yield f"They met {number} times. They captured {number} posts"
        else:
            yield f"They met {number} times"
