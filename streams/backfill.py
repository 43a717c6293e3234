"""A replay of files, from their first record to a summary; it can be stopped and resumed.

Which records are sent is chosen here, and what became of each is written to a manifest. Whoever
resumes begins behind the last record that the manifest knows, and asks the topic which of the
next are there: so no record is sent twice or left out, however the replay ended before.
"""

import argparse
import logging
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, TextIO

from kafka import KafkaProducer

from eventwire.models.records import Article
from eventwire.streams import clients, manifest, replay
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import FeedError, Line, published
from eventwire.streams.formats import Broken, Entry, Reading, Skipped, Source, find, open_source
from eventwire.streams.manifest import Input, Manifest
from eventwire.streams.outputs import RUN_ID_HEADER
from eventwire.streams.progress import Progress
from eventwire.streams.replay import NUMBER_HEADER, Chosen, Pacer, Sent, Unsent
from eventwire.streams.settings import Settings, SettingsError
from eventwire.streams.standing import until_the_end
from eventwire.streams.stopping import AtOnce, Stopped, Stopping, signals
from eventwire.streams.topics import topics

log = logging.getLogger(__name__)

Malformed = Literal["dead-letter", "skip", "stop"]


@dataclass(frozen=True)
class Plan:
    """What to send, and how."""

    feeds: list[str]
    reading: Reading
    begin: datetime | None = None
    end: datetime | None = None
    """Of publication, both included."""
    limit: int | None = None
    """Most records to send."""
    malformed: Malformed = "dead-letter"
    speed: float = 0.0
    rate: float | None = None
    resume: bool = False
    manifest: Path | None = None
    """None: in the folder where they are kept."""
    choice: dict[str, str] = field(default_factory=dict)
    """The options that decide what is sent, as the manifest keeps them."""


def plan(options: argparse.Namespace, settings: Settings) -> Plan:
    """What the options of `eventwire replay` ask for. Raises SettingsError where they contradict
    each other."""
    if options.begin and options.end and options.begin > options.end:
        raise SettingsError(
            f"--from {options.begin.isoformat()} is later than --to {options.end.isoformat()}:"
            " expected an earlier one"
        )
    if twice := [
        name for name, times in Counter(name for name, _ in options.map).items() if times > 1
    ]:
        raise SettingsError(f"--map {twice[0]}=…: expected once, got it more often")
    if options.dry_run and options.resume:
        raise SettingsError(
            "--dry-run and --resume: expected one; a dry run begins at the beginning"
        )
    chosen = {
        "--format": options.format,
        "--from": options.begin and options.begin.isoformat(),
        "--to": options.end and options.end.isoformat(),
        "--limit": options.limit and str(options.limit),
        "--map": " ".join(f"{name}={column}" for name, column in sorted(options.map)),
    }
    return Plan(
        feeds=options.feeds,
        reading=Reading(
            format=None if options.format == "auto" else options.format,
            columns=dict(options.map),
            max_bytes=settings.article_max_bytes,
        ),
        begin=options.begin,
        end=options.end,
        limit=options.limit,
        malformed=options.malformed,
        speed=options.speed,
        rate=options.rate,
        resume=options.resume,
        manifest=options.manifest,
        choice={option: value for option, value in chosen.items() if value},
    )


def run(settings: Settings, plan: Plan, terminal: TextIO = sys.stderr) -> bool:
    """Replay; False if something could not be sent that should have been.

    Raises FeedError, BrokerError, SettingsError; KeyboardInterrupt or SystemExit where a signal
    stopped it. In every case the manifest tells how far it came.
    """
    found = find(plan.feeds, plan.reading.format)
    with ExitStack() as stack:
        producer = stack.enter_context(clients.producer(settings))
        path, kept = _opened(settings, plan, manifest.inputs(found), stack)
        if kept.state == "finished":
            log.info("run %s sent all to %s: nothing is left", kept.run_id, kept.topic)
            return kept.counts.lost == 0
        before = _sent_since(settings, kept) if plan.resume else {}
        kept.before = kept.before or _ends(settings, kept.topic)
        stopping = stack.enter_context(signals())
        _send_all(settings, plan, _State(kept, path, before, stopping), producer, terminal)
    stopping.end()
    return kept.counts.lost == 0


