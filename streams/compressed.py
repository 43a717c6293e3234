"""The plain bytes of a file that is plain, gzip or zstd: in constant memory, through all members.

What is damaged is told with its offset, and reading can go on at the next member behind it.
"""

import hashlib
import io
import zlib
from pathlib import Path
from typing import Protocol

import zstandard

GZIP, ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"

CHUNK = 16_384
"""Bytes read at once; gzip makes at most a thousand times as many of them."""
ZSTD_CHUNK = 256
"""The same for zstd, whose decompressor has no limit: of four bytes come up to 128 KB."""
ZSTD_WINDOW = 2**27
"""Largest memory that a zstd file may ask for, which is what `zstd` takes without --long."""

BOMB_BYTES, BOMB_RATIO = 2**30, 500
"""Past a gigabyte no more than this many bytes for each that was packed. News packs to a tenth, at
best to a hundredth where articles repeat."""


class Damaged(OSError):  # noqa: N818
    """The file cannot be read from here on; the message is half a line with the offset."""


class Bomb(Damaged):
    """It unpacks to more than any feed does."""


class Raw(Protocol):
    """Such as a file opened in binary mode."""

    def read(self, size: int, /) -> bytes | None: ...


class _Member(Protocol):
    """What unpacks a member, as zlib has it."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Zstd:
    """A zstd frame. More than `max_length` may come, but not much more."""

    def __init__(self) -> None:
        unpacker = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW)
        self._frame = unpacker.decompressobj(write_size=CHUNK)
        self.unused_data = self.unconsumed_tail = b""

    @property
    def eof(self) -> bool:
        return self._frame.eof

    def decompress(self, data: bytes, _: int, /) -> bytes:
        made = self._frame.decompress(data[:ZSTD_CHUNK])
        self.unconsumed_tail = data[ZSTD_CHUNK:]
        if self.eof:
            self.unused_data = self._frame.unused_data + self.unconsumed_tail
        return made


class Unpacked(io.RawIOBase):
    """Plain bytes of `raw`, whose first bytes tell what it is; wrap it in a BufferedReader."""

    def __init__(self, raw: Raw) -> None:
        self._raw = raw
        self._pending = b""
        """Read and not yet used; it begins at `_offset` of the file."""
        self._offset = 0
        self._member: _Member | None = None
        self._began = 0
        """Where the member was that is being read."""
        self._made = 0
        self._fill(4)
        self._magic = next((m for m in (GZIP, ZSTD) if self._pending.startswith(m)), b"")

    @property
    def position(self) -> int:
        """How many bytes of the file have been used: how far reading has come."""
        return self._offset

    def tell(self) -> int:
        """How many plain bytes were handed out."""
        return self._made if self._magic else self._offset

    @property
    def packed(self) -> bool:
        return bool(self._magic)

    @property
    def offset(self) -> int:
        """Of the file, where the member began that is being read."""
        return self._began

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        made = self._some(len(buffer))
        buffer[: len(made)] = made
        return len(made)

    def seek_next(self, begins: bytes) -> bool:
        """Go to the next member whose content begins so, behind what is damaged; False: there is
        none, or this is a plain file. What a BufferedReader holds is from before."""
        self._member, self._left = None, b""
        while self._magic:
            at = self._pending.find(self._magic, max(0, self._began + 1 - self._offset))
            if at >= 0:
                self._use(at)
                if self._begins(begins):
                    return True
                continue
            self._use(max(0, len(self._pending) - len(self._magic) + 1))
            if not self._fill(len(self._pending) + 1):
                break
        return False

    # ------------------------------------------------------------------------------------ details

    _left = b""
    """Made and not yet asked for: zstd does not stop where it should."""

    def _some(self, size: int) -> bytes:
        """At most `size` bytes, none at the end."""
        if not self._magic:
            self._fill(1)
            made = self._pending[:size]
            self._use(len(made))
            return made
        while not self._left:
            if self._member is None and not self._next_member():
                return b""
            self._left = self._unpack(size)
        made, self._left = self._left[:size], self._left[size:]
        self._made += len(made)
        if self._made > BOMB_BYTES and self._made > BOMB_RATIO * self._offset:
            raise Bomb(
                f"unpacks to more than {BOMB_RATIO} times its size, as no feed does: if you trust"
                " it, unpack it yourself and replay the plain file"
            )
        return made

    def _next_member(self) -> bool:
        """Begin to read a member; False at the end of the file."""
        self._fill(len(self._magic))
        while self._pending.startswith(b"\0"):  # tapes and some tools fill up with them
            self._use(len(self._pending) - len(self._pending.lstrip(b"\0")))
            self._fill(len(self._magic))
        self._began = self._offset
        if not self._pending:
            return False
        self._member = zlib.decompressobj(31) if self._magic == GZIP else _Zstd()
        return True

    def _unpack(self, size: int) -> bytes:
        """What the next bytes become, perhaps nothing yet."""
        member = self._member
        assert member is not None
        if not self._fill(1):
            raise Damaged(f"truncated in what begins at byte {self._began:,}")
        try:
            made = member.decompress(self._pending, size)
        except (zlib.error, zstandard.ZstdError) as error:
            raise Damaged(f"damaged in what begins at byte {self._began:,}: {error}") from error
        left = member.unused_data if member.eof else member.unconsumed_tail
        if member.eof:
            self._member = None
        self._use(len(self._pending) - len(left))
        return made

    def _begins(self, content: bytes) -> bool:
        """Whether the member at the current offset unpacks, and begins so."""
        self._next_member()
        while len(self._left) < len(content) and self._member is not None:
            try:
                self._left += self._unpack(CHUNK)
            except Damaged:
                break
        if self._left.startswith(content):
            return True
        self._member, self._left = None, b""
        return False

    def _fill(self, size: int) -> bool:
        """Read until `size` bytes are pending; False if there are not so many."""
        while len(self._pending) < size:
            more = self._raw.read(CHUNK)
            if not more:
                return False
            self._pending += more
        return True

    def _use(self, size: int) -> None:
        self._pending = self._pending[size:]
        self._offset += size


def sha256(path: Path) -> str:
    """Of a file as it lies there, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
