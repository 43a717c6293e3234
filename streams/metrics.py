"""What the worker counts. Every series exists from the start, at zero, and labels are bounded."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from eventwire.models.drift import FEATURES, OTHER, Profile, Window
from eventwire.models.ontology import ontology
from eventwire.models.records import ModelRef, Stats, Status
from eventwire.streams.decode import REASONS
from eventwire.streams.outputs import LedgerOutcome

STAGES = ("decode", "code", "publish")
"""Of the worker: a message is read and checked; a batch is with the coder; its records are with the
brokers until they acknowledge them."""

CODER_STAGES = ("language", "split", "tokenise", "encode", "spans", "enrich")
"""Of `code`, as `records.Stats` names them; what is none of them is `other`."""

DEVICES = ("cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16")

Milestone = Literal["received", "published"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
LATENCIES = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400)
SHARES = tuple(n / 20 for n in range(1, 21))


class Partition(NamedTuple):
    """Where a partition of the articles topic stands; None where the broker has not told."""

    number: int
    committed: int | None
    start: int | None
    """Where reading started; what lag counts from before the first commit."""
    end: int | None
    read_up_to: int | None = None
    """The position, where all that was read is committed: behind the markers of a transaction."""
    told: int | None = None
    """When the broker told the end, in milliseconds; only serves to be compared."""
    oldest: int | None = None
    """Kafka's timestamp of the first article that was read and is not committed; Unix time in
    milliseconds."""

    @property
    def lag(self) -> int | None:
        """Messages not committed yet, never below zero; None where it is not known."""
        begun = self.committed if self.committed is not None else self.start
        known = [offset for offset in (begun, self.read_up_to) if offset is not None]
        if self.end is None or (not known and self.end > 0):
            return None
        return max(self.end - max(known, default=0), 0)


class Metrics:
    """The worker's series in a registry of the caller's; a fresh one for each test."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        into: dict[str, Any] = {"registry": self.registry, "namespace": "eventwire"}
        self._articles = Counter(
            "articles", "Articles done with, by what became of them", ["outcome"], **into
        )
        self._received = Counter("received_bytes", "Values of the messages read", **into)
        self._queue = Gauge("queue_articles", "Messages read that wait for the coder", **into)
        self._latency = Histogram(
            "latency_seconds",
            "From when an article was received by Kafka, or published by its outlet, until its"
            " events were written; replays are left out",
            ["since"],
            buckets=LATENCIES,
            **into,
        )
        self._article_events = Histogram(
            "article_events", "Events published of an article that was coded",
            buckets=(0, *COUNTS), **into,
        )  # fmt: skip
        self._confidence = Histogram(
            "event_confidence", "Confidence of the events published", buckets=SHARES, **into
        )
        self._events = Counter("events", "Events published", ["type", "status"], **into)
        self._retracted = Counter("events_retracted", "Events taken back by a correction", **into)
        self._below = Counter(
            "events_below_confidence", "Events not published for their confidence", **into
        )
        self._dead_letters = Counter(
            "dead_letters", "Messages that became dead letters", ["reason"], **into
        )
        self._tombstones = Counter("tombstones", "Null values skipped", **into)
        self._batch = Histogram("batch_articles", "Articles in a batch", buckets=COUNTS, **into)
        self._stage = Histogram(
            "stage_seconds",
            "Time per stage: decode of each message, all others of each batch; code is the whole"
            " time with the coder, and language to enrich are its parts",
            ["stage"],
            buckets=SECONDS,
            **into,
        )
        self._padding = Histogram(
            "padding_ratio", "Share of the token positions of a batch that is padding",
            buckets=SHARES, **into,
        )  # fmt: skip
        self._sentences = Counter("sentences", "Sentences coded", **into)
        self._tokens = Counter("tokens", "Tokens coded", **into)
        self._skipped = Counter("skipped_characters", "Characters of articles never read", **into)
        self._restarts = Counter(
            "coder_restarts", "Coder processes that had to be replaced", **into
        )
        self._rate = Gauge(
            "coder_characters_per_second", "Measured speed that batches are sized by", **into
        )
        self._model = Gauge(
            "model_info", "The model that codes, always 1", ["name", "version", "sha256"], **into
        )
        self._inference = Gauge(
            "inference_info", "What the coder computes on and in which numbers: 1 for those",
            ["device", "precision"], **into,
        )  # fmt: skip
        self._drift = Gauge(
            "drift_psi",
            "Population stability index of recent live articles against the reference stored with"
            " the model; 0 without one, and until enough was read",
            ["feature"],
            **into,
        )
        self._window: Window | None = None
        self._coder_memory = Gauge(
            "coder_resident_memory_bytes",
            "Resident memory of the coder's process; 0 where the system has no /proc",
            **into,
        )
        self._commits = Counter("commits", "Offset commits that the group took", **into)
        self._rebalances = Counter(
            "rebalances", "Times that the group gave out its partitions, with this worker in it",
            **into,
        )  # fmt: skip
        self._kafka = Gauge("kafka_answers", "1 while Kafka answers, 0 while it is lost", **into)
        self._kafka.set(1)
        self._ledger_limit = Gauge("ledger_entries_limit", "Articles the ledger can hold", **into)
        self._ledger = Gauge("ledger_entries", "Articles the ledger remembers", **into)
        self._start_at_zero()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def _start_at_zero(self) -> None:
        # `rate` and `increase` cannot see the first step of a series that was not there before.
        for outcome in get_args(LedgerOutcome):
            self._articles.labels(outcome)
        for reason in REASONS:
            self._dead_letters.labels(reason)
        for event_type in (*ontology().names, OTHER):
            for status in (*get_args(Status), OTHER):
                self._events.labels(event_type, status)
        for stage in (*STAGES, *CODER_STAGES, OTHER):
            self._stage.labels(stage)
        for device in (*DEVICES, OTHER):
            for precision in (*PRECISIONS, OTHER):
                self._inference.labels(device, precision)
        for feature in FEATURES:
            self._drift.labels(feature).set_function(partial(self._psi, feature))
        for since in get_args(Milestone):
            self._latency.labels(since)

    def article(self, outcome: LedgerOutcome) -> None:
        self._articles.labels(outcome).inc()

    def received(self, value: bytes) -> None:
        self._received.inc(len(value))

    def queue(self, length: Callable[[], int]) -> None:
        self._queue.set_function(length)

    def latency(self, since: Milestone, seconds: float) -> None:
        self._latency.labels(since).observe(max(seconds, 0))

    def article_events(self, count: int) -> None:
        self._article_events.observe(count)

    def event(self, event_type: str, status: str, confidence: float) -> None:
        self._confidence.observe(confidence)
        self._events.labels(
            event_type if event_type in ontology().types else OTHER,
            status if status in get_args(Status) else OTHER,
        ).inc()

    def retracted(self, count: int) -> None:
        self._retracted.inc(count)

    def below_confidence(self, count: int) -> None:
        self._below.inc(count)

    def dead_letter(self, reason: str) -> None:
        self._dead_letters.labels(reason if reason in REASONS else OTHER).inc()

    def tombstone(self) -> None:
        self._tombstones.inc()

    def batch(self, articles: int) -> None:
        self._batch.observe(articles)

    def stage(self, name: str, seconds: float) -> None:
        self._stage.labels(name).observe(seconds)

    def coder(self, spent: Stats, skipped_characters: int) -> None:
        """What a batch cost in the coder."""
        self._sentences.inc(spent.sentences)
        self._tokens.inc(spent.tokens)
        if spent.padded_tokens:
            self._padding.observe(1 - spent.tokens / spent.padded_tokens)
        self._skipped.inc(skipped_characters)
        for stage, seconds in spent.seconds.items():
            self.stage(stage if stage in CODER_STAGES else OTHER, max(seconds, 0))

    def coder_process(self, pid: Callable[[], int | None]) -> None:
        self._coder_memory.set_function(lambda: resident_bytes(pid()))

    def coder_restart(self) -> None:
        self._restarts.inc()

    def rate(self, characters_per_second: float) -> None:
        self._rate.set(characters_per_second)

    def model(self, model: ModelRef) -> None:
        self._model.clear()
        self._model.labels(model.name, model.version, model.sha256).set(1)

    def inference(self, device: str, precision: str) -> None:
        self._inference.labels(
            device if device in DEVICES else OTHER,
            precision if precision in PRECISIONS else OTHER,
        ).set(1)

    def reference(self, profile: Profile | None) -> None:
        """What drift is measured against from now on."""
        self._window = Window(profile) if profile is not None else None

    def drift(self, article: Profile) -> None:
        if self._window is not None:
            self._window.add(article)

    def _psi(self, feature: str) -> float:
        return self._window.psi(feature) if self._window is not None else 0.0

    def commit(self) -> None:
        self._commits.inc()

    def rebalance(self) -> None:
        self._rebalances.inc()

    def kafka(self, *, answers: bool) -> None:
        self._kafka.set(answers)

    def ledger(self, entries: Callable[[], int], limit: int) -> None:
        self._ledger.set_function(entries)
        self._ledger_limit.set(limit)

    def partitions(self, read: Callable[[], Iterable[Partition]]) -> None:
        """Have `read` asked at every scrape."""
        self.registry.register(_Lag(read))


