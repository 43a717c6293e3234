import gzip
import json
import logging
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from eventwire.models.records import Article
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import REPORTED, FeedError, Reports, open_feed, published

FEEDS = Path(__file__).parents[2] / "shared" / "feeds"


def article(number, **more):
    return json.dumps({"id": f"a{number}", "text": "The army shelled the port.", **more}).encode()


def read(path, max_bytes=10_000):
    with open_feed(str(path), max_bytes=max_bytes) as feed:
        return list(feed), feed.counts


def written(tmp_path, content):
    path = tmp_path / "feed.jsonl"
    path.write_bytes(content)
    return path


def ids(lines):
    return [line.article.id for line in lines if isinstance(line.article, Article)]


def test_a_line_keeps_its_bytes_and_knows_its_place(tmp_path):
    lines, _ = read(written(tmp_path, article(1) + b"\n" + article(2) + b"\n"))
    assert [line.where for line in lines] == ["feed.jsonl:1", "feed.jsonl:2"]
    assert lines[1].raw == article(2)


def test_a_byte_order_mark_does_not_cost_the_first_article(tmp_path):
    lines, _ = read(written(tmp_path, b"\xef\xbb\xbf" + article(1)))
    assert ids(lines) == ["a1"]
    assert lines[0].raw == article(1)


def test_cr_lf_and_a_missing_last_line_end_are_tolerated(tmp_path):
    lines, _ = read(written(tmp_path, article(1) + b"\r\n" + article(2)))
    assert ids(lines) == ["a1", "a2"]
    assert lines[0].raw == article(1)


def test_blank_lines_are_skipped_and_still_numbered(tmp_path):
    lines, counts = read(written(tmp_path, b"\n  \r\n" + article(1) + b"\n\n"))
    assert [line.where for line in lines] == ["feed.jsonl:3"]
    assert (counts.lines, counts.skipped) == (4, 3)


def test_a_bad_line_is_told_by_file_and_line_and_the_others_are_read(tmp_path):
    content = b"\n".join([b"\xef\xbb\xbf" + article(1), article(2) + b",", b"", article(3)])
    lines, counts = read(written(tmp_path, content))
    assert ids(lines) == ["a1", "a3"]
    (bad,) = [line.article for line in lines if isinstance(line.article, Refusal)]
    assert bad.message.startswith("feed.jsonl:2: expected JSON")
    assert (counts.read, counts.skipped, counts.failed, counts.lines) == (2, 1, 1, 4)


@pytest.mark.parametrize("extra", [0, 1, 2, 3, 10_000, 1_000_000])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_line_over_the_limit_is_refused_and_the_next_one_read(tmp_path, extra, mark):
    line = article(1)
    padded = line + b" " * extra
    path = written(tmp_path, mark + padded + b"\r\n" + article(2) + b"\n")
    lines, counts = read(path, max_bytes=len(line))
    assert ids(lines) == (["a2"] if extra else ["a1", "a2"])
    assert counts.lines == 2
    if extra:
        limit = f"{len(line):,} bytes"
        assert lines[0].article == Refusal(
            "too_large",
            f"feed.jsonl:1: expected at most {limit} (EVENTWIRE_ARTICLE_MAX_BYTES),"
            f" got more than {limit}",
        )


def test_a_huge_line_is_not_held_in_memory(tmp_path):
    path = written(tmp_path, b'{"id": "a1", "text": "' + b"x" * 20_000_000 + b'"}\n' + article(2))
    tracemalloc.start()
    lines, _ = read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ids(lines) == ["a2"]
    assert peak < 2_000_000


@pytest.mark.parametrize("name", ["feed.jsonl.gz", "feed.jsonl"])
def test_gzip_is_recognised_by_its_content_and_read_through_all_members(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"".join(gzip.compress(article(n) + b"\n") for n in range(5)))
    lines, _ = read(path)
    assert ids(lines) == [f"a{n}" for n in range(5)]


def test_zstd_is_recognised_by_its_content_and_told_where_it_is_truncated(tmp_path):
    path = tmp_path / "feed.jsonl"
    whole = b"".join(zstandard.compress(article(n) + b"\n") for n in range(3))
    path.write_bytes(whole)
    lines, _ = read(path)
    assert ids(lines) == ["a0", "a1", "a2"]
    path.write_bytes(whole[:-3])
    with pytest.raises(FeedError, match=r"^feed\.jsonl: damaged after line 2: truncated"):
        read(path)


