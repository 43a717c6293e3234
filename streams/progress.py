"""What a replay tells: a bar in a terminal as it goes, what is wrong, and a summary."""

import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from typing import Self, TextIO

from eventwire.models.records import Article
from eventwire.streams import dates
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import Reports, counted, published
from eventwire.streams.manifest import Counts, Dates
from eventwire.streams.replay import Sent, Unsent

log = logging.getLogger(__name__)

SHOWN_SECONDS = 0.2
RATE_SECONDS, RATE_RECORDS = 10.0, 10
"""Over which the rate is taken: of now, and not of how slowly it began. At the pace of the news it
is longer, until so many were sent in it."""
KEPT_SAMPLES = 200
BAR_CELLS = 20


class Progress(AbstractContextManager["Progress"]):
    """Counts what became of every record, and shows it."""

    def __init__(
        self,
        terminal: TextIO,
        counts: Counts | None = None,
        told: Dates | None = None,
        fraction: Callable[[], float | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = counts or Counts()
        self.dates = told or Dates()
        self.fraction = fraction
        """How much of all is done, 0 to 1."""
        self._reports = Reports()
        self._terminal = terminal if terminal.isatty() else None
        self._clock = clock
        self._now = datetime.now(UTC)
        self._began = self._shown = clock()
        self._recent: deque[tuple[float, int, float | None]] = deque()

    def __enter__(self) -> Self:
        self._reports.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Gone from the terminal."""
        self._clear()
        self._reports.__exit__(*error)

    def add(self, done: Sent | Unsent) -> None:
        if isinstance(done, Unsent):
            setattr(self.counts, done.why, getattr(self.counts, done.why) + 1)
            if done.why in ("malformed", "too_large", "damaged"):
                self._tell(f"{done.where}: not sent: {done.reason}")
            else:
                log.debug("%s: not sent: %s", done.where, done.reason)
        else:
            self.counts.sent += 1
            if isinstance(done.article, Refusal):
                self.counts.no_articles += 1
                self._tell(done.article.message)
            else:
                self._date(done.article)
        self.show()

    def show(self) -> None:
        """Draw the bar, if it is time to."""
        now = self._clock()
        if not self._terminal or now - self._shown < SHOWN_SECONDS:
            return
        self._shown = now
        self._terminal.write("\r" + self.line(self._width())[: self._width()] + "\x1b[K")
        self._terminal.flush()

    def line(self, width: int = 100) -> str:
        """The bar as it is now: how much, how many, how fast, how long."""
        now, done = self._clock(), self.fraction()
        then, sent_then, done_then = self._sample(now, done)
        seconds = max(now - then, 1e-9)
        parts = [f"{self.counts.sent:,} sent"]
        if now > then:
            parts.append(_rate((self.counts.sent - sent_then) / seconds))
            if done is not None and done_then is not None and done > done_then:
                parts.append(f"{_clock_time((1 - done) * seconds / (done - done_then))} left")
        if self.dates.last:
            parts.append(f"published {self.dates.last[:10]}")
        if done is None:
            return "  ".join(parts)
        full = int(done * BAR_CELLS)
        bar = f"[{'#' * full}{'.' * (BAR_CELLS - full)}] " if width >= 60 else ""
        return f"{bar}{done:4.0%}  " + "  ".join(parts)

    def summary(self, *, dry_run: bool, noun: str, more: str = "") -> str:
        """All of it in a line; `noun` is what the records are called."""
        counts = self.counts
        said = [
            f"{counts.sent} {'would be ' if dry_run else ''}sent"
            + (f" ({counts.no_articles} of them no articles)" if counts.no_articles else "")
        ]
        words = {"outside": "not of the time asked for"}
        for name in ("skipped", "malformed", "too_large", "damaged", "outside", "undated"):
            if number := getattr(counts, name):
                said.append(f"{number} {words.get(name, name.replace('_', ' '))}")
        if self.dates.first and self.dates.last:
            said.append(f"published {self.dates.first[:10]} to {self.dates.last[:10]}")
        for name in ("unknown", "implausible"):
            if number := getattr(self.dates, name):
                said.append(f"{number} with an {name} date")
        seconds = f"{self._clock() - self._began:.1f} s"
        return f"{counted(counts.records, noun)}: {', '.join(said)}; {seconds}{more}"

    def _sample(self, now: float, done: float | None) -> tuple[float, int, float | None]:
        """Of when the rate begins: time, records sent and fraction done."""
        recent, here = self._recent, (now, self.counts.sent, done)
        if len(recent) > 1 and recent[-1][1:] == recent[-2][1:] == here[1:]:
            recent.pop()  # of a long wait its begin and its end
        recent.append(here)
        while len(recent) > 2 and (
            len(recent) > KEPT_SAMPLES
            or (now - recent[1][0] >= RATE_SECONDS and here[1] - recent[1][1] >= RATE_RECORDS)
        ):
            recent.popleft()
        return recent[0]

    def _date(self, article: Article) -> None:
        told, moment = self.dates, published(article)
        if article.published_at is None:
            told.none += 1
        elif moment is None:
            told.unknown += 1
        else:
            if datetime.fromisoformat(article.published_at.strip()).tzinfo is None:
                told.without_zone += 1
            else:
                told.exact += 1
            if dates.implausible(moment, self._now):
                told.implausible += 1
            at = moment.isoformat()
            told.first, told.last = min(told.first or at, at), max(told.last or at, at)

    def _tell(self, line: str) -> None:
        self._clear()
        self._reports.add(line)

    def _clear(self) -> None:
        if self._terminal:
            self._terminal.write("\r\x1b[K")
            self._terminal.flush()

    def _width(self) -> int:
        with suppress(OSError, ValueError, AttributeError):
            if self._terminal:
                return os.get_terminal_size(self._terminal.fileno()).columns or 80
        return shutil.get_terminal_size().columns


def _rate(a_second: float) -> str:
    return f"{a_second:,.0f}/s" if a_second >= 10 else f"{a_second:.2g}/s"


def _clock_time(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
