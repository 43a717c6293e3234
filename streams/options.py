"""What the `eventwire` command can be told: every command with its options."""

import argparse
import difflib
import re
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from eventwire.models.datasets import (
    EVALUATION,
    REFERENCE_SENTENCES,
    TRAINING,
    UNLABELLED,
)
from eventwire.models.ontology import STATUSES
from eventwire.streams import option_values, settings
from eventwire.streams.decode import REASONS
from eventwire.streams.settings import Settings, SettingsError

SAMPLE_FEED = Path(__file__).with_name("sample.jsonl")
MISUSED = 2
"""Exit status for wrong options and settings."""

_KAFKA = ("brokers", "topic_prefix")
"""Settings that whatever talks to Kafka has as options."""


def parser() -> argparse.ArgumentParser:
    """For all commands."""
    main = _Parser(
        prog="eventwire",
        description="A streaming event coder for news: articles in, event records out.",
        epilog="Every setting is also a variable, EVENTWIRE_NAME: `eventwire config` lists them."
        " Results go to stdout, all else to stderr. Exit status: 0 done, 1 failed,"
        " 2 wrong options or settings.",
        allow_abbrev=False,
    )
    main.add_argument("--version", action=_Version)
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, summary: str, *settable: str, more: str = "", of: Any = commands
    ) -> argparse.ArgumentParser:
        """A command with options for the named settings, and for all others with --set."""
        sub: argparse.ArgumentParser = of.add_parser(
            name, help=summary, description=f"{summary}. {more}", allow_abbrev=False
        )
        for setting in (*settable, "log_format"):
            sub.add_argument(
                f"--{setting.replace('_', '-')}",
                dest=f"setting_{setting}",
                metavar="VALUE",
                help=f"{settings.description(setting)} [{settings.variable(setting)}]",
            )
        sub.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="any other setting, see `eventwire config`",
        )
        sub.add_argument("--debug", action="store_true", help="log everything, show tracebacks")
        return sub

    sub = command(
        "code",
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
        help="articles, one JSON object a line, plain, gzip or zstd; - is stdin",
    )
    _add_output(sub)
    sub.add_argument("--quiet", action="store_true", help="no reports and no summary, only errors")

    sub = command(
        "demo",
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
        "broker", "Run the embedded broker, in memory, and create the topics", "topic_prefix"
    ).add_argument(
        "--port", type=int, default=9092, help="of 127.0.0.1; 0: a free one (default: 9092)"
    )

    command(
        "worker",
        "Code the articles topic, until stopped",
        *_KAFKA,
        "group",
        "min_confidence",
        "model",
        "http_port",
    )

    sub = command(
        "replay",
        "Send the articles of feeds to the articles topic",
        *_KAFKA,
        more="JSON lines, CSV, Parquet, RSS, Atom and WARC, plain, gzip or zstd; docs/replay.md"
        " tells what becomes of each. Exit status 1 if anything could not be sent.",
    )
    _add_replay(sub)

    sub = command(
        "tail",
        "Show events as they arrive",
        *_KAFKA,
        more="For people in a terminal; as JSON lines, without retractions, into a pipe.",
    )
    _add_tail(sub)

    sub = command(
        "export",
        "Write events for other programs, as CSV, Parquet, GeoJSON or GDELT's events table",
        *_KAFKA,
        more="Reads FILE, as `eventwire code` writes it, or without one what stands on the events"
        " topic when it starts. Records that are no events are reported on stderr and counted."
        " Exit status 0 unless FILE cannot be read (to its end) or it has lines and none of them is"
        " an event; an empty one is no failure.",
    )
    _add_export(sub)

    sub = command(
        "compare",
        "Show which events are gained, lost and changed from A to B, by type, with examples",
        *_KAFKA,
        more="Of two models, two thresholds, or of a replay and what the topic holds;"
        " docs/compare.md shows each. Exit status 0 whatever is found.",
    )
    _add_compare(sub)

    command(
        "sink",
        "Keep the events topic as a table in PostgreSQL, until stopped",
        *_KAFKA,
        "group",
        "sink_http_port",
        more="The password comes from PGPASSWORD, EVENTWIRE_SINK_PASSWORD or"
        " EVENTWIRE_SINK_PASSWORD_FILE. Makes its tables itself; docs/sink.md shows them.",
    ).add_argument("url", metavar="postgresql://USER@HOST/DATABASE")

    _add_dlq(commands, command)

    sub = command(
        "schema",
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
        "topics",
        "Create the topics that are missing and list all",
        *_KAFKA,
        "partitions",
        "replication",
        "routed_types",
    )

    sub = command(
        "config", "List every setting: its variable, its value and where that came from", *_KAFKA
    )
    sub.add_argument("--json", action="store_true", help="one JSON array, descriptions included")

    sub = command("evaluate", "Score the model on annotated sentences", "model")
    sub.add_argument(
        "gold",
        metavar="GOLD.jsonl",
        help="annotated sentences, or the PLV test (.jsonl or .tsv)",
    )
    sub.add_argument("--json", action="store_true", help="scores as JSON")
    sub.add_argument(
        "--min-confidence",
        type=option_values.ratio,
        default=0.0,
        metavar="X",
        help="only events of at least this probability count (default: all that are found)",
    )
    sub.add_argument(
        "--diagram",
        type=Path,
        metavar="FILE.svg",
        help="draw how often events of each confidence are right",
    )

    sub = command(
        "bench",
        "Measure the coder beside the pipeline that most people would write",
        "model",
        more="Sentences a second, in turns in one run on this machine. `coder` is all in one"
        " process; `stream` is from topic to topic on the embedded broker, and takes minutes.",
    )
    sub.add_argument("what", choices=["coder", "stream"])
    sub.add_argument(
        "--feed",
        default="../shared/feeds/bbc.jsonl",
        metavar="FEED.jsonl",
        help="articles (default: %(default)s)",
    )
    sub.add_argument(
        "--articles",
        type=option_values.count,
        metavar="N",
        help="the first N of it (default: 150, stream 600)",
    )
    sub.add_argument(
        "--workers",
        type=option_values.count,
        default=1,
        metavar="N",
        help="of stream, also N workers on N partitions against one, each with a core of its own",
    )
    sub.add_argument("--json", action="store_true", help="as JSON")

    _add_train(command("train", "Train the model"))
    _add_teach(command("teach", "Write down what a large network sees, for training a small one"))
    return main


