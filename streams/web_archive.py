"""WARC and WET: the articles among the pages of a web archive."""

import codecs
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, BinaryIO, cast

from warcio.bufferedreaders import BufferedReader, ChunkedDataException
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecordLoader
from warcio.statusandheaders import StatusAndHeadersParserException

from eventwire.streams.compressed import Damaged, Unpacked
from eventwire.streams.decode import MAX_ID_CHARACTERS
from eventwire.streams.formats import Broken, Columns, NoArticle, Record, Skipped
from eventwire.streams.markup import article_of

PAGE_BYTES = 8_388_608
"""Largest page that is looked at, unpacked."""
HEADER_BYTES = 65_536
"""Of a record and of its HTTP response each."""

_MAGIC = b"WARC/"
_FAULTS = (
    *(ArchiveLoadFailed, StatusAndHeadersParserException, EOFError, ValueError),
    *(AttributeError, TypeError),  # warcio's, of records that lack a header
)


def records(name: str, file: BinaryIO, unpacked: Unpacked) -> Iterator[Record | Skipped | Broken]:
    """Records of an archive, be it packed record by record, as a whole or not at all.

    Behind what is damaged, reading goes on at the next record that begins.
    """
    archive = _Archive(name, file, unpacked)
    yield from archive.records()


class _Archive:
    def __init__(self, name: str, file: BinaryIO, unpacked: Unpacked) -> None:
        self._name, self._unpacked = name, unpacked
        self._stream = _Stream(file)
        self._loader = ArcWarcRecordLoader(verify_http=False)
        self._number, self._last_offset = 0, -1

    def records(self) -> Iterator[Record | Skipped | Broken]:
        more = True
        while more:
            self._number += 1
            try:
                line = self._stream.first_line()
                if not line:
                    return
                self._stream.allow(HEADER_BYTES)
                record = self._loader.parse_record_stream(self._stream, line, "warc")
                self._stream.allow(None)
                entry = self._entry(self._where, record)
                self._finish(record)
                yield entry
            except Damaged as error:
                yield Broken(self._where, str(error))
                more = self._unpacked.seek_next(_MAGIC)
                self._stream = self._stream.behind(self._unpacked)
                continue
            except _FAULTS as error:
                said = str(error).strip()[:200] or type(error).__name__
                yield Broken(self._where, f"expected a WARC record: {said}")
                more = self._stream.seek_line(_MAGIC)
            self._last_offset = self._unpacked.offset

    @property
    def _where(self) -> str:
        """The byte is the file's where the record is packed alone, or not at all."""
        at = f"byte {self._stream.began:,}"
        if self._unpacked.packed:
            alone = self._unpacked.offset > self._last_offset
            at = f"byte {self._unpacked.offset:,}" if alone else f"{at} unpacked"
        return f"{self._name} record {self._number} ({at})"

    def _entry(self, where: str, record: Any) -> Record | Skipped:
        """The record, if it may be an article; its content is read now, since the next comes."""
        kind = record.rec_type
        headers = record.http_headers if kind == "response" else record.rec_headers
        if kind not in ("response", "resource", "conversion") or headers is None:
            return Skipped(where, f"a {kind}")
        if kind == "response" and headers.get_statuscode() != "200":
            return Skipped(where, f"HTTP status {headers.get_statuscode()}")
        content_type = headers.get_header("Content-Type") or ""
        media_type = content_type.partition(";")[0].strip().lower()
        if media_type not in ("text/html", "application/xhtml+xml", "text/plain"):
            return Skipped(where, f"of type {media_type or 'unknown'}")
        url = (record.rec_headers.get_header("WARC-Target-URI") or "").strip("<>")
        try:
            content = self._content(record, headers)
        except NoArticle as error:
            return Record(where, _raising(error))
        return Record(where, lambda: _columns(content, content_type, media_type, url))

    def _content(self, record: Any, headers: Any) -> bytes:
        encoding = (headers.get_header("Content-Encoding") or "identity").lower()
        if encoding not in ("identity", *BufferedReader.get_supported_decompressors()):
            hint = ": pip install brotli" if encoding == "br" else ""
            raise NoArticle("wrong_type", f"Content-Encoding {encoding} cannot be read{hint}")
        stream = record.content_stream() if record.rec_type == "response" else record.raw_stream
        content = bytearray()
        try:
            while len(content) <= PAGE_BYTES and (more := stream.read(65_536)):
                content += more
        except (ChunkedDataException, zlib.error) as error:
            raise NoArticle("wrong_type", f"its HTTP body is damaged: {error}") from error
        if len(content) > PAGE_BYTES:
            raise NoArticle("too_large", f"expected a page of at most {PAGE_BYTES:,} bytes")
        return bytes(content)

    def _finish(self, record: Any) -> None:
        """Read to the end of the record. Raises Damaged where the file ends first."""
        while record.raw_stream.read(65_536):
            pass
        if getattr(record.raw_stream, "limit", 0):
            missing = record.raw_stream.limit
            raise EOFError(f"its content ends {missing:,} bytes before its Content-Length")


