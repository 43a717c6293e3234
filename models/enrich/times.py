"""When: the words that say when an event happened, to an ISO 8601 date or interval.

Words that count from another event ("two days later") or say no time ("recently") have no value,
and neither have dates that could be two ("06/07/2016") or none ("31 June"). Nothing is invented:
what the words leave open is as wide in the value. Weeks begin on Monday, as in ISO 8601.
"""

import re
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from eventwire.models.enrich.calendar_words import (
    MONTH,
    WEEKDAY,
    Published,
    Span,
    span,
    year_within,
)


class Resolved(NamedTuple):
    value: str | None
    """A date, a time of a date, or an interval of two dates, both included; `..` as its end where
    nothing says when it ended."""
    granularity: str | None
    """Unit in which the words speak: minute, hour, day, weekend, week, month, quarter, year, decade
    or century."""


def resolve_time(
    text: str,
    *,
    published_at: str | None,
    sentence: str = "",
    status: str = "occurred",
    timezone: str | None = None,
) -> Resolved:
    """What time a span of a sentence means in an article published then.

    `timezone` is the outlet's, by its IANA name: "Friday" is a Friday there. Without it, or if
    there is no such zone, the offset of `published_at` counts. A weekday is the last one up to the
    day of publication, itself included, or the next one for what is planned or hypothetical.
    """
    future = status in ("planned", "hypothetical") or (
        status == "negated" and bool(_WILL.search(sentence))
    )
    # Only clock times need the rest of the sentence; the cache holds the others by their words.
    hint = ""
    if _CLOCK.search(text.lower()) and (days := set(_DAY_WORD.findall(sentence.lower()))):
        hint = days.pop() if len(days) == 1 else "?"
    return _resolve(text, published_at, timezone, future, hint)


def parse_published(value: str) -> datetime | date | None:
    """ISO 8601 as feeds write it, be it a bare date or without zone; None if it is not."""
    value = value.strip()
    try:
        return date.fromisoformat(value) if len(value) <= 10 else datetime.fromisoformat(value)
    except ValueError:
        return None


_OPEN = Resolved(None, None)


@lru_cache(maxsize=20_000)
def _resolve(
    text: str, published_at: str | None, timezone: str | None, future: bool, hint: str
) -> Resolved:
    published = parse_published(published_at) if published_at else None
    moment = published if isinstance(published, datetime) else None
    if moment and (zone := _named_zone(timezone)):
        moment = moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    today = moment.date() if moment else published
    article = Published(today, moment, future, hint)
    try:
        return _read(text, article)
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        # no such day, a year beyond the calendar, a system without time zones
        return _OPEN


def _read(text: str, article: Published) -> Resolved:
    words = _normal(text)
    if not words:
        return _OPEN
    if clock := _CLOCK.search(words):
        if both := _TWICE.fullmatch(words):
            words = f"{both[1]}{both[2]}{both[3]}"
            local, clock = clock, _CLOCK.search(words) or clock
            if not _same_day(_time_of(local), _time_of(clock)):
                return _OPEN
        return _at_clock(words, clock, article)
    if since := _SINCE.fullmatch(words):
        return _since(since[1], article)
    return _written(span(words, article) or year_within(words))


def _since(words: str, article: Published) -> Resolved:
    begun = span(words, article._replace(future=False)) or year_within(words)
    if begun is None:
        return _OPEN
    if article.today is None or article.today < begun.start:
        return Resolved(f"{begun.start}/..", begun.unit)
    return _written(Span(begun.start, article.today, begun.unit))


def _written(found: Span | None) -> Resolved:
    if found is None:
        return _OPEN
    if found.start == found.end:
        return Resolved(found.start.isoformat(), found.unit)
    return Resolved(f"{found.start}/{found.end}", found.unit)


def _normal(text: str) -> str:
    """Lower case, plain quotes and dashes, no punctuation around; empty where a verb or modal."""
    text = " ".join(text.translate(_PLAIN).split()).strip(" ,.;:()[]'\"")
    if text in ("may", "march", "second", "fall"):
        return ""
    return _ABBREVIATED.sub(lambda m: f"{m[1]} ", text.lower()).strip()


# -------------------------------------------------------------------------------------- clock times


