import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import cramjam
import pytest
from aiokafka import codec
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatch
from conftest import RUN, Room, WorkerProcess

from eventwire.streams import record_batches
from eventwire.streams.record_batches import BatchTooLarge

LIMIT = 3_000_000
CODECS = [
    (codec.gzip_encode, record_batches.gzip),
    (codec.snappy_encode, record_batches.snappy),
    (lambda data: codec.snappy_encode(data, xerial_compatible=False), record_batches.snappy),
    (codec.lz4_encode, record_batches.lz4),
    (codec.zstd_encode, record_batches.zstd),
]
Encode = Callable[[bytes], bytes]
Decode = Callable[[bytes, int], bytes]


@pytest.mark.parametrize(("encode", "decode"), CODECS)
@pytest.mark.parametrize(
    "data", [b"", b"a", b"They met. " * 1000, b"\0" * LIMIT, bytes(range(256))]
)
def test_what_fits_the_limit_is_unpacked_as_it_was(
    encode: Encode, decode: Decode, data: bytes
) -> None:
    assert decode(bytes(encode(data)), LIMIT) == data


@pytest.mark.parametrize(("encode", "decode"), CODECS)
@pytest.mark.parametrize("size", [LIMIT + 1, 100_000_000])
def test_what_is_larger_is_refused_and_never_held(
    encode: Encode, decode: Decode, size: int
) -> None:
    bomb = bytes(encode(bytes(size)))
    tracemalloc.start()
    try:
        with pytest.raises(BatchTooLarge, match="a compressed batch holds more than 3,000,000 byt"):
            decode(bomb, LIMIT)
        assert tracemalloc.get_traced_memory()[1] < 3 * LIMIT + 4 * len(bomb)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("decode", [record_batches.lz4, record_batches.zstd, record_batches.snappy])
def test_what_is_not_compressed_is_an_error_of_its_own(decode: Decode) -> None:
    with pytest.raises(cramjam.DecompressionError):
        decode(b"\xffno compression at all", LIMIT)


@pytest.fixture
def restored() -> Iterator[None]:
    """Aiokafka is as it was after the test."""
    modules = [sys.modules[k.__module__] for k in (DefaultRecordBatch, LegacyRecordBatch)]
    before = [(m, n, getattr(m, n)) for m in modules for n in vars(m) if n.endswith("_decode")]
    yield
    for module, name, decode in before:
        setattr(module, name, decode)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("compression", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_aiokafka_unpacks_batches_up_to_the_limit(
    compression: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_batches, "LEAST_LIMIT", 0)
    record_batches.bound(LIMIT // 2)
    [record] = batch(b"They met.", compression)
    assert record.value == b"They met."
    with pytest.raises(BatchTooLarge):
        list(batch(bytes(LIMIT), compression))


def batch(value: bytes, compression: int) -> Iterator[Any]:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=compression, is_transactional=False,
        producer_id=-1, producer_epoch=-1, base_sequence=-1, batch_size=2 * LIMIT,
    )  # fmt: skip
    builder.append(0, timestamp=1, key=None, value=value, headers=[])
    return DefaultRecordBatch(bytes(builder.build()))


def test_a_worker_ends_in_one_line_before_a_batch_fills_its_memory(
    new_room: Callable[..., Room], new_worker: Callable[..., WorkerProcess]
) -> None:
    room = new_room("bomb", partitions=1)
    limit = "from eventwire.streams import record_batches; record_batches.LEAST_LIMIT = 100"
    program = f"{limit}; {RUN}"
    worker = new_worker(room, program=program)
    worker.wait_for_log("given partitions", 60)
    room.ledger_of(room.send_article("a", "They met."), 60)
    room.send(bytes(2 * 1_048_576 + 1), compression="zstd")
    assert worker.wait(60) == 1
    last = worker.logged.splitlines()[-1]
    assert f"{room.topics.articles.name}[0]: a compressed batch holds more than 2,097,152" in last
    assert "Traceback" not in worker.logged
