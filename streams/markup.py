"""Text of HTML: of the fragments in a feed, and of a page that is an article.

The columns that RSS, Atom and web archives give are those of an article.
"""

import html
import json
import logging
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from lxml import etree
from lxml import html as lxml_html

from eventwire.streams.formats import Columns, NoArticle

log = logging.getLogger(__name__)

_NAMES = """
address article aside blockquote body center dd div dl dt fieldset figcaption figure footer form h1
h2 h3 h4 h5 h6 header hr li main nav ol p pre section table td th tr ul
"""
_BLOCKS = frozenset(_NAMES.split())
_UNSEEN = frozenset(("script", "style", "noscript", "template", "head", "iframe", "svg"))
_META = """
article:published_time og:published_time datepublished parsely-pub-date dc.date.issued
dcterms.issued dcterms.created dc.date date pubdate publishdate publish-date sailthru.date
"""
_PUBLISHED = _META.split()
"""What pages call the time of publication in their <meta>, the surest first."""
_NEWS = re.compile(r"(News|Blog|Reportage|Opinion|Background|Analysis)?(Article|Posting|Report)\w*")
"""Types of schema.org that an article has."""
ELEMENTS = 50_000
"""Most that a page may have to be looked at; of news articles few have a tenth. The search for the
main text takes a minute, and a gigabyte, for six times as many."""

_TAG = re.compile(r"<[a-zA-Z/!?]")


def fragment_text(content: str) -> str:
    """Text of HTML as feeds carry it. Where no tag is in it, white space stays as it is."""
    if not _TAG.search(content):
        return html.unescape(content)
    parser = lxml_html.HTMLParser(remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(f"<div>{_storable(content)}</div>", parser)
    except etree.LxmlError:
        return ""
    return _paragraphs("".join(_pieces(root))) if root is not None else ""


def article_of(page: str, url: str) -> Columns:
    """What an article's page says: its main text, and what its head tells of it.

    A time of publication is one that the page names as such, never one found in its words. Raises
    NoArticle for a page that is too large.
    """
    # Not str: a page that declares an encoding is refused by lxml when it is decoded.
    parser = lxml_html.HTMLParser(encoding="utf-8", no_network=True)
    try:
        tree = lxml_html.document_fromstring(_storable(page).encode(), parser=parser)
    except (etree.LxmlError, ValueError):
        return {}
    if any(number >= ELEMENTS for number, _ in enumerate(tree.iter())):
        raise NoArticle("too_large", f"expected a page of at most {ELEMENTS:,} elements, got more")
    meta = _meta(tree)
    linked = _linked_data(tree)
    title = meta.get("og:title") or tree.findtext(".//title") or tree.findtext(".//h1")
    told = {
        "title": title,
        "url": url,
        "source": meta.get("og:site_name") or urlsplit(url).hostname,
        "published_at": next(
            (found for found in (linked, *(meta.get(name) for name in _PUBLISHED)) if found), None
        ),
        "language": tree.get("lang") or meta.get("og:locale"),
    }
    columns = {name: " ".join(said.split()) for name, said in told.items() if said}
    columns["language"] = columns.get("language", "").replace("_", "-")
    if not columns["language"]:
        del columns["language"]
    headings = {" ".join(heading.text_content().split()) for heading in tree.iter("h1")}
    paragraphs = _main_text(tree, url)
    if paragraphs and paragraphs[0] in headings:  # the title, which is no sentence of the text
        del paragraphs[0]
    # Our sentences end at paragraphs, which have a blank line between them.
    return columns | {"text": "\n\n".join(paragraphs)}


def _main_text(tree: Any, url: str) -> list[str]:
    try:
        found = _extractor()(tree, url=url, include_comments=False, include_tables=False)
    except Exception as error:  # noqa: BLE001 - a page may be anything; it has no article then
        log.debug("%s: %s", url, error)
        found = None
    return [line.strip() for line in (found or "").split("\n") if line.strip()]


@cache
def _extractor() -> Any:
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)  # what it lacks, we tell
    return trafilatura.extract


def _meta(tree: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop")
        if name and element.get("content"):
            found.setdefault(name.lower(), element.get("content"))
    return found


def _linked_data(tree: Any) -> str | None:
    """datePublished of the first article in the page's JSON-LD."""
    for script in tree.iter("script"):
        if (script.get("type") or "").lower() != "application/ld+json":
            continue
        try:
            data = json.loads(script.text or "")
        except (ValueError, RecursionError):
            continue
        for thing in _things(data):
            kinds = thing.get("@type")
            kinds = kinds if isinstance(kinds, list) else [kinds]
            told = thing.get("datePublished")
            if isinstance(told, str) and any(_NEWS.fullmatch(str(kind)) for kind in kinds):
                return told
    return None


def _things(data: Any) -> Iterator[dict[str, Any]]:
    """Objects of a JSON-LD document, which may stand in a list or a graph."""
    if isinstance(data, list):
        for one in data[:100]:
            if isinstance(one, dict):
                yield one
    elif isinstance(data, dict):
        yield data
        if isinstance(data.get("@graph"), list):
            yield from _things(data["@graph"])


def _pieces(root: Any) -> Iterator[str]:
    """Text of an element and all within it; a form feed stands where a block begins or ends."""
    unseen = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            unseen += tag in _UNSEEN
            yield "\f" if tag in _BLOCKS else "\v" if tag == "br" else ""
            yield "" if unseen else element.text or ""
        else:
            unseen -= tag in _UNSEEN
            yield "\f" if tag in _BLOCKS else ""
            if element is not root:
                yield "" if unseen else element.tail or ""


def _paragraphs(text: str) -> str:
    """Blocks with a blank line between them, lines where there was a <br>."""
    blocks = (
        "\n".join(" ".join(line.split()) for line in block.split("\v"))
        for block in text.split("\f")
    )
    return "\n\n".join(block.strip() for block in blocks if block.strip())


def _storable(content: str) -> str:
    """Without what libxml2 cannot hold."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", content)
