import gzip
import io

import pytest
import zstandard

from eventwire.models.records import Article
from eventwire.streams.decode import Refusal
from eventwire.streams.formats import Broken, Line, Reading, Skipped, open_source

warcwriter = pytest.importorskip("warcio.warcwriter")
pytest.importorskip("trafilatura")

from warcio.statusandheaders import StatusAndHeaders  # noqa: E402

from eventwire.streams import web_archive  # noqa: E402
from eventwire.streams.markup import article_of  # noqa: E402

SAID = "Rebels shelled the port of Aden on Monday, officials said in a statement to reporters."
DENIED = "The army denied the accusation and said that it would look into the matter soon."


def page(number=1, head="", published="2023-03-14T07:05:00+01:00"):
    return (
        f"<!DOCTYPE html><html lang='en-GB'><head><title>Port shelled {number} | Daily</title>"
        f"<meta property='og:title' content='Port shelled {number}'>"
        "<meta property='og:site_name' content='The Daily'>"
        f"<meta property='article:published_time' content='{published}'>{head}</head><body>"
        "<nav><a href='/'>Home</a> <a href='/sport'>Sport</a></nav>"
        f"<article><h1>Port shelled {number}</h1><p>{SAID}</p><p>{DENIED}</p></article>"
        "<footer>Copyright of The Daily. All rights reserved.</footer></body></html>"
    )


def record(url, content, *, kind="response", content_type="text/html; charset=utf-8", **more):
    """Bytes of a record."""
    out = io.BytesIO()
    writer = warcwriter.WARCWriter(out, gzip=False)
    status, headers = more.get("status", "200 OK"), [("Content-Type", content_type)]
    headers += more.get("headers", [])
    http = StatusAndHeaders(status, headers, protocol="HTTP/1.1") if kind == "response" else None
    if kind == "warcinfo":
        writer.write_record(writer.create_warcinfo_record("x.warc", {"software": "test"}))
        return out.getvalue()
    body = content if isinstance(content, bytes) else content.encode()
    made = writer.create_warc_record(
        url,
        kind,
        payload=io.BytesIO(body),
        http_headers=http,
        warc_content_type=None if http else content_type,
    )
    writer.write_record(made)
    return out.getvalue()


def archive(count):
    return [record(f"https://example.org/{n}", page(n)) for n in range(count)]


def read(tmp_path, content, name="a.warc", **reading):
    path = tmp_path / name
    path.write_bytes(content)
    with open_source(name, str(path), Reading(**reading)) as source:
        return list(source.entries())


def ids(entries):
    return [entry.article.id for entry in entries if isinstance(entry, Line)]


def numbers(entries):
    return [int(one.rpartition("/")[2]) for one in ids(entries)]


def test_a_page_becomes_an_article_of_its_main_text(tmp_path):
    (entry,) = read(tmp_path, record("https://example.org/1", page()))
    assert entry.article == Article(
        id="https://example.org/1",
        text=f"{SAID}\n\n{DENIED}",
        title="Port shelled 1",
        url="https://example.org/1",
        source="The Daily",
        published_at="2023-03-14T07:05:00+01:00",
        language="en-GB",
    )


def test_the_text_of_a_wet_file_is_taken_as_it_is(tmp_path):
    content = record(
        "https://example.org/1", f"{SAID}\n{DENIED}", kind="conversion", content_type="text/plain"
    )
    (entry,) = read(tmp_path, content)
    assert entry.article.text == f"{SAID}\n{DENIED}"


def test_what_is_no_page_is_passed_over_with_the_reason(tmp_path):
    url = "https://example.org/1"
    records = [
        record(url, "", kind="warcinfo"),
        record(url, "GET / HTTP/1.1\r\n\r\n", kind="metadata"),
        record(url, b"\x89PNG", content_type="image/png"),
        record(url, "gone", status="404 Not Found"),
        record(url, "<html><body></body></html>"),
        record(url, page()),
    ]
    entries = read(tmp_path, b"".join(records))
    assert [entry.reason for entry in entries if isinstance(entry, Skipped)] == [
        "a warcinfo",
        "a metadata",
        "of type image/png",
        "HTTP status 404",
        "a page without an article",
    ]
    assert all(entry.where.startswith("a.warc record ") for entry in entries)
    assert ids(entries) == [url]


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_every_record_is_read_be_the_archive_packed_by_record_or_as_a_whole(
    tmp_path, monkeypatch, pack
):
    monkeypatch.setattr(web_archive, "article_of", lambda page, url: {"text": "x", "url": url})
    records = archive(1_000)
    assert numbers(read(tmp_path, b"".join(map(pack, records)))) == list(range(1_000))
    assert numbers(read(tmp_path, pack(b"".join(records)))) == list(range(1_000))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_an_archive_that_is_truncated_in_its_last_record_says_so_and_where(tmp_path, pack):
    records = [pack(one) for one in archive(4)]
    begins = sum(map(len, records[:3]))
    entries = read(tmp_path, b"".join(records)[:-100])
    assert numbers(entries) == [0, 1, 2]
    assert isinstance(entries[-1], Broken)
    assert entries[-1].where == f"a.warc record 4 (byte {begins:,})"


