import gzip
import time
import tracemalloc

import pytest

from eventwire.models.records import Article
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import FeedError, Line
from eventwire.streams.formats import Broken, Reading, open_source

pytest.importorskip("feedparser")
pytest.importorskip("lxml")

from eventwire.streams import syndication
from eventwire.streams.markup import fragment_text

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<rss version="2.0"'
    ' xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>'
    "<title>Daily &amp; Sons</title><language>en-GB</language>"
)
TAIL = "</channel></rss>"


def read(tmp_path, content, name="feed.xml", **reading):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with open_source(name, str(path), Reading(**reading)) as source:
        return list(source.entries())


def rss(*items, head=HEAD):
    return head + "\n".join(f"<item>{item}</item>" for item in items) + TAIL


def item(number, **more):
    fields = {
        "guid": f"urn:{number}",
        "title": "A title",
        "link": f"https://example.org/{number}",
        "pubDate": "Tue, 14 Mar 2023 07:05:00 +0100",
        "description": f"Rebels shelled the port {number} times.",
        **more,
    }
    return "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())


def articles(entries):
    return [entry.article for entry in entries if isinstance(entry, Line)]


def test_an_item_of_rss_becomes_an_article(tmp_path):
    assert articles(read(tmp_path, rss(item(1)))) == [
        Article(
            id="urn:1",
            text="Rebels shelled the port 1 times.",
            title="A title",
            url="https://example.org/1",
            source="Daily & Sons",
            published_at="2023-03-14T07:05:00+01:00",
            language="en-GB",
        )
    ]


def test_an_entry_of_atom_becomes_an_article(tmp_path):
    entries = read(
        tmp_path,
        '<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en">'
        "<title>At</title><entry><id>urn:1</id><title>T</title>"
        '<link rel="alternate" href="https://example.org/1"/>'
        "<published>2023-03-14T07:05:00Z</published><updated>2024-01-01T00:00:00Z</updated>"
        '<content type="html">&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two.&lt;/p&gt;</content></entry>'
        "<entry><id>urn:2</id><updated>2024-01-01T00:00:00Z</updated>"
        "<summary>a &lt; b</summary></entry></feed>",
    )
    first, second = articles(entries)
    assert first == Article(
        id="urn:1",
        text="One.\n\nTwo.",
        title="T",
        url="https://example.org/1",
        source="At",
        published_at="2023-03-14T07:05:00+00:00",
        language="en",
    )
    assert (second.text, second.published_at) == ("a < b", "2024-01-01T00:00:00+00:00")


def test_an_item_of_rss_1_becomes_an_article(tmp_path):
    entries = read(
        tmp_path,
        '<?xml version="1.0"?><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        ' xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<channel rdf:about="x"><title>R</title><items><rdf:Seq><rdf:li resource="y"/></rdf:Seq>'
        '</items></channel><item rdf:about="https://example.org/1"><title>T</title>'
        "<link>https://example.org/1</link><description>Some text.</description>"
        "<dc:date>2023-03-14T07:05+01:00</dc:date></item></rdf:RDF>",
    )
    (article,) = articles(entries)
    assert article.id == "https://example.org/1"
    assert (article.text, article.source) == ("Some text.", "R")
    assert article.published_at == "2023-03-14T07:05:00+01:00"


def test_the_longest_text_of_an_item_is_its_text(tmp_path):
    content = (
        "<content:encoded><![CDATA[<p>All of it, with a </item> within.</p>]]></content:encoded>"
    )
    (article,) = articles(read(tmp_path, rss(item(1, description="All of…") + content)))
    assert article.text == "All of it, with a within."


def test_another_part_of_an_item_is_its_text_if_asked_for(tmp_path):
    entries = read(tmp_path, rss(item(1)), columns={"text": "title"})
    assert articles(entries)[0].text == "A title"


def test_an_item_without_guid_has_its_link_for_an_id_and_without_that_the_same_always(tmp_path):
    linked, bare = (
        "<link>https://x.org/1</link><description>x</description>",
        "<description>y</description>",
    )
    first = [article.id for article in articles(read(tmp_path, rss(linked, bare)))]
    again = [article.id for article in articles(read(tmp_path, rss(linked, bare)))]
    assert first == again
    assert first[0] == "https://x.org/1"
    assert first[1].startswith("sha256:")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("2021/9/17 08:45:00", "2021-09-17T08:45:00"),
        ("29.06.2016", "2016-06-29"),
        ("06/07/2016", "06/07/2016"),
        ("Tue, Mar 14 2023 07:05 PM", "2023-03-14T19:05:00"),
        ("mer, 8 nov 2023 09:30 +0100", "2023-11-08T09:30:00+01:00"),
        ("Wed, 31 Jun 2021 10:00 GMT", "Wed, 31 Jun 2021 10:00 GMT"),
        ("", None),
    ],
)
def test_a_date_is_exact_or_what_the_feed_says(tmp_path, said, expected):
    (article,) = articles(read(tmp_path, rss(item(1, pubDate=said))))
    assert article.published_at == expected


# ---------------------------------------------------------------------------- what may be wrong


