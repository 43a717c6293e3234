import csv
import io
import itertools
import json
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from eventwire.models.records import Event
from eventwire.streams import export as exports
from eventwire.streams import parquet
from eventwire.streams.export import FORMATS, ExportError, Format, Summary, decode_event, export
from eventwire.streams.feeds import open_feed
from eventwire.streams.gdelt import COLUMNS

EXAMPLE = Path(__file__).parents[1] / "docs" / "schemas" / "v1" / "examples" / "event.json"


def event(**fields: Any) -> Event:
    """The example event of the contract, changed."""
    return msgspec.structs.replace(msgspec.json.decode(EXAMPLE.read_bytes(), type=Event), **fields)


def everything(_: Event) -> bool:
    return True


def exported(kind: Format, *events: Event) -> tuple[bytes, Summary]:
    out = io.BytesIO()
    records = ((f"r:{n}", msgspec.json.encode(each)) for n, each in enumerate(events))
    summary = export(records, everything, exports.writer(kind)(out))
    return out.getvalue(), summary


# -------------------------------------------------------------------------------------------- csv


def rows(*events: Event) -> list[dict[str, str]]:
    text = exported("csv", *events)[0].decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_csv_has_a_column_for_every_field_and_nested_ones_are_json() -> None:
    (row,) = rows(event())
    record = json.loads(EXAMPLE.read_text("utf-8"))
    assert list(row) == list(record)
    nested = {name for name, value in record.items() if isinstance(value, dict | list)}
    assert {name: json.loads(row[name]) for name in nested} == {n: record[n] for n in nested}
    plain = {"event_id", "event_type", "cameo", "status", "not_after", "detected_at"}
    assert {name: row[name] for name in plain} == {name: record[name] for name in plain}
    assert (row["confidence"], row["goldstein"], row["quad_class"]) == ("0.93", "-9.0", "4")


def test_csv_leaves_the_cell_of_a_null_empty() -> None:
    (row,) = rows(event(time=None, goldstein=None, attribution=None))
    assert (row["time"], row["goldstein"], row["attribution"]) == ("", "", "")


@pytest.mark.parametrize(
    "first", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", " =", "\u00a0=", "  \u2003@"]
)
def test_csv_cells_that_a_spreadsheet_would_run_are_text(first: str) -> None:
    (row,) = rows(event(not_after=first + "HYPERLINK(1)"))
    assert row["not_after"] == f"'{first}HYPERLINK(1)"


def test_csv_keeps_numbers_and_harmless_text_as_they_are() -> None:
    (row,) = rows(event(goldstein=-9.0, not_after="2025-03-05 = today"))
    assert (row["goldstein"], row["not_after"]) == ("-9.0", "2025-03-05 = today")


def test_csv_cells_keep_quotes_commas_line_ends_and_any_letter() -> None:
    text = 'a "b", c\r\nd 中文 🙂 שלום'
    evidence = msgspec.structs.replace(event().evidence, sentence=text)
    (row,) = rows(event(evidence=evidence, not_after=text))
    assert row["not_after"] == text
    assert json.loads(row["evidence"])["sentence"] == text


# ---------------------------------------------------------------------------------------- parquet


def table(*events: Event) -> Any:
    return pq.read_table(io.BytesIO(exported("parquet", *events)[0]))


def test_parquet_holds_the_record_as_it_is_with_times() -> None:
    (row,) = table(event()).to_pylist()
    record = json.loads(EXAMPLE.read_text("utf-8"))
    times = {
        "not_after": datetime(2025, 3, 5, 7, 40, tzinfo=UTC),
        "detected_at": datetime(2025, 3, 5, 7, 41, 12, 345_000, tzinfo=UTC),
    }
    assert row == record | times


def test_parquet_has_a_type_for_every_field() -> None:
    types = {field.name: str(field.type) for field in parquet.schema()}
    assert list(types) == list(Event.__struct_fields__)
    assert types["confidence"] == "double"
    assert types["quad_class"] == "int64"
    assert types["detected_at"] == "timestamp[ms, tz=UTC]"
    assert types["places"].startswith("list<")
    assert "lat: double" in types["places"]


def test_parquet_says_which_fields_are_never_null() -> None:
    assert not parquet.schema().field("event_id").nullable
    assert parquet.schema().field("attribution").nullable


def test_parquet_is_compressed_with_zstd() -> None:
    file = pq.ParquetFile(io.BytesIO(exported("parquet", event())[0]))
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_parquet_of_many_events_has_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 10)
    written = exported("parquet", *(event(event_id=str(n)) for n in range(25)))[0]
    file = pq.ParquetFile(io.BytesIO(written))
    assert [file.metadata.row_group(n).num_rows for n in range(3)] == [10, 10, 5]
    assert file.read(["event_id"]).column(0).to_pylist() == [str(n) for n in range(25)]


def test_a_publication_that_is_no_time_is_null_in_parquet_and_stays_in_the_article() -> None:
    article = msgspec.structs.replace(event().article, published_at="last spring")
    (row,) = table(event(not_after="last spring", article=article)).to_pylist()
    assert row["not_after"] is None
    assert row["article"]["published_at"] == "last spring"


def test_without_pyarrow_one_line_tells_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "eventwire.streams.parquet")
    with pytest.raises(ExportError, match=r"pip install 'eventwire\[export\]'"):
        exports.writer("parquet")


# ---------------------------------------------------------------------------------------- geojson