def settings_given(options: argparse.Namespace) -> dict[str, str]:
    """Settings that were given as options, by name. Raises SettingsError."""
    given = {}
    for pair in options.set:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {name}: expected NAME=VALUE")
        name = name.strip().lower().replace("-", "_")
        given[name.removeprefix(settings.PREFIX.lower())] = value
    for name in Settings.__struct_fields__:
        if (value := getattr(options, f"setting_{name}", None)) is not None:
            given[name] = value
    if getattr(options, "quiet", False):
        given["log_level"] = "error"
    return given


class _Parser(argparse.ArgumentParser):
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Here a command tells of an option that it does not know, and not `eventwire`."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(unknown[0], self._option_string_actions, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        message = re.sub(r"(?i)(password)[ =].*", r"\1", message, flags=re.DOTALL)
        self.exit(MISUSED, f"{self.prog}: {message}; see {self.prog} --help\n")


def _add_replay(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "feeds", nargs="+", metavar="FEED", help="a file, a folder with its files, or - for stdin"
    )
    formats = ("auto", "jsonl", "csv", "parquet", "rss", "atom", "warc")
    sub.add_argument("--format", choices=formats, default="auto", help="default: as they look")
    sub.add_argument(
        "--map",
        type=option_values.mapped,
        action="append",
        default=[],
        metavar="FIELD=COLUMN",
        help="the column, or key, of an article's field, as in text=body; may be repeated",
    )
    sub.add_argument(
        "--topic",
        dest="setting_articles_topic",
        metavar="T",
        help="send to this topic, past the live news; a worker of its own reads it"
        f" [{settings.variable('articles_topic')}]",
    )
    sub.add_argument(
        "--speed",
        type=option_values.speed,
        default=0.0,
        help="0: as fast as possible (default); 1: as it was published; 60: an hour a minute",
    )
    sub.add_argument("--rate", type=option_values.rate, metavar="N", help="no more than N a second")
    sub.add_argument(
        "--from",
        dest="begin",
        type=option_values.moment,
        metavar="T",
        help="only what was published at T (ISO 8601, in UTC without a zone) or later",
    )
    sub.add_argument(
        "--to",
        dest="end",
        type=option_values.last_moment,
        metavar="T",
        help="or earlier; a date is all its day",
    )
    sub.add_argument(
        "--limit", type=option_values.count, metavar="N", help="send only the first N of them"
    )
    sub.add_argument(
        "--malformed",
        choices=("dead-letter", "skip", "stop"),
        default="dead-letter",
        help="what to do with a record that holds no article: send it, if it is a line of JSON, to"
        " become a dead letter (default); leave it out; or stop there. It is reported always",
    )
    sub.add_argument(
        "--resume", action="store_true", help="go on with the replay of these files that stopped"
    )
    sub.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="where to write what was sent (default: a file of its own in"
        " ~/.local/state/eventwire/replays)",
    )
    sub.add_argument("--dry-run", action="store_true", help="read and check all, send nothing")