def test_an_item_that_is_broken_costs_no_other(tmp_path):
    content = rss(item(1), "<description>bad & worse <br> <unclosed", item(3))
    entries = articles(read(tmp_path, content))
    assert entries[0].text == "Rebels shelled the port 1 times."
    assert entries[-1].text == "Rebels shelled the port 3 times."
    assert len(entries) == 3


def test_an_item_without_text_is_told_with_its_place(tmp_path):
    entries = read(tmp_path, rss(item(1), "<title>Only a title</title>"))
    assert isinstance(entries[1].article, Refusal)
    assert entries[1].where.startswith("feed.xml item 2 (byte ")
    assert entries[1].article.message == f"{entries[1].where}: field 'text' is empty"


def test_an_item_without_an_end_ends_where_the_next_begins(tmp_path):
    content = HEAD + f"<item>{item(1)}<item>{item(2)}</item>" + TAIL
    assert [a.id for a in articles(read(tmp_path, content))] == ["urn:1", "urn:2"]


def test_a_truncated_feed_is_told_and_what_is_there_is_read(tmp_path):
    entries = read(tmp_path, rss(item(1), item(2))[:-60])
    assert [a.id for a in articles(entries)] == ["urn:1"]
    assert isinstance(entries[1], Broken)
    assert entries[1].reason == "expected its end, got that of the file"


def test_a_feed_that_is_damaged_in_its_packing_is_told(tmp_path):
    packed = gzip.compress(rss(*map(item, range(1_500))).encode())
    entries = read(tmp_path, packed[:-3_000], name="feed.xml.gz")
    assert len(articles(entries)) > 500
    assert isinstance(entries[-1], Broken)
    assert "truncated in what begins at byte 0" in entries[-1].reason


@pytest.mark.parametrize("content", ["<html><body>No feed.</body></html>", "<" * 300_000])
def test_what_is_no_feed_is_told(tmp_path, content):
    with pytest.raises(FeedError, match=r"^feed\.xml: expected RSS or Atom, with an <item>"):
        read(tmp_path, content)


def test_a_feed_without_items_has_none(tmp_path):
    assert read(tmp_path, rss()) == []


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


@pytest.mark.parametrize(
    "subset",
    [
        f'[<!ENTITY l0 "lol">{LAUGHS}]',
        f'[\n<!ENTITY l0 "lol">\n{LAUGHS}\n]',
        '[<!ENTITY l11 SYSTEM "file:///etc/hostname">]',
        'SYSTEM "file:///etc/hostname"',
    ],
)
def test_entities_of_a_document_type_are_not_expanded(tmp_path, subset):
    head = HEAD.replace("<rss", f"<!DOCTYPE rss {subset}><rss")
    began = time.monotonic()
    tracemalloc.start()
    (article,) = articles(read(tmp_path, rss(item(1, description="It said &l11;."), head=head)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert article.text in ("It said &l11;.", "It said .")
    assert peak < 20_000_000
    assert time.monotonic() - began < 30


def test_an_item_of_any_size_costs_no_more_memory_than_is_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr(syndication, "ITEM_BYTES", 200_000)
    huge = "<description>" + "x" * 3_000_000 + "</description>"
    entries = read(tmp_path, rss(item(1), huge, item(3)))
    assert [a.id for a in articles(entries)] == ["urn:1", "urn:3"]
    assert "expected at most 200,000 bytes, got more" in [
        entry.reason for entry in entries if isinstance(entry, Broken)
    ]


def test_memory_does_not_grow_with_the_feed(tmp_path):
    path = tmp_path / "feed.xml"
    with path.open("w") as file:
        file.write(HEAD)
        for number in range(700):
            file.write(f"<item>{item(number, description='x' * 2_000)}</item>\n")
        file.write(TAIL)
    read(tmp_path, rss(item(1)), "first.xml")  # what the first feed imports is not counted
    tracemalloc.start()
    with open_source("feed.xml", str(path), Reading()) as source:
        assert sum(1 for _ in source.entries()) == 700
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_500_000


# ------------------------------------------------------------------------------- text of markup


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("plain\n\ntext  as it is", "plain\n\ntext  as it is"),
        ("Q&amp;A &ndash; &lt;b&gt;", "Q&A – <b>"),
        ("<p>One <b>two</b>\n three.</p><p>Four.</p>", "One two three.\n\nFour."),
        ("One.<br/>Two.<br>Three.", "One.\nTwo.\nThree."),
        ("<ul><li>a</li><li>b</li></ul>c", "a\n\nb\n\nc"),
        ("<script>evil()</script><style>x</style><!-- no --><p>Yes.</p>", "Yes."),
        ("<p>unclosed <div>nested", "unclosed\n\nnested"),
        ("<p>\x00\ud800 odd</p>", "\ufffd\ufffd odd"),
        ("<p></p>", ""),
    ],
)
def test_the_text_of_html_is_its_paragraphs(html, text):
    assert fragment_text(html) == text


def test_markup_of_any_depth_does_no_harm():
    assert fragment_text("<p>first</p>" + "<div>" * 50_000 + "deep").startswith("first")
