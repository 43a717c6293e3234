"""The `eventwire` command. Everything that takes long to import is imported by who needs it."""

import argparse
import difflib
import logging
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stdout, suppress
from importlib import import_module, metadata
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from eventwire.models.ontology import STATUSES, ontology
from eventwire.streams import logs, output, settings
from eventwire.streams.settings import Settings, SettingsError

if TYPE_CHECKING:
    from eventwire.models.records import Event

SAMPLE_FEED = Path(__file__).with_name("sample.jsonl")

DONE, FAILED, MISUSED = 0, 1, 2
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
    _parser(arguments).parse_args(arguments, options)
    logs.configure(Settings(), debug=options.debug, stamped=False)
    loaded = settings.load(os.environ, _command_line(options))
    stamped = options.command in ("worker", "broker", "sink")
    logs.configure(loaded, debug=options.debug, stamped=stamped)
    if options.command != "worker":  # which has a more careful way to end
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) == signal.SIG_DFL:  # which it is not under nohup
                signal.signal(number, lambda number, _: sys.exit(128 + number))
    status: int = options.run(loaded, options)
    return status


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
    from eventwire.streams import clients, feeds, replay

    run_id = str(uuid.uuid4())
    progress = replay.Progress(sys.stderr)
    with feeds.open_feed(options.feed, max_bytes=loaded.article_max_bytes) as feed:
        if options.dry_run:
            for line in replay.dry_run(loaded, feed, limit=options.limit):
                progress.add(line)
        else:
            with clients.producer(loaded) as producer:
                pacer = replay.Pacer(options.speed)
                for line in replay.replay(
                    loaded, feed, producer, run_id=run_id, pacer=pacer, limit=options.limit
                ):
                    progress.add(line)
    log.info("%s", progress.summary(feed.counts, dry_run=options.dry_run, run_id=run_id))
    return FAILED if progress.unsent else DONE


