import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest
from conftest import PYTHONPATH

from eventwire.models.records import Article
from eventwire.streams import bench, bench_lane, cores
from eventwire.streams.bench_lane import BenchError, Counted, Item, Lane, worker_command
from eventwire.streams.embedded import EmbeddedBroker
from eventwire.streams.settings import Settings, SettingsError

ENGLISH = "He met her. They captured it. WORK goes on."
SAMPLE = [
    *(Article(id=f"article-{n}", text=ENGLISH) for n in range(12)),
    Article(id="foreign", text="Er traf sie. Er ging.", language="de"),
    Article(id="failing", text="The coder will FAIL here. Surely."),
]
CLASSIFIER = "fakes.fake_classifier:load"
FAKE = Settings(coder="fakes.fake_coder:load")


@pytest.fixture(autouse=True)
def fakes_are_found_by_children(monkeypatch, embedded_broker):
    """Also skips where there is no embedded broker."""
    monkeypatch.setenv("PYTHONPATH", PYTHONPATH)


def measured(settings=FAKE, sample=SAMPLE, **others):
    others = {"rounds": 1, "latency_seconds": 0.5, "classifier": CLASSIFIER, **others}
    return bench.run(settings, sample, **others)


def lane(broker, folder, *, name="lane", coder="fakes.fake_coder:load", partitions=2):
    own = Settings(
        brokers=broker.address, topic_prefix=f"{name}.", group=name, coder=coder, http_port=0,
        partitions=partitions, session_timeout=3.0, heartbeat=0.8, log_format="json",
    )  # fmt: skip
    return Lane(name, own, broker, [worker_command()], folder=folder)


