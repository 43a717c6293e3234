"""The whole path on one machine: broker, worker, replay and consumer, gone again at the end."""

import contextlib
import logging
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import msgspec
from kafka import KafkaConsumer

from eventwire.models.records import Event
from eventwire.streams import clients
from eventwire.streams.apache_kafka import Kafka
from eventwire.streams.children import Child
from eventwire.streams.dead_letters import REASON_HEADER
from eventwire.streams.decode import Headers
from eventwire.streams.embedded import EmbeddedBroker
from eventwire.streams.feeds import Feed, Reports, counted
from eventwire.streams.outputs import LedgerRecord
from eventwire.streams.replay import Pacer, Sent, Unsent, replay
from eventwire.streams.scratch import Scratch
from eventwire.streams.settings import Settings, to_environment
from eventwire.streams.terminal import visible
from eventwire.streams.topics import Topics, create_missing, topics

log = logging.getLogger(__name__)

SENT_AT_ONCE = 100
"""Lines sent between two looks at what has arrived."""
WORKER_GRACE = 8.0
"""Seconds from asking the worker to stop to killing it: nothing of a demo has to be kept."""

BROKERS: dict[str, type[EmbeddedBroker | Kafka]] = {"embedded": EmbeddedBroker, "kafka": Kafka}


Position = tuple[int, int]
"""Partition and offset of an article."""


class DemoError(Exception):
    """The demo could not go on; the message is one line."""


class Accounts:
    """What became of every message that was sent, from the ledger, the events and the dead letters
    that were seen."""

    def __init__(self) -> None:
        self.sent = 0
        self.unsent = 0
        """Lines too large for the topic."""
        self._lines: dict[Position, str] = {}
        """Numbers of the lines that were sent."""
        self._ledger: dict[Position, LedgerRecord] = {}
        """A record that comes twice counts once."""
        self._expected: set[str] = set()
        self._seen: set[str] = set()
        self._dead: dict[Position, str] = {}
        """Why."""
        self._untold: set[Position] = set()
        """Dead letters that the ledger or their topic tells of, and `tell` has not."""

    def sent_line(self, line: Sent) -> None:
        self.sent += 1
        self._lines[line.partition, line.offset] = _number(line.where)

    def coded(self, record: LedgerRecord) -> None:
        position = record.partition, record.offset
        if position not in self._ledger and record.outcome == "dead_letter":
            self._untold.add(position)
        self._ledger[position] = record
        self._expected.update(record.event_ids)

    def arrived(self, event_id: str) -> bool:
        """False for an event that had arrived before."""
        new = event_id not in self._seen
        self._seen.add(event_id)
        return new

    def died(self, position: Position, why: str) -> None:
        self._dead[position] = why

    def tell(self) -> Iterator[str]:
        """A line for every dead letter, once all is known of it: where it stood in the feed, which
        the brokers' word on it tells, and from its topic why it could not be coded."""
        for position in sorted(self._untold & self._dead.keys() & self._lines.keys()):
            self._untold.remove(position)
            yield f"feed line {self._lines[position]}: dead letter (reason: {self._dead[position]})"

    @property
    def complete(self) -> bool:
        return len(self._ledger) >= self.sent and self._expected <= self._seen and not self._untold

    def summary(self, seconds: float) -> str:
        outcomes = [record.outcome for record in self._ledger.values()]
        parts = [
            counted(self.sent + self.unsent, "article"),
            counted(len(self._seen), "event"),
            f"{outcomes.count('no_event')} without event",
            counted(outcomes.count("dead_letter"), "dead letter"),
        ]
        if other := outcomes.count("unsupported_language"):
            parts.append(f"{other} not English")
        if duplicates := outcomes.count("duplicate"):
            parts.append(counted(duplicates, "duplicate"))
        if self.unsent:
            parts.append(f"{self.unsent} too large to send")
        return ", ".join(parts) + f" in {seconds:.1f} s"