def tail(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.streams import tail

    wanted = tail.Filter(frozenset(options.type), frozenset(options.status), options.min_confidence)
    as_json = options.json or not sys.stdout.isatty()
    show = _event_printer()
    since = None if options.since is None else time.time() - options.since
    for value, event in tail.tail(loaded, from_beginning=options.from_beginning, since=since):
        if event is None:
            if not as_json and wanted == tail.Filter():  # else it may be none of those asked for
                print(tail.retraction_line(value), flush=True)
        elif wanted(event):
            if as_json:
                print(tail.harmless_json(value), flush=True)
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


def sink(loaded: Settings, options: argparse.Namespace) -> int:
    try:
        from eventwire.streams import sink
    except ImportError as error:
        raise SettingsError(
            "it needs psycopg, which is not installed: pip install 'eventwire[sink]'"
        ) from error
    sink.run(loaded, options.url)


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
    _print_table(rows)
    if line := topics.kept(loaded, existing):
        log.warning("%s", line)
    return DONE


def config(_: Settings, options: argparse.Namespace) -> int:
    explained = settings.explain(os.environ, _command_line(options))
    if options.json:
        import msgspec

        print(msgspec.json.encode([setting._asdict() for setting in explained]).decode())
    else:
        _print_table([(s.name, s.variable, s.value or "-", s.origin) for s in explained])
    return DONE


def evaluate(loaded: Settings, options: argparse.Namespace) -> int:
    from eventwire.models import evaluate

    scores = evaluate.run(
        Path(options.gold),
        as_json=options.json,
        model=loaded.model,
        min_confidence=options.min_confidence,
    )
    print(scores)
    return DONE


def bench(loaded: Settings, options: argparse.Namespace) -> int:
    import msgspec

    from eventwire.models.records import Article
    from eventwire.streams import feeds

    _expect_files([Path(options.feed)], "a feed of your own with --feed")
    with feeds.open_feed(options.feed, max_bytes=loaded.article_max_bytes) as feed:
        articles = (line.article for line in feed if isinstance(line.article, Article))
        sample = list(islice(articles, options.articles))
    if not sample:
        raise feeds.FeedError(f"{feed.name}: expected articles, one JSON object a line, got none")

    from eventwire.models import bench

    _hush_transformers(options)
    report = bench.run(sample, model=loaded.model)
    print(msgspec.json.encode(report).decode() if options.json else report.table())
    return DONE


def train(_: Settings, options: argparse.Namespace) -> int:
    from eventwire.models import train

    if options.epochs is not None and options.epochs < 1:
        raise SettingsError(f"--epochs: expected at least 1, got {options.epochs}")
    files = [*options.data, *options.evaluation]
    if any(path.name.endswith(".standoff.jsonl") for path in files):
        files.append(options.texts)
    _expect_files(files, "files of your own with --data, --evaluation and --texts")
    output.expect_folder("--out", options.out)
    _hush_transformers(options)
    train.run(options)
    return DONE


def teach(_: Settings, options: argparse.Namespace) -> int:
    from eventwire.models import teach

    _expect_files([options.teacher, options.texts], "one with --teacher or --texts")
    output.expect_folder("--out", options.out)
    teach.run(options)
    return DONE


# ----------------------------------------------------------------------------------- the options


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = re.sub(r"(?i)(password)[ =].*", r"\1", message, flags=re.DOTALL)
        self.exit(MISUSED, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="eventwire",
        description="A streaming event coder for news: articles in, event records out.",
        epilog="Every setting is also a variable, EVENTWIRE_NAME: `eventwire config` lists them."
        " Results go to stdout, all else to stderr. Exit status: 0 done, 1 failed,"
        " 2 wrong options or settings.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        run: Callable[[Settings, argparse.Namespace], int],
        summary: str,
        *names: str,
        more: str = "",
    ) -> argparse.ArgumentParser:
        """A command with options for the named settings, and for all others with --set."""
        sub: argparse.ArgumentParser = commands.add_parser(
            run.__name__, help=summary, description=f"{summary}. {more}", allow_abbrev=False
        )
        for name in (*names, "log_format"):
            sub.add_argument(
                f"--{name.replace('_', '-')}",
                dest=f"setting_{name}",
                metavar="VALUE",
                help=f"{settings.description(name)} [{settings.variable(name)}]",
            )
        sub.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="any other setting, see `eventwire config`",
        )
        sub.add_argument("--debug", action="store_true", help="log everything, show tracebacks")
        sub.set_defaults(run=run)
        return sub

    kafka = ("brokers", "topic_prefix")

    sub = command(
        code,
        "Code the articles of a feed, without Kafka: event records as JSON lines on stdout",
        "min_confidence",
        "model",
        more="Lines that hold no article are reported on stderr and counted, the others coded."
        " Exit status 0 unless the feed cannot be read (to its end) or it has lines and none of"
        " them could be coded; an empty feed is no failure.",
    )
    sub.add_argument(
        "feed",
        metavar="FEED.jsonl",
        help="articles, one JSON object a line, plain or gzip; - is stdin",
    )
    _add_output(sub)
    sub.add_argument("--quiet", action="store_true", help="no reports and no summary, only errors")

    sub = command(
        demo,
        "Show all of it: a broker, a worker and a replay of FEED, gone again at the end",
        "min_confidence",
        "model",
        more="Prints every event as it arrives on the events topic, then a summary.",
    )
    sub.add_argument(
        "feed",
        nargs="?",
        default=str(SAMPLE_FEED),
        metavar="FEED",
        help="default: a sample of invented articles",
    )
    sub.add_argument(
        "--broker",
        choices=("embedded", "kafka"),
        default="embedded",
        help="kafka: Apache Kafka, from the jars of deploy/kafka (default: embedded)",
    )

    command(
        broker, "Run the embedded broker, in memory, and create the topics", "topic_prefix"
    ).add_argument(
        "--port", type=int, default=9092, help="of 127.0.0.1; 0: a free one (default: 9092)"
    )

    command(
        worker,
        "Code the articles topic, until stopped",
        *kafka,
        "group",
        "min_confidence",
        "model",
        "http_port",
    )

    sub = command(
        replay,
        "Send the articles of a feed to the articles topic",
        *kafka,
        more="A line that holds no article is sent as it is, to become a dead letter."
        " Exit status 1 if any line could not be sent.",
    )
    sub.add_argument(
        "feed", metavar="FEED", help="articles, one JSON object a line, plain or gzip; - is stdin"
    )
    sub.add_argument(
        "--speed",
        type=_speed,
        default=0.0,
        help="0: as fast as possible (default); 1: as it was published; 60: an hour a minute",
    )
    sub.add_argument("--limit", type=_count, metavar="N", help="only the first N lines")
    sub.add_argument("--dry-run", action="store_true", help="read and check all, send nothing")

    sub = command(
        tail,
        "Show events as they arrive",
        *kafka,
        more="For people in a terminal; as JSON lines, without retractions, into a pipe.",
    )
    _add_tail(sub)

    sub = command(
        export,
        "Write events for other programs, as CSV, Parquet, GeoJSON or GDELT's events table",
        *kafka,
        more="Reads FILE, as `eventwire code` writes it, or without one what stands on the events"
        " topic when it starts. Records that are no events are reported on stderr and counted."
        " Exit status 0 unless FILE cannot be read (to its end) or it has lines and none of them is"
        " an event; an empty one is no failure.",
    )
    _add_export(sub)

    command(
        sink,
        "Keep the events topic as a table in PostgreSQL, until stopped",
        *kafka,
        "group",
        "sink_http_port",
        more="The password comes from PGPASSWORD, EVENTWIRE_SINK_PASSWORD or"
        " EVENTWIRE_SINK_PASSWORD_FILE. Makes its tables itself; docs/sink.md shows them.",
    ).add_argument("url", metavar="postgresql://USER@HOST/DATABASE")

    sub = command(
        schema,
        "Print the JSON Schemas of the records and the AsyncAPI document of the topics",
        "topic_prefix",
        more="Without a name, all of them as one JSON object.",
    )
    sub.add_argument(
        "name", nargs="?", choices=("article", "event", "coding", "dead-letter", "asyncapi")
    )
    sub.add_argument(
        "--write",
        metavar="FOLDER",
        help="write them all there, if that breaks no program written against what is there",
    )

    command(
        topics,
        "Create the topics that are missing and list all",
        *kafka,
        "partitions",
        "replication",
        "routed_types",
    )

    sub = command(
        config, "List every setting: its variable, its value and where that came from", *kafka
    )
    sub.add_argument("--json", action="store_true", help="one JSON array, descriptions included")

    sub = command(evaluate, "Score the model on annotated sentences", "model")
    sub.add_argument(
        "gold",
        metavar="GOLD.jsonl",
        help="annotated sentences, or the PLV test (.jsonl or .tsv)",
    )
    sub.add_argument("--json", action="store_true", help="scores as JSON")
    sub.add_argument(
        "--min-confidence",
        type=_ratio,
        default=0.0,
        metavar="X",
        help="only events of at least this probability count (default: all that are found)",
    )

    sub = command(
        bench,
        "Measure the coder beside the pipeline that most people would write",
        "model",
        more="Sentences a second, in turns in one run on this machine.",
    )
    sub.add_argument("what", choices=["coder"])
    sub.add_argument(
        "--feed",
        default="../shared/feeds/bbc.jsonl",
        metavar="FEED.jsonl",
        help="articles (default: %(default)s)",
    )
    sub.add_argument("--articles", type=_count, default=150, metavar="N", help="the first N of it")
    sub.add_argument("--json", action="store_true", help="as JSON")

    for run, text in (
        (train, "Train the model"),
        (teach, "Write down what a large network sees, for training a small one"),
    ):
        sub = command(run, text)
        if arguments[:1] == [run.__name__]:  # their options come with all that training imports
            import_module(f"eventwire.models.{run.__name__}").add_arguments(sub)
    return parser


