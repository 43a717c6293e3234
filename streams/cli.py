"""The `eventwire` command. Everything that takes long to import is imported by who needs it."""

import argparse
import logging
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, redirect_stdout, suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from eventwire.streams import logs, output, settings
from eventwire.streams.options import MISUSED, parser, settings_given
from eventwire.streams.settings import Settings, SettingsError

if TYPE_CHECKING:
    from eventwire.models.bench import Report as CoderReport
    from eventwire.models.records import Event
    from eventwire.streams.bench import Report as StreamReport

DONE, FAILED = 0, 1
INTERRUPTED = 128 + signal.SIGINT

log = logging.getLogger("eventwire")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    output.occupy_closed_descriptors()
    logs.configure(Settings(), stamped=False)
    options = argparse.Namespace(command="", debug=False)
    results = output.stdout()
    try:
        with redirect_stdout(results):
            try:
                return _run(sys.argv[1:] if arguments is None else arguments, options)
            finally:
                results.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:  # as in `eventwire code … | head`: the reader has what it wants
        status = DONE
    except SettingsError as error:
        _tell(options, str(error), error)
        status = MISUSED
    except Exception as error:  # noqa: BLE001 - whatever it is, a user gets one line
        _tell(options, _one_line(error), error)
        status = FAILED
    output.drop(results)
    return status


def _run(arguments: Sequence[str], options: argparse.Namespace) -> int:
    parser().parse_args(arguments, options)
    logs.configure(Settings(), debug=options.debug, stamped=False)
    loaded = settings.load(os.environ, settings_given(options))
    stamped = options.command in ("worker", "broker", "sink")
    logs.configure(loaded, debug=options.debug, stamped=stamped)
    if options.command != "worker":  # which has a more careful way to end
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) == signal.SIG_DFL:  # which it is not under nohup
                signal.signal(number, lambda number, _: sys.exit(128 + number))
    return COMMANDS[options.command](loaded, options)


# ---------------------------------------------------------------------------------- the commands


