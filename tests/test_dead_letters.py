import hashlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventwire.streams.dead_letters import (
    cut,
    dead_letter,
    is_dead_letter,
    original_headers,
    smaller,
)
from eventwire.streams.decode import Refusal
from eventwire.streams.outputs import Record

SOURCE = ("news.articles.v1", 3, 1841)


def letter(max_bytes: int = 1_000_000, **others: Any) -> Record:
    message: dict[str, Any] = {
        "key": b"a",
        "value": b"\xff\x00",
        "headers": [("x", b"\x80"), ("x", b"second"), ("none", None)],
        "timestamp_ms": 1_700_000_000_123,
    }
    return dead_letter(
        topic="dlq",
        source=SOURCE,
        refusal=Refusal("not_utf8", "news.articles.v1[3] offset 1841: expected UTF-8"),
        stage="VALUE_CONVERTER",
        max_bytes=max_bytes,
        **message | others,
    )


def test_key_value_headers_and_timestamp_stay_as_they_came() -> None:
    record = letter()
    assert (record.key, record.value, record.timestamp_ms) == (b"a", b"\xff\x00", 1_700_000_000_123)
    assert record.headers[:3] == [("x", b"\x80"), ("x", b"second"), ("none", None)]


def test_the_reason_travels_in_the_headers_of_kafka_connect_and_our_own() -> None:
    headers = dict(letter().headers)
    assert headers["__connect.errors.topic"] == b"news.articles.v1"
    assert headers["__connect.errors.partition"] == b"3"
    assert headers["__connect.errors.offset"] == b"1841"
    assert headers["__connect.errors.stage"] == b"VALUE_CONVERTER"
    assert headers["__connect.errors.exception.message"] == (
        b"news.articles.v1[3] offset 1841: expected UTF-8"
    )
    assert headers["eventwire-reason"] == b"not_utf8"


def test_what_fits_is_not_cut() -> None:
    assert not any(name == "eventwire-cut" for name, _ in letter().headers)


def test_what_is_too_large_is_cut_and_says_size_hash_and_position() -> None:
    value = bytes(range(256)) * 40
    record = letter(max_bytes=4_000, value=value)
    headers = dict(record.headers)
    assert record.size <= 4_000
    assert record.value
    assert value.startswith(record.value)
    assert headers["eventwire-cut"] == b"value"
    assert headers["eventwire-original-size"] == b"10240"
    assert headers["eventwire-original-sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert headers["eventwire-original-position"] == b"news.articles.v1[3]@1841"


def test_headers_of_the_message_go_when_cutting_the_value_is_not_enough() -> None:
    record = letter(max_bytes=3_000, headers=[("small", b"s"), ("large", b"l" * 5_000)])
    names = [name for name, _ in record.headers]
    assert record.size <= 3_000
    assert "small" in names
    assert "large" not in names
    assert "eventwire-reason" in names


def test_a_key_of_any_length_is_cut_to_its_hash_at_last() -> None:
    record = letter(max_bytes=3_000, key=b"k" * 9_000)
    assert record.size <= 3_000
    assert record.key == hashlib.sha256(b"k" * 9_000).hexdigest().encode()


def test_cutting_again_keeps_the_first_size_and_hash() -> None:
    value = b"v" * 10_000
    once = letter(max_bytes=5_000, value=value)
    twice = cut(once, 3_000)
    assert twice.size <= 3_000
    assert dict(twice.headers)["eventwire-original-size"] == b"10000"


def test_smaller_ends_where_nothing_is_left_to_cut() -> None:
    record: Record | None = letter(value=b"v" * 100_000)
    sizes = []
    while record is not None:
        assert is_dead_letter(record)
        sizes.append(record.size)
        record = smaller(record)
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) < 12


@given(
    st.binary(max_size=5_000),
    st.binary(max_size=5_000),
    st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=3_000)), max_size=5),
    st.integers(2_500, 20_000),
)
def test_whatever_came_the_dead_letter_fits(
    key: bytes, value: bytes, headers: list[tuple[str, bytes | None]], limit: int
) -> None:
    record = letter(max_bytes=limit, key=key, value=value, headers=headers)
    assert record.size <= limit
    assert is_dead_letter(record)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["x", "__connect.errors.topic", "eventwire-reason"])
            | st.text(max_size=9),
            st.none() | st.binary(max_size=9),
        ),
        max_size=9,
    )
)
def test_the_headers_that_came_with_a_message_can_be_told_from_ours(
    headers: list[tuple[str, bytes | None]],
) -> None:
    # Also of one that was a dead letter itself.
    assert original_headers(letter(headers=headers).headers) == headers


def test_of_what_is_no_dead_letter_all_headers_came_with_the_message() -> None:
    assert original_headers([("x", b"1"), ("y", None)]) == [("x", b"1"), ("y", None)]
