"""Feeds in any format: JSON lines, CSV, Parquet, RSS, Atom and WARC, plain, gzip or zstd.

Every record of a file becomes an entry, good or bad, in order and in constant memory. Where a
format is not JSON lines, an article is made of a record's columns: `--map` tells which is which.
"""

import dataclasses
import hashlib
import io
import json
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import (
    Any,
    BinaryIO,
    Literal,
    NamedTuple,
    Protocol,
    cast,
    get_args,
    runtime_checkable,
)

from eventwire.models.records import Article
from eventwire.models.text import canonical
from eventwire.streams import dates
from eventwire.streams.compressed import Damaged, Unpacked
from eventwire.streams.decode import Reason, Refusal, decode
from eventwire.streams.feeds import STDIN, Feed, FeedError, Line
from eventwire.streams.settings import SettingsError

Format = Literal["jsonl", "csv", "parquet", "rss", "atom", "warc"]
FORMATS: tuple[Format, ...] = get_args(Format)
FIELDS = Article.__struct_fields__

SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".rss": "rss",
    ".rdf": "rss",
    ".xml": "rss",
    ".atom": "atom",
    ".warc": "warc",
    ".wet": "warc",
}
"""What the files of a folder are called that are read, perhaps with .gz or .zst behind it."""

SNIFFED_BYTES = 4096


class Skipped(NamedTuple):
    """A record that is none of an article, as the request in a web archive."""

    where: str
    reason: str


class Broken(NamedTuple):
    """A part of a file that cannot be read; what comes behind it may be."""

    where: str
    reason: str


Entry = Line | Skipped | Broken
Columns = Mapping[str, object]


class NoArticle(Exception):  # noqa: N818
    """A record cannot become an article; the message says what was expected and what came."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Record(NamedTuple):
    """A record of a file, not looked at before it is asked for: who resumes passes over many."""

    where: str
    read: Callable[[], Columns | Skipped]
    """Raises NoArticle."""


@runtime_checkable
class Positioned(Protocol):
    """Entries of a format that is read ahead of them."""

    def tell(self) -> int:
        """How many plain bytes the entries had that are done."""
        ...


@dataclass(frozen=True)
class Reading:
    """How files are to be read."""

    format: Format | None = None
    """None: told by their content and name."""
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Field of an article to the column that it comes from."""
    max_bytes: int = 1_048_576
    """Of an article."""

    def column(self, field: str) -> str:
        return self.columns.get(field, field)


@dataclass(kw_only=True)
class Source:
    """The entries of one file."""

    name: str
    format: Format
    reading: Reading
    found: Iterable[Entry | Record]
    fraction: Callable[[], float | None]
    """How much of the file has been read, 0 to 1; None where its size is not known."""
    sha256: Callable[[], str | None]
    """Of what was read of a pipe, hexadecimal; None of a file, which can be read again."""
    unseen: set[str] = dataclasses.field(default_factory=set)
    """Fields that `reading` takes from another column, which no record has had so far; id and text
    are missed in each."""

    def __post_init__(self) -> None:
        self.unseen = {field for field in self.reading.columns if field not in ("id", "text")}

    def blank(self) -> int:
        """Lines that were no record."""
        return self.found.counts.skipped if isinstance(self.found, Feed) else 0

    def entries(self, skip: int = 0) -> Iterator[Entry]:
        """All from the `skip`th on. Raises FeedError where the file can be read no further."""
        for number, entry in enumerate(self.found):
            if number < skip:
                continue
            yield self._made(entry) if isinstance(entry, Record) else entry

    def _made(self, record: Record) -> Line | Skipped:
        try:
            columns = record.read()
            if isinstance(columns, Skipped):
                return columns._replace(where=record.where)
            for field in [*self.unseen]:
                if _value(columns, self.reading.column(field)) is not None:
                    self.unseen.remove(field)
            value = article_json(columns, self.reading)
            article = decode(value, (), where=record.where, max_bytes=self.reading.max_bytes)
        except NoArticle as error:
            article = Refusal(error.reason, f"{record.where}: {error}")
        if isinstance(article, Refusal):
            return Line(record.where, b"", article)
        return Line(record.where, value, article)


