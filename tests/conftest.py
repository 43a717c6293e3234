"""What tests of the streams share: brokers, workers on them, and eyes on every topic.

Tests on Apache Kafka need it in the cache, or Maven to put it there (deploy/kafka/pom.xml), or the
address of one that is new and may be written to, EVENTWIRE_TEST_BROKERS; else they are skipped.
EVENTWIRE_TEST_REQUIRE_BROKERS=1 lets every test fail that would be skipped for want of a broker, of
PostgreSQL or of Prometheus.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Protocol

import hypothesis
import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka_cluster import Cluster, Embedded

from eventwire.streams import apache_kafka, topics
from eventwire.streams.apache_kafka import Installation
from eventwire.streams.clients import BrokerError
from eventwire.streams.embedded import broker_command
from eventwire.streams.outputs import LedgerRecord
from eventwire.streams.settings import Settings

TESTS = Path(__file__).parent

PYTHONPATH = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
"""For processes that tests start: the fakes, and whatever these tests themselves import."""

# What a shell starts in the background ignores Ctrl-C, and what `nohup` starts the end of its
# terminal; so then would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples in every run, so that a change is what breaks one. HYPOTHESIS=random explores.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.register_profile("random")
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS", "same"))

RUN = (
    "import os, sys; from eventwire.streams import logs, settings, worker;"
    " s = settings.load(os.environ); logs.configure(s); sys.exit(worker.run_worker(s))"
)


TEST_BROKERS = os.environ.get("EVENTWIRE_TEST_BROKERS", "")
BROKERS_REQUIRED = os.environ.get("EVENTWIRE_TEST_REQUIRE_BROKERS", "") not in ("", "0")


class Elsewhere(NamedTuple):
    """A Kafka that we did not start: it is not to be broken."""

    address: str


AnyBroker = Embedded | Cluster | Elsewhere


LONG = (
    "test_faults", "test_backfill", "test_faults_kafka", "test_worker_e2e", "test_worker_outage",
    "test_cli", "test_real_kafka_sink", "test_sink", "test_bench_stream", "test_real_kafka",
    "test_watching", "test_predict", "test_dlq", "test_real_kafka_security", "test_train",
    "test_faults_ledger", "test_secrets", "test_demo", "test_offsets", "test_subscribe",
)  # fmt: skip
"""Files that take longest, more or less in this order: those that wait between those that
compute."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: of `pytest -n`, no process then begins one when the others have ended."""
    order = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


class NoBroker(pytest.skip.Exception):
    pass


def no_broker(reason: str) -> NoReturn:
    """Skip the test, or fail it where brokers are required."""
    if BROKERS_REQUIRED:
        said = f"skipped, though brokers are required: {reason}"
        raise pytest.fail.Exception(said, pytrace=False) from None
    raise NoBroker(reason) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, NoBroker):
        # All from one place: the summary then tells the reason once, and not for each test.
        report.longrepr = (__file__, 0, f"Skipped: {call.excinfo.value.msg}")
    return report


@pytest.fixture(scope="session", autouse=True)
def _environment_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Manifests of replays do not get among those of whoever runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    # eventwire itself refuses variables that it does not know. Taken away only here, where tests
    # are run: of `pytest -n 2`, the process that starts those which run them has to pass them on.
    for name in ("EVENTWIRE_TEST_BROKERS", "EVENTWIRE_TEST_REQUIRE_BROKERS"):
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[Embedded]:
    try:
        broker_command()
    except BrokerError as error:
        no_broker(str(error))
    with Embedded() as running:
        yield running


@pytest.fixture(scope="session")
def broker(embedded_broker: Embedded) -> AnyBroker:
    """What most tests talk to. See `on_both_brokers`."""
    return embedded_broker


def on_both_brokers() -> Any:
    """`broker = on_both_brokers()` in a module runs its tests on the embedded one and on Kafka."""

    @pytest.fixture(scope="module", params=["embedded_broker", "kafka"], ids=["embedded", "kafka"])
    def broker(request: pytest.FixtureRequest) -> AnyBroker:
        found: AnyBroker = request.getfixturevalue(request.param)
        return found

    return broker


