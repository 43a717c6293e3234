"""`eventwire bench stream`: the whole path through Kafka beside the bare coder, and beside the loop
that most people would write.

All are measured in turns in one run on the same articles, on the embedded broker of this machine:
what counts are the ratios. Each stands warm before its turn, and each turn sends the articles
under new ids, so that no ledger and no cache knows them. What is counted is what a consumer of the
codings topic has seen; the clock runs from the first article sent to the last coding read.
"""

import logging
import math
from collections.abc import Sequence
from contextlib import ExitStack
from statistics import median
from typing import NamedTuple

import msgspec

from eventwire.models.records import Article
from eventwire.streams import cores
from eventwire.streams.bench_child import CODER, LOOP, CoderRun
from eventwire.streams.bench_lane import (
    BenchError,
    Counted,
    Item,
    Lane,
    child_command,
    run_to_end,
    worker_command,
)
from eventwire.streams.demo import on_embedded_broker
from eventwire.streams.embedded import EmbeddedBroker
from eventwire.streams.feeds import counted
from eventwire.streams.scratch import Scratch
from eventwire.streams.settings import Settings

log = logging.getLogger(__name__)

CLASSIFIER = "eventwire.models.bench:loop"
"""What the loop classifies sentences with, as module:function."""
ROUNDS = 3
WARM_UP = 64
"""Articles that go through before the first turn; they also teach the worker its batches."""
LOOP_ARTICLES = 20
"""The loop is slow: it gets a sample."""
LATENCY_LOAD = 1 / 3
"""Of what the stream can code: batches wait for each other above it, not for news."""
LATENCY_SECONDS = 30.0
SESSION_SECONDS = 6.0
"""The embedded broker lets each worker wait for half of it; a busy machine needs the other half."""


class Latency(msgspec.Struct, kw_only=True):
    """Seconds from the timestamp of an article to each of its events at a consumer."""

    articles_a_second: float
    articles: int
    events: int
    p50: float
    p95: float
    p99: float


class Scaling(msgspec.Struct, kw_only=True):
    """Workers of one core and one thread each; sentences a second are medians over the rounds."""

    workers: int
    one: float
    all: float
    all_over_one: float


class Report(msgspec.Struct, kw_only=True):
    """Sentences a second are medians over the rounds."""

    cpu: str
    features: list[str]
    cores: int
    articles: int
    sentences: int
    """Of the articles that were coded."""
    coder: float
    stream: float
    loop: float
    coder_articles: float
    stream_articles: float
    loop_articles: float
    stream_over_coder: float
    stream_over_loop: float
    latency: Latency | None
    """None where the articles have no events."""
    scaling: Scaling | None = None
    """None unless asked for."""

    def table(self) -> str:
        rows = [
            ("coder over a list", self.coder, self.coder_articles, ""),
            (
                "stream, topic to topic",
                self.stream,
                self.stream_articles,
                f"  {self.stream_over_coder:.2f} of the coder",
            ),
            (
                "loop, one by one",
                self.loop,
                self.loop_articles,
                f"  stream is {self.stream_over_loop:.1f} times as fast",
            ),
        ]
        lines = [
            f"{self.cpu} ({', '.join(self.features) or 'no matrix instructions'}), "
            f"{counted(self.cores, 'core')}, embedded broker",
            f"{self.articles} articles, {self.sentences} sentences",
            "",
            *(
                f"{name:23}{sentences:8.0f} sentences/s {articles:7.1f} articles/s{ratio}"
                for name, sentences, articles, ratio in rows
            ),
        ]
        if (slow := self.latency) is not None:
            lines += [
                "",
                f"latency at {slow.articles_a_second:.1f} articles/s, {slow.events} events:"
                f" p50 {slow.p50:.2f} s, p95 {slow.p95:.2f} s, p99 {slow.p99:.2f} s",
            ]
        if (scaling := self.scaling) is not None:
            lines += [
                "",
                f"workers of one core each: one {scaling.one:.0f} sentences/s,"
                f" {scaling.workers} {scaling.all:.0f} sentences/s,"
                f" {scaling.all_over_one:.2f} times as fast",
            ]
        return "\n".join(lines)


def run(
    settings: Settings,
    sample: Sequence[Article],
    *,
    workers: int = 1,
    classifier: str = CLASSIFIER,
    rounds: int = ROUNDS,
    latency_seconds: float = LATENCY_SECONDS,
) -> Report:
    """Raises BenchError, BrokerError or SettingsError; in every case nothing is left running.

    `workers` above 1 are measured against one, on a partition and a core each.
    """
    if workers > 1:
        cores.expect(workers)
    with ExitStack() as stack:
        bench = _Bench(settings, [Item.of(article) for article in sample], rounds, stack)
        report = bench.throughput(classifier, latency_seconds)
        if workers > 1:
            report.scaling = bench.scaling(workers)
        return report


class _Bench:
    def __init__(
        self, settings: Settings, sample: Sequence[Item], rounds: int, stack: ExitStack
    ) -> None:
        self._sample = sample
        self._rounds = rounds
        self._stack = stack
        self._scratch = stack.enter_context(Scratch("eventwire-bench-")).path
        self._broker = EmbeddedBroker()
        stack.callback(self._broker.stop)
        self._settings = msgspec.structs.replace(
            on_embedded_broker(settings, self._broker.address),
            articles_topic=None,
            session_timeout=SESSION_SECONDS,
            heartbeat=SESSION_SECONDS / 4,
            log_format="json",  # read for the last error
            log_level="info",  # and for the address of its HTTP
        )
        self._articles = self._scratch / "articles.jsonl"
        self._articles.write_bytes(msgspec.json.Encoder().encode_lines([i.article for i in sample]))

    def throughput(self, classifier: str, latency_seconds: float) -> Report:
        few = self._sample[:: max(1, len(self._sample) // LOOP_ARTICLES)][:LOOP_ARTICLES]
        turns: dict[str, list[Counted]] = {CODER: [], "stream": [], LOOP: []}
        with (
            self._lane("stream", [worker_command()]) as stream,
            self._lane(LOOP, [child_command(LOOP, classifier)]) as loop,
        ):
            log.info("loading and warming up")
            stream.measure(self._sample[:WARM_UP])
            loop.measure(few[:2])
            for number in range(1, self._rounds + 1):
                log.info("round %d of %d: coder, stream, loop", number, self._rounds)
                coder = self._code()
                outcomes = zip(self._sample, coder.outcomes, strict=True)
                turns[CODER].append(Counted.of(outcomes, coder.seconds))
                turns["stream"].append(stream.measure(self._sample))
                turns[LOOP].append(loop.measure(few))
            speed = {name: per_second(name, turn) for name, turn in turns.items()}
            rate = LATENCY_LOAD * speed["stream"].articles
            log.info("latency: %.1f articles a second for %.0f s", rate, latency_seconds)
            latency = self._latency(stream, rate, latency_seconds)
        sentences, articles = zip(*speed.values(), strict=True)
        return Report(
            cpu=coder.cpu,
            features=coder.features,
            cores=len(cores.available()),
            articles=turns[CODER][-1].articles,
            sentences=turns[CODER][-1].sentences,
            coder=sentences[0],
            stream=sentences[1],
            loop=sentences[2],
            coder_articles=articles[0],
            stream_articles=articles[1],
            loop_articles=articles[2],
            stream_over_coder=sentences[1] / sentences[0],
            stream_over_loop=sentences[1] / sentences[2],
            latency=latency,
        )

    def scaling(self, workers: int) -> Scaling:
        """One worker and several, on as many partitions; those whose turn it is not only wait."""
        own = cores.available()[:workers]
        turns: dict[str, list[Counted]] = {"one": [], "all": []}
        with ExitStack() as stack:
            lanes = {
                name: stack.enter_context(
                    self._lane(
                        name,
                        [worker_command()] * len(each),
                        cores_of_each=each,
                        partitions=workers,
                        coder_threads=1,
                    )
                )
                for name, each in (("one", own[:1]), ("all", own))
            }
            for lane in lanes.values():
                lane.await_shares()
                lane.measure(self._sample[: WARM_UP * workers])
            for number in range(1, self._rounds + 1):
                log.info("round %d of %d: one worker, %d workers", number, self._rounds, workers)
                for name, lane in lanes.items():
                    turns[name].append(lane.measure(self._sample))
        one, all_ = (per_second(name, turn).sentences for name, turn in turns.items())
        return Scaling(workers=workers, one=one, all=all_, all_over_one=all_ / one)

    def _lane(
        self,
        name: str,
        commands: Sequence[Sequence[str]],
        *,
        cores_of_each: Sequence[int | None] = (None,),
        **others: int,
    ) -> Lane:
        own = msgspec.structs.replace(
            self._settings, topic_prefix=f"bench-{name}.", group=f"bench-{name}", **others
        )
        return Lane(
            name, own, self._broker, commands, folder=self._scratch, cores_of_each=cores_of_each
        )

    def _code(self) -> CoderRun:
        """The bare coder over a list: the process is new for each turn, and gone after it."""
        answer = self._scratch / "coder.json"
        command = child_command(CODER, str(self._articles), str(WARM_UP), str(answer))
        run_to_end(CODER, command, self._settings, self._scratch)
        return msgspec.json.decode(answer.read_bytes(), type=CoderRun)

    def _latency(self, stream: Lane, rate: float, seconds: float) -> Latency | None:
        number = max(1, round(rate * seconds))
        articles = [self._sample[n % len(self._sample)] for n in range(number)]
        latencies = sorted(stream.latencies(articles, rate))
        if not latencies:
            return None
        return Latency(
            articles_a_second=rate,
            articles=number,
            events=len(latencies),
            p50=percentile(latencies, 0.50),
            p95=percentile(latencies, 0.95),
            p99=percentile(latencies, 0.99),
        )


def percentile(ordered: Sequence[float], share: float) -> float:
    """By nearest rank, as the largest of the `share` that are smallest: a value that was there."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


class Speed(NamedTuple):
    sentences: float
    articles: float


def per_second(name: str, turns: Sequence[Counted]) -> Speed:
    if not all(turn.sentences for turn in turns):
        raise BenchError(
            f"{name}: none of the articles was coded: expected a feed of news in English"
        )
    return Speed(
        median(turn.sentences / turn.seconds for turn in turns),
        median(turn.articles / turn.seconds for turn in turns),
    )
