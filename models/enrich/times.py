"""When: the words that say when an event happened, to an ISO 8601 date or interval.

Words that count from another event ("two days later") or say no time ("recently") have no value,
and neither have dates that could be two ("06/07/2016") or none ("31 June"). Nothing is invented:
what the words leave open is as wide in the value. Weeks begin on Monday, as in ISO 8601.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY = timedelta(days=1)


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


class _Article(NamedTuple):
    """When the words were published, and which way they look."""

    today: date | None
    moment: datetime | None
    """Where the time of day is known."""
    future: bool
    hint: str
    """The one day that the sentence names, for a clock time; ? for several."""

    @property
    def zone(self) -> tzinfo | None:
        return self.moment.tzinfo if self.moment else None


class _Span(NamedTuple):
    start: date
    end: date
    unit: str


_Rule = Callable[[re.Match[str], _Article], _Span | None]


@lru_cache(maxsize=20_000)
def _resolve(
    text: str, published_at: str | None, timezone: str | None, future: bool, hint: str
) -> Resolved:
    published = parse_published(published_at) if published_at else None
    moment = published if isinstance(published, datetime) else None
    if moment and (zone := _named_zone(timezone)):
        moment = moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    today = moment.date() if moment else published
    article = _Article(today, moment, future, hint)
    try:
        return _read(text, article)
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        # no such day, a year beyond the calendar, a system without time zones
        return _OPEN


def _read(text: str, article: _Article) -> Resolved:
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
    return _written(_span(words, article) or _year_within(words))


def _since(words: str, article: _Article) -> Resolved:
    begun = _span(words, article._replace(future=False)) or _year_within(words)
    if begun is None:
        return _OPEN
    if article.today is None or article.today < begun.start:
        return Resolved(f"{begun.start}/..", begun.unit)
    return _written(_Span(begun.start, article.today, begun.unit))


def _written(span: _Span | None) -> Resolved:
    if span is None:
        return _OPEN
    if span.start == span.end:
        return Resolved(span.start.isoformat(), span.unit)
    return Resolved(f"{span.start}/{span.end}", span.unit)


def _normal(text: str) -> str:
    """Lower case, plain quotes and dashes, no punctuation around; empty where a verb or modal."""
    text = " ".join(text.translate(_PLAIN).split()).strip(" ,.;:()[]'\"")
    if text in ("may", "march", "second", "fall"):
        return ""
    return _ABBREVIATED.sub(lambda m: f"{m[1]} ", text.lower()).strip()


# -------------------------------------------------------------------------------------- clock times


def _at_clock(words: str, clock: re.Match[str], article: _Article) -> Resolved:
    rest = " ".join((words[: clock.start()] + " " + words[clock.end() :]).split()).strip(" ,()")
    rest = re.sub(r"^(?:at|around|about|just|shortly|little|before|after|by| )+\b|\bon$", "", rest)
    rest = re.sub(r"^(?:on|midday|noon|in the (?:morning|afternoon|evening))\b", "", rest).strip(
        " ,"
    )
    at = _time_of(clock)
    zone = article.zone
    if named := clock["zone"]:
        zone = _zone(named)
    day = _span(rest or article.hint, article) if rest or article.hint else None
    if day is None and not rest and not article.hint and article.moment and zone:
        local = article.moment.astimezone(zone) if article.moment.tzinfo else article.moment
        if at <= local.time() and not article.future:  # today, since it has been
            day = _Span(local.date(), local.date(), "day")
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


# ------------------------------------------------------------------------------------------ grammar


def _span(words: str, article: _Article) -> _Span | None:
    """The first rule that reads all the words decides."""
    words = words.strip(" ,")
    for pattern, rule in _RULES:
        if match := pattern.fullmatch(words):
            return rule(match, article)
    shorter = _VAGUE_PARTS.sub("", words).strip(" ,")
    return _span(shorter, article) if shorter and shorter != words else None


def _year_within(words: str) -> _Span | None:
    """The year of "1967 Six Day War"; not of words that count from it."""
    years = _YEAR_WORD.findall(words)
    if len(years) == 1 and not _COUNTS_FROM.search(words) and sum(map(str.isdigit, words)) == 4:
        return _year(int(years[0]))
    return None


def _day(day: date) -> _Span:
    return _Span(day, day, "day")


def _year(year: int) -> _Span:
    return _Span(date(year, 1, 1), date(year, 12, 31), "year")


def _month(year: int, month: int) -> _Span:
    return _Span(date(year, month, 1), _next_month(year, month) - DAY, "month")


def _next_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1)


def _month_from(today: date, months: int) -> _Span:
    index = today.year * 12 + today.month - 1 + months
    return _month(index // 12, index % 12 + 1)


def _week(day: date) -> _Span:
    monday = day - timedelta(days=day.weekday())
    return _Span(monday, monday + timedelta(days=6), "week")


def _unit(today: date, unit: str, steps: int) -> _Span:
    """The day, week, month or year that lies so many from today's."""
    if unit == "day":
        return _day(today + steps * DAY)
    if unit == "week":
        return _week(today + 7 * steps * DAY)
    if unit == "month":
        return _month_from(today, steps)
    if unit == "year":
        return _year(today.year + steps)
    if unit == "decade":
        start = (today.year // 10 + steps) * 10
        return _Span(date(start, 1, 1), date(start + 9, 12, 31), "decade")
    raise ValueError(unit)


def _number(word: str | None) -> int:
    if not word:
        return 1
    return int(word) if word.isdigit() else _NUMBERS[word]


def _weekday(match: re.Match[str], article: _Article) -> _Span | None:
    if article.today is None:
        return None
    which, wanted = match["which"], _WEEKDAYS[match["weekday"][:3]]
    ahead = (wanted - article.today.weekday()) % 7
    back = (article.today.weekday() - wanted) % 7
    if which in ("next", "coming"):
        return _day(article.today + (ahead or 7) * DAY)
    if which in ("last", "past"):
        return _day(article.today - (back or 7) * DAY)
    return _day(article.today + ahead * DAY if article.future else article.today - back * DAY)


def _weekday_of(match: re.Match[str], article: _Article) -> _Span | None:
    """Friday last week, Thursday and Friday next week."""
    week = _span(f"{match['which']} week", article)
    if week is None:
        return None
    days = [_WEEKDAYS[match[name][:3]] for name in ("weekday", "other") if match[name]]
    return _Span(week.start + min(days) * DAY, week.start + max(days) * DAY, "day")


def _weekday_and_date(match: re.Match[str], article: _Article) -> _Span | None:
    """Sunday, March 2; Friday the 13th: the nearest within two years."""
    wanted, number = _WEEKDAYS[match["weekday"][:3]], int(match["day"])
    month = _MONTHS[match["month"][:3]] if match["month"] else None
    if match["year"]:
        day = date(int(match["year"]), month or 0, number)
        return _day(day) if day.weekday() == wanted else None
    if article.today is None:
        return None
    step = DAY if article.future else -DAY
    day = article.today if article.future else article.today + DAY
    for _ in range(366 * 2):
        if day.weekday() == wanted and day.day == number and month in (None, day.month):
            return _day(day)
        day += step
    return None


def _full_date(match: re.Match[str], article: _Article) -> _Span | None:
    year = _span(match["year"], article)
    if year is None:
        return None
    return _day(date(year.start.year, _MONTHS[match["month"][:3]], int(match["day"])))


def _day_and_month(match: re.Match[str], article: _Article) -> _Span | None:
    return _nearest(int(match["day"]), _MONTHS[match["month"][:3]], article)


def _nearest(day: int, month: int, article: _Article) -> _Span | None:
    """The last such day up to publication, or the next one."""
    date(2024, month, day)  # raises where no year has it
    if article.today is None:
        return None
    # copy written after midnight in one zone is published before it in another
    limit = article.today if article.future else article.today + DAY
    years = (
        range(limit.year, limit.year + 9)
        if article.future
        else range(limit.year, limit.year - 9, -1)
    )
    for year in years:
        try:
            found = date(year, month, day)
        except ValueError:  # 29 February
            continue
        if found >= limit if article.future else found <= limit:
            return _day(found)
    return None


def _days_of_month(match: re.Match[str], article: _Article) -> _Span | None:
    month = match["month"]
    year = f" {match['year']}" if match["year"] else ""
    first = _span(f"{match['day']} {month}{year}", article)
    last = _span(f"{match['last']} {month}{year}", article)
    if first is None or last is None or last.start < first.start:
        return None
    return _Span(first.start, last.start, "day")


def _month_alone(match: re.Match[str], article: _Article) -> _Span | None:
    month, which = _MONTHS[match["month"][:3]], match["which"]
    if article.today is None:
        return None
    this = article.today.month
    if which == "this":
        return _month(article.today.year, month)
    if which in ("next", "coming") or (which is None and article.future):
        later = month > this or (month == this and which is None)
        return _month(article.today.year + (0 if later else 1), month)
    earlier = month < this or (month == this and which is None)
    return _month(article.today.year - (0 if earlier else 1), month)


def _month_of_year(match: re.Match[str], article: _Article) -> _Span | None:
    year = _span(match["year"], article)
    return _month(year.start.year, _MONTHS[match["month"][:3]]) if year else None


def _numeric(match: re.Match[str], article: _Article) -> _Span | None:
    """22/06/2016; None where either number could be the month."""
    first, second = int(match["first"]), int(match["second"])
    if first <= 12 and second <= 12 and first != second:
        return None
    day, month = (first, second) if second <= 12 else (second, first)
    if year := match["year"]:
        return _day(date(int(year), month, day))
    return _nearest(day, month, article)


def _ago(match: re.Match[str], article: _Article) -> _Span | None:
    unit = match["unit"]
    if article.today is None:
        return None
    count = _number(match["count"])
    if unit == "hour":
        return _day((article.moment - timedelta(hours=count)).date()) if article.moment else None
    return _unit(article.today, unit, -count)


def _rolling(match: re.Match[str], article: _Article) -> _Span | None:
    """The past two months, the next five years: counted from the day of publication."""
    unit = match["unit"]
    if article.today is None:
        return None
    # the last years: how many? the next day: after what?
    if match["count"] is None and (match[0].endswith("s") or unit == "day"):
        return None
    count = _number(match["count"])
    if unit == "hour":
        unit, count = "day", -(-count // 24)
    if unit == "decade":
        unit, count = "year", 10 * count
    far = _step(article.today, unit, count if match["which"] in ("next", "coming") else -count)
    return _Span(min(far, article.today), max(far, article.today), unit)


def _step(day: date, unit: str, count: int) -> date:
    if unit in ("day", "week"):
        return day + count * (7 if unit == "week" else 1) * DAY
    month = _month_from(day, count * (12 if unit == "year" else 1))
    return month.start.replace(day=min(day.day, month.end.day))


def _which_unit(match: re.Match[str], article: _Article) -> _Span | None:
    """last week, this month, earlier this year, so far this year, later this week."""
    if article.today is None:
        return None
    steps = {"last": -1, "next": 1, "coming": 1}.get(match["which"], 0)
    if match["unit"] == "week" and steps == 0 and article.future and article.today.weekday() == 6:
        steps = 1  # what is to come this week, on a Sunday, comes in the one that begins
    span = _unit(article.today, match["unit"], steps)
    if steps == 0 and match["part"]:
        if match["part"].startswith("later"):
            return _Span(article.today, span.end, span.unit)
        return _Span(span.start, article.today, span.unit)
    return span


def _weekend(match: re.Match[str], article: _Article) -> _Span | None:
    if article.today is None:
        return None
    saturday = _week(article.today).start + 5 * DAY
    started = saturday <= article.today
    if match["which"] in ("next", "coming"):
        saturday += 7 * DAY if started else timedelta()
    elif not article.future and (not started or match["which"] in ("last", "past")):
        saturday -= 7 * DAY
    return _Span(saturday, saturday + DAY, "weekend")


def _near_day(match: re.Match[str], article: _Article) -> _Span | None:
    if article.today is None:
        return None
    if match[0] == "overnight":
        return _Span(article.today - DAY, article.today, "day")
    return _day(article.today + _NEAR_DAYS[match["near"]] * DAY)


def _part_of_year(match: re.Match[str], article: _Article) -> _Span | None:
    year = _span(match["year"], article)
    if year is None:
        return None
    if match["months"]:
        count, unit = _number(match["months"]), "month"
    else:
        count, unit = (6, "month") if match["part"] == "half" else (3, "quarter")
    which = _ORDINALS[match["ordinal"]]
    if count * which > 12:
        return None
    first = _month(year.start.year, count * (which - 1) + 1)
    return _Span(first.start, _month(year.start.year, count * which).end, unit)


def _season(match: re.Match[str], article: _Article) -> _Span | None:
    """The whole year: which months a summer has depends on where; a winter has two years."""
    return None if match["season"] == "winter" else _span(match["year"], article)


def _decade(match: re.Match[str], _: _Article) -> _Span:
    start = int(match["decade"])
    return _Span(date(start, 1, 1), date(start + 9, 12, 31), "decade")


def _two_decades(match: re.Match[str], _: _Article) -> _Span:
    first, last = int(match["decade"]), int(match["decade"][:2] + match["last"])
    return _Span(date(first, 1, 1), date(last + 9, 12, 31), "decade")


def _century(match: re.Match[str], _: _Article) -> _Span:
    number = int(match["century"])
    return _Span(date(100 * number - 99, 1, 1), date(100 * number, 12, 31), "century")


def _holiday(match: re.Match[str], article: _Article) -> _Span | None:
    month, day = _HOLIDAYS[match["holiday"]]
    if match["year"]:
        year = _span(match["year"], article)
        return _day(date(year.start.year, month, day)) if year else None
    return _nearest(day, month, article)


def _between(match: re.Match[str], article: _Article) -> _Span | None:
    first, last = match["first"], match["last"]
    if _YEAR_WORD.fullmatch(first) and re.fullmatch(r"\d\d", last):
        last = first[:2] + last
    year = _YEAR_WORD.search(last)
    if year and not _YEAR_WORD.search(first) and re.search(_MONTH, first):
        first = f"{first} {year[0]}"
    begin, end = _span(first, article), _span(last, article)
    if begin is None or end is None or end.end < begin.start:
        return None
    return _Span(begin.start, end.end, begin.unit)


# -------------------------------------------------------------------------------------------- words

_PLAIN = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "–": "-", "—": "-", "‑": "-", "‐": "-", "\xa0": " "}
)
_NUMBER_WORDS = (
    "zero", "one a an", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen", "twenty",
)  # fmt: skip
_NUMBERS = {word: n for n, words in enumerate(_NUMBER_WORDS) for word in words.split()}
_NUMBERS |= {"thirty": 30, "forty": 40, "fifty": 50}
_ORDINALS = {
    word: number
    for number, words in enumerate(
        ("first 1st", "second 2nd", "third 3rd", "fourth 4th", "last final"), 1
    )
    for word in words.split()
}
_WEEKDAYS = {day: i for i, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
_MONTH_NAMES = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"
)  # fmt: skip
_MONTHS = {month: i for i, month in enumerate(_MONTH_NAMES, 1)}
_HOLIDAYS = {
    "new year's eve": (12, 31), "new year's day": (1, 1), "christmas eve": (12, 24),
    "christmas day": (12, 25), "christmas": (12, 25), "boxing day": (12, 26), "may day": (5, 1),
    "valentine's day": (2, 14), "halloween": (10, 31),
}  # fmt: skip
_NEAR_DAYS = {
    "today": 0, "tonight": 0, "this morning": 0, "this afternoon": 0, "this evening": 0,
    "yesterday": -1, "last night": -1, "last evening": -1, "the day before yesterday": -2,
    "tomorrow": 1, "the day after tomorrow": 2,
}  # fmt: skip
_ZONES = {
    "gmt": "UTC", "utc": "UTC", "uk": "Europe/London", "london": "Europe/London",
    "bst": "Europe/London", "et": "America/New_York", "est": "America/New_York",
    "edt": "America/New_York", "eastern": "America/New_York", "pacific": "America/Los_Angeles",
    "pt": "America/Los_Angeles", "pst": "America/Los_Angeles", "pdt": "America/Los_Angeles",
    "cet": "Europe/Paris", "cest": "Europe/Paris", "moscow": "Europe/Moscow",
}  # fmt: skip
"""Zones that their names leave no doubt about: IST is Indian, Irish or Israeli."""