def test_geojson_is_a_collection_of_points_with_the_record_as_properties() -> None:
    collection = json.loads(exported("geojson", event(), event(event_id="e2"))[0])
    assert collection["type"] == "FeatureCollection"
    first, second = collection["features"]
    assert (first["type"], second["id"]) == ("Feature", "e2")
    assert first["geometry"] == {"type": "Point", "coordinates": [37.9909, 2.3347]}
    assert first["properties"] == json.loads(EXAMPLE.read_text("utf-8"))


def test_geojson_counts_events_without_coordinates() -> None:
    nowhere = [msgspec.structs.replace(place, lat=None, lon=None) for place in event().places]
    written, summary = exported("geojson", event(), event(places=nowhere), event(places=[]))
    assert len(json.loads(written)["features"]) == 1
    assert (summary.exported, summary.left_out) == (1, 2)
    assert "2 without coordinates" in str(summary)


def test_geojson_of_nothing_is_an_empty_collection() -> None:
    assert json.loads(exported("geojson")[0]) == {"type": "FeatureCollection", "features": []}


# ------------------------------------------------------------------------------------------ gdelt


def test_gdelt_has_a_line_an_event_and_no_header() -> None:
    lines = exported("gdelt", event(), event(event_id="e2"))[0].decode().splitlines()
    assert [len(line.split("\t")) for line in lines] == [len(COLUMNS)] * 2


def test_gdelt_counts_events_that_cameo_does_not_have() -> None:
    summary = exported("gdelt", event(), event(cameo=None))[1]
    assert (summary.exported, summary.left_out) == (1, 1)


# -------------------------------------------------------------------------------------- any format


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_is_written_before_the_first_event(kind: Format) -> None:
    out = io.BytesIO()
    written = []

    def records() -> Iterator[tuple[str, bytes]]:
        written.append(out.getvalue())
        yield "r:1", msgspec.json.encode(event())

    export(records(), everything, exports.writer(kind)(out))
    assert written == [b""]
    assert out.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_that_fails_does_not_end_as_if_all_were_written(
    kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 10)
    out = io.BytesIO()

    def records(count: int) -> Iterator[tuple[str, bytes]]:
        yield from [("r", msgspec.json.encode(event()))] * count
        raise OSError("gone")

    writer = exports.writer(kind)(out)
    with pytest.raises(OSError, match="gone"):
        export(records(parquet.ROW_GROUP), everything, writer)
    written = out.getvalue()
    del writer  # with which pyarrow ends its file
    assert out.getvalue() == written
    assert not written.endswith((b"PAR1", b"]}\n"))
    assert written


@pytest.mark.parametrize("kind", FORMATS)
def test_records_of_which_none_is_an_event_are_an_error_and_nothing_is_written(
    kind: Format,
) -> None:
    out = io.BytesIO()
    records = [("r:1", b"{}"), ("r:2", b"[]")]
    with pytest.raises(ExportError, match=r"^expected event records .*; of 2 records none is one$"):
        export(records, everything, exports.writer(kind)(out))
    assert out.getvalue() == b""


def test_no_records_are_no_error() -> None:
    assert rows() == []


# ---------------------------------------------------------------------------------------- records


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "truncated"),
        (b"[]", "Expected `object`"),
        (b'{"event_id": "e1"}', "missing required field"),
        (b"\xff", "malformed"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
        (msgspec.json.encode(event(schema_version="2.0")), r"expected 1\.x, got '2\.0'"),
        (msgspec.json.encode(event(detected_at="now")), "detected_at: expected ISO 8601"),
        (msgspec.json.encode(event(cameo="x1")), "cameo: expected three or four digits, got 'x1'"),
        (msgspec.json.encode(event(confidence=7)), "confidence"),
    ],
)
def test_what_is_no_event_record_is_refused_with_a_reason(value: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_event(value)


def test_a_record_of_a_later_minor_version_is_read() -> None:
    later = msgspec.to_builtins(event(schema_version="1.9")) | {"incident_id": "i1"}
    assert decode_event(msgspec.json.encode(later)).event_id == event().event_id


def test_bad_lines_are_told_with_their_place_and_the_rest_is_exported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = msgspec.json.encode(event())
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\r\n{}\n" + good)
    out = io.BytesIO()
    with open_feed(str(path), max_bytes=100_000) as feed:
        summary = export(feed.lines(), everything, exports.writer("csv")(out))
    assert (summary.read, summary.failed, summary.exported) == (2, 1, 2)
    assert (feed.counts.lines, feed.counts.skipped) == (4, 1)
    (told,) = caplog.messages
    assert told.startswith("events.jsonl:3: expected an event record: ")


def test_events_that_are_not_asked_for_are_counted() -> None:
    records = [
        ("r", msgspec.json.encode(event(status=status))) for status in ("occurred", "denied")
    ]
    records[1] = ("r", msgspec.json.encode(event(status="negated")))
    out = io.BytesIO()
    summary = export(records, lambda e: e.status == "occurred", exports.writer("gdelt")(out))
    assert (summary.read, summary.exported, summary.not_asked_for) == (2, 1, 1)


class Nowhere(io.RawIOBase):
    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


@pytest.mark.parametrize("kind", FORMATS)
def test_memory_does_not_grow_with_the_number_of_events(
    kind: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP", 100)
    value = msgspec.json.encode(event())

    def peak(count: int) -> int:
        records: Iterator[tuple[str, bytes]] = itertools.repeat(("r", value), count)
        tracemalloc.start()
        export(records, everything, exports.writer(kind)(Nowhere()))  # type: ignore[arg-type]
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(100)  # what is loaded once
    assert peak(2_000) < peak(300) + 300_000
