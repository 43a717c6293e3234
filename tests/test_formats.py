import gzip
import hashlib
import io
import json
import tracemalloc
from datetime import UTC, date, datetime

import pytest
import zstandard

from eventwire.models.records import Article
from eventwire.streams.decode import Refusal
from eventwire.streams.feeds import FeedError, Line
from eventwire.streams.formats import Broken, Reading, find, open_source, recognised

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

TEXT = "Rebels shelled the port.\r\n\r\nThe army denied it, and “withdrew”."


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path, skip=0, **reading):
    with open_source(path.name, str(path), Reading(**reading)) as source:
        return list(source.entries(skip))


def articles(entries):
    return [entry.article for entry in entries if isinstance(entry.article, Article)]


def refusals(entries):
    return [
        entry.article.message
        for entry in entries
        if isinstance(entry, Line) and isinstance(entry.article, Refusal)
    ]


def parquet(tmp_path, columns, **options):
    path = tmp_path / "feed.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


# ---------------------------------------------------------------------------------- recognition


@pytest.mark.parametrize(
    ("head", "name", "expected"),
    [
        (b'{"id": "a"}', "feed", "jsonl"),
        (b'\xef\xbb\xbf\r\n{"id": "a"}', "stdin", "jsonl"),
        (b"PAR1\x15", "feed.jsonl", "parquet"),
        (b"WARC/1.0\r\n", "feed", "warc"),
        (b"<?xml version='1.0'?><rss>", "feed", "rss"),
        (b"\xef\xbb\xbf<feed xmlns='http://www.w3.org/2005/Atom'>", "feed", "atom"),
        (b"id,text\n", "stdin", "csv"),
        (b"id\ttext\n", "feed.tsv", "csv"),
        (b"id\n", "feed.csv.gz", "csv"),
        (b"oops, no JSON\n", "feed.jsonl", "jsonl"),
        (b"oops", "feed", "jsonl"),
    ],
)
def test_a_format_is_told_by_how_a_file_begins_and_else_by_its_name(head, name, expected):
    assert recognised(head, name) == expected


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_any_packing_of_any_format_is_read(tmp_path, pack):
    table = tmp_path / "table"
    pq.write_table(pa.table({"id": ["a1"], "text": ["x"]}), table)
    contents = {
        "a": b'{"id": "a1", "text": "x"}\n',
        "b": b"id,text\na1,x\n",
        "c": table.read_bytes(),
    }
    for name, content in contents.items():
        path = written(tmp_path, name, pack(content))
        assert articles(read(path)) == [Article(id="a1", text="x")]


def test_the_same_article_is_the_same_from_json_csv_and_parquet(tmp_path):
    quoted = TEXT.replace('"', '""')
    paths = [
        written(tmp_path, "a.jsonl", json.dumps({"id": "007", "text": TEXT})),
        written(tmp_path, "a.csv", f'id,text\r\n007,"{quoted}"\r\n'),
        parquet(tmp_path, {"id": ["007"], "text": [TEXT]}),
    ]
    assert {articles(read(path))[0] for path in paths} == {Article(id="007", text=TEXT)}


def test_who_resumes_passes_over_the_first_records(tmp_path):
    path = written(tmp_path, "a.csv", "id,text\n1,x\n2\n3,z\n")
    assert [entry.where for entry in read(path, skip=2)] == ["a.csv:4"]


# -------------------------------------------------------------------------------------- mapping


def test_columns_are_mapped_to_fields_and_objects_within_objects_too(tmp_path):
    record = {"key": 12345678901234567890, "content": {"body": "x"}, "when": "14 Mar 2023"}
    path = written(tmp_path, "a.jsonl", json.dumps(record))
    columns = {"id": "key", "text": "content.body", "published_at": "when"}
    assert articles(read(path, columns=columns)) == [
        Article(id="12345678901234567890", text="x", published_at="2023-03-14")
    ]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ('{"key": 1.5, "text": "x"}', "a.jsonl:1: field 'id', from column 'key': expected text"),
        ('{"key": true, "text": "x"}', "or a whole number, got bool 'True'"),
        ('{"key": "", "text": "x"}', "a.jsonl:1: field 'id' is empty"),
        ('{"text": "x"}', "a.jsonl:1: expected column 'key', got 'text'"),
        ("[1]", "a.jsonl:1: expected a JSON object, got list"),
        ('{"key": "a",', "a.jsonl:1: expected JSON, got "),
        ("[" * 100_000, "a.jsonl:1: expected JSON, got one nested too deeply"),
        (b'{"key": "\xff"}', "a.jsonl:1: expected UTF-8, got byte 0xff at 9"),
    ],
)
def test_a_record_that_cannot_be_mapped_is_told_with_its_place(tmp_path, record, message):
    (told,) = refusals(read(written(tmp_path, "a.jsonl", record), columns={"id": "key"}))
    assert message in told