_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tues?|weds?|thur?s?|fri|sat|sun"
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"(?P<day>[12]\d|3[01]|0?[1-9])(?:st|nd|rd|th)?"
_LAST_DAY = r"(?P<last>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>1[5-9]\d\d|20\d\d)"
_ANY_YEAR = r"(?P<year>1[5-9]\d\d|20\d\d|(?:last|this|next) year)"
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(_NUMBERS, key=len, reverse=True))})"
_UNIT = r"(?P<unit>hour|day|week|month|year|decade)s?"
_WHICH = r"(?P<which>last|past|this|next|coming)"
_PART_OF_DAY = r"(?: (?:early |late )?(?:morning|afternoon|evening|night|lunchtime|midnight|noon))"
_ROUGHLY = r"(?:about|around|some|nearly|almost|roughly|just|exactly|approximately)"

_ABBREVIATED = re.compile(rf"\b({_MONTH}|{_WEEKDAY})\.(?: |$)")
_YEAR_WORD = re.compile(r"\b(?:1[5-9]\d\d|20\d\d)\b")
_DAY_WORD = re.compile(rf"\b(?:{_WEEKDAY[: _WEEKDAY.index('|mon|')]}|yesterday|today)\b")
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
_COUNTS_FROM = re.compile(
    r"\b(?:before|after|later|until|till|eve|prior|following|ago|anniversary|ahead|fiscal|winter|than|from)\b"
)
_VAGUE_PARTS = re.compile(
    r"^(?:on|in|at|by|during|over|throughout|around|about|late|early|mid|earlier|later|as early as|"
    r"sometime|some time|hours of|hours on|only|just|back in|the|of|as recently as|all|for|"
    r"through)[ -]"
    r"|^(?:(?:(?:early|late) )?(?:morning )?hours of"
    r"|(?:very )?(?:start|beginning|middle|end|half|part|course) of"
    rf"|(?:early |late )?(?:morning|afternoon|evening|night)s? of|(?:dawn|dusk|midnight|noon) on) "
    rf"|{_PART_OF_DAY}$|,? local time$| onwards?$|^(?:first|second) (?=half of the )"
)
"""What does not change the day, month or year that the words name."""