@pytest.fixture(scope="session")
def kafka_installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Apache Kafka's jars, which Maven fetches where they are not yet, and Java."""
    # Of `pytest -n 2`, one process fetches and the other waits: half of the jars look like all.
    with (tmp_path_factory.getbasetemp().parent / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _kafka_installation()


def _kafka_installation() -> Installation:
    try:
        return apache_kafka.installation()
    except BrokerError as error:
        if shutil.which("mvn") is None:
            no_broker(str(error))
    pom = TESTS.parent / "deploy" / "kafka"
    fetch = ["mvn", "--quiet", "--batch-mode", "-f", pom, "dependency:copy-dependencies"]
    fetched = subprocess.run(fetch, capture_output=True, text=True, check=False)
    try:
        return apache_kafka.installation()
    except BrokerError as error:
        said = (fetched.stdout + fetched.stderr).strip().splitlines()
        no_broker(f"{error}; Maven could not: {said[0] if said else 'it said nothing'}")


@pytest.fixture(scope="session")
def kafka(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster | Elsewhere]:
    """One broker of Apache Kafka, shared by all tests, or the one at EVENTWIRE_TEST_BROKERS.

    Tests may pause their own, but not kill it: for that there is `new_kafka`.
    """
    if TEST_BROKERS:
        yield Elsewhere(TEST_BROKERS)
        return
    installed = request.getfixturevalue("kafka_installation")
    with contextlib.closing(Cluster(installed, tmp_path_factory.mktemp("kafka"))) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def new_kafka(
    kafka_installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Cluster]]:
    """Makes clusters of Apache Kafka that tests may break, gone at the end of the module.

    `new_kafka(3)` has three brokers; kafka_cluster.py tells what can be done to them, and what
    else can be given. A fixture of a module's own, with the scope of the module, saves the 7 s
    that it takes to start; `cluster.heal()` repairs what a test has broken. 300 MB a broker.
    """
    with contextlib.ExitStack() as stack:

        def make(brokers: int = 1, **others: Any) -> Cluster:
            folder = tmp_path_factory.mktemp("kafka")
            cluster = Cluster(kafka_installation, folder, brokers, **others)
            stack.callback(cluster.close)
            return cluster

        yield make


class Room:
    """One installation on the shared broker: topics of its own, and what was read from them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topics = topics.topics(settings)
        topics.create_missing(settings)
        self._producers: dict[str | None, KafkaProducer] = {}
        names = [topic.name for topic in self.topics if topic is not self.topics.articles]
        self._reader = KafkaConsumer(
            bootstrap_servers=settings.broker_list,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=settings.output_max_bytes,
        )
        self._reader.assign(
            [
                TopicPartition(name, number)
                for name in names
                for number in sorted(self._reader.partitions_for_topic(name) or ())
            ]
        )
        self.seen: dict[str, list[Any]] = {name: [] for name in names}

    def send(
        self,
        value: bytes | None,
        *,
        key: str | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        timestamp_ms: int | None = None,
        compression: str | None = None,
        partition: int | None = None,
    ) -> tuple[int, int]:
        """Partition and offset of the message."""
        if compression not in self._producers:
            self._producers[compression] = KafkaProducer(
                bootstrap_servers=self.settings.broker_list,
                compression_type=compression,
                max_request_size=50_000_000,
            )
        sent = self._producers[compression].send(
            self.topics.articles.name,
            value,
            key=key.encode() if key is not None else None,
            headers=headers or [],
            timestamp_ms=timestamp_ms,
            partition=partition,
        )
        self._producers[compression].flush()
        done = sent.get(10)
        return done.partition, done.offset

    def send_article(self, article_id: str, text: str, **others: Any) -> tuple[int, int]:
        kafka = {
            name: others.pop(name)
            for name in ("headers", "timestamp_ms", "compression", "partition")
            if name in others
        }
        value = json.dumps({"id": article_id, "text": text, **others}).encode()
        return self.send(value, key=article_id, **kafka)

    def wait(self, done: Callable[[], Any], seconds: float = 20.0, what: str = "it") -> Any:
        """What `done` returns, once that is true; reads on meanwhile."""
        deadline = time.monotonic() + seconds
        while not (result := done()):
            if time.monotonic() > deadline:
                counts = {name: len(records) for name, records in self.seen.items() if records}
                raise AssertionError(f"waited {seconds:g} s for {what}; arrived: {counts}")
            self.read(100)
        return result

    def read(self, timeout_ms: int = 0) -> None:
        for partition, records in self._reader.poll(timeout_ms).items():
            self.seen[partition.topic] += records

    def ledger_of(self, position: tuple[int, int], seconds: float = 20.0) -> LedgerRecord:
        """The ledger's record of the message at partition and offset, once it is there."""
        return self.wait(lambda: self.ledger().get(position), seconds, f"the ledger of {position}")

    def ledger(self) -> dict[tuple[int, int], LedgerRecord]:
        decoded = [
            msgspec.json.decode(record.value, type=LedgerRecord)
            for record in self.seen[self.topics.codings.name]
        ]
        return {(record.partition, record.offset): record for record in decoded}

    def events(self, topic: str | None = None) -> dict[str, dict[str, Any]]:
        """Events that stand, by id: what a reader by key has in the end."""
        standing: dict[str, dict[str, Any]] = {}
        for record in self.seen[topic or self.topics.events.name]:
            if record.value is None:
                standing.pop(record.key.decode(), None)
            else:
                standing[record.key.decode()] = json.loads(record.value)
        return standing

    def dead_letter_of(self, position: tuple[int, int]) -> Any:
        def found() -> Any:
            return next(
                (
                    record
                    for record in self.seen[self.topics.dead_letters.name]
                    if dict(record.headers)["__connect.errors.partition"] == b"%d" % position[0]
                    and dict(record.headers)["__connect.errors.offset"] == b"%d" % position[1]
                ),
                None,
            )

        return self.wait(found, what=f"the dead letter of {position}")

    def committed(self, partition: int) -> int | None:
        with contextlib.closing(
            KafkaConsumer(
                bootstrap_servers=self.settings.broker_list,
                group_id=self.settings.group,
                enable_auto_commit=False,
            )
        ) as consumer:
            return consumer.committed(TopicPartition(self.topics.articles.name, partition))

    def close(self) -> None:
        self._reader.close()
        for producer in self._producers.values():
            producer.close()