class _Stream:
    """What warcio reads from. It reads whole lines, however long: here they have an end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._position = 0
        self._allowed: int | None = None
        self._found = b""
        self.began = 0

    def behind(self, unpacked: Unpacked) -> "_Stream":
        """What goes on there: what this one holds is from before."""
        cast(io.BufferedReader, self._file).detach()
        stream = _Stream(cast(BinaryIO, io.BufferedReader(unpacked, 65_536)))
        stream._position = stream.began = self._position
        return stream

    def allow(self, size: int | None) -> None:
        """How many bytes of lines may be read."""
        self._allowed = size

    def read(self, size: int | None = None) -> bytes:
        found = self._file.read(-1 if size is None else size)
        self._position += len(found)
        return found

    def readline(self, size: int | None = None) -> bytes:
        most = HEADER_BYTES if size is None else min(size, HEADER_BYTES)
        line = self._file.readline(most)
        self._position += len(line)
        if self._allowed is not None:
            self._allowed -= len(line)
            if self._allowed < 0:
                raise ValueError(f"headers of more than {HEADER_BYTES:,} bytes")
        return line

    def tell(self) -> int:
        return self._position

    def first_line(self) -> str:
        """The next line that is not blank, where a record should begin; empty at the end."""
        self._allowed = None
        line = self._found
        self._found = b""
        while not line.strip():
            self.began = self._position
            if not (line := self.readline()):
                return ""
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def seek_line(self, begins: bytes) -> bool:
        """Go to the next line that begins so; False where there is none."""
        self._allowed = None
        while True:
            self.began = self._position
            if not (line := self.readline()):
                return False
            if line.startswith(begins):
                self._found = line
                return True


def _columns(content: bytes, content_type: str, media_type: str, url: str) -> Columns | Skipped:
    page = _decoded(content, content_type)
    made: Columns = {"text": page, "url": url} if media_type == "text/plain" else {}
    columns = made or article_of(page, url)
    if not str(columns.get("text") or "").strip():
        return Skipped("", "a page without an article")
    identity = url
    if not url or len(url) > MAX_ID_CHARACTERS:
        identity = f"sha256:{hashlib.sha256(url.encode() or content).hexdigest()}"
    return {name: said for name, said in columns.items() if said} | {"id": identity}


_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE)


def _decoded(content: bytes, content_type: str) -> str:
    """As the server says, else as the page says, else UTF-8, else as browsers guess."""
    said = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type, re.IGNORECASE)
    found = _CHARSET.search(content[:4096])
    named = said[1] if said else found[1].decode() if found else ""
    if content.startswith(codecs.BOM_UTF8):
        return content.decode("utf-8-sig", "replace")
    if named and named.lower() not in ("iso-8859-1", "us-ascii"):  # which mean the last
        with suppress(LookupError):
            return content.decode(named, "replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _raising(error: NoArticle) -> Any:
    def read() -> Columns:
        raise error

    return read