def test_a_date_that_cannot_be_told_is_kept_as_it_is(tmp_path):
    path = written(
        tmp_path, "a.csv", "id,text,published_at\n1,x,06/07/2016\n2,x,29.06.2016\n3,x,\n"
    )
    assert [a.published_at for a in articles(read(path))] == ["06/07/2016", "2016-06-29", None]


def test_what_utf_8_cannot_hold_is_replaced_one_for_one(tmp_path):
    path = written(tmp_path, "a.jsonl", '{"key": "a", "text": "Army\\u0000 shelled\\ud83d it"}')
    (article,) = articles(read(path, columns={"id": "key"}))
    assert article.text == "Army\ufffd shelled\ufffd it"


# ------------------------------------------------------------------------------------------ CSV


def test_ids_of_a_table_stay_text(tmp_path):
    path = written(tmp_path, "a.csv", "id,text\n007,x\n1e5,x\n0x1F,x\nNaN,x\n")
    assert [article.id for article in articles(read(path))] == ["007", "1e5", "0x1F", "NaN"]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_is_read_with_a_mark_and_any_usual_separator(tmp_path, separator):
    rows = f'\ufeffid{separator}text\r\na1{separator}"x{separator}""y"""\r\n\r\n'
    assert articles(read(written(tmp_path, "a.csv", rows))) == [
        Article(id="a1", text=f'x{separator}"y"')
    ]


def test_a_bad_row_is_told_by_its_line_and_the_others_are_read(tmp_path):
    content = (
        'id,text\n1,"two\nlines"\n2\n3,x,y\n4,caf\xe9\n5,\n6,"quoted" wrongly\n7,good\n8,"un\n'
    )
    path = written(tmp_path, "a.csv", content.encode("latin-1"))
    entries = read(path)
    assert [article.id for article in articles(entries)] == ["1", "7"]
    told = refusals(entries)
    assert told[0] == "a.csv:4: expected 2 columns as in the header, got 1"
    assert told[1] == "a.csv:5: expected 2 columns as in the header, got 3"
    assert told[2] == "a.csv:6: column 'text': expected UTF-8, got byte 0xe9"
    assert told[3] == "a.csv:7: field 'text' is empty"
    assert told[4].startswith("a.csv:8: expected CSV, got: ")
    assert told[5].startswith("a.csv:10: expected CSV, got: ")
    assert len(told) == 6


