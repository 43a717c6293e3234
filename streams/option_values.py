"""What the values of options may be: each turns text into a value, or says what was expected."""

import argparse
import difflib
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from eventwire.models.ontology import ontology
from eventwire.models.records import Article
from eventwire.streams import feeds


def event_type(text: str) -> str:
    if text in ontology().types:
        return text
    near = difflib.get_close_matches(text, ontology().names, n=1)
    raise argparse.ArgumentTypeError(
        f"unknown event type {text!r}" + (f"; did you mean {near[0]}?" if near else "")
    )


def _number(text: str, expected: str, accept: Callable[[float], bool]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not accept(value):  # which nan is not
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return value


def speed(text: str) -> float:
    return _number(text, "a number of at least 0", lambda value: 0 <= value < float("inf"))


def position(text: str) -> str:
    if not re.fullmatch(r"[0-9]{1,9}@[0-9]{1,18}", text):
        raise argparse.ArgumentTypeError(f"expected PARTITION@OFFSET, as in 0@12, got {text!r}")
    return text


def rate(text: str) -> float:
    return _number(text, "a number above 0", lambda value: 0 < value < float("inf"))


def moment(text: str) -> datetime:
    found = feeds.moment(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"expected ISO 8601, as 2024-03-01 or 2024-03-01T08:30Z, got {text!r}"
        )
    return found


def last_moment(text: str) -> datetime:
    """Of a date the last moment of its day."""
    begins = moment(text)
    whole_day = timedelta(days=1) - timedelta(microseconds=1)
    return begins + whole_day if len(text.strip()) <= 10 else begins


def mapped(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    if not equals or not column or name not in Article.__struct_fields__:
        fields = ", ".join(Article.__struct_fields__)
        raise argparse.ArgumentTypeError(
            f"expected FIELD=COLUMN with a field of {fields}, got {text!r}"
        )
    return name, column


def ratio(text: str) -> float:
    return _number(text, "a number from 0 to 1", lambda value: 0 <= value <= 1)


def duration(text: str) -> float:
    """Seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    if not (match := re.fullmatch(r"([0-9]{1,6})([smhd])", text)):
        raise argparse.ArgumentTypeError(
            f"expected a number and s, m, h or d, as in 2h, got {text!r}"
        )
    return float(match[1]) * units[match[2]]


def whole(text: str) -> int:
    return int(_number(text, "a whole number of at least 0", lambda v: v >= 0 and v.is_integer()))


def count(text: str) -> int:
    return int(_number(text, "a whole number of at least 1", lambda v: v >= 1 and v.is_integer()))