@pytest.mark.parametrize("at", [0.05, 0.5, 0.95])
def test_behind_a_damaged_record_the_others_are_read(tmp_path, at):
    records = [gzip.compress(one) for one in archive(9)]
    where = int(len(records[4]) * at)
    records[4] = records[4][:where] + b"\x5a\xa5" + records[4][where + 2 :]
    entries = read(tmp_path, b"".join(records))
    assert numbers(entries) == [0, 1, 2, 3, 5, 6, 7, 8]
    (broken,) = [entry for entry in entries if isinstance(entry, Broken)]
    assert broken.where == f"a.warc record 5 (byte {sum(map(len, records[:4])):,})"
    assert entries[5].where == f"a.warc record 6 (byte {sum(map(len, records[:5])):,})"


def test_a_plain_archive_goes_on_at_the_next_record_behind_a_wrong_length(tmp_path):
    records = archive(5)
    records[2] = records[2].replace(b"Content-Length: ", b"Content-Length: 9", 1)
    entries = read(tmp_path, b"".join(records))
    assert {0, 1} <= set(numbers(entries))
    assert any(isinstance(entry, Broken) for entry in entries)
    records = archive(5)
    records[2] = records[2].replace(b"WARC/1.0", b"WRONG/1.0", 1)
    assert numbers(read(tmp_path, b"".join(records), name="b.warc")) == [0, 1, 3, 4]


def test_what_is_no_archive_is_told(tmp_path):
    (entry,) = read(tmp_path, b"no archive\n" * 10, format="warc")
    assert isinstance(entry, Broken)
    assert "expected a WARC record: Invalid WARC record, first line: no archive" in entry.reason


def test_headers_without_end_are_refused(tmp_path):
    content = b"WARC/1.0\r\n" + b"X: y\r\n" * 50_000 + b"\r\n" + archive(1)[0]
    entries = read(tmp_path, content)
    assert "headers of more than 65,536 bytes" in entries[0].reason
    assert numbers(entries) == [0]


def test_a_page_that_unpacks_to_more_than_any_is_refused_in_constant_memory(tmp_path):
    bomb = gzip.compress(b"\0" * 100_000_000)
    content = record("https://example.org/1", bomb, headers=[("Content-Encoding", "gzip")])
    (entry,) = read(tmp_path, content)
    assert isinstance(entry.article, Refusal)
    assert "expected a page of at most 8,388,608 bytes" in entry.article.message


def test_a_page_of_more_elements_than_any_is_refused(tmp_path):
    links = "<a href=x>word</a> " * 60_000
    (entry,) = read(tmp_path, record("https://example.org/1", f"<html><body>{links}"))
    assert "expected a page of at most 50,000 elements, got more" in entry.article.message


def test_a_packed_page_is_unpacked_and_one_packed_otherwise_is_told(tmp_path):
    packed = gzip.compress(page().encode())
    url = "https://example.org/1"
    content = record(url, packed, headers=[("Content-Encoding", "gzip")])
    assert ids(read(tmp_path, content)) == [url]
    content = record(url, packed, headers=[("Content-Encoding", "compress")])
    (entry,) = read(tmp_path, content)
    assert "Content-Encoding compress cannot be read" in entry.article.message


@pytest.mark.parametrize(
    ("encoding", "content_type", "head"),
    [
        ("utf-8", "text/html", ""),
        ("cp1252", "text/html", ""),
        ("cp1252", "text/html; charset=iso-8859-1", ""),
        ("koi8-r", "text/html; charset=KOI8-R", ""),
        ("cp1251", "text/html", "<meta charset=windows-1251>"),
        ("utf-8", "text/html; charset=nonesuch", ""),
    ],
)
def test_a_page_is_decoded_as_it_says_or_as_browsers_would(tmp_path, encoding, content_type, head):
    word = "Москва" if encoding in ("koi8-r", "cp1251") else "“café”"
    text = page(head=head).replace("Rebels", word)
    content = record(
        "https://example.org/1", text.encode(encoding, "replace"), content_type=content_type
    )
    (entry,) = read(tmp_path, content)
    assert entry.article.text.startswith(word)


def test_an_address_that_is_too_long_for_an_id_has_a_hash(tmp_path):
    url = "https://example.org/" + "x" * 1_000
    (entry,) = read(tmp_path, record(url, page()))
    assert entry.article.id.startswith("sha256:")
    assert entry.article.url == url


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("<meta name='date' content='2020-01-02'>", "2020-01-02"),
        ("<meta itemprop='datePublished' content='2020-01-02T03:04Z'>", "2020-01-02T03:04Z"),
        (
            '<script type="application/ld+json">{"@graph": [{"@type": "WebPage"},'
            ' {"@type": ["NewsArticle"], "datePublished": "2020-01-02"}]}</script>'
            "<meta name='date' content='1999-01-01'>",
            "2020-01-02",
        ),
        ('<script type="application/ld+json">{"@type": broken</script>', None),
        ("", None),
    ],
)
def test_the_time_of_publication_is_what_the_page_calls_so(head, expected):
    html = f"<html><head>{head}</head><body><p>Printed on 5 May 2015. {SAID}</p></body></html>"
    assert article_of(html, "https://example.org/2015/05/05/x").get("published_at") == expected