def dry_run(settings: Settings, plan: Plan, terminal: TextIO = sys.stderr) -> bool:
    """Read and check all, send nothing; see `run`."""
    found = find(plan.feeds, plan.reading.format)
    inputs = [Input(path=path, name=name) for name, path in found]
    kept = Manifest(run_id="", topic="", brokers="", choice={}, inputs=inputs)
    with signals() as stopping:
        chosen = _Choosing(plan, _State(kept, None, {}, stopping))
        with Progress(terminal, kept.counts, kept.dates, chosen.fraction) as progress:
            for one in replay.would_send(settings, chosen):
                progress.add(Sent(*one, 0, 0) if isinstance(one, Line) else one)
    if not stopping.signal:
        chosen.tell_unseen()
    more = "; interrupted" if stopping.signal else ""
    log.info("%s", progress.summary(dry_run=True, noun=chosen.noun, more=more))
    stopping.end()
    return kept.counts.lost == 0


@dataclass(frozen=True)
class _State:
    """Of a replay that runs."""

    kept: Manifest
    path: Path | None
    """Of the manifest; None: it is not kept."""
    before: dict[str, tuple[int, int]]
    """Records that are on the topic and not in the manifest, with partition and offset."""
    stopping: Stopping


def _send_all(
    settings: Settings, plan: Plan, state: _State, producer: KafkaProducer, terminal: TextIO
) -> None:
    kept, journal = state.kept, _Journal(state.kept, state.path)
    chosen = _Choosing(plan, state)
    try:
        with Progress(terminal, kept.counts, kept.dates, chosen.fraction) as progress:
            pacer = Pacer(plan.speed, rate=plan.rate, sleep=state.stopping.sleep(progress.show))
            for done in replay.send(settings, chosen, producer, run_id=kept.run_id, pacer=pacer):
                journal.note(done)
                progress.add(done)
                journal.save_now_and_then()
            chosen.finish()
            kept.state = "interrupted" if state.stopping.signal else "finished"
    except (Stopped, AtOnce):
        kept.state = "interrupted"
    except BaseException:
        kept.state = "interrupted" if state.stopping.signal else "failed"
        raise
    finally:
        journal.save()
        if kept.state == "finished":
            chosen.tell_unseen()
        if kept.counts.records or kept.state == "finished":
            log.info("%s", _summary(progress, chosen.noun, kept, state.path))


# ----------------------------------------------------------------------------- what is to be sent


