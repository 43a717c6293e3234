"""Events as files that other programs read: CSV, Parquet, GeoJSON and GDELT's events table.

Events come one by one, from a file of records or from the events topic, and go one by one:
memory is constant. docs/export.md tells what is in each format.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, Protocol, get_args

import msgspec

from eventwire.models.records import SCHEMA_VERSION, Event
from eventwire.streams import gdelt
from eventwire.streams.feeds import Feed, Reports, counted, moment
from eventwire.streams.settings import Settings
from eventwire.streams.standing import standing_records

Format = Literal["csv", "parquet", "geojson", "gdelt"]
FORMATS: tuple[Format, ...] = get_args(Format)


class ExportError(Exception):
    """This export cannot be made; the message is one line that says what to do."""


@dataclass
class Summary:
    read: int = 0
    """Records that are events."""
    failed: int = 0
    """Records that are none."""
    exported: int = 0
    not_asked_for: int = 0
    """By status, type or confidence."""
    left_out: int = 0
    """That the format has no place for."""
    why_left_out: str = ""

    def __str__(self) -> str:
        left_out = f", {self.left_out} {self.why_left_out}" if self.why_left_out else ""
        return (
            f"{counted(self.read, 'event')} read, {counted(self.failed, 'record')} failed:"
            f" {self.exported} exported, {self.not_asked_for} not asked for{left_out}"
        )


class Writer(Protocol):
    """Writes nothing before the first event, or before it is closed."""

    left_out: str
    """Which events `write` cannot write, in words; empty where it writes all."""

    def write(self, event: Event) -> bool:
        """False: the format has no place for this event."""

    def close(self) -> None:
        """After the last event."""

    def abandon(self) -> None:
        """Instead of `close`, after an error: nothing more is written."""


def export(
    records: Iterable[tuple[str, bytes]], wanted: Callable[[Event], bool], into: Writer
) -> Summary:
    """Write the wanted events among `records`, given as place and JSON.

    A record that is no event is logged with its place and the reason, and counted. Raises
    ExportError if there are records and none of them is an event.
    """
    summary = Summary(why_left_out=into.left_out)
    try:
        with Reports() as reports:
            for event in _events(records, summary, reports):
                if not wanted(event):
                    summary.not_asked_for += 1
                elif into.write(event):
                    summary.exported += 1
                else:
                    summary.left_out += 1
        _expect_some(summary)
        into.close()
    except BaseException:
        into.abandon()
        raise
    return summary


def records(settings: Settings, feed: Feed | None) -> Iterator[tuple[str, bytes]]:
    """Of a file, or without one what stands on the events topic."""
    return feed.lines() if feed is not None else standing_records(settings)


def writer(kind: Format) -> Callable[[BinaryIO], Writer]:
    """What writes that format into a file; raises ExportError."""
    made: dict[Format, Callable[[BinaryIO], Writer]] = {
        "csv": CsvWriter,
        "geojson": GeoJsonWriter,
        "gdelt": GdeltWriter,
    }
    if kind in made:
        return made[kind]
    try:
        from eventwire.streams.parquet import ParquetWriter
    except ImportError as error:
        raise ExportError(
            "parquet needs pyarrow, which is not installed: pip install 'eventwire[export]'"
        ) from error
    return ParquetWriter


def decode_event(value: bytes) -> Event:
    """Raises ValueError, which says what is wrong."""
    try:
        event = msgspec.json.decode(value, type=Event)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None
    if event.schema_version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
        major = SCHEMA_VERSION.partition(".")[0]
        raise ValueError(f"schema_version: expected {major}.x, got {event.schema_version[:20]!r}")
    if event.cameo is not None and not re.fullmatch("[0-9]{3,4}", event.cameo):
        raise ValueError(f"cameo: expected three or four digits, got {event.cameo[:20]!r}")
    if moment(event.detected_at) is None:
        raise ValueError(f"detected_at: expected ISO 8601, got {event.detected_at[:40]!r}")
    return event


def _expect_some(summary: Summary) -> None:
    if summary.failed and not summary.read:
        raise ExportError(
            "expected event records as `eventwire code` writes them, one JSON object a line;"
            f" of {counted(summary.failed, 'record')} none is one"
        )


def _events(
    records: Iterable[tuple[str, bytes]], summary: Summary, reports: Reports
) -> Iterator[Event]:
    for where, value in records:
        try:
            event = decode_event(value)
        except ValueError as error:  # msgspec's errors are such
            summary.failed += 1
            reports.add(f"{where}: expected an event record: {error}")
        else:
            summary.read += 1
            yield event


# ---------------------------------------------------------------------------------------- formats


class CsvWriter:
    """RFC 4180 in UTF-8: a header and a row an event, a column a field, nested fields as JSON.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """

    left_out = ""

    def __init__(self, out: BinaryIO) -> None:
        self._rows = csv.writer(_Utf8(out))
        self._begun = False

    def write(self, event: Event) -> bool:
        self._begin()
        self._rows.writerow([_cell(value) for value in msgspec.to_builtins(event).values()])
        return True

    def close(self) -> None:
        self._begin()

    def abandon(self) -> None:
        pass

    def _begin(self) -> None:
        if not self._begun:
            self._rows.writerow(Event.__struct_fields__)
            self._begun = True


class _Utf8:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, text: str) -> None:
        self._out.write(text.encode())


_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula, after white space or not."""


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        risky = value.lstrip().startswith(_FORMULA) or value.startswith(("\t", "\r", "\n"))
        return f"'{value}" if risky else value
    return msgspec.json.encode(value).decode()  # of numbers too: no formula begins so


class GeoJsonWriter:
    """A FeatureCollection (RFC 7946): a point for every event that has coordinates, those of its
    most precise place; its properties are the record."""

    left_out = "without coordinates"

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._before = b'{"type":"FeatureCollection","features":[\n'

    def write(self, event: Event) -> bool:
        place = gdelt.finest(event.places)
        if place is None:
            return False
        feature = {
            "type": "Feature",
            "id": event.event_id,
            "geometry": {"type": "Point", "coordinates": [place.lon, place.lat]},
            "properties": event,
        }
        self._out.write(self._before + msgspec.json.encode(feature))
        self._before = b",\n"
        return True

    def close(self) -> None:
        head = b"" if self._before == b",\n" else self._before
        self._out.write(head + b"\n]}\n")

    def abandon(self) -> None:
        pass


class GdeltWriter:
    """See gdelt.py."""

    left_out = "that CAMEO does not have"

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, event: Event) -> bool:
        row = gdelt.row(event)
        if row is None:
            return False
        self._out.write(row.encode() + b"\n")
        return True

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass
