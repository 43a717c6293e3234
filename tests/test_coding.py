import io
import json
import logging
import tracemalloc

import pytest
from fakes.fake_coder import FakeCoder

from eventwire.models.records import Event
from eventwire.streams.coding import BATCH_ARTICLES, code, load_coder
from eventwire.streams.feeds import Feed
from eventwire.streams.settings import Settings


def article(number, text="The ministers met in Geneva.", **more):
    return json.dumps({"id": f"a{number}", "text": text, **more}).encode()


def run(*lines, coder=None, min_confidence=0.0):
    out = io.BytesIO()
    feed = Feed("feed.jsonl", io.BytesIO(b"\n".join(lines)), max_bytes=1_048_576)
    summary = code(feed, coder or FakeCoder(), out, min_confidence=min_confidence)
    return [json.loads(line) for line in out.getvalue().splitlines()], summary


def test_events_come_out_in_the_order_of_the_feed():
    events, _ = run(*[article(n) for n in range(BATCH_ARTICLES * 2 + 1)])
    assert [e["article"]["id"] for e in events] == [f"a{n}" for n in range(BATCH_ARTICLES * 2 + 1)]


def test_every_line_of_output_is_an_event_record():
    events, _ = run(article(1, "He met her. She denied it."))
    assert [event["event_type"] for event in events] == ["meeting", "denial"]
    assert set(events[0]) == set(Event.__struct_fields__)


def test_events_below_the_least_confidence_are_left_out():
    lines = [article(1, "They perhaps met."), article(2)]
    events, summary = run(*lines, min_confidence=0.5)
    assert [event["article"]["id"] for event in events] == ["a2"]
    assert summary.no_event == 1


def test_a_terminal_gets_nothing_that_it_would_obey():
    class Terminal(io.BytesIO):
        def isatty(self):
            return True

    def written(out):
        line = article(1, "Min\u202eisters met in \x9b31mGeneva.")
        feed = Feed("feed.jsonl", io.BytesIO(line), max_bytes=1_048_576)
        code(feed, FakeCoder(), out, min_confidence=0.0)
        return out.getvalue().decode()

    raw, shown = written(io.BytesIO()), written(Terminal())
    assert {"\u202e", "\x9b"} <= set(raw)
    assert not {"\u202e", "\x9b"} & set(shown)
    assert json.loads(shown) == json.loads(raw)


def test_bad_lines_and_failed_articles_are_told_with_their_place_and_the_rest_is_coded(caplog):
    with caplog.at_level(logging.WARNING):
        events, summary = run(article(1), b"{", b"", article(4, "FAIL"), article(5))
    assert [event["article"]["id"] for event in events] == ["a1", "a5"]
    assert caplog.messages[0].startswith("feed.jsonl:2: expected JSON")
    assert caplog.messages[1] == "feed.jsonl:4: no luck"
    lines = summary.lines
    assert (lines.read, lines.skipped, lines.failed, lines.lines) == (2, 1, 2, 5)


def test_the_summary_tells_all_outcomes():
    _, summary = run(article(1), article(2, "Quiet."), article(3, "Ruhe.", language="de"))
    assert str(summary) == (
        "3 lines: 3 articles, 0 blank, 0 failed; 1 event, 1 article without event, 1 not English"
    )


def test_one_of_a_kind_is_not_told_as_many():
    _, summary = run(article(1, "They met. She denied it."))
    assert str(summary) == (
        "1 line: 1 article, 0 blank, 0 failed; 2 events, 0 articles without event, 0 not English"
    )


def test_batches_grow_from_few_articles_to_many():
    sizes = []

    class Counting(FakeCoder):
        def code(self, articles):
            sizes.append(len(articles))
            return super().code(articles)

    run(*[article(n) for n in range(300)], coder=Counting())
    assert sizes == [4, 8, 16, 32, 64, 64, 64, 48]


def test_a_first_batch_of_long_articles_is_small_too():
    sizes = []

    class Counting(FakeCoder):
        def code(self, articles):
            sizes.append(sum(len(article.text) for article in articles))
            return super().code(articles)

    run(*[article(n, "Nothing happened. " * 400) for n in range(30)], coder=Counting())
    assert sizes == [7_200 * n for n in (2, 4, 7, 14, 3)]


def test_the_events_of_a_batch_are_written_before_the_next_line_is_read():
    out = io.BytesIO()
    written = []

    def lines():
        for n in range(9):
            written.append(out.getvalue().count(b"\n"))
            yield article(n) + b"\n"

    feed = Feed("feed.jsonl", Lines(lines()), max_bytes=1_048_576)
    code(feed, FakeCoder(), out, min_confidence=0.0)
    assert written == [0, 0, 0, 0, 4, 4, 4, 4, 4]
    assert out.getvalue().count(b"\n") == 9


class Lines:
    def __init__(self, lines):
        self._lines = lines

    def readline(self, limit):
        return next(self._lines, b"")


def test_memory_does_not_grow_with_the_feed():
    line = article(1, "Nothing happened. " * 100) + b"\n"

    class Long(io.RawIOBase):
        left = 4_000

        def readable(self):
            return True

        def readinto(self, buffer):
            self.left -= 1
            size = len(line) if self.left >= 0 else 0
            buffer[:size] = line[:size]
            return size

    feed = Feed("long", io.BufferedReader(Long(), len(line)), max_bytes=1_048_576)
    tracemalloc.start()
    code(feed, FakeCoder(), io.BytesIO(), min_confidence=0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert feed.counts.read == 4_000
    assert peak < 1_500_000 < 4_000 * len(line) / 4


def test_the_coder_is_made_as_the_settings_say(tmp_path):
    settings = Settings(coder="fakes.fake_coder:load", model=tmp_path, coder_threads=3)
    coder = load_coder(settings)
    assert coder.model.version == str(tmp_path)
    assert coder.options["threads"] == 3
    assert coder.options["limits"]["events"] == settings.article_max_events


@pytest.mark.parametrize("name", ["fakes.fake_coder", "no.such.module:load", "json:nothing"])
def test_a_coder_that_does_not_exist_is_told_with_the_setting(name):
    with pytest.raises(Exception, match=r"^EVENTWIRE_CODER: expected module:function"):
        load_coder(Settings(coder=name))
