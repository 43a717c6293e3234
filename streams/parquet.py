"""Events as a Parquet file. Needs pyarrow, which comes with `eventwire[export]`."""

from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.inspect import (
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    Type,
    UnionType,
    type_info,
)

from eventwire.models.records import Event
from eventwire.streams.feeds import moment

ROW_GROUP = 10_000
"""Events that are held in memory and make a row group: 20 to 50 MB."""

_MOMENTS = ("not_after", "detected_at")


def schema() -> pa.Schema:
    """Arrow types after the record's; `not_after` and `detected_at` are times, in UTC."""
    return pa.schema(
        pa.field(name, pa.timestamp("ms", tz="UTC")) if name in _MOMENTS else field
        for name, field in ((field.name, field) for field in _fields(type_info(Event)))
    )


class ParquetWriter:
    """A row an event, nested as the record is, compressed with zstd."""

    left_out = ""

    def __init__(self, out: BinaryIO) -> None:
        self._schema = schema()
        self._sink = _Sink(out)
        self._writer: pq.ParquetWriter | None = None  # it writes as soon as it is there
        self._rows: list[dict[str, Any]] = []

    def write(self, event: Event) -> bool:
        row = msgspec.to_builtins(event)
        for name in _MOMENTS:
            row[name] = moment(row[name])
        self._rows.append(row)
        if len(self._rows) == ROW_GROUP:
            self._flush()
        return True

    def close(self) -> None:
        self._flush().close()

    def abandon(self) -> None:
        self._sink.abandoned = True

    def _flush(self) -> pq.ParquetWriter:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._sink, self._schema, compression="zstd")
        if self._rows:
            table = pa.Table.from_pylist(self._rows, schema=self._schema)
            self._writer.write_table(table, row_group_size=ROW_GROUP)
            self._rows.clear()
        return self._writer


class _Sink:
    """A file that tells where it is, which a pipe does not."""

    closed = False
    abandoned = False
    """pyarrow ends a file that nobody wants any more as if all were in it."""

    def __init__(self, out: BinaryIO) -> None:
        self._out, self._position = out, 0

    def write(self, data: bytes) -> int:
        if not self.abandoned:
            self._out.write(data)
        self._position += len(data)
        return len(data)

    def tell(self) -> int:
        return self._position

    def flush(self) -> None:
        if not self.abandoned:
            self._out.flush()

    def close(self) -> None:
        """`out` is closed by who opened it."""

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False


def _fields(info: Type) -> list[pa.Field]:
    assert isinstance(info, StructType)
    return [
        pa.field(field.encode_name, _arrow(field.type), nullable=_nullable(field.type))
        for field in info.fields
    ]


def _nullable(info: Type) -> bool:
    return isinstance(info, UnionType) and info.includes_none


def _arrow(info: Type) -> pa.DataType:
    match info:
        case Metadata():
            return _arrow(info.type)
        case UnionType():
            (kind,) = (each for each in info.types if not isinstance(each, NoneType))
            return _arrow(kind)
        case ListType():
            return pa.list_(_arrow(info.item_type))
        case StructType():
            return pa.struct(_fields(info))
    return _SCALARS[type(info)]


_SCALARS = {
    StrType: pa.string(),
    LiteralType: pa.string(),
    IntType: pa.int64(),
    FloatType: pa.float64(),
}