def find(paths: Sequence[str], format: Format | None) -> list[tuple[str, str]]:  # noqa: A002
    """Name and path of every file, in the order given and within a folder in order of names.

    Of a folder those files are read whose name tells a format. Raises FeedError.
    """
    found: list[str] = []
    for path in paths:
        if path == STDIN or not Path(path).is_dir():
            found.append(path)
            continue
        inside = [str(file) for file in _files(Path(path)) if format or suffix_format(file.name)]
        if not inside:
            known = " ".join(SUFFIXES)
            raise FeedError(f"{path}: expected files with names in {known}, got none")
        found += inside
    if found.count(STDIN) > 1:
        raise FeedError("expected stdin (-) once")
    for path in found:
        try:
            if path != STDIN and stat.S_ISREG(Path(path).stat().st_mode):
                Path(path).open("rb").close()
        except OSError as error:
            raise FeedError(f"cannot read the feed {path}: {error.strerror}") from error
    names = ["stdin" if path == STDIN else Path(path).name for path in found]
    unique = len(set(names)) == len(names)
    return [(name if unique else path, path) for name, path in zip(names, found, strict=True)]


def suffix_format(name: str) -> Format | None:
    suffixes = Path(name.lower()).suffixes
    while suffixes and suffixes[-1] in (".gz", ".zst", ".zstd"):
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


@contextmanager
def open_source(name: str, path: str, reading: Reading) -> Iterator[Source]:
    """The file at `path`, `-` for stdin; raises FeedError."""
    with ExitStack() as stack:
        try:
            raw = _Raw(path, stack)
            unpacked = Unpacked(raw)
            # Not closed at the end: what it reads from is, and web_archive.py may detach it.
            buffered = io.BufferedReader(unpacked, 65_536)
            file = cast(BinaryIO, buffered)
            head = buffered.peek(SNIFFED_BYTES)[:SNIFFED_BYTES]
        except Damaged as error:
            raise FeedError(f"{name}: {error}") from error
        except OSError as error:
            raise FeedError(f"cannot read the feed {path}: {error.strerror}") from error

        kind = reading.format or recognised(head, name)
        made = partial(Source, name=name, format=kind, reading=reading, sha256=raw.sha256)
        if kind == "parquet":
            plain = raw.size is not None and not unpacked.packed
            table = path if plain else stack.enter_context(_seekable(file))
            rows = _readers("tables").parquet(name, table, reading)
            yield made(found=rows, fraction=rows.fraction)
        else:
            found = _entries(kind, name, file, unpacked, reading)

            def fraction() -> float | None:
                if not raw.size:
                    return None
                handed_out = unpacked.tell()
                try:
                    used = (found if isinstance(found, Positioned) else file).tell()
                except ValueError:  # behind damage web_archive.py reads with another buffer
                    used = handed_out
                # Not all that was read is done: at the pace of the news the rest may take hours.
                return unpacked.position / raw.size * (used / handed_out if handed_out else 1.0)

            yield made(found=found, fraction=fraction)


def recognised(head: bytes, name: str) -> Format:
    """By how a file begins, then by its name, else JSON lines, whose errors tell what they are."""
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"PAR1"):
        return "parquet"
    if begin.startswith(b"WARC/"):
        return "warc"
    if begin.startswith(b"<"):
        return "atom" if b"<feed" in head and b"<rss" not in head else "rss"
    if named := suffix_format(name):
        return named
    first = begin.split(b"\n", 1)[0]
    if not begin.startswith((b"{", b"[")) and any(first.count(c) for c in (b",", b"\t", b";")):
        return "csv"
    return "jsonl"


def article_json(columns: Columns, reading: Reading) -> bytes:
    """An article's JSON, of the columns that its fields come from; raises NoArticle.

    Whole numbers become the text that they are, a date that is told exactly becomes ISO 8601, and
    any other stays as it is.
    """
    article: dict[str, str] = {}
    for field in FIELDS:
        column = reading.column(field)
        value = _value(columns, column)
        if value is None and field in ("id", "text"):
            there = ", ".join(repr(str(name)[:40]) for name in list(columns)[:12])
            raise NoArticle("missing_field", f"expected column '{column}', got {there or 'none'}")
        if value is not None:
            article[field] = _text(value, field, column)
    if "published_at" in article:
        article["published_at"] = dates.told(article["published_at"]) or article["published_at"]
    return json.dumps(article, ensure_ascii=False).encode()