def _at_clock(words: str, clock: re.Match[str], article: Published) -> Resolved:
    rest = " ".join((words[: clock.start()] + " " + words[clock.end() :]).split()).strip(" ,()")
    rest = re.sub(r"^(?:at|around|about|just|shortly|little|before|after|by| )+\b|\bon$", "", rest)
    rest = re.sub(r"^(?:on|midday|noon|in the (?:morning|afternoon|evening))\b", "", rest).strip(
        " ,"
    )
    at = _time_of(clock)
    zone = article.zone
    if named := clock["zone"]:
        zone = _zone(named)
    day = span(rest or article.hint, article) if rest or article.hint else None
    if day is None and not rest and not article.hint and article.moment and zone:
        local = article.moment.astimezone(zone) if article.moment.tzinfo else article.moment
        if at <= local.time() and not article.future:  # today, since it has been
            day = Span(local.date(), local.date(), "day")
    if day is None or day.unit != "day" or day.start != day.end:
        return _OPEN
    value = datetime.combine(day.start, at, zone)
    unit = "minute" if clock["minute"] or clock["minute24"] or clock["military"] else "hour"
    return Resolved(value.isoformat(timespec="minutes"), unit)


@lru_cache(maxsize=1000)
def _named_zone(name: str | None) -> ZoneInfo | None:
    """By its IANA name; None where there is no such zone."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _time_of(clock: re.Match[str]) -> time:
    """Raises ValueError for 13am."""
    hour = int(clock["hour"] or clock["hour24"] or clock["military"][:2])
    minute = int(clock["minute"] or clock["minute24"] or (clock["military"] or "0000")[2:])
    if half := clock["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(clock[0])
        hour = hour % 12 + (12 if half == "p" else 0)
    return time(hour, minute)


def _same_day(local: time, gmt: time) -> bool:
    """Whether both can be of one day, as "6.30pm (17:30 GMT)" and not "1am (23:00 GMT)"."""
    return abs(local.hour - gmt.hour) <= 12


def _zone(name: str) -> tzinfo | None:
    iana = _ZONES.get(name.removesuffix(" time"))
    return (UTC if iana == "UTC" else ZoneInfo(iana)) if iana else None


# -------------------------------------------------------------------------------------------- words

_PLAIN = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "–": "-", "—": "-", "‑": "-", "‐": "-", "\xa0": " "}
)
_ZONES = {
    "gmt": "UTC", "utc": "UTC", "uk": "Europe/London", "london": "Europe/London",
    "bst": "Europe/London", "et": "America/New_York", "est": "America/New_York",
    "edt": "America/New_York", "eastern": "America/New_York", "pacific": "America/Los_Angeles",
    "pt": "America/Los_Angeles", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
    "cet": "Europe/Paris", "cest": "Europe/Paris", "moscow": "Europe/Moscow",
}  # fmt: skip
"""Zones that their names leave no doubt about: IST is Indian, Irish or Israeli."""
_ABBREVIATED = re.compile(rf"\b({MONTH}|{WEEKDAY})\.(?: |$)")
_DAY_WORD = re.compile(rf"\b(?:{WEEKDAY[: WEEKDAY.index('|mon|')]}|yesterday|today)\b")
_WILL = re.compile(r"\b(?:will|won't|won’t|would) ", re.IGNORECASE)
_SINCE = re.compile(r"(?:ever )?since (?:the )?(.+)")
_CLOCK_TIME = r"\d{1,2}(?:[:.]?[0-5]\d)?(?: ?[ap]\.?m\b\.?)?"
_CLOCK = re.compile(
    r"\b(?:(?P<hour>\d{1,2})(?:[:.](?P<minute>[0-5]\d))? ?(?P<half>[ap])\.?m\b\.?"
    r"|(?P<hour24>[01]?\d|2[0-3]):(?P<minute24>[0-5]\d)(?: ?(?:hours|hrs))?"
    r"|(?P<military>[01]\d[0-5]\d|2[0-3][0-5]\d)(?= (?:gmt|utc)|hrs| hours))"
    r"(?: ?hrs| hours)?(?: (?P<zone>(?:gmt|utc|uk|london|bst|est|edt|et|eastern|pst|pdt|pt|pacific|"
    r"cest|cet|moscow|local)\b(?: time)?))?"
)
# 6.30pm (17:30 GMT): the time there, and the one with its zone.
_TWICE = re.compile(rf"(.*?){_CLOCK_TIME} ?\(({_CLOCK_TIME} (?:gmt|utc))\)?(.*)")