def _rules(*rules: tuple[str, _Rule]) -> list[tuple[re.Pattern[str], _Rule]]:
    return [(re.compile(pattern), rule) for pattern, rule in rules]


_RULES = _rules(
    (rf"(?:(?:on|the) )*(?:{_WHICH} )?(?P<weekday>{_WEEKDAY}){_PART_OF_DAY}?", _weekday),
    (rf"(?P<near>{'|'.join(_NEAR_DAYS)})|overnight", _near_day),
    (
        r"(?:(?P<part>earlier|later|so far|early|late)(?: in)? )?"
        r"(?P<which>last|this|next|coming|the) "
        r"(?P<unit>week|month|year|decade)",
        _which_unit,
    ),
    (rf"(?P<year>{_YEAR_WORD.pattern})", lambda match, _: _year(int(match["year"]))),
    (rf"(?:{_WHICH} )?(?P<month>{_MONTH})", _month_alone),
    (rf"(?:the )?{_DAY}(?: of)? (?P<month>{_MONTH}),? (?:of )?{_ANY_YEAR}", _full_date),
    (rf"(?P<month>{_MONTH}),? (?:the )?{_DAY},? (?:of )?{_ANY_YEAR}", _full_date),
    (rf"(?:the )?{_DAY}(?: of)? (?P<month>{_MONTH})", _day_and_month),
    (rf"(?P<month>{_MONTH}) (?:the )?{_DAY}", _day_and_month),
    (rf"(?P<month>{_MONTH}),? (?:of |in )?{_ANY_YEAR}", _month_of_year),
    (
        rf"(?P<weekday>{_WEEKDAY}),? (?:the )?{_DAY}(?: of)? (?P<month>{_MONTH})(?:,? {_YEAR})?",
        _weekday_and_date,
    ),
    (rf"(?P<weekday>{_WEEKDAY}),? (?P<month>{_MONTH}) {_DAY}(?:,? {_YEAR})?", _weekday_and_date),
    (rf"(?P<weekday>{_WEEKDAY}),? the {_DAY}(?P<month>(?!))?(?P<year>(?!))?", _weekday_and_date),
    (
        rf"(?P<weekday>{_WEEKDAY})(?: (?:and|or) (?P<other>{_WEEKDAY}))? (?:of )?"
        r"(?P<which>last|this|next) week",
        _weekday_of,
    ),
    (rf"(?:the )?(?:{_WHICH} )?weekend", _weekend),
    (rf"(?:{_ROUGHLY} )?{_COUNT} (?P<unit>hour|day|week|month|year)s? ago", _ago),
    (r"(?P<count>(?!))?(?P<unit>day|week|month|year) ago", _ago),  # the span has lost "a"
    (rf"(?:the |these )?(?P<which>last|past|next|coming) (?:{_COUNT} )?{_UNIT}", _rolling),
    (
        rf"(?:the )?(?P<ordinal>{'|'.join(_ORDINALS)}) "
        rf"(?:(?P<part>half|quarter)|(?P<months>\w+) months) of {_ANY_YEAR}",
        _part_of_year,
    ),
    (rf"(?P<season>spring|summer|autumn|fall|winter)(?: of)? {_ANY_YEAR}", _season),
    (r"(?:the )?(?P<decade>1[5-9]\d0|20\d0)'?s", _decade),
    (
        r"(?:the )?(?P<decade>1[5-9]\d0|20\d0)'?s (?:and|or|to) (?:the )?'?(?P<last>\d0)'?s",
        _two_decades,
    ),
    (r"(?:the )?(?P<century>1[5-9]|20|21)(?:th|st) century", _century),
    (rf"(?:the )?(?P<holiday>{'|'.join(_HOLIDAYS)})(?:,? {_ANY_YEAR})?", _holiday),
    (r"\d{4}-\d\d-\d\d", lambda match, _: _day(date.fromisoformat(match[0]))),
    (r"(?P<first>\d{1,2})[/.](?P<second>\d{1,2})[/.](?P<year>\d{4})", _numeric),
    (r"(?P<first>\d{1,2})/(?P<second>\d{1,2})(?P<year>(?!))?", _numeric),
    (
        rf"(?P<month>{_MONTH}) {_DAY} ?(?:-|to|and|through) ?{_LAST_DAY}(?:,? {_YEAR})?",
        _days_of_month,
    ),
    (
        rf"{_DAY} ?(?:-|to|and) ?{_LAST_DAY}(?: of)? (?P<month>{_MONTH})(?:,? {_YEAR})?",
        _days_of_month,
    ),
    (r"(?:between|from) (?P<first>.+?) (?:and|to|until|till|through) (?P<last>.+)", _between),
    (rf"(?P<first>{_YEAR_WORD.pattern})(?: ?- ?| to )(?P<last>(?:19|20)?\d\d)", _between),
    (
        rf"(?P<first>(?:{_WEEKDAY}|{_MONTH}).*?) (?:and|to|through) "
        rf"(?P<last>(?:{_WEEKDAY}|{_MONTH}).*)",
        _between,
    ),
)  # fmt: skip