class _Choosing:
    """The records of all files that are not behind us, each sent or with the reason why not."""

    def __init__(self, plan: Plan, state: _State) -> None:
        self._plan, self._kept, self._before = plan, state.kept, state.before
        self._stopping = state.stopping
        self._resumable = state.path is not None and state.kept.of_files
        self._left = None if plan.limit is None else plan.limit - state.kept.counts.sent
        self._done = 0
        """Files that are read to their end."""
        self._source: Source | None = None
        self._formats: set[str] = set()
        # What was read before this resumed is not known.
        self._unseen = None if plan.resume else set(plan.reading.columns)

    @property
    def noun(self) -> str:
        """What the records are called."""
        return "line" if self._formats <= {"jsonl"} else "record"

    def __iter__(self) -> Iterator[Chosen]:
        for number, one in enumerate(self._kept.inputs):
            if not one.complete:
                yield from self._of(number, one)
                if self._stopping.signal or self._left == 0:
                    return
            self._done += 1

    def finish(self) -> None:
        """All that was chosen is done."""
        for number, one in enumerate(self._kept.inputs):
            one.complete = one.complete or number < self._done

    def _of(self, number: int, one: Input) -> Iterator[Chosen]:
        read = one.records
        try:
            with open_source(one.name, one.path, self._plan.reading) as source:
                self._source = source
                self._formats.add(source.format)
                entries = source.entries(one.records)
                while (entry := self._next(entries)) is not None:
                    if self._left == 0:
                        return
                    identity = f"{number}:{read}"
                    read += 1
                    record = self._judged(entry, identity)
                    if self._left is not None and not isinstance(record, Unsent):
                        self._left -= 1
                    yield Chosen(record, source.name, identity)
                if not self._stopping.signal:
                    one.sha256 = one.sha256 or source.sha256()
                    self._kept.counts.skipped += source.blank() - one.blank
                    one.blank = source.blank()
        except FeedError as error:
            if self._plan.malformed == "stop" or (not read and len(self._kept.inputs) == 1):
                raise
            reason = str(error).removeprefix(f"{one.name}: ")
            yield Chosen(Unsent(one.name, reason, "damaged"), one.name, f"{number}:{read}")
        finally:
            if self._unseen and self._source:
                self._unseen &= self._source.unseen

    def tell_unseen(self) -> None:
        """Which columns of --map no record had: a misspelt one leaves articles without a title."""
        for name in sorted(self._unseen or ()) if self._kept.counts.records else ():
            column = self._plan.reading.columns[name]
            log.warning("--map %s=%s: no record has %r", name, column, column)

    def _next(self, entries: Iterator[Entry]) -> Entry | None:
        if not self._stopping.signal:
            with self._stopping.at_once():
                return next(entries, None)
        return None

    def _judged(self, entry: Entry, number: str) -> Line | Sent | Unsent:
        where = entry.where
        if isinstance(entry, Skipped):
            return Unsent(where, entry.reason, "skipped", number)
        if isinstance(entry, Broken):
            self._stop_at(f"{where}: {entry.reason}")
            return Unsent(where, entry.reason, "damaged", number)
        if isinstance(entry.article, Refusal):
            self._stop_at(entry.article.message)
            if self._plan.malformed == "skip" or not entry.raw:
                reason = entry.article.message.removeprefix(f"{where}: ")
                return Unsent(where, reason, "malformed", number)
        elif found := self._outside(entry.article):
            return Unsent(where, *found, number)
        if number in self._before:
            return Sent(*entry, *self._before[number], number)
        return entry

    def _outside(self, article: Article) -> tuple[str, Literal["outside", "undated"]] | None:
        begin, end = self._plan.begin, self._plan.end
        if begin is None and end is None:
            return None
        moment = published(article)
        if moment is None:
            return (
                f"published {article.published_at or 'at a time that it does not say'}",
                "undated",
            )
        if (begin and moment < begin) or (end and moment > end):
            return f"published {moment.isoformat()}", "outside"
        return None

    def _stop_at(self, message: str) -> None:
        if self._plan.malformed == "stop":
            hint = ": --malformed skip --resume goes on behind it" if self._resumable else ""
            raise FeedError(f"{message}; stopped there, as --malformed stop asks{hint}")

    def fraction(self) -> float | None:
        """Of all bytes, how many are read; or of the limit, how many are sent."""
        if self._plan.limit:
            return min(1.0, self._kept.counts.sent / self._plan.limit)
        sizes = [_size(one) for one in self._kept.inputs]
        here = self._source.fraction() if self._source else 0.0
        if None in sizes or here is None or not any(sizes):
            return None
        known = [size or 0 for size in sizes]
        at = min(self._done, len(known) - 1)
        here = 0.0 if self._done >= len(known) else here
        return (sum(known[: self._done]) + known[at] * here) / sum(known)


def _size(one: Input) -> int | None:
    if one.bytes is not None:
        return one.bytes
    with suppress(OSError):
        if Path(one.path).is_file():
            return Path(one.path).stat().st_size
    return None


# -------------------------------------------------------------------------- what was sent before


