"""Compressed batches of Kafka, unpacked up to a limit.

Brokers bound a batch as it is sent, compressed: nine kilobytes of zstd can be 300 megabytes of
articles. aiokafka unpacks all of it, and the worker would be ended for want of memory, and again
after every start.
"""

import io
import struct
import zlib
from collections.abc import Callable

import cramjam
from aiokafka.record import default_records, legacy_records

LEAST_LIMIT = 64 * 2**20
"""Bytes. Producers bound their batches before they compress them, mostly at one MiB."""
FIRST_BUFFER = 2**20
XERIAL_HEADER = b"\x82SNAPPY\x00"
XERIAL_HEADER_BYTES = 16
"""With its two version numbers."""


class BatchTooLarge(Exception):  # noqa: N818
    """A batch holds more than may be unpacked."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a compressed batch holds more than {limit:,} bytes")


def bound(article_max_bytes: int) -> None:
    """For the whole process, which is the worker's own: batches above the limit raise
    BatchTooLarge."""
    limit = max(LEAST_LIMIT, 2 * article_max_bytes)
    decoders: dict[str, Callable[[bytes, int], bytes]] = {
        "gzip_decode": gzip,
        "snappy_decode": snappy,
        "lz4_decode": lz4,
        "zstd_decode": zstd,
    }
    # The classes come from C extensions where these could be built, and look the names up there.
    for kind in (default_records.DefaultRecordBatch, legacy_records.LegacyRecordBatch):
        module = __import__(kind.__module__, fromlist=["_"])
        for name, decode in decoders.items():
            if hasattr(module, name):
                setattr(module, name, lambda data, decode=decode: decode(bytes(data), limit))


def gzip(data: bytes, limit: int) -> bytes:
    made = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data, limit + 1)
    if len(made) > limit:
        raise BatchTooLarge(limit)
    return made


def snappy(data: bytes, limit: int) -> bytes:
    """As one block, or as the blocks that Java's snappy writes."""
    blocks = [data]
    if data.startswith(XERIAL_HEADER):
        blocks, stream = [], io.BytesIO(data[XERIAL_HEADER_BYTES:])
        while size := stream.read(4):
            blocks.append(stream.read(*struct.unpack(">i", size)))
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > limit:
        raise BatchTooLarge(limit)
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def lz4(data: bytes, limit: int) -> bytes:
    return _into(cramjam.lz4.decompress_into, data, limit)


def zstd(data: bytes, limit: int) -> bytes:
    return _into(cramjam.zstd.decompress_into, data, limit)


def _into(decompress_into: Callable[[bytes, bytearray], int], data: bytes, limit: int) -> bytes:
    """The buffer grows until all fits, or to the limit."""
    size = FIRST_BUFFER
    while True:
        size = min(max(size, 8 * len(data)), limit)
        buffer = bytearray(size)
        try:
            return bytes(memoryview(buffer)[: decompress_into(data, buffer)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error):
                raise
            if size == limit:
                raise BatchTooLarge(limit) from None
        size *= 8