def _add_tail(sub: argparse.ArgumentParser) -> None:
    _add_filters(sub)
    sub.add_argument("--json", action="store_true", help="JSON lines, in a terminal too")
    start = sub.add_mutually_exclusive_group()
    start.add_argument(
        "--since",
        type=_duration,
        metavar="2h",
        help="first what has arrived in the last 2 hours (90s, 30m, 2h, 1d …), then what is new",
    )
    start.add_argument(
        "--from-beginning",
        action="store_true",
        help="first all that is on the topic, then what is new",
    )


def _add_output(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write there, not to stdout (-); a FILE that exists is replaced when all is done, and"
        " stays as it is if anything fails",
    )


def _add_export(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        help="event records, one JSON object a line, plain or gzip; - is stdin",
    )
    sub.add_argument("--format", required=True, choices=("csv", "parquet", "geojson", "gdelt"))
    _add_output(sub)
    _add_filters(sub)
    sub.add_argument(
        "--all-statuses",
        action="store_true",
        help="of gdelt, which has only what occurred unless asked, all events",
    )
    sub.add_argument("--quiet", action="store_true", help="no reports and no summary, only errors")


def _add_filters(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--type",
        action="append",
        default=[],
        type=_event_type,
        metavar="T",
        help="only events of this type; may be repeated",
    )
    sub.add_argument(
        "--status",
        action="append",
        default=[],
        choices=STATUSES,
        help="only events of this status; may be repeated",
    )
    sub.add_argument(
        "--min-confidence",
        type=_ratio,
        default=0.0,
        metavar="X",
        help="only events of at least this probability",
    )