def _opened(
    settings: Settings, plan: Plan, inputs: list[Input], stack: ExitStack
) -> tuple[Path | None, Manifest]:
    """The manifest and where it is, a new one or that of the replay to resume; nobody else may
    write it until `stack` ends."""
    topic = topics(settings).articles.name
    kept_in = manifest.folder(os.environ)
    if plan.resume:
        path = plan.manifest or manifest.latest(kept_in, [one.path for one in inputs], topic)
        if path is None:
            raise SettingsError(
                f"--resume: no replay of these files to {topic} is known in {kept_in}:"
                " leave it out to begin one, or name its --manifest"
            )
        stack.enter_context(manifest.alone(path))
        kept = manifest.load(path)
        manifest.resumable(kept, path, inputs, plan.choice)
        if kept.topic != topic:
            raise SettingsError(f"{path}: it was sent to {kept.topic}: give --topic {kept.topic}")
        kept.state = kept.state if kept.state == "finished" else "running"
        return path, kept
    kept = Manifest(
        run_id=str(uuid.uuid4()),
        topic=topic,
        brokers=settings.brokers,
        choice=plan.choice,
        inputs=inputs,
    )
    path = plan.manifest or kept_in / f"{kept.started_at.replace(':', '')}-{kept.run_id}.json"
    try:
        if plan.manifest is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        else:
            manifest.expect_replaceable(path)
        stack.enter_context(manifest.alone(path))
        kept.save(path)
    except (OSError, SettingsError) as error:
        if plan.manifest is not None:
            raise
        log.warning("no manifest is kept, and --resume will not know of this replay: %s", error)
        return None, kept
    return path, kept


def _ends(settings: Settings, topic: str) -> dict[str, int]:
    with clients.reader(settings, [topic], from_beginning=False) as consumer:
        return {str(tp.partition): consumer.position(tp) for tp in consumer.assignment()}


def _sent_since(settings: Settings, kept: Manifest) -> dict[str, tuple[int, int]]:
    """Partition and offset of the records that are on the topic and not yet in the manifest."""
    found: dict[str, tuple[int, int]] = {}
    run_id = kept.run_id.encode()
    with clients.reader(settings, [kept.topic], from_beginning=True) as consumer:
        for tp in consumer.assignment():
            written = kept.offsets.get(str(tp.partition))
            start = written.last + 1 if written else kept.before.get(str(tp.partition), 0)
            consumer.seek(tp, max(start, consumer.beginning_offsets([tp])[tp]))
        for record in until_the_end(settings, consumer):
            headers = dict(record.headers)
            if headers.get(RUN_ID_HEADER) == run_id and NUMBER_HEADER in headers:
                number = headers[NUMBER_HEADER].decode(errors="replace")
                found[number] = record.partition, record.offset
    return found


# ------------------------------------------------------------------------------ how it is going


class _Journal:
    """Writes what is done to the manifest."""

    def __init__(self, kept: Manifest, path: Path | None) -> None:
        self._kept, self._path = kept, path
        self._saved = time.monotonic()

    def note(self, done: Sent | Unsent) -> None:
        number, _, record = (done.number or "").partition(":")
        if record:
            here = int(number)
            self._kept.inputs[here].records = int(record) + 1
            for one in self._kept.inputs[:here]:
                one.complete = True
        if isinstance(done, Sent):
            self._kept.written(done.partition, done.offset)

    def save_now_and_then(self) -> None:
        if time.monotonic() - self._saved > manifest.SAVED_SECONDS:
            self.save()

    def save(self) -> None:
        if self._path is not None:
            self._kept.save(self._path)
        self._saved = time.monotonic()


def _summary(progress: Progress, noun: str, kept: Manifest, path: Path | None) -> str:
    more = f", run id {kept.run_id}"
    if path is not None:
        more += f", manifest {path}"
        if kept.state != "finished":
            rest = "--resume sends the rest" if kept.of_files else "a pipe cannot be resumed"
            more += f"; {kept.state}, {rest}"
    return progress.summary(dry_run=False, noun=noun, more=more)