@pytest.mark.parametrize("long", ["x" * 500_000, '"' + "y\n" * 250_000])
def test_a_cell_without_end_costs_no_memory_and_ends_with_the_limit(tmp_path, long):
    path = written(tmp_path, "a.csv", f"id,text\n1,x\n2,{long}\n3,z\n")
    tracemalloc.start()
    entries = read(path, max_bytes=140_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert articles(entries)[0] == Article(id="1", text="x")
    assert refusals(entries)
    if '"' not in long:
        assert articles(entries)[-1] == Article(id="3", text="z")
    assert peak < 100_000_000


def test_a_table_without_the_columns_says_which_there_are_and_how_to_name_them(tmp_path):
    path = written(tmp_path, "a.csv", "key,body\n1,x\n")
    with pytest.raises(FeedError) as caught:
        read(path)
    assert str(caught.value) == (
        "a.csv: expected a column 'id', got 'key', 'body': name the one that holds the id with"
        " --map id=COLUMN"
    )
    with pytest.raises(FeedError, match="expected a column 'nonesuch'"):
        read(path, columns={"id": "key", "text": "body", "title": "nonesuch"})


@pytest.mark.parametrize("name", ["a.csv", "a.xml"])
def test_utf_16_is_told_with_the_remedy(tmp_path, name):
    path = written(tmp_path, name, "id,text\n1,x\n".encode("utf-16"))
    with pytest.raises(FeedError, match="is UTF-16: expected UTF-8, as `iconv"):
        read(path)


# -------------------------------------------------------------------------------------- Parquet


def test_whole_numbers_times_and_dates_of_a_parquet_file_become_exact_text(tmp_path):
    moment = datetime(2023, 3, 14, 19, 5, tzinfo=UTC)
    columns = {
        "id": [2**63 - 1, 7],
        "text": ["x", "y"],
        "published_at": pa.array([moment, None], pa.timestamp("ns", "UTC")),
    }
    first, second = articles(read(parquet(tmp_path, columns)))
    assert first == Article(id=str(2**63 - 1), text="x", published_at="2023-03-14T19:05:00+00:00")
    assert second == Article(id="7", text="y")
    columns["published_at"] = pa.array([date(2023, 3, 14), None])
    assert articles(read(parquet(tmp_path, columns)))[0].published_at == "2023-03-14"


def test_ids_that_became_floating_point_are_refused(tmp_path):
    path = parquet(tmp_path, {"id": [7.0, None], "text": ["x", "y"]})
    with pytest.raises(FeedError, match="a number that was one has lost its digits"):
        read(path)


def test_a_row_without_an_id_is_told_by_its_number(tmp_path):
    path = parquet(tmp_path, {"id": ["a", None], "text": ["x", "y"]})
    assert refusals(read(path)) == ["feed.parquet row 2: expected column 'id', got 'text'"]


def test_behind_a_damaged_row_group_the_next_is_read(tmp_path):
    ids, texts = [f"a{n}" for n in range(300)], [f"text {n * n * 7919}" for n in range(300)]
    path = parquet(tmp_path, {"id": ids, "text": texts}, row_group_size=100, use_dictionary=False)
    content = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    content[start : start + 30] = b"\xff" * 30
    path.write_bytes(content)
    entries = read(path)
    (broken,) = [entry for entry in entries if isinstance(entry, Broken)]
    assert broken.where == "feed.parquet rows 101 to 200"
    found = [entry.article.id for entry in entries if not isinstance(entry, Broken)]
    assert found == ids[:100] + ids[200:]


def test_what_is_no_parquet_is_told(tmp_path):
    path = written(tmp_path, "a.parquet", b"PAR1 and so on")
    with pytest.raises(FeedError, match=r"^a\.parquet: expected Parquet, got: "):
        read(path)


# ------------------------------------------------------------------------------ files and folders


def test_a_folder_is_its_feeds_in_order_of_names(tmp_path):
    (tmp_path / "2024").mkdir()
    for name in ["b.jsonl", "a.csv.gz", "README.md", ".hidden.csv", "2024/c.warc.zst"]:
        (tmp_path / name).touch()
    assert [path.removeprefix(f"{tmp_path}/") for _, path in find([str(tmp_path)], None)] == [
        "2024/c.warc.zst",
        "a.csv.gz",
        "b.jsonl",
    ]
    assert len(find([str(tmp_path)], "jsonl")) == 4


def test_files_of_one_name_are_told_apart_by_their_path(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.csv").touch()
    assert [name for name, _ in find([str(tmp_path)], None)] == [
        f"{tmp_path}/a/x.csv",
        f"{tmp_path}/b/x.csv",
    ]


def test_what_cannot_be_read_is_told_before_anything_is_read(tmp_path):
    there = written(tmp_path, "a.jsonl", "{}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FeedError, match=r"cannot read the feed .*/none: No such file"):
        find([str(there), str(tmp_path / "none")], None)
    with pytest.raises(FeedError, match=r"expected files with names in \.jsonl "):
        find([str(tmp_path / "empty")], None)
    with pytest.raises(FeedError, match="expected stdin"):
        find(["-", "-"], None)


def test_a_pipe_is_hashed_as_it_is_read(monkeypatch):
    content = b'{"id": "a", "text": "x"}\n'

    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(content))

    monkeypatch.setattr("sys.stdin", Stdin())
    with open_source("stdin", "-", Reading()) as source:
        assert len(list(source.entries())) == 1
        assert source.fraction() is None
        assert source.sha256() == hashlib.sha256(content).hexdigest()


def test_the_fraction_read_goes_from_nothing_to_all(tmp_path):
    lines = "".join(json.dumps({"id": str(n), "text": "x" * 100}) + "\n" for n in range(5_000))
    for path in (
        written(tmp_path, "a.jsonl", lines),
        parquet(tmp_path, {"id": [str(n) for n in range(1000)], "text": ["x"] * 1000}),
    ):
        with open_source(path.name, str(path), Reading()) as source:
            entries = source.entries()
            next(entries)
            assert source.fraction() < 0.3
            assert sum(1 for _ in entries) > 900
            assert source.fraction() == 1


def test_what_is_read_ahead_is_not_done(tmp_path):
    """At the pace of the news it takes hours; a bar that begins at 100 % tells nothing."""
    rows = [(str(number), f"Rebels shelled the port {number}.") for number in range(100)]
    items = "".join(
        f"<item><guid>{key}</guid><description>{text}</description></item>" for key, text in rows
    )
    contents = {
        "a.jsonl": "".join(f'{{"id": "{key}", "text": "{text}"}}\n' for key, text in rows),
        "a.csv": "id,text\n" + "".join(f"{key},{text}\n" for key, text in rows),
        "a.rss": f"<rss><channel><title>c</title>{items}</channel></rss>",
    }
    for name, content in contents.items():
        for pack in (bytes, gzip.compress, zstandard.compress):
            path = written(tmp_path, name, pack(content.encode()))
            with open_source(name, str(path), Reading()) as source:
                entries = source.entries()
                for _ in range(50):
                    next(entries)
                assert 0.4 < source.fraction() < 0.6, (name, pack)
                assert len(list(entries)) == 50
                assert source.fraction() == 1, (name, pack)


def test_bytes_of_parquet_are_text_where_they_are_utf8(tmp_path):
    """Hive, Impala and old Spark do not say of a column that it is text."""
    path = parquet(tmp_path, {"id": [b"007", b"\xff"], "text": [b"Z\xc3\xbcrich", b"x"]})
    entries = read(path)
    assert [(a.id, a.text) for a in articles(entries)] == [("007", "Zürich")]
    assert refusals(entries) == [
        "feed.parquet row 2: column 'id': expected UTF-8, got byte 0xff at 0"
    ]