class Waiting:
    """How long the first article of each partition that is not committed has waited.

    By its Kafka timestamp, which is when it was sent, where it has been read. Where articles wait
    and none has been read, nobody knows it yet: then since they were first seen to wait.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._seen: dict[int, float] = {}

    def seconds(self, partition: Partition) -> float:
        """0 or more."""
        now = self._clock()
        if partition.oldest is not None:
            self._seen.pop(partition.number, None)
            return max(now - partition.oldest / 1000, 0.0)
        if not partition.lag:
            self._seen.pop(partition.number, None)
            return 0.0
        return max(now - self._seen.setdefault(partition.number, now), 0.0)


class _Lag(Collector):
    def __init__(self, read: Callable[[], Iterable[Partition]]) -> None:
        self._read = read
        self._waiting = Waiting()

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        lag = GaugeMetricFamily(
            "eventwire_lag_messages", "Articles waiting, by partition", labels=["partition"]
        )
        seconds = GaugeMetricFamily(
            "eventwire_lag_seconds",
            "Since the first article not committed was sent, by partition; 0 where none waits",
            labels=["partition"],
        )
        uncommitted = GaugeMetricFamily(
            "eventwire_partition_without_commit",
            "1 before the group's first commit",
            labels=["partition"],
        )
        beyond = GaugeMetricFamily(
            "eventwire_committed_beyond_end",
            "1 where the group has committed more than the partition holds, a new one of that name",
            labels=["partition"],
        )
        for partition in self._read():
            labels = [str(partition.number)]
            committed, end = partition.committed, partition.end
            uncommitted.add_metric(labels, committed is None)
            beyond.add_metric(labels, committed is not None and end is not None and committed > end)
            if partition.lag is not None:
                lag.add_metric(labels, partition.lag)
            if partition.lag is not None or partition.oldest is not None:
                seconds.add_metric(labels, self._waiting.seconds(partition))
        return iter((lag, seconds, uncommitted, beyond))


def resident_bytes(pid: int | None) -> float:
    """Of a process; 0 where there is none, and where there is no /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return float(pages * os.sysconf("SC_PAGE_SIZE"))
