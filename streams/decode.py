"""From the bytes of a message to an article, or to the reason why there is none."""

import json
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, get_args

import msgspec

from eventwire.models.records import Article
from eventwire.models.text import canonical

Reason = Literal[
    "empty_value",
    "too_large",
    "too_many_headers",
    "headers_too_large",
    "not_utf8",
    "not_json",
    "nested_too_deeply",
    "not_an_object",
    "missing_field",
    "wrong_type",
    "empty_field",
    "id_too_long",
    # What can still go wrong with an article that was read:
    "too_many_sentences",
    "sentence_too_long",
    "too_many_events",
    "coder_error",
    "coder_crash",
    "output_too_large",
]
REASONS: tuple[Reason, ...] = get_args(Reason)

MAX_ID_CHARACTERS = 512
MAX_HEADERS = 64
MAX_HEADER_BYTES = 65_536
"""Of all headers of a message together, names included. Both unless told otherwise."""

Headers = Sequence[tuple[str, bytes | None]]


class Refusal(NamedTuple):
    """Why a message becomes a dead letter."""

    reason: Reason
    message: str
    """One line: where, what was expected, what came."""


class _Refused(Exception):  # noqa: N818
    def __init__(self, reason: Reason, what: str) -> None:
        super().__init__(what)
        self.reason = reason


def decode(
    value: bytes,
    headers: Headers,
    *,
    where: str,
    max_bytes: int,
    max_headers: int = MAX_HEADERS,
    max_header_bytes: int = MAX_HEADER_BYTES,
) -> Article | Refusal:
    """The article of a message.

    `where` is the message's position, as in `news.articles.v1[0] offset 1841`. Strings are
    canonical: NUL and lone surrogates, which JSON can escape and UTF-8 cannot hold, are replaced
    one for one. Never raises for what a message contains.
    """
    try:
        _check_headers(headers, max_headers, max_header_bytes)
        _check_size(value, max_bytes)
        article = _parse(value)
        _check_fields(article)
    except _Refused as refused:
        return Refusal(refused.reason, f"{where}: {refused}")
    return article


def _check_size(value: bytes, max_bytes: int) -> None:
    if not value:
        raise _Refused("empty_value", "expected an article as JSON, got an empty value")
    if len(value) > max_bytes:
        raise _Refused("too_large", f"expected at most {max_bytes:,} bytes, got {len(value):,}")


def _check_headers(headers: Headers, most: int, max_bytes: int) -> None:
    if len(headers) > most:
        raise _Refused(
            "too_many_headers", f"expected at most {most:,} headers, got {len(headers):,}"
        )
    size = sum(
        len(name.encode(errors="replace")) + len(content or b"") for name, content in headers
    )
    if size > max_bytes:
        raise _Refused(
            "headers_too_large",
            f"expected headers of at most {max_bytes:,} bytes together, got {size:,}",
        )


def _parse(value: bytes) -> Article:
    try:
        text = value.decode("utf-8-sig")  # some tools put a byte order mark first
    except UnicodeDecodeError as error:
        raise _Refused(
            "not_utf8", f"expected UTF-8, got byte 0x{value[error.start]:02x} at {error.start}"
        ) from None
    try:
        article = msgspec.json.decode(text, type=Article)
    except RecursionError:
        raise _Refused(
            "nested_too_deeply", "expected an article, got JSON nested too deeply"
        ) from None
    except msgspec.DecodeError:
        # Escapes of lone surrogates and NaN are beyond msgspec, and seen in the wild; and for
        # what is wrong indeed we have words of our own.
        article = _convert(_load(text))
    fields = {
        name: canonical(content)
        for name in Article.__struct_fields__
        if (content := getattr(article, name)) is not None
    }
    return Article(**fields)


def _load(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer)
    except RecursionError:
        raise _Refused(
            "nested_too_deeply", "expected an article, got JSON nested too deeply"
        ) from None
    except ValueError as error:
        raise _Refused("not_json", f"expected JSON, got {str(error)[:200]}") from None


def _integer(digits: str) -> float:
    return float(digits[:400])  # no field of an article is a number: only its kind matters


def _convert(value: Any) -> Article:
    if not isinstance(value, dict):
        raise _Refused("not_an_object", f"expected a JSON object, got {_kind(value)}")
    for name in ("id", "text"):
        if name not in value:
            raise _Refused("missing_field", f"expected field '{name}', got {_kind(value)}")
    known: dict[str, str] = {}
    for name in Article.__struct_fields__:
        content = value.get(name)
        if isinstance(content, str):
            known[name] = content
        elif content is not None or name in ("id", "text"):
            raise _Refused("wrong_type", f"field '{name}': expected a string, got {_kind(content)}")
    return Article(**known)


def _check_fields(article: Article) -> None:
    for name in ("id", "text"):
        if not getattr(article, name).strip():
            raise _Refused("empty_field", f"field '{name}' is empty")
    if len(article.id) > MAX_ID_CHARACTERS:
        raise _Refused(
            "id_too_long",
            f"field 'id': expected at most {MAX_ID_CHARACTERS} characters, got {len(article.id):,}",
        )


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case dict():
            names = ", ".join(repr(name[:40]) for name in list(value)[:8])
            return f"an object with {names}" if names else "an empty object"
    return "an array"
