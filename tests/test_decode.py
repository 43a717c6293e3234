import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwire.models.records import Article
from eventwire.models.text import canonical
from eventwire.streams.decode import Refusal, decode

WHERE = "news.articles.v1[0] offset 1841"


def read(value: bytes, headers: list[tuple[str, bytes | None]] | None = None) -> Article | Refusal:
    return decode(value, headers or [], where=WHERE, max_bytes=10_000)


def refusal(value: bytes, headers: list[tuple[str, bytes | None]] | None = None) -> Refusal:
    refused = read(value, headers)
    assert isinstance(refused, Refusal), refused
    return refused


@pytest.mark.parametrize(
    ("value", "reason", "said"),
    [
        (b"", "empty_value", "expected an article as JSON, got an empty value"),
        (b"null", "not_an_object", "expected a JSON object, got null"),
        (b"[1]", "not_an_object", "expected a JSON object, got an array"),
        (b'"text"', "not_an_object", "expected a JSON object, got a string"),
        (b"12", "not_an_object", "expected a JSON object, got a number"),
        (b'{"id": "a", "text": "\xff"}', "not_utf8", "expected UTF-8, got byte 0xff at 21"),
        (b'{"id": "a", "text"', "not_json", "expected JSON, got Expecting ':' delimiter"),
        (b"{'id': 'a'}", "not_json", "expected JSON, got Expecting property name"),
        (b'{"text": "x"}', "missing_field", "expected field 'id', got an object with 'text'"),
        (b'{"id": "a"}', "missing_field", "expected field 'text', got an object with 'id'"),
        (b"{}", "missing_field", "expected field 'id', got an empty object"),
        (b'{"id": 7, "text": "x"}', "wrong_type", "field 'id': expected a string, got a number"),
        (b'{"id": "a", "text": null}', "wrong_type", "field 'text': expected a string, got null"),
        (
            b'{"id": "a", "text": ["x"]}',
            "wrong_type",
            "field 'text': expected a string, got an array",
        ),
        (
            b'{"id": "a", "text": "x", "title": true}',
            "wrong_type",
            "field 'title': expected a string, got true or false",
        ),
        (
            b'{"id": "a", "text": "x", "source": {"id": null, "name": "The Daily"}}',
            "wrong_type",
            "field 'source': expected a string, got an object with 'id', 'name'",
        ),
        (b'{"id": "a", "text": ""}', "empty_field", "field 'text' is empty"),
        (b'{"id": "a", "text": " \\n\\u00a0"}', "empty_field", "field 'text' is empty"),
        (b'{"id": " ", "text": "x"}', "empty_field", "field 'id' is empty"),
    ],
)
def test_what_is_no_article_is_refused_with_reason_place_and_what_came(
    value: bytes, reason: str, said: str
) -> None:
    refused = refusal(value)
    assert refused.reason == reason
    assert refused.message.startswith(f"{WHERE}: {said}")
    assert "\n" not in refused.message


def test_an_id_of_endless_length_is_refused() -> None:
    assert refusal(json.dumps({"id": "i" * 513, "text": "x"}).encode()).reason == "id_too_long"


def test_a_message_over_the_limit_is_refused_with_both_sizes() -> None:
    refused = refusal(b"{" + b" " * 10_000)
    assert refused == Refusal("too_large", f"{WHERE}: expected at most 10,000 bytes, got 10,001")


@pytest.mark.parametrize("bomb", ["[" * 4_000 + "]" * 4_000, '{"a":' * 1_500 + "1" + "}" * 1_500])
def test_json_nested_too_deeply_is_refused(bomb: str) -> None:
    value = f'{{"id": "a", "text": "x", "more": {bomb}}}'.encode()
    assert refusal(value).reason == "nested_too_deeply"


@pytest.mark.parametrize(
    ("headers", "reason", "said"),
    [
        ([("h", b"")] * 4, "too_many_headers", "expected at most 3 headers, got 4"),
        (
            [("h", b"x" * 100)],
            "headers_too_large",
            "expected headers of at most 100 bytes together, got 101",
        ),
        (
            [("é" * 51, None)],
            "headers_too_large",
            "expected headers of at most 100 bytes together, got 102",
        ),
    ],
)
def test_too_many_or_too_large_headers_are_refused(
    headers: list[tuple[str, bytes | None]], reason: str, said: str
) -> None:
    refused = decode(
        b"not even read", headers, where=WHERE, max_bytes=100, max_headers=3, max_header_bytes=100
    )
    assert refused == Refusal(reason, f"{WHERE}: {said}")  # type: ignore[arg-type]


def test_headers_at_their_limits_are_no_reason_to_refuse() -> None:
    headers: list[tuple[str, bytes | None]] = [("h", b"x" * 32)] * 3
    value = b'{"id": "a", "text": "x"}'
    article = decode(
        value, headers, where=WHERE, max_bytes=len(value), max_headers=3, max_header_bytes=99
    )
    assert article == Article(id="a", text="x")


def test_unknown_fields_are_tolerated_even_where_no_standard_json_number() -> None:
    for number in (b"NaN", b"-Infinity", b"1e999", b"9" * 5_000):
        article = read(b'{"id": "a", "text": "x", "views": ' + number + b"}")
        assert article == Article(id="a", text="x")


def test_a_byte_order_mark_is_not_part_of_the_article() -> None:
    assert read(b'\xef\xbb\xbf{"id": "a", "text": "x"}') == Article(id="a", text="x")


def test_optional_fields_may_be_null() -> None:
    article = read(b'{"id": "a", "text": "x", "title": null, "language": "en"}')
    assert article == Article(id="a", text="x", language="en")


def test_nul_and_lone_surrogates_are_replaced_one_for_one() -> None:
    value = b'{"id": "a\\ud800", "text": "Army\\u0000 shelled\\ud83d the \\ud83d\\ude00 port."}'
    article = read(value)
    assert isinstance(article, Article)
    assert article.id == "a\ufffd"
    assert article.text == "Army\ufffd shelled\ufffd the \U0001f600 port."


@given(st.text(st.characters(exclude_categories=()), min_size=1))
def test_any_text_is_read_as_the_standard_library_reads_it(text: str) -> None:
    article = read(json.dumps({"id": "a", "text": f"x{text}"}).encode())
    assert isinstance(article, Article)
    # Escapes of a high and a low surrogate one after the other are one character in JSON.
    joined = json.loads(json.dumps(f"x{text}"))
    assert article.text == canonical(joined)
    assert len(article.text) == len(joined)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_raise(value: bytes) -> None:
    read(value)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["id", "text", "title", "x"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_an_article_or_refused_with_a_reason(value: object) -> None:
    result = read(json.dumps(value).encode())
    assert isinstance(result, Article) or result.reason
