import io
import logging
import re

import pytest

from eventwire.models.records import Article
from eventwire.streams.decode import Refusal
from eventwire.streams.manifest import Counts
from eventwire.streams.progress import Progress
from eventwire.streams.replay import Sent, Unsent


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


def sent(published_at=None, **others):
    return Sent("f:1", b"", Article(id="a", text="b", published_at=published_at), 0, 0, **others)


def test_the_summary_counts_every_record_once():
    progress = Progress(io.StringIO(), clock=Clock())
    for done in (
        sent("2025-03-03T10:00:00Z"),
        sent("2025-03-01"),
        Sent("f:3", b"{", Refusal("not_json", "f:3: bad"), 0, 0),
        Unsent("f:4", "too long"),
        Unsent("f:5", "bad", "malformed"),
        Unsent("f:6", "damaged", "damaged"),
        Unsent("f:7", "a request", "skipped"),
        Unsent("f:8", "published 1999", "outside"),
        Unsent("f:9", "published ?", "undated"),
    ):
        progress.add(done)
    assert progress.summary(dry_run=False, noun="record", more=", run id r") == (
        "9 records: 3 sent (1 of them no articles), 1 skipped, 1 malformed, 1 too large, 1 damaged,"
        " 1 not of the time asked for, 1 undated, published 2025-03-01 to 2025-03-03;"
        " 0.0 s, run id r"
    )
    assert progress.counts.lost == 3


@pytest.mark.parametrize(
    ("published_at", "kind"),
    [
        ("2025-03-03T10:00:00Z", "exact"),
        ("2025-03-03T10:00:00", "without_zone"),
        ("2025-03-03", "without_zone"),
        ("06/07/2016", "unknown"),
        (None, "none"),
        ("2087-01-01T00:00:00Z", "implausible"),
    ],
)
def test_it_is_counted_how_well_each_date_is_known(published_at, kind):
    progress = Progress(io.StringIO())
    progress.add(sent(published_at))
    assert getattr(progress.dates, kind) == 1


def test_dates_that_are_not_known_or_not_plausible_are_in_the_summary():
    progress = Progress(io.StringIO())
    for when in ("06/07/2016", "2087-01-01"):
        progress.add(sent(when))
    said = progress.summary(dry_run=True, noun="line")
    assert "1 with an unknown date, 1 with an implausible date" in said


def test_only_what_is_wrong_is_reported_and_no_more_of_it_than_helps(caplog):
    with caplog.at_level(logging.INFO), Progress(io.StringIO()) as progress:
        progress.add(sent())
        progress.add(Unsent("f:2", "a request", "skipped"))
        for number in range(50):
            progress.add(Unsent(f"f:{number}", "bad", "malformed"))
    assert caplog.messages[0] == "f:0: not sent: bad"
    assert caplog.messages[-1] == "30 more failed; --debug tells each"
    assert len(caplog.messages) == 21


def test_nothing_is_drawn_where_there_is_no_terminal():
    stderr, clock = io.StringIO(), Clock()
    with Progress(stderr, clock=clock) as progress:
        clock.now += 10
        progress.add(sent())
    assert stderr.getvalue() == ""


def test_a_terminal_shows_how_much_how_fast_and_how_long():
    clock, terminal, done = Clock(), Terminal(), [0.0]
    progress = Progress(terminal, fraction=lambda: done[0], clock=clock)
    for number in range(11):
        done[0] = number / 100
        clock.now += 1
        progress.add(sent("2025-03-03"))
    line = progress.line()
    assert re.fullmatch(
        r"\[##\.{18}\]  10%  11 sent  1/s  1:30 left  published 2025-03-03", line
    ), line
    assert line in terminal.getvalue()


def test_the_rate_is_of_the_last_seconds_and_not_of_all():
    clock = Clock()
    progress = Progress(io.StringIO(), clock=clock)
    progress.line()
    clock.now += 1000
    progress.line()
    for _ in range(100):
        progress.add(sent())
    clock.now += 10
    assert progress.line() == "100 sent  10/s"


def test_the_time_left_is_known_at_the_pace_of_the_news_too():
    clock, done = Clock(), [0.0]
    progress = Progress(io.StringIO(), fraction=lambda: done[0], clock=clock)
    for number in range(6_000):  # an article a minute
        if number % 300 == 0:
            progress.add(sent("2025-03-03"))
            done[0] += 0.01
        line = progress.line()
        clock.now += 0.2
    assert re.search(r"  20 sent  0\.01\d/s  1:[12]\d:\d\d left  ", line), line


def test_a_narrow_terminal_gets_no_bar_and_what_is_reported_clears_the_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    clock, terminal = Clock(), Terminal()
    with Progress(terminal, fraction=lambda: 0.5, clock=clock) as progress:
        clock.now += 1
        progress.add(sent())
        progress.add(Unsent("f:2", "bad", "malformed"))
    drawn = terminal.getvalue()
    assert "[#" not in drawn
    assert "50%  1 sent" in drawn
    assert drawn.endswith("\r\x1b[K")


def test_a_replay_that_is_resumed_goes_on_counting():
    progress = Progress(io.StringIO(), Counts(sent=5))
    progress.add(sent())
    assert progress.counts.sent == 6
