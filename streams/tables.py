"""CSV and Parquet: a row an article, a column a field."""

import csv
from collections.abc import Iterator
from typing import Any, BinaryIO

from eventwire.streams.compressed import BOMB_BYTES, BOMB_RATIO, Damaged
from eventwire.streams.feeds import FeedError, counted
from eventwire.streams.formats import FIELDS, Broken, Columns, NoArticle, Reading, Record
from eventwire.streams.settings import variable

PARQUET_ROWS = 64
"""Rows in memory at once."""

# ------------------------------------------------------------------------------------------- CSV


def csv_records(name: str, file: BinaryIO, reading: Reading) -> Iterator[Record]:
    """Rows of a CSV file with a header, separated by commas, semicolons, tabs or bars; quoted
    fields may hold line ends, which stay as they are. Raises FeedError."""
    lines = _Lines(name, file, reading.max_bytes)
    csv.field_size_limit(max(csv.field_size_limit(), reading.max_bytes))
    header, separator = _header(name, next(lines, ""))
    expect_columns(name, header, reading)
    rows = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        where = f"{name}:{lines.number + 1}"
        try:
            cells = next(rows)
        except StopIteration:
            return
        except _TooLong as error:
            yield Record(where, _raising(NoArticle("too_large", str(error))))
        except csv.Error as error:
            yield Record(where, _raising(NoArticle("wrong_type", f"expected CSV, got: {error}")))
        else:
            if cells:
                yield Record(where, lambda cells=cells: _row(header, cells))  # type: ignore[misc]


class _TooLong(Exception):  # noqa: N818
    pass


class _Lines:
    """The lines of a file with their ends, each no longer than an article may be."""

    def __init__(self, name: str, file: BinaryIO, max_bytes: int) -> None:
        self.number = 0
        self._name, self._file, self._max_bytes = name, file, max_bytes

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        limit = self._max_bytes + 6
        try:
            end = line = self._file.readline(limit)
            while len(end) == limit and not end.endswith(b"\n"):
                end = self._file.readline(limit)
        except Damaged as error:
            raise FeedError(f"{self._name}: after line {self.number:,}: {error}") from error
        if not line:
            raise StopIteration
        if not self.number:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise FeedError(
                    f"{self._name} is UTF-16: expected UTF-8, as `iconv -f UTF-16 -t UTF-8` makes"
                )
            line = line.removeprefix(b"\xef\xbb\xbf")
        self.number += 1
        if len(line) >= limit:
            most = f"{self._max_bytes:,} bytes ({variable('article_max_bytes')})"
            raise _TooLong(f"expected at most {most}, got a longer line")
        # What is no UTF-8 is told with its row: see `_row`.
        return line.decode(errors="surrogateescape")


def _header(name: str, line: str) -> tuple[list[str], str]:
    """Names of the columns, and what separates them: of the usual four what gives the most."""
    try:
        read = [(next(csv.reader([line], delimiter=d), []), d) for d in (",", ";", "\t", "|")]
    except csv.Error as error:
        raise FeedError(f"{name}:1: expected the names of columns, got: {error}") from error
    header, separator = max(read, key=lambda found: len(found[0]))
    header = [cell.strip() for cell in header]
    if twice := {cell for cell in header if header.count(cell) > 1 and cell in FIELDS}:
        raise FeedError(f"{name}:1: expected each column once, got {sorted(twice)[0]!r} twice")
    return header, separator


def _row(header: list[str], cells: list[str]) -> Columns:
    if len(cells) != len(header):
        what = counted(len(header), "column")
        raise NoArticle("wrong_type", f"expected {what} as in the header, got {len(cells)}")
    for column, cell in zip(header, cells, strict=True):
        try:
            cell.encode()
        except UnicodeEncodeError as error:
            byte = f"0x{ord(cell[error.start]) & 0xFF:02x}"
            raise NoArticle(
                "not_utf8", f"column {column!r}: expected UTF-8, got byte {byte}"
            ) from None
    # An empty cell says that there is no such thing; but for id and text, which are then refused.
    return {
        column: cell
        for column, cell in zip(header, cells, strict=True)
        if cell or column not in FIELDS or column in ("id", "text")
    }


def _raising(error: NoArticle) -> Any:
    def read() -> Columns:
        raise error

    return read


def expect_columns(name: str, there: list[str], reading: Reading) -> None:
    """Raises FeedError where a table lacks a column that is needed or was named."""
    for field in FIELDS:
        column = reading.column(field)
        needed = field in ("id", "text") or field in reading.columns
        if needed and column not in there:
            columns = ", ".join(repr(one[:40]) for one in there[:20]) or "none"
            raise FeedError(
                f"{name}: expected a column {column!r}, got {columns}:"
                f" name the one that holds the {field} with --map {field}=COLUMN"
            )


# --------------------------------------------------------------------------------------- Parquet


class parquet:  # noqa: N801 - used as a function is
    """Rows of a Parquet file. Raises FeedError."""

    def __init__(self, name: str, file: str | BinaryIO, reading: Reading) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._name, self._reading, self._broken = name, reading, (pa.ArrowException, OSError)
        try:
            # Without pre-buffering a column is read a page at a time.
            self._file = pq.ParquetFile(file, buffer_size=1_048_576, pre_buffer=False)
        except self._broken as error:
            raise FeedError(f"{name}: expected Parquet, got: {_first_line(error)}") from error
        schema = self._file.schema_arrow
        expect_columns(name, schema.names, reading)
        wanted = {reading.column(field): field for field in FIELDS}
        self._columns = [column for column in schema.names if column in wanted]
        for column in self._columns:
            if pa.types.is_floating(schema.field(column).type):
                raise FeedError(
                    f"{name}: expected text or whole numbers in column {column!r}, got"
                    f" {schema.field(column).type}: a number that was one has lost its digits"
                )
        self._rows: int = max(1, self._file.metadata.num_rows)
        self._read = 0

    def fraction(self) -> float:
        return self._read / self._rows

    def __iter__(self) -> Iterator[Record | Broken]:
        metadata = self._file.metadata
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            behind = self._read + group.num_rows
            try:
                self._refuse_a_bomb(group)
                for batch in self._file.iter_batches(
                    PARQUET_ROWS, row_groups=[number], columns=self._columns, use_threads=False
                ):
                    columns = dict(zip(self._columns, map(_exact, batch.columns), strict=True))
                    for row in range(batch.num_rows):
                        self._read += 1
                        where = f"{self._name} row {self._read}"
                        yield Record(where, lambda c=columns, r=row: _cells(c, r))  # type: ignore[misc]
            except self._broken as error:
                rows = f"rows {self._read + 1} to {behind}"
                yield Broken(f"{self._name} {rows}", _first_line(error))
                self._read = behind

    def _refuse_a_bomb(self, group: Any) -> None:
        packed = sum(group.column(n).total_compressed_size for n in range(group.num_columns))
        plain = sum(group.column(n).total_uncompressed_size for n in range(group.num_columns))
        if plain > BOMB_BYTES and plain > BOMB_RATIO * packed:
            raise OSError(f"unpacks to more than {BOMB_RATIO} times its size, as no feed does")


def _exact(column: Any) -> Any:
    """Times in microseconds: Python has no finer ones."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column


def _cells(columns: dict[str, Any], row: int) -> Columns:
    cells = {}
    for name, column in columns.items():
        try:
            value = column[row].as_py()
        except (ValueError, OverflowError) as error:  # years after 9999, no UTF-8
            raise NoArticle("wrong_type", f"column {name!r}: {error}") from error
        if value is not None:
            cells[name] = value
    return cells


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