def test_the_report_tells_what_was_counted_and_nothing_is_left_running(monkeypatch, tmp_path):
    turns, latencies, brokers = [], [], []
    measure, measure_latencies = Lane.measure, Lane.latencies

    def kept(self, items):
        turns.append((self._name, len(items), counted := measure(self, items)))
        return counted

    def kept_latencies(self, items, rate):
        latencies.extend(found := measure_latencies(self, items, rate))
        return found

    def kept_broker():
        brokers.append(EmbeddedBroker())
        return brokers[-1]

    monkeypatch.setattr(bench, "EmbeddedBroker", kept_broker)
    monkeypatch.setattr(Lane, "measure", kept)
    monkeypatch.setattr(Lane, "latencies", kept_latencies)
    monkeypatch.setenv("TEST_OF_BENCH", marker := f"{os.getpid()}-{time.monotonic_ns()}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(bench, "WARM_UP", 3)

    report = measured()

    assert [(name, sent) for name, sent, _ in turns] == [
        ("stream", 3), ("loop", 2), ("stream", 14), ("loop", 14)
    ]  # fmt: skip
    stream, loop = turns[2][2], turns[3][2]
    # The foreign article and the failing one are sent, and cost nothing worth counting.
    assert (stream.articles, stream.sentences) == (12, 36)
    assert (report.articles, report.sentences) == (12, 36)
    assert (loop.articles, loop.sentences) == (14, 40)
    assert report.stream == stream.sentences / stream.seconds
    assert report.stream_articles == stream.articles / stream.seconds
    assert report.loop == loop.sentences / loop.seconds
    assert report.stream_over_coder == report.stream / report.coder
    assert report.stream_over_loop == report.stream / report.loop
    assert report.latency is not None
    assert report.latency.events == len(latencies)
    assert report.latency.p50 in latencies
    assert report.latency.p50 <= report.latency.p95 <= report.latency.p99 == max(latencies)
    assert report.latency.articles_a_second == pytest.approx(report.stream_articles / 3)
    assert report.scaling is None
    assert report.cores == len(cores.available())
    assert f"{report.stream_over_coder:.2f} of the coder" in report.table()
    assert list(tmp_path.iterdir()) == []
    assert running_with(marker) == []
    assert [broker.running for broker in brokers] == [False]


def running_with(marker):
    """Command lines of the processes that were started with this in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it has ended, or is another user's
            continue
    return found


@pytest.mark.skipif(len(cores.available()) < 2, reason="two workers need two cores")
def test_two_workers_have_a_core_and_half_the_partitions_each(monkeypatch):
    turns = {}
    measure = Lane.measure

    def kept(self, items):
        counted = measure(self, items)
        allowed = [
            {tuple(os.sched_getaffinity(pid)) for pid in descendants(child._process.pid)}
            for child, _ in self._processes
        ]
        shares = [bench_lane._partitions(log) for _, log in self._processes]
        turns[self._name] = allowed, shares, counted
        return counted

    monkeypatch.setattr(Lane, "measure", kept)
    before = one, other, *_ = cores.available()
    with ExitStack() as stack:
        sample = [Item.of(article) for article in SAMPLE]
        scaling = bench._Bench(FAKE, sample, 1, stack).scaling(2)
    assert cores.available() == before
    assert turns["one"][:2] == ([{(one,)}], [2])
    assert turns["all"][:2] == ([{(one,)}, {(other,)}], [1, 1])
    assert scaling.workers == 2
    assert scaling.one == 36 / turns["one"][2].seconds
    assert scaling.all == 36 / turns["all"][2].seconds
    assert scaling.all_over_one == scaling.all / scaling.one


def descendants(pid):
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += descendants(int(child))
    return found


def test_more_workers_than_cores_are_refused_before_anything_starts(monkeypatch):
    monkeypatch.setattr(bench, "EmbeddedBroker", None)
    with pytest.raises(SettingsError, match=r"--workers 5000: expected at most \d+, the cores"):
        measured(workers=5000)


def test_a_worker_that_cannot_load_its_coder_ends_the_benchmark_in_one_line():
    with pytest.raises(BenchError) as raised:
        measured(Settings(coder="fakes.fake_coder:fail"))
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("stream: its process ended with status 1: ")
    assert "expected 24,117,248 bytes, got 134" in str(raised.value)


def test_a_worker_that_is_killed_ends_the_measurement_in_one_line(embedded_broker, tmp_path):
    with lane(embedded_broker, tmp_path, name="killed") as own:
        own.measure([Item.of(SAMPLE[0])])
        guard = own._processes[0][0]._process.pid
        os.kill(descendants(guard)[1], signal.SIGKILL)
        with pytest.raises(BenchError, match=r"^killed: its process ended with status -9: [^\n]*$"):
            own.measure([Item.of(SAMPLE[0])])


def test_a_stream_that_stands_still_ends_the_measurement(embedded_broker, tmp_path, monkeypatch):
    with lane(embedded_broker, tmp_path, name="still") as own:
        own.measure([Item.of(SAMPLE[0])])
        monkeypatch.setattr(bench_lane, "PATIENCE", 1.0)
        with pytest.raises(
            BenchError, match=r"^still: expected a coding, got nothing new for 1 s$"
        ):
            own.measure([Item.of(Article(id="frozen", text="FREEZE"))])


def test_a_feed_of_which_nothing_can_be_coded_ends_in_one_line():
    with pytest.raises(
        BenchError,
        match=r"^stream: none of the articles was coded: expected a feed of news in English$",
    ):
        bench.per_second("stream", [Counted(12, 36, 2.0), Counted(0, 0, 1.0)])


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_feed_ends_in_one_line(tmp_path, content):
    feed = tmp_path / "feed.jsonl"
    feed.write_text(content)
    command = [sys.executable, "-m", "eventwire.streams.cli", "bench", "stream", "--feed", feed]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 1
    assert ended.stderr == (
        "eventwire bench: feed.jsonl: expected articles, one JSON object a line, got none\n"
    )


def test_json_holds_the_figures_by_name():
    report = bench.Report(
        cpu="A", features=["AMX"], cores=2, articles=1, sentences=2, coder=4.0, stream=3.0,
        loop=1.0, coder_articles=2.0, stream_articles=1.5, loop_articles=0.5,
        stream_over_coder=0.75, stream_over_loop=3.0, latency=None,
    )  # fmt: skip
    written = msgspec.json.decode(msgspec.json.encode(report))
    names = {"coder", "stream", "loop", "stream_over_coder", "stream_over_loop", "cpu", "features"}
    assert names <= written.keys()


def test_a_percentile_is_a_value_that_was_there():
    hundred = [float(n) for n in range(1, 101)]
    assert bench.percentile(hundred, 0.50) == 50
    assert bench.percentile(hundred, 0.99) == 99
    assert bench.percentile([7.0], 0.99) == 7


def test_work_is_spread_evenly_over_the_partitions():
    items = [Item(SAMPLE[0], sentences) for sentences in (9, 1, 1, 1, 6, 5, 2, 8, 3) * 20]
    work = [0, 0, 0]
    for partition, item in zip(bench_lane.spread(items, 3), items, strict=True):
        work[partition] += item.sentences
    assert sum(work) == sum(item.sentences for item in items)
    assert max(work) - min(work) <= 9


def test_only_articles_whose_sentences_were_read_are_counted():
    item = Item(SAMPLE[0], 3)
    outcomes = ("coded", "no_event", "unsupported_language", "failed", "dead_letter", "duplicate")
    assert Counted.of(((item, outcome) for outcome in outcomes), 2.0) == Counted(2, 6, 2.0)