def _add_tail(sub: argparse.ArgumentParser) -> None:
    _add_filters(sub)
    sub.add_argument("--json", action="store_true", help="JSON lines, in a terminal too")
    start = sub.add_mutually_exclusive_group()
    start.add_argument(
        "--since",
        type=option_values.duration,
        metavar="2h",
        help="first what has arrived in the last 2 hours (90s, 30m, 2h, 1d …), then what is new",
    )
    start.add_argument(
        "--from-beginning",
        action="store_true",
        help="first all that is on the topic, then what is new",
    )


def _add_dlq(commands: Any, command: Callable[..., argparse.ArgumentParser]) -> None:
    actions = commands.add_parser(
        "dlq",
        help="Look at dead letters, and send them to the articles topic again",
        description="Look at dead letters, and send them to the articles topic again."
        " A dead letter is settled when its article was read without fault later on, or when it was"
        " sent again and is a newer dead letter.",
        allow_abbrev=False,
    ).add_subparsers(dest="action", required=True, metavar="ACTION")
    sub = command(
        "list",
        "List the dead letters that are not settled: position, when the article was sent, reason,"
        " size, where it stood, key",
        *_KAFKA,
        more="Ends with a count of each reason.",
        of=actions,
    )
    _add_dead_letters(sub)
    sub.add_argument("--all", action="store_true", help="settled ones too")
    sub.add_argument("--json", action="store_true", help="as JSON lines")
    sub = command(
        "show",
        "Show a dead letter: why it is one, its key, headers and value",
        *_KAFKA,
        more="What cannot be printed is spelt out, as \\x1b.",
        of=actions,
    )
    sub.add_argument(
        "position", type=option_values.position, metavar="PARTITION@OFFSET", help="see `dlq list`"
    )
    sub.add_argument("--raw", action="store_true", help="only the value, its bytes as they are")
    sub = command(
        "retry",
        "Send dead letters that are not settled to the articles topic again",
        *_KAFKA,
        more="Each goes to the partition it came from, with its key, value and headers and one"
        " more, eventwire-retry-of. Those whose value was cut are not sent, nor those larger than"
        " an article may be. Let the workers read them before sending any again. Exit status 1 if"
        " one could not be sent.",
        of=actions,
    )
    _add_dead_letters(sub)
    sub.add_argument("--dry-run", action="store_true", help="read and check all, send nothing")


def _add_dead_letters(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "position",
        nargs="*",
        type=option_values.position,
        metavar="PARTITION@OFFSET",
        help="only these; as `dlq list` has them",
    )
    sub.add_argument(
        "--reason",
        action="append",
        default=[],
        choices=REASONS,
        metavar="R",
        help=f"only those of this reason ({', '.join(REASONS)}); may be repeated",
    )
    sub.add_argument("--limit", type=option_values.count, metavar="N", help="only the first N")


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
        help="event records, one JSON object a line, plain, gzip or zstd; - is stdin",
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


def _add_compare(sub: argparse.ArgumentParser) -> None:
    for letter in "AB":
        sub.add_argument(
            letter.lower(),
            metavar=letter,
            help="event records as `eventwire code` writes them, plain, gzip or zstd, or"
            " topic:NAME; topic: alone is the events topic",
        )
    for letter, of in (("", "both"), ("-a", "A"), ("-b", "B")):
        sub.add_argument(
            f"--min-confidence{letter}",
            type=option_values.ratio,
            metavar="X",
            help=f"only events of at least this probability, of {of}",
        )
    sub.add_argument("--articles", metavar="FEED", help="only events of the articles of this feed")
    sub.add_argument(
        "--examples",
        type=option_values.whole,
        default=2,
        metavar="N",
        help="of each type and kind (default: 2)",
    )
    sub.add_argument("--json", action="store_true", help="one JSON object, with whole records")


def _add_train(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--data",
        type=Path,
        nargs="+",
        metavar="FILE",
        default=TRAINING,
        help="annotated sentences: gold .jsonl, .standoff.jsonl, corpus .txt or folder of them"
        " (default: all of ../shared/data and models/corpus)",
    )
    sub.add_argument(
        "--evaluation",
        type=Path,
        nargs="+",
        metavar="FILE",
        default=EVALUATION,
        help="files no sentence of which may be trained on (default: those of ../shared and"
        " tests/behaviour)",
    )
    sub.add_argument(
        "--texts",
        type=Path,
        metavar="FILE",
        default=UNLABELLED,
        help="texts of stand-off annotations and of --taught (default: %(default)s)",
    )
    sub.add_argument(
        "--taught",
        type=Path,
        metavar="FOLDER",
        help="shards of `eventwire teach` to learn from too",
    )
    sub.add_argument(
        "--out",
        type=Path,
        default=Path("runs/event-coder-en"),
        metavar="FOLDER",
        help="where to write the model (default: %(default)s)",
    )
    what = sub.add_mutually_exclusive_group()
    what.add_argument(
        "--teacher",
        type=Path,
        metavar="FOLDER",
        help="train the large network, around the all-mpnet-base-v2 encoder in FOLDER",
    )
    what.add_argument(
        "--start",
        type=Path,
        metavar="FOLDER",
        help="go on from the model in FOLDER, gently, instead of from the encoder",
    )
    what.add_argument(
        "--mean",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="train nothing: take the mean of models that were all trained on from one",
    )
    sub.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="what to train by, as recipe.json of a model (default: what suits the above)",
    )
    sub.add_argument(
        "--epochs", type=option_values.count, metavar="N", help="default: those of the recipe"
    )
    sub.add_argument(
        "--seed",
        type=option_values.whole,
        metavar="N",
        help="of chance (default: that of the recipe)",
    )
    sub.add_argument(
        "--reference-sentences",
        type=option_values.count,
        default=REFERENCE_SENTENCES,
        metavar="N",
        help="of --texts, that drift is measured against (default: %(default)s)",
    )
    what.add_argument(
        "--reference-only",
        action="store_true",
        help="train nothing: make that reference anew for the model in --out",
    )


def _add_teach(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--teacher",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the large network, as `eventwire train --teacher` writes it",
    )
    sub.add_argument(
        "--beside",
        type=Path,
        metavar="FOLDER",
        help="shards of another teacher: look at their sentences, and write the mean of both",
    )
    sub.add_argument(
        "--texts",
        type=Path,
        metavar="FILE",
        default=UNLABELLED,
        help="JSON lines of id and text, gzip (default: %(default)s)",
    )
    sub.add_argument(
        "--sentences",
        type=option_values.count,
        default=40_000,
        metavar="N",
        help="how many of them to look at (default: %(default)s)",
    )
    sub.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where to write the shards"
    )


def _add_filters(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--type",
        action="append",
        default=[],
        type=option_values.event_type,
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
        type=option_values.ratio,
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
