"""RSS and Atom, as they come: an item at a time, so that memory does not grow with the file."""

import hashlib
import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, cast

import feedparser

from eventwire.streams.compressed import Damaged
from eventwire.streams.decode import MAX_ID_CHARACTERS
from eventwire.streams.feeds import FeedError
from eventwire.streams.formats import Broken, Columns, NoArticle, Record
from eventwire.streams.markup import fragment_text

HEAD_BYTES = 262_144
"""Before the first item: the channel's own title, language and namespaces."""
ITEM_BYTES = 4_194_304
"""Of an item with all its markup."""


class records:  # noqa: N801 - used as a function is
    """Items of a feed. Raises FeedError where it is none.

    feedparser reads every item alone, behind the head of its feed. It is not given the document
    type: entities that are declared there can make gigabytes of a line, or read a file of ours.
    """

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name, self._scan = name, _Scan(name, file)

    def tell(self) -> int:
        return self._scan.offset

    def __iter__(self) -> Iterator[Record | Broken]:
        head = self._scan.head()
        opened = _opened(head)
        for number, item in enumerate(self._scan.items(), 1):
            where = f"{self._name} item {number} (byte {item.offset:,})"
            if item.fault:
                yield Broken(where, item.fault)
            else:
                document = head + item.content + opened
                yield Record(where, lambda document=document: _columns(document))  # type: ignore[misc]


class _Item(NamedTuple):
    offset: int
    content: bytes
    fault: str = ""
    """Why it cannot be read; else empty."""


_BEGIN = re.compile(rb"<((?:[\w.-]+:)?(?:item|entry))(?=[\s>/])")
_DOCTYPE = re.compile(rb"<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_HIDDEN = {b"<!--": b"-->", b"<![CDATA[": b"]]>"}
"""What hides tags, and where it ends."""
_TAG = re.compile(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<(/?)([\w.:-]+)[^<>]*?(/?)>", re.DOTALL)


class _Scan:
    """Cuts a feed into its head and its items, by their tags: what else is wrong in the one does
    not matter to the others."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self._name, self._file = name, file
        self._held = b""
        self.offset = 0
        """Of what is held, in the plain file."""
        self._fault = ""

    def head(self) -> bytes:
        while not (found := _BEGIN.search(self._held)):
            if len(self._held) > HEAD_BYTES or not self._more():
                break
        if self._held.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise FeedError(
                f"{self._name} is UTF-16: expected UTF-8, as `iconv -f UTF-16 -t UTF-8` makes it"
            )
        head = self._held[: found.start()] if found else self._held
        if found is None and (
            self._fault or not re.search(rb"<(rss|feed|rdf:RDF|channel)\b", head)
        ):
            raise FeedError(
                f"{self._name}: expected RSS or Atom, with an <item> or <entry> in its first"
                f" {HEAD_BYTES:,} bytes, got none" + (f": {self._fault}" if self._fault else "")
            )
        self._drop(len(head))
        return _DOCTYPE.sub(b"", head)

    def items(self) -> Iterator[_Item]:
        while True:
            while not (begin := _BEGIN.search(self._held)):
                self._drop(max(0, len(self._held) - 300))  # a tag may have come in half
                if not self._more():
                    if self._fault:
                        yield _Item(self.offset, b"", self._fault)
                    self._drop(len(self._held))
                    return
            self._drop(begin.start())
            offset, end = self.offset, self._end(begin[1])
            if end is None:
                yield _Item(offset, b"", self._fault or "expected its end, got that of the file")
                return
            if end > ITEM_BYTES:
                yield _Item(offset, b"", f"expected at most {ITEM_BYTES:,} bytes, got more")
            else:
                yield _Item(offset, self._held[:end])
            self._drop(end)

    def _end(self, tag: bytes) -> int | None:
        """Where the item ends that is held from its first byte on; past ITEM_BYTES if it is longer,
        None if the file ends first."""
        mark = re.compile(rb"<!--|<!\[CDATA\[|</%b\s*>|<%b(?=[\s>/])" % (tag, tag))
        at = len(tag) + 1
        while True:
            found = mark.search(self._held, at)
            if found and found[0].startswith(b"</"):
                return found.end()
            if found and found[0] not in _HIDDEN:  # the next one begins: this has no end
                return found.start()
            if found:
                closing = _HIDDEN[found[0]]
                end = self._held.find(closing, found.end())
                if end >= 0:
                    at = end + len(closing)
                    continue
            scanned = len(self._held)
            if scanned > ITEM_BYTES:
                return scanned
            if not self._more():
                return None
            at = found.start() if found else max(at, scanned - 300)  # a tag may come in half

    def _more(self) -> bool:
        try:
            more = cast(io.BufferedReader, self._file).read1(65_536)
        except Damaged as error:
            self._fault, more = str(error), b""
        self._held += more
        return bool(more)

    def _drop(self, size: int) -> None:
        self._held = self._held[size:]
        self.offset += size


def _opened(head: bytes) -> bytes:
    """The end tags that the head lacks."""
    tags: list[bytes] = []
    for end, tag, alone in _TAG.findall(head):
        if end and tag in tags:
            while tags.pop() != tag:
                pass
        elif tag and not end and not alone:
            tags.append(tag)
    return b"".join(b"</%b>" % tag for tag in reversed(tags))


def _columns(document: bytes) -> Columns:
    # Bytes alone would be taken for the name of a file, if there is one.
    parsed = feedparser.parse(
        io.BytesIO(document), sanitize_html=False, resolve_relative_uris=False
    )
    if not parsed.entries:
        fault = str(parsed.get("bozo_exception") or "no item")[:200]
        raise NoArticle("wrong_type", f"expected an item of RSS or Atom, got {fault}")
    entry, channel = parsed.entries[0], parsed.feed
    summary = _plain(entry.get("summary_detail"))
    content = "\n\n".join(filter(None, map(_plain, entry.get("content", []))))
    columns = {
        "text": max(content, summary, key=len),
        "summary": summary,
        "content": content,
        "title": _plain(entry.get("title_detail")),
        # feedparser takes the id for a link where the feed does not say that it is none.
        "url": entry.get("link") if "://" in entry.get("link", "") else None,
        "author": entry.get("author"),
        "source": entry.get("source", {}).get("title") or _plain(channel.get("title_detail")),
        # Of RSS 1.0 and Atom what was updated last; feedparser's own reading of it is not asked.
        "published_at": entry.get("published") or dict.get(entry, "updated"),
        "language": channel.get("language"),
    }
    columns["id"] = entry.get("id") or columns["url"] or _made_id(columns["text"])
    if len(columns["id"]) > MAX_ID_CHARACTERS:
        columns["id"] = _made_id(columns["id"])
    return {name: said for name, said in columns.items() if said or name == "text"}


def _plain(detail: Any) -> str:
    if not detail or not detail.get("value"):
        return ""
    value = str(detail["value"])
    return value if detail.get("type") == "text/plain" else fragment_text(value)


def _made_id(of: str) -> str:
    """The same for the same, where a feed has none or too long a one."""
    return f"sha256:{hashlib.sha256(of.encode(errors='replace')).hexdigest()}"