def _value(columns: Columns, column: str) -> object:
    """Also of an object within an object, as in `content.body`."""
    if column in columns or "." not in column:
        return columns.get(column)
    outer, _, inner = column.partition(".")
    within = columns.get(outer)
    return _value(within, inner) if isinstance(within, Mapping) else None


def _text(value: object, field: str, column: str) -> str:
    if isinstance(value, str):
        return canonical(value)
    if isinstance(value, bytes):  # of Parquet that Hive, Impala or old Spark wrote
        try:
            return canonical(value.decode())
        except UnicodeDecodeError as error:
            byte = f"0x{value[error.start]:02x} at {error.start}"
            raise NoArticle(
                "not_utf8", f"column '{column}': expected UTF-8, got byte {byte}"
            ) from None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    of = f"column '{column}'" if column != field else "its column"
    raise NoArticle(
        "wrong_type",
        f"field '{field}', from {of}: expected text or a whole number,"
        f" got {type(value).__name__} {str(value)[:40]!r}",
    )


def _entries(
    kind: Format, name: str, file: BinaryIO, unpacked: Unpacked, reading: Reading
) -> Iterable[Entry | Record]:
    if kind == "jsonl":
        feed = Feed(name, file, max_bytes=reading.max_bytes)
        return _json_columns(feed) if reading.columns else feed
    if kind == "csv":
        found: Iterator[Entry | Record] = _readers("tables").csv_records(name, file, reading)
    elif kind == "warc":
        found = _readers("web_archive").records(name, file, unpacked)
    else:
        return cast(Iterable[Entry | Record], _readers("syndication").records(name, file))
    return found


def _json_columns(feed: Feed) -> Iterator[Record]:
    for where, raw in feed.lines():
        yield Record(where, lambda raw=raw: _json_object(raw))  # type: ignore[misc]


def _json_object(raw: bytes) -> Columns:
    try:
        value = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        byte = f"0x{raw[error.start]:02x} at {error.start}"
        raise NoArticle("not_utf8", f"expected UTF-8, got byte {byte}") from None
    except RecursionError:
        raise NoArticle("nested_too_deeply", "expected JSON, got one nested too deeply") from None
    except ValueError as error:
        raise NoArticle("not_json", f"expected JSON, got {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise NoArticle("not_an_object", f"expected a JSON object, got {type(value).__name__}")
    return value


def _readers(module: str) -> Any:
    """The module that reads a format, whose libraries not everybody has."""
    import importlib

    try:
        return importlib.import_module(f"eventwire.streams.{module}")
    except ImportError as error:
        if (error.name or "").startswith("eventwire"):
            raise
        raise SettingsError(
            f"this format needs {error.name}, which is not installed:"
            " pip install 'eventwire[replay]'"
        ) from error


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


@contextmanager
def _seekable(file: BinaryIO) -> Iterator[BinaryIO]:
    """A copy on disk: a Parquet file is read from its end."""
    with tempfile.TemporaryFile(prefix="eventwire-") as copy:
        try:
            shutil.copyfileobj(file, copy, 1_048_576)
        except OSError as error:
            raise FeedError(f"cannot read the feed: {error}") from error
        copy.seek(0)
        yield cast(BinaryIO, copy)


class _Raw:
    """A file as it lies there, or stdin or another pipe, which is read without waiting for more
    than there is."""

    def __init__(self, path: str, stack: ExitStack) -> None:
        self.size: int | None = None
        self._hash: Any = None
        if path == STDIN:
            if sys.stdin is None:
                raise FeedError("cannot read the feed -: stdin is closed")
            self.read = self._hashed(sys.stdin.buffer)
        elif Path(path).is_file():
            self.size = Path(path).stat().st_size
            file = Path(path).open("rb", buffering=0)  # noqa: SIM115
            self.read = stack.enter_context(file).read
        else:
            pipe = Path(path).open("rb")  # noqa: SIM115
            self.read = self._hashed(stack.enter_context(pipe))

    def sha256(self) -> str | None:
        return self._hash.hexdigest() if self._hash else None

    def _hashed(self, pipe: BinaryIO) -> Callable[[int], bytes]:
        self._hash = hashlib.sha256()

        def read(size: int) -> bytes:
            found = cast(io.BufferedReader, pipe).read1(size)
            self._hash.update(found)
            return found

        return read