def code(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import coding, feeds

    with (
        feeds.open_feed(options.feed, max_bytes=loaded.article_max_bytes) as feed,
        output.open_output(options.output, feed=options.feed) as out,
        redirect_stdout(sys.stderr),  # what libraries print is no result
    ):
        coder = coding.load_coder(loaded)
        summary = coding.code(feed, coder, out, min_confidence=loaded.min_confidence)
        log.info("%s", summary)
        if summary.lines.failed and not summary.lines.read:
            raise feeds.FeedError(
                f"{feed.name}: expected articles, one JSON object a line, with id and text;"
                " none of its lines could be coded"
            )
    return DONE


def demo(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import demo, feeds

    with feeds.open_feed(options.feed, max_bytes=loaded.article_max_bytes) as feed:
        show = _event_printer()
        summary = demo.demo(
            loaded,
            feed,
            environment=os.environ,
            show=show,
            broker_kind=options.broker,
            debug=options.debug,
        )
    print(summary)
    return DONE


def broker(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import demo, embedded, topics

    with embedded.EmbeddedBroker(options.port) as running:
        topics.create_missing(demo.on_embedded_broker(loaded, running.address))
        print(running.address, flush=True)
        log.info("embedded broker, in memory only; Ctrl-C stops it")
        with suppress(KeyboardInterrupt):
            running.wait()
            log.error("eventwire broker: the broker ended: %s", running.last_words)
            return FAILED
    return DONE


def worker(loaded: Settings, _: argparse.Namespace) -> int:
    from eventwire.streams.worker import run_worker

    return run_worker(loaded)


def replay(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import backfill

    plan = backfill.plan(options, loaded)
    done = backfill.dry_run(loaded, plan) if options.dry_run else backfill.run(loaded, plan)
    return DONE if done else FAILED


def tail(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import tail, terminal

    wanted = tail.Filter(frozenset(options.type), frozenset(options.status), options.min_confidence)
    as_json = options.json or not sys.stdout.isatty()
    show = _event_printer()
    since = None if options.since is None else time.time() - options.since
    for value, event in tail.tail(
        loaded,
        from_beginning=options.from_beginning,
        since=since,
        idle=output.expect_reader,  # `eventwire tail | head -1` is not to wait for a second event
    ):
        if event is None:
            if not as_json and wanted == tail.Filter():  # else it may be none of those asked for
                print(tail.retraction_line(value), flush=True)
        elif wanted(event):
            if as_json:
                print(terminal.harmless_json(value), flush=True)
            else:
                show(event)
    return DONE


def export(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import export, feeds, tail

    statuses = frozenset(options.status)
    if options.format == "gdelt" and not options.all_statuses:
        statuses = statuses or frozenset({"occurred"})  # the table has no column for any other
    wanted = tail.Filter(frozenset(options.type), statuses, options.min_confidence)
    make = export.writer(options.format)
    if options.format == "parquet" and options.output in (None, "-") and sys.stdout.isatty():
        raise SettingsError("--format parquet: expected -o FILE or a pipe, got a terminal")
    with ExitStack() as stack:
        feed = None
        if options.file is not None:
            size = loaded.output_max_bytes
            feed = stack.enter_context(feeds.open_feed(options.file, max_bytes=size))
        out = stack.enter_context(output.open_output(options.output, feed=options.file))
        summary = export.export(export.records(loaded, feed), wanted, make(out))
    log.info("%s", summary)
    return DONE


def compare(loaded: Settings, options: argparse.Namespace) -> int:
    import msgspec

    from eventwire.streams import compare, terminal

    both = options.min_confidence or 0.0
    thresholds = [
        both if own is None else own for own in (options.min_confidence_a, options.min_confidence_b)
    ]
    found = compare.compare(
        loaded,
        options.a,
        options.b,
        thresholds=(thresholds[0], thresholds[1]),
        articles=options.articles,
        examples=options.examples,
    )
    if options.json:
        print(terminal.harmless_json(msgspec.json.encode(found)))
    else:
        print(compare.page(found))
    return DONE


def sink(loaded: Settings, options: argparse.Namespace) -> int:
    try:
        from eventwire.streams import sink
    except ImportError as error:
        raise SettingsError(
            "it needs psycopg, which is not installed: pip install 'eventwire[sink]'"
        ) from error
    sink.run(loaded, options.url)


def dlq(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import dlq

    if options.action == "show":
        letter = dlq.read(loaded, dlq.position(options.position))
        if options.raw:
            sys.stdout.buffer.write(letter.value or b"")
        else:
            print(dlq.page(letter))
        return DONE
    wanted = dlq.Filter(frozenset(options.reason), frozenset(map(dlq.position, options.position)))
    if options.action == "retry":
        retried = dlq.retry(loaded, wanted, limit=options.limit, dry_run=options.dry_run)
        log.info("%s", retried)
        return FAILED if retried.unsent else DONE
    tally, show = dlq.Tally(), dlq.row if options.json else dlq.line
    for letter, settled in dlq.letters(loaded, wanted):
        tally.add(letter, settled=settled)
        if (options.all or not settled) and (options.limit is None or tally.shown < options.limit):
            tally.shown += 1
            print(show(letter, settled=settled))
    log.info("%s", tally)
    return DONE


def schema(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import contract

    if options.write is not None:
        output.expect_folder("--write", Path(options.write))
        documents = {name: contract.document(name, Settings()) for name in contract.NAMES}
        contract.write(Path(options.write), documents)
    elif options.name is not None:
        print(contract.render(contract.document(options.name, loaded)), end="")
    else:
        every = {str(name): contract.document(name, loaded) for name in contract.NAMES}
        print(contract.render(every), end="")
    return DONE


def topics(loaded: Settings, _: argparse.Namespace) -> int:
    from eventwire.streams import topics
    from eventwire.streams.feeds import counted

    existing = topics.create_missing(loaded)
    rows = [
        (
            topic.name,
            counted(topic.partitions, "partition"),
            topic.cleanup_policy or "cleanup policy unknown",
            "created" if topic.created else "",
        )
        for topic in existing
    ]
    print(*_table(rows), sep="\n")
    if line := topics.kept(loaded, existing):
        log.warning("%s", line)
    return DONE


def config(_: Settings, options: argparse.Namespace) -> int:
    explained = settings.explain(os.environ, settings_given(options))
    if options.json:
        import msgspec

        print(msgspec.json.encode([setting._asdict() for setting in explained]).decode())
    else:
        rows = _table([(s.variable, s.value or "-", s.origin) for s in explained])
        for row, setting in zip(rows, explained, strict=True):
            print(row, textwrap.indent(textwrap.fill(setting.description, 96), "    "), sep="\n")
    return DONE


def evaluate(loaded: Settings, options: argparse.Namespace) -> int:
    _expect_files([Path(options.gold)], "annotated sentences")

    from eventwire.models import evaluate

    scores = evaluate.run(
        Path(options.gold),
        as_json=options.json,
        model=loaded.model,
        min_confidence=options.min_confidence,
        diagram=options.diagram,
    )
    print(scores)
    return DONE


def bench(loaded: Settings, options: argparse.Namespace) -> int:
    import msgspec

    from eventwire.streams import feeds
    from eventwire.streams.decode import Refusal

    _expect_files([Path(options.feed)], "a feed of your own with --feed")
    with feeds.open_feed(options.feed, max_bytes=loaded.article_max_bytes) as feed:
        number = options.articles or {"coder": 150, "stream": 600}[options.what]
        sample = []
        for line in islice(feed, number):
            if isinstance(line.article, Refusal):  # what is measured has to be what was given
                raise feeds.FeedError(line.article.message)
            sample.append(line.article)
    if not sample:
        raise feeds.FeedError(f"{feed.name}: expected articles, one JSON object a line, got none")

    report: CoderReport | StreamReport
    if options.what == "stream":
        from eventwire.streams import bench as stream_bench

        report = stream_bench.run(loaded, sample, workers=options.workers)
    else:
        from eventwire.models import bench as coder_bench

        _hush_transformers(options)
        report = coder_bench.run(sample, model=loaded.model)
    print(msgspec.json.encode(report).decode() if options.json else report.table())
    return DONE


def train(_: Settings, options: argparse.Namespace) -> int:
    if options.reference_only:
        _expect_files([options.texts, options.out], "others with --texts and --out")
    else:
        files = [*options.data, *options.evaluation]
        if any(path.name.endswith(".standoff.jsonl") for path in files):
            files.append(options.texts)
        _expect_files(files, "files of your own with --data, --evaluation and --texts")
        folders = [options.taught, options.teacher, options.start, *(options.mean or ())]
        _expect_files(filter(None, folders), "a folder that is there")
        _expect_files(filter(None, [options.recipe]), "a file that is there")
    output.expect_folder("--out", options.out)

    from eventwire.models import train  # takes seconds: what is wrong is told before

    _hush_transformers(options)
    train.run(options)
    return DONE


def teach(_: Settings, options: argparse.Namespace) -> int:
    _expect_files([options.teacher, options.texts], "one with --teacher or --texts")
    output.expect_folder("--out", options.out)

    from eventwire.models import teach  # as above

    teach.run(options)
    return DONE


COMMANDS: dict[str, Callable[[Settings, argparse.Namespace], int]] = {
    command.__name__: command
    for command in (
        code, demo, broker, worker, replay, tail, export, compare, sink, dlq, schema, topics,
        config, evaluate, bench, train, teach,
    )
}  # fmt: skip


# -------------------------------------------------------------------------------------- the rest


def _event_printer() -> "Callable[[Event], None]":
    from eventwire.streams import tail

    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return lambda event: print(tail.line(event, color=color), flush=True)


def _expect_files(paths: Iterable[Path], remedy: str) -> None:
    for path in paths:
        if not path.exists():
            raise SettingsError(f"{path}: no such file; name {remedy}")


def _hush_transformers(options: argparse.Namespace) -> None:
    """Its bars and reports are about the encoder that training begins with."""
    if not options.debug:
        from transformers.utils import logging as hushed

        hushed.set_verbosity_error()
        hushed.disable_progress_bar()


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A line a row."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def _tell(options: argparse.Namespace, line: str, error: Exception) -> None:
    command = f"eventwire {options.command or ''}".strip()
    log.error("%s: %s", command, line, exc_info=error if options.debug else None)


def _one_line(error: Exception) -> str:
    """Our own errors say all themselves; of others, which were not foreseen, also the kind."""
    text = " ".join(str(error).split())
    if type(error).__module__.startswith("eventwire."):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {text[:300]} (unexpected; --debug shows where)"


if __name__ == "__main__":
    sys.exit(main())