def test_a_truncated_gzip_yields_what_is_there_and_then_says_where_it_broke(tmp_path):
    path = tmp_path / "feed.gz"
    path.write_bytes(gzip.compress(article(1) + b"\n") + gzip.compress(article(2))[:-12])
    seen = []
    with (
        pytest.raises(FeedError, match=r"^feed\.gz: damaged after line \d"),
        open_feed(str(path), max_bytes=10_000) as feed,
    ):
        seen.extend(feed)
    assert ids(seen)[0] == "a1"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_told_with_the_remedy(tmp_path, encoding):
    mark = "" if encoding == "utf-16" else "\ufeff"
    path = written(tmp_path, (mark + article(1).decode()).encode(encoding))
    with pytest.raises(FeedError, match="is UTF-16: expected UTF-8, as `iconv"):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        b'[{"id": "a"}]',
        b' [ {"id": "a"},\n{"id": "b"}]',
        b"[\n{}\n]",
        b"\xef\xbb\xbf\r\n\n[ \r\n {}]",
    ],
)
def test_an_array_of_objects_is_told_with_the_remedy(tmp_path, content):
    with pytest.raises(FeedError) as caught:
        read(written(tmp_path, content))
    assert str(caught.value) == (
        "feed.jsonl is one JSON array: expected one JSON object a line, as `jq -c '.[]'` makes them"
    )


@pytest.mark.parametrize("line", [b"[1]", b"[]", b"[[", b'["id"]'])
def test_a_first_line_that_is_a_list_of_something_else_is_one_bad_line(tmp_path, line):
    lines, counts = read(written(tmp_path, line + b"\n" + article(2)))
    assert ids(lines) == ["a2"]
    assert counts.failed == 1


def test_an_array_after_the_first_line_is_one_bad_line(tmp_path):
    lines, _ = read(written(tmp_path, article(1) + b'\n[{"id": "a"}]\n' + article(3)))
    assert ids(lines) == ["a1", "a3"]


def test_the_first_reports_are_told_and_the_others_counted(caplog):
    with Reports() as reports:
        for n in range(REPORTED + 5):
            reports.add(f"feed.jsonl:{n}: bad")
    assert len(caplog.messages) == REPORTED + 1
    assert caplog.messages[-2:] == [
        f"feed.jsonl:{REPORTED - 1}: bad",
        "5 more failed; --debug tells each",
    ]


def test_few_reports_are_told_alone(caplog):
    with Reports() as reports:
        reports.add("feed.jsonl:1: bad")
    assert caplog.messages == ["feed.jsonl:1: bad"]


def test_all_reports_are_told_where_everything_is_logged(caplog):
    with caplog.at_level(logging.DEBUG), Reports() as reports:
        for n in range(REPORTED + 5):
            reports.add(f"feed.jsonl:{n}: bad")
    assert f"feed.jsonl:{REPORTED + 4}: bad" in caplog.messages


def test_a_closed_stdin_is_told(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(FeedError, match="cannot read the feed -: stdin is closed"):
        read("-")


@pytest.mark.parametrize(
    ("name", "reason"), [("missing.jsonl", "No such file or directory"), ("", "Is a directory")]
)
def test_a_feed_that_cannot_be_opened_is_named_with_the_reason(tmp_path, name, reason):
    path = tmp_path / name
    with pytest.raises(FeedError) as caught:
        read(path)
    assert str(caught.value) == f"cannot read the feed {path}: {reason}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-03-03T07:40:00Z", datetime(2025, 3, 3, 7, 40, tzinfo=UTC)),
        ("2025-03-03T07:40:00+02:00", datetime(2025, 3, 3, 5, 40, tzinfo=UTC)),
        ("2025-03-03 07:40", datetime(2025, 3, 3, 7, 40, tzinfo=UTC)),
        ("2025-03-03", datetime(2025, 3, 3, tzinfo=UTC)),
        ("2021/9/17 08:45:00", None),
        ("Mon, 03 Mar 2025 07:40 GMT", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (None, None),
    ],
)
def test_the_time_of_publication_is_exact_or_unknown(text, expected):
    assert published(Article(id="a", text="b", published_at=text)) == expected


@pytest.mark.skipif(not FEEDS.is_dir(), reason="needs ../shared/feeds, which is not published")
@pytest.mark.parametrize(("name", "count"), [("guardian", 204), ("world", 1884)])
def test_every_article_of_the_real_feeds_is_read(name, count):
    lines, counts = read(FEEDS / f"{name}.jsonl", max_bytes=1_048_576)
    assert (counts.read, counts.lines) == (count, count)
    assert all(published(line.article) for line in lines)
