"""Inputs for the decoder that nobody would think of: `python tests/fuzz_decoder.py [COUNT] [SEED]`.

Starts from the inputs in fuzz_seeds.txt, a Python literal a line, and changes them: bytes, numbers,
pieces of JSON, pieces of other inputs. What `decode` answers in a way that was not seen before is
changed further. An input that breaks `check` is printed as a line for fuzz_seeds.txt, whose every
line test_fuzz_decoder.py tries; and so are, at the end, the inputs that found something new.
"""

import ast
import re
import sys
import time
from pathlib import Path
from random import Random

import msgspec

from eventwire.models.records import Article
from eventwire.models.text import canonical
from eventwire.streams.decode import MAX_ID_CHARACTERS, REASONS, Headers, Refusal, decode

SEEDS = Path(__file__).with_name("fuzz_seeds.txt")
WHERE = "news.articles.v1[0] offset 1841"
MAX_BYTES = 4_096
KEPT_BYTES = 8_192
"""Longest input that is changed further; longer ones only cost time."""
SLOW_SECONDS = 1.0
MESSAGE_CHARACTERS = 1_000

NUMBERS = re.compile(r"\b(0x)?[0-9a-f]*[0-9][0-9a-f,]*\b|0x[a-f]+")

PIECES = (
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"'", b"/*"),
    *(b"//", b" ", b"\n", b"\r", b"\t"),
    *(b"null", b"true", b"-0", b"1e999", b"NaN", b"Infinity", b"0x1", b"9" * 400),
    *(b'"id"', b'"text"', b'"title"', b'"published_at"', b'"language"'),
    *(b'{"id": "a", "text": "b"}', b"[" * 2_000, b'{"a":' * 600, b"a" * 600),
    *(b"\\u0000", b"\\ud800", b"\\udc00", b"\\ud83d\\ude00", b"\\uFFFF", b"\\u12", b"\\x", b"\\n"),
    *(b"\x00", b"\x1b[2J", b"\x7f", b"\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(b"\xff\xfe", b"\xef\xbb\xbf"),
    *(c.encode() for c in ("\u202e", "e\u0301", "\u2028", "\U0001f600")),
)  # fmt: skip

Input = tuple[bytes, Headers]


def check(value: bytes, headers: Headers) -> str:
    """What kind of answer it got; raises AssertionError where the decoder broke its word."""
    began = time.monotonic()
    found = decode(value, headers, where=WHERE, max_bytes=MAX_BYTES)
    assert time.monotonic() - began < SLOW_SECONDS, "slow"
    if isinstance(found, Refusal):
        assert found.reason in REASONS
        assert found.message.startswith(f"{WHERE}: ")
        assert len(found.message) < MESSAGE_CHARACTERS
        assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", found.message), (
            "control characters"
        )
        found.message.encode()
        said = found.message.removeprefix(WHERE)
        said = said.partition("object with")[0].partition(": line")[0]  # else every name is new
        return f"{found.reason}{re.sub(NUMBERS, '#', said)}"
    assert isinstance(found, Article)
    assert found.text.strip()
    assert 0 < len(found.id.strip()) <= len(found.id) <= MAX_ID_CHARACTERS
    given = msgspec.structs.asdict(found)
    for name, content in given.items():
        assert content is None or (isinstance(content, str) and canonical(content) == content), name
    again = msgspec.json.encode(found)  # raises for what UTF-8 cannot hold
    assert decode(again, [], where=WHERE, max_bytes=len(again)) == found
    return f"article {sorted(name for name, content in given.items() if content is not None)}"


def seeds() -> list[Input]:
    return [ast.literal_eval(line) for line in SEEDS.read_text().splitlines()]


def changed(random: Random, given: Input, others: list[Input]) -> Input:
    value, headers = given
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(value) + 1)
        end = min(len(value), at + random.choice((0, 1, 1, 2, 8, 64)))
        match random.randrange(6):
            case 0:
                value = value[:at] + random.randbytes(end - at) + value[end:]
            case 1:
                value = value[:at] + random.choice(PIECES) + value[end:]
            case 2:
                value = value[:at] + value[end:]
            case 3:
                value = value[:end] + value[at:end] * random.choice((1, 2, 50)) + value[end:]
            case 4:
                other, _ = random.choice(others)
                begin = random.randrange(len(other) + 1)
                value = value[:at] + other[begin : begin + random.choice((1, 8, 80))] + value[end:]
            case 5:
                headers = _changed_headers(random, headers)
    return value, headers


def _changed_headers(random: Random, headers: Headers) -> Headers:
    name = random.choice(("h", "", "eventwire-run-id", "\udce9", "é" * 40))
    content = random.choice((None, b"", b"\xff\x00", b"x" * 70_000, random.randbytes(8)))
    return [*headers, (name, content)] * random.choice((1, 1, 1, 40))


def fuzz(count: int, seed: int) -> list[Input]:
    """Try that many inputs; returns those that found something new. Raises AssertionError."""
    random = Random(seed)
    kept = seeds()
    seen = {check(*each) for each in kept}
    found = []
    for _ in range(count):
        value, headers = changed(random, random.choice(kept), kept)
        try:
            answer = check(value, headers)
        except BaseException:
            print(repr((value, headers)), file=sys.stderr)
            raise
        if answer not in seen:
            seen.add(answer)
            if len(value) <= KEPT_BYTES and len(headers) <= 100:
                kept.append((value, headers))
                found.append(kept[-1])
    return found


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]] or [1_000_000]
    began = time.monotonic()
    new = fuzz(given[0], (given[1:] or [0])[0])
    seconds = time.monotonic() - began
    for each in new:
        print(repr(each))
    print(
        f"{given[0]:,} inputs in {seconds:.0f} s, {len(new)} kinds of answers were new",
        file=sys.stderr,
    )