class HasSettings(Protocol):
    settings: Settings


class WorkerProcess:
    """A worker in a process of its own; its stderr is a file, its HTTP port a free one."""

    def __init__(
        self, room: HasSettings, log: Path, *, program: str = RUN, **variables: str
    ) -> None:
        """`program` is Python; whatever it does to the worker, it ends by running one."""
        settings = room.settings
        self.log = log
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("EVENTWIRE_")
        } | {
            "PYTHONPATH": PYTHONPATH,
            "EVENTWIRE_BROKERS": settings.brokers,
            "EVENTWIRE_TOPIC_PREFIX": settings.topic_prefix,
            "EVENTWIRE_GROUP": settings.group,
            "EVENTWIRE_PARTITIONS": str(settings.partitions),
            "EVENTWIRE_CODER": settings.coder,
            "EVENTWIRE_SESSION_TIMEOUT": f"{settings.session_timeout:g}",
            "EVENTWIRE_HEARTBEAT": f"{settings.heartbeat:g}",
            "EVENTWIRE_HTTP_PORT": "0",
            **variables,
        }
        self.folder = log.with_suffix(".cwd")
        self.folder.mkdir()
        # What would be imported in its place, were the current folder searched.
        (self.folder / "queue.py").write_text("raise SystemExit('imported queue.py')\n")
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", program],
                env=environment,
                cwd=self.folder,
                stderr=stderr,
                stdout=subprocess.PIPE,
            )

    @property
    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        port = self.wait_for_log(r"http://127\.0\.0\.1:(\d+)").group(1)
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name: str) -> float:
        """A sample by its name and labels, as /metrics writes it."""
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics")[1], re.MULTILINE)
        assert found, f"{name} is not among the metrics"
        return float(found.group(1))

    def wait_for_log(self, pattern: str, seconds: float = 60.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.logged)):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise AssertionError(f"expected {pattern!r} in the log, got:\n{self.logged}")
            time.sleep(0.05)
        return found

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while self.get("/health/ready")[0] != 200:
            assert time.monotonic() < deadline, f"not ready in {seconds:g} s:\n{self.logged}"
            time.sleep(0.1)

    def coder_pid(self) -> int:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        return self.process.wait(seconds)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def new_room(broker: AnyBroker) -> Iterator[Callable[..., Room]]:
    """Makes rooms by name, on the module's broker."""
    with contextlib.ExitStack() as stack:

        def make(name: str, **others: Any) -> Room:
            room = Room(room_settings(broker, name, **others))
            stack.callback(room.close)
            return room

        yield make


@pytest.fixture
def new_worker(tmp_path: Path) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts workers in a room; all are gone after the test."""
    workers: list[WorkerProcess] = []

    def start(room: HasSettings, **variables: str) -> WorkerProcess:
        workers.append(WorkerProcess(room, tmp_path / f"worker-{len(workers)}.log", **variables))
        return workers[-1]

    yield start
    for worker in workers:
        worker.end()


def room_settings(broker: AnyBroker, name: str, **others: Any) -> Settings:
    # The embedded broker lets every member wait for half its session timeout before it joins.
    defaults: dict[str, Any] = {"session_timeout": 3.0, "heartbeat": 0.8, "partitions": 2}
    defaults["coder"] = "fakes.fake_coder:load"
    if isinstance(broker, Elsewhere):
        # Six seconds are the least that Kafka takes unless told otherwise.
        defaults |= {"session_timeout": 6.0, "heartbeat": 1.5}
    return Settings(
        brokers=broker.address,
        topic_prefix=f"{name}.",
        group=name,
        **defaults | others,
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What the fault tests have counted: see faults.py."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    reports.sort(key=lambda report: report.start)
    counts = [count for r in reports for name, count in r.user_properties if name == "counted"]
    if counts:
        from faults import TABLE_HEAD

        terminalreporter.section("counted")
        terminalreporter.write_line(TABLE_HEAD)
        for count in counts:
            terminalreporter.write_line(count["row"])
        for count in counts:
            if count["faults"]:
                terminalreporter.write_line(count["faults"])
