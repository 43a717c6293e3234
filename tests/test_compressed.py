import gzip
import io
import tracemalloc

import pytest
import zstandard

from eventwire.streams import compressed
from eventwire.streams.compressed import Bomb, Damaged, Unpacked

PACKS = {"gzip": gzip.compress, "zstd": zstandard.ZstdCompressor(write_checksum=True).compress}
PLAIN = b"".join(b"line %d %d\n" % (n, n * n * 7919) for n in range(20_000))


@pytest.fixture(params=sorted(PACKS))
def pack(request):
    return PACKS[request.param]


def opened(content):
    return io.BufferedReader(Unpacked(io.BytesIO(content)), 65_536)


def flipped(content, at):
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def test_a_plain_file_is_read_as_it_is():
    assert opened(PLAIN).read() == PLAIN
    assert opened(b"").read() == b""


def test_a_packed_file_is_told_by_its_content_and_unpacked(pack):
    assert opened(pack(PLAIN)).read() == PLAIN


def test_all_members_are_read(pack):
    members = [pack(b"member %d\n" % n) for n in range(500)]
    assert opened(b"".join(members)).read().count(b"\n") == 500


def test_zeros_that_fill_up_the_end_are_passed_over(pack):
    assert opened(pack(PLAIN) + b"\0" * 1000).read() == PLAIN


def test_the_position_is_how_much_of_the_packed_file_has_been_used(pack):
    packed = pack(PLAIN)
    file = opened(packed)
    file.read(len(PLAIN) // 2)
    assert 0.3 < file.raw.position / len(packed) < 0.7
    file.read()
    assert file.raw.position == len(packed)


@pytest.mark.parametrize("missing", [1, 5, 100])
def test_a_truncated_file_is_told(pack, missing):
    with pytest.raises(Damaged, match="truncated in what begins at byte 0"):
        opened(pack(PLAIN)[:-missing]).read()


def test_a_damaged_file_is_told_with_the_offset_of_its_member(pack):
    first, second = pack(b"first\n"), pack(PLAIN)
    with pytest.raises(Damaged, match=f"damaged in what begins at byte {len(first)}: "):
        opened(first + flipped(second, len(second) // 2)).read()


def test_reading_goes_on_at_the_member_behind_the_damage(pack):
    members = [pack(b"BEGIN %d %s\n" % (n, b"abc" * n)) for n in range(100)]
    members[50] = flipped(members[50], len(members[50]) - 2)
    file = opened(b"".join(members))
    with pytest.raises(Damaged):
        file.read()
    raw = file.detach()
    assert raw.seek_next(b"BEGIN")
    rest = io.BufferedReader(raw).read()
    assert rest.startswith(b"BEGIN 51 ")
    assert rest.count(b"\n") == 49


def test_where_no_member_follows_the_end_is_told(pack):
    file = opened(pack(PLAIN)[:-3])
    with pytest.raises(Damaged):
        file.read()
    assert not file.detach().seek_next(b"BEGIN")


def test_a_bomb_is_left_alone(pack, monkeypatch):
    monkeypatch.setattr(compressed, "BOMB_BYTES", 10_000_000)
    packed = pack(b"\0" * 8_000_000) * 4
    file = opened(packed)
    assert len(file.read(9_000_000)) == 9_000_000
    with pytest.raises(Bomb, match="unpack it yourself and replay the plain file"):
        file.read(8_000_000)


def test_memory_is_constant_however_much_comes_out(pack):
    file = opened(pack(b"\0" * 50_000_000))
    tracemalloc.start()
    while file.read(65_536):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000


def test_a_zstd_file_that_asks_for_too_much_memory_is_refused():
    parameters = zstandard.ZstdCompressionParameters(window_log=30, write_content_size=False)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = packer.compress(b"x" * 1000) + packer.flush()
    with pytest.raises(Damaged):
        opened(packed).read()