class _Version(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(f"eventwire {metadata.version('eventwire')}")
        parser.exit()


def _command_line(options: argparse.Namespace) -> dict[str, str]:
    """Settings that were given as options, by name."""
    given = {}
    for pair in options.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {name}: expected NAME=VALUE")
        given[name.strip().lower().replace("-", "_")] = value
    for name in Settings.__struct_fields__:
        if (value := getattr(options, f"setting_{name}", None)) is not None:
            given[name] = value
    if getattr(options, "quiet", False):
        given["log_level"] = "error"
    return given


def _event_type(text: str) -> str:
    if text in ontology().types:
        return text
    near = difflib.get_close_matches(text, ontology().names, n=1)
    raise argparse.ArgumentTypeError(
        f"unknown event type {text!r}" + (f"; did you mean {near[0]}?" if near else "")
    )


def _number(text: str, expected: str, accept: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not accept(value):  # which nan is not
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return value


def _speed(text: str) -> float:
    return _number(text, "a number of at least 0", lambda value: 0 <= value < float("inf"))


def _ratio(text: str) -> float:
    return _number(text, "a number from 0 to 1", lambda value: 0 <= value <= 1)


def _duration(text: str) -> float:
    """Seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if not (match := re.fullmatch(r"([0-9]{1,6})([smhd])", text)):
        raise argparse.ArgumentTypeError(
            f"expected a number and s, m, h or d, as in 2h, got {text!r}"
        )
    return float(match[1]) * units[match[2]]


def _count(text: str) -> int:
    return int(_number(text, "a whole number of at least 1", lambda v: v >= 1 and v.is_integer()))


# -------------------------------------------------------------------------------------- the rest


def _event_printer() -> "Callable[[Event], None]":
    from eventwire.streams import tail

    color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return lambda event: print(tail.line(event, color=color), flush=True)


def _expect_files(paths: Sequence[Path], remedy: str) -> None:
    for path in paths:
        if not path.exists():
            raise SettingsError(f"{path}: no such file; name {remedy}")


def _hush_transformers(options: argparse.Namespace) -> None:
    """Its bars and reports are about the encoder that training begins with."""
    if not options.debug:
        from transformers.utils import logging as hushed

        hushed.set_verbosity_error()
        hushed.disable_progress_bar()


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


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
