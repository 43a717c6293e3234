"""Feeds: files of articles, one JSON object a line, plain, gzip or zstd.

Every line becomes a `Line`, good or bad, in constant memory; a byte order mark, CR LF and blank
lines are tolerated, and the count of lines read, skipped and failed is the count of lines there.
"""

import io
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from eventwire.models.records import Article
from eventwire.streams.compressed import Unpacked
from eventwire.streams.decode import Refusal, decode
from eventwire.streams.settings import variable

log = logging.getLogger(__name__)

STDIN = "-"

REPORTED = 20
"""Bad lines of a feed that are told one by one: of a file of another kind every line is bad."""


class FeedError(Exception):
    """A feed cannot be read, or not to its end; the message is one line that names it."""


class Line(NamedTuple):
    """A line of a feed that is not blank."""

    where: str
    """File and line number, as in `feed.jsonl:12`."""
    raw: bytes
    """As it is in the file, without line end. Cut, if it is longer than allowed."""
    article: Article | Refusal


@dataclass
class Counts:
    """read + skipped + failed = lines."""

    lines: int = 0
    read: int = 0
    skipped: int = 0
    """Blank lines."""
    failed: int = 0
    """Lines that hold no article."""

    def __str__(self) -> str:
        return (
            f"{counted(self.lines, 'line')}: {counted(self.read, 'article')},"
            f" {self.skipped} blank, {self.failed} failed"
        )


class Reports:
    """Logs what is wrong with the first bad lines, and of the others how many there are."""

    def __init__(self) -> None:
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def add(self, message: str) -> None:
        self._count += 1
        log.log(logging.WARNING if self._count <= REPORTED else logging.DEBUG, "%s", message)

    def __exit__(self, *_: object) -> None:
        if self._count > REPORTED:
            log.warning("%d more failed; --debug tells each", self._count - REPORTED)


class Feed:
    """The lines of one feed, read as they are asked for; `counts` grows with them."""

    def __init__(self, name: str, file: BinaryIO, *, max_bytes: int) -> None:
        self.name = name
        self.counts = Counts()
        self._file = file
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[Line]:
        """Raises FeedError where the file turns out to be damaged."""
        for where, raw in self.lines():
            article = self._cut(where, raw) or decode(
                raw, (), where=where, max_bytes=self._max_bytes
            )
            if isinstance(article, Refusal):
                self.counts.failed += 1
            else:
                self.counts.read += 1
            yield Line(where, raw, article)

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Place and content of every line that is not blank, whatever it holds: who asks for them
        counts them as read or failed. Raises FeedError where the file turns out to be damaged, or
        to be JSON of another form."""
        for raw in self._raw_lines():
            self.counts.lines += 1
            if not raw.strip():
                self.counts.skipped += 1
                continue
            if self.counts.lines == self.counts.skipped + 1 and _ARRAY.match(raw):
                raise FeedError(
                    f"{self.name} is one JSON array: expected one JSON object a line, as"
                    f" `jq -c '.[]'` makes them"
                )
            yield f"{self.name}:{self.counts.lines}", raw

    def _cut(self, where: str, raw: bytes) -> Refusal | None:
        """Why a line is too long, of which there is but the beginning."""
        if len(raw) <= self._max_bytes:
            return None
        limit = f"{self._max_bytes:,} bytes"
        return Refusal(
            "too_large",
            f"{where}: expected at most {limit} ({variable('article_max_bytes')}),"
            f" got more than {limit}",
        )

    def _raw_lines(self) -> Iterator[bytes]:
        # Enough to see that a line is too long, its byte order mark and line end included.
        limit = self._max_bytes + 6
        try:
            while line := self._file.readline(limit):
                end = line
                while len(end) == limit and not end.endswith(b"\n"):
                    end = self._file.readline(limit)
                if not self.counts.lines:
                    line = _without_mark(line, self.name)
                yield line.removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise FeedError(
                f"{self.name}: damaged after line {self.counts.lines}: {_words(error)}"
            ) from error


@contextmanager
def open_feed(path: str, *, max_bytes: int) -> Iterator[Feed]:
    """The feed at `path`, `-` for stdin; lines over `max_bytes` are refused.

    Raises FeedError.
    """
    name = "stdin" if path == STDIN else Path(path).name
    if path == STDIN and sys.stdin is None:
        raise FeedError("cannot read the feed -: stdin is closed")
    try:
        # Unbuffered, so that lines of a pipe are read as they come.
        file = sys.stdin.buffer if path == STDIN else Path(path).open("rb", buffering=0)  # noqa: SIM115
        plain = io.BufferedReader(Unpacked(getattr(file, "raw", file)))
    except OSError as error:
        raise FeedError(f"cannot read the feed {path}: {_words(error)}") from error
    with file:
        yield Feed(name, plain, max_bytes=max_bytes)


def counted(number: int, noun: str) -> str:
    """As in `1 article`, `2 articles`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def published(article: Article) -> datetime | None:
    """When the article says it was published; see `moment`."""
    return moment(article.published_at)


def moment(text: str | None) -> datetime | None:
    """A time in ISO 8601, in UTC; None where the text is none.

    A bare date is its midnight, a time without zone is taken for UTC.
    """
    try:
        time = datetime.fromisoformat((text or "").strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


_ARRAY = re.compile(rb"\s*\[\s*(\{|$)")
"""How an array of objects begins, on one line or on many."""


def _without_mark(line: bytes, name: str) -> bytes:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise FeedError(f"{name} is UTF-16: expected UTF-8, as `iconv -f UTF-16 -t UTF-8` makes it")
    return line.removeprefix(b"\xef\xbb\xbf")


def _words(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