def demo(
    settings: Settings,
    feed: Feed,
    *,
    environment: Mapping[str, str],
    show: Callable[[Event], None],
    broker_kind: str = "embedded",
    debug: bool = False,
) -> str:
    """Run all lines of `feed` through a broker and a worker of its own; returns the summary.

    `broker_kind` is one of BROKERS. `show` gets every event once, as it arrives. Raises DemoError,
    BrokerError or FeedError; in every case, an interruption included, nothing is left running.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        broker = BROKERS[broker_kind]()
        stack.callback(broker.stop)
        local = on_embedded_broker(settings, broker.address)
        named = topics(local)
        log.info("broker on %s; the worker loads its model", broker.address)
        worker = stack.enter_context(_worker(local, environment, debug=debug))
        create_missing(local)
        consumer = stack.enter_context(
            clients.reader(
                local,
                [named.events.name, named.codings.name, named.dead_letters.name],
                from_beginning=True,
            )
        )
        producer = stack.enter_context(clients.producer(local))
        reports = stack.enter_context(Reports())
        sending = replay(local, feed, producer, run_id=f"demo-{uuid.uuid4()}", pacer=Pacer(0))
        accounts = Accounts()
        more = True
        while more or not accounts.complete:
            worker.check()
            if not broker.running:
                raise DemoError(f"the broker ended: {broker.last_words}")
            more = more and _send_some(sending, accounts, reports)
            for event in _receive(consumer, named, accounts, wait=0.0 if more else 0.1):
                show(event)
            for line in accounts.tell():
                reports.add(line)
    return accounts.summary(time.monotonic() - began)


def on_embedded_broker(settings: Settings, address: str) -> Settings:
    """The same settings, but for what belongs to another broker or another worker."""
    # The embedded broker lets a new worker wait for half the session timeout.
    own = Settings(brokers=address, http_port=0, session_timeout=3.0, heartbeat=0.75)
    replaced = (
        "brokers security_protocol sasl_user sasl_password ssl_ca_file ssl_cert_file ssl_key_file"
        " ssl_key_password replication group session_timeout heartbeat"
        " http_host http_port"
    )
    return msgspec.structs.replace(
        settings, **{name: getattr(own, name) for name in replaced.split()}
    )


class _Worker:
    def __init__(self, child: Child, log_file: Path | None) -> None:
        """Without `log_file` its log is there to see."""
        self._child = child
        self._log_file = log_file

    def check(self) -> None:
        """Raises DemoError with the last line that the worker has written, if it has ended."""
        if (status := self._child.exit_status) is None:
            return
        why = "its log is above"
        if self._log_file is not None:
            why = last_error(self._log_file.read_text(errors="replace").strip().split("\n"))
        raise DemoError(f"the worker ended with status {status}: {why}")


def last_error(log_lines: list[str]) -> str:
    """The last error in a log of JSON lines, else what Python or a library wrote last."""
    for line in reversed(log_lines):
        with contextlib.suppress(msgspec.MsgspecError):
            entry = msgspec.json.decode(line, type=dict[str, str])
            if entry.get("level") == "error":
                return entry["message"]
    return log_lines[-1].strip() or "it wrote nothing"


@contextlib.contextmanager
def _worker(
    settings: Settings, environment: Mapping[str, str], *, debug: bool
) -> Iterator[_Worker]:
    with Scratch("eventwire-demo-") as scratch:
        log_file = scratch.path / "worker.log"
        with log_file.open("wb") as file:
            child = Child(
                # -P: what lies in the user's folder is not to be imported.
                [sys.executable, "-P", "-m", "eventwire.streams.cli", "worker"]
                + ["--debug"] * debug,
                log=sys.stderr.buffer if debug else file,
                environment={
                    **{k: v for k, v in environment.items() if not k.startswith("EVENTWIRE_")},
                    **to_environment(msgspec.structs.replace(settings, log_format="json")),
                    "TMPDIR": str(scratch.path),
                },
                grace=WORKER_GRACE,
            )
        with child:
            yield _Worker(child, None if debug else log_file)


def _send_some(sending: Iterator[Sent | Unsent], accounts: Accounts, reports: Reports) -> bool:
    """Send the next lines; False if there were none left."""
    sent = list(islice(sending, SENT_AT_ONCE))
    for line in sent:
        if isinstance(line, Unsent):
            accounts.unsent += 1
            reports.add(f"feed line {_number(line.where)}: not sent (reason: {line.reason})")
        else:
            accounts.sent_line(line)
    return bool(sent)


def _receive(
    consumer: KafkaConsumer, named: Topics, accounts: Accounts, wait: float
) -> list[Event]:
    """New events among what arrives within `wait` seconds."""
    events = []
    for records in consumer.poll(timeout_ms=int(wait * 1000)).values():
        for record in records:
            if record.topic == named.codings.name:
                accounts.coded(msgspec.json.decode(record.value, type=LedgerRecord))
            elif record.topic == named.dead_letters.name:
                accounts.died(*_dead_letter(record.headers))
            elif record.value is not None:
                event = msgspec.json.decode(record.value, type=Event)
                if accounts.arrived(event.event_id):
                    events.append(event)
    return events


def _dead_letter(headers: Headers) -> tuple[Position, str]:
    """Where the message stood, and why it could not be coded."""
    said = {name: (value or b"").decode(errors="replace") for name, value in headers}
    topic, partition, offset, message = (
        said[f"__connect.errors.{name}"]
        for name in ("topic", "partition", "offset", "exception.message")
    )
    what = message.removeprefix(f"{topic}[{partition}] offset {offset}: ")
    return (int(partition), int(offset)), visible(f"{said[REASON_HEADER]}, {what}")


def _number(where: str) -> str:
    """Of a line, from its place."""
    return where.rpartition(":")[2]
