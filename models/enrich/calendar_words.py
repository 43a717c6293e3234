"""What words name which days: "Tuesday", "last week", "the third quarter of 2019".

`span` reads words in lower case by the first rule that reads all of them; None where they name no
days, or may name several.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

DAY = timedelta(days=1)


class Published(NamedTuple):
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


class Span(NamedTuple):
    start: date
    end: date
    unit: str


_Rule = Callable[[re.Match[str], Published], Span | None]


def span(words: str, published: Published) -> Span | None:
    """The first rule that reads all the words decides."""
    words = words.strip(" ,")
    for pattern, rule in _RULES:
        if match := pattern.fullmatch(words):
            return rule(match, published)
    shorter = _VAGUE_PARTS.sub("", words).strip(" ,")
    return span(shorter, published) if shorter and shorter != words else None


def year_within(words: str) -> Span | None:
    """The year of "1967 Six Day War"; not of words that count from it."""
    years = _YEAR_WORD.findall(words)
    if len(years) == 1 and not _COUNTS_FROM.search(words) and sum(map(str.isdigit, words)) == 4:
        return _year(int(years[0]))
    return None


def _day(day: date) -> Span:
    return Span(day, day, "day")


def _year(year: int) -> Span:
    return Span(date(year, 1, 1), date(year, 12, 31), "year")


def _month(year: int, month: int) -> Span:
    return Span(date(year, month, 1), _next_month(year, month) - DAY, "month")


def _next_month(year: int, month: int) -> date:
    return date(year + month // 12, month % 12 + 1, 1)


def _month_from(today: date, months: int) -> Span:
    index = today.year * 12 + today.month - 1 + months
    return _month(index // 12, index % 12 + 1)


def _week(day: date) -> Span:
    monday = day - timedelta(days=day.weekday())
    return Span(monday, monday + timedelta(days=6), "week")


def _unit(today: date, unit: str, steps: int) -> Span:
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
        return Span(date(start, 1, 1), date(start + 9, 12, 31), "decade")
    raise ValueError(unit)


def _number(word: str | None) -> int:
    if not word:
        return 1
    return int(word) if word.isdigit() else _NUMBERS[word]


def _weekday(match: re.Match[str], published: Published) -> Span | None:
    if published.today is None:
        return None
    which, wanted = match["which"], _WEEKDAYS[match["weekday"][:3]]
    ahead = (wanted - published.today.weekday()) % 7
    back = (published.today.weekday() - wanted) % 7
    if which in ("next", "coming"):
        return _day(published.today + (ahead or 7) * DAY)
    if which in ("last", "past"):
        return _day(published.today - (back or 7) * DAY)
    return _day(published.today + ahead * DAY if published.future else published.today - back * DAY)


def _weekday_of(match: re.Match[str], published: Published) -> Span | None:
    """Friday last week, Thursday and Friday next week."""
    week = span(f"{match['which']} week", published)
    if week is None:
        return None
    days = [_WEEKDAYS[match[name][:3]] for name in ("weekday", "other") if match[name]]
    return Span(week.start + min(days) * DAY, week.start + max(days) * DAY, "day")


def _weekday_and_date(match: re.Match[str], published: Published) -> Span | None:
    """Sunday, March 2; Friday the 13th: the nearest within two years."""
    wanted, number = _WEEKDAYS[match["weekday"][:3]], int(match["day"])
    month = _MONTHS[match["month"][:3]] if match["month"] else None
    if match["year"]:
        day = date(int(match["year"]), month or 0, number)
        return _day(day) if day.weekday() == wanted else None
    if published.today is None:
        return None
    step = DAY if published.future else -DAY
    day = published.today if published.future else published.today + DAY
    for _ in range(366 * 2):
        if day.weekday() == wanted and day.day == number and month in (None, day.month):
            return _day(day)
        day += step
    return None


def _full_date(match: re.Match[str], published: Published) -> Span | None:
    year = span(match["year"], published)
    if year is None:
        return None
    return _day(date(year.start.year, _MONTHS[match["month"][:3]], int(match["day"])))


def _day_and_month(match: re.Match[str], published: Published) -> Span | None:
    return _nearest(int(match["day"]), _MONTHS[match["month"][:3]], published)


def _nearest(day: int, month: int, published: Published) -> Span | None:
    """The last such day up to publication, or the next one."""
    date(2024, month, day)  # raises where no year has it
    if published.today is None:
        return None
    # copy written after midnight in one zone is published before it in another
    limit = published.today if published.future else published.today + DAY
    years = (
        range(limit.year, limit.year + 9)
        if published.future
        else range(limit.year, limit.year - 9, -1)
    )
    for year in years:
        try:
            found = date(year, month, day)
        except ValueError:  # 29 February
            continue
        if found >= limit if published.future else found <= limit:
            return _day(found)
    return None


def _days_of_month(match: re.Match[str], published: Published) -> Span | None:
    month = match["month"]
    year = f" {match['year']}" if match["year"] else ""
    first = span(f"{match['day']} {month}{year}", published)
    last = span(f"{match['last']} {month}{year}", published)
    if first is None or last is None or last.start < first.start:
        return None
    return Span(first.start, last.start, "day")


def _month_alone(match: re.Match[str], published: Published) -> Span | None:
    month, which = _MONTHS[match["month"][:3]], match["which"]
    if published.today is None:
        return None
    this = published.today.month
    if which == "this":
        return _month(published.today.year, month)
    if which in ("next", "coming") or (which is None and published.future):
        later = month > this or (month == this and which is None)
        return _month(published.today.year + (0 if later else 1), month)
    earlier = month < this or (month == this and which is None)
    return _month(published.today.year - (0 if earlier else 1), month)


def _month_of_year(match: re.Match[str], published: Published) -> Span | None:
    year = span(match["year"], published)
    return _month(year.start.year, _MONTHS[match["month"][:3]]) if year else None


def _numeric(match: re.Match[str], published: Published) -> Span | None:
    """22/06/2016; None where either number could be the month."""
    first, second = int(match["first"]), int(match["second"])
    if first <= 12 and second <= 12 and first != second:
        return None
    day, month = (first, second) if second <= 12 else (second, first)
    if year := match["year"]:
        return _day(date(int(year), month, day))
    return _nearest(day, month, published)


def _ago(match: re.Match[str], published: Published) -> Span | None:
    unit = match["unit"]
    if published.today is None:
        return None
    count = _number(match["count"])
    if unit == "hour":
        return (
            _day((published.moment - timedelta(hours=count)).date()) if published.moment else None
        )
    return _unit(published.today, unit, -count)


def _rolling(match: re.Match[str], published: Published) -> Span | None:
    """The past two months, the next five years: counted from the day of publication."""
    unit = match["unit"]
    if published.today is None:
        return None
    # the last years: how many? the next day: after what?
    if match["count"] is None and (match[0].endswith("s") or unit == "day"):
        return None
    count = _number(match["count"])
    if unit == "hour":
        unit, count = "day", -(-count // 24)
    if unit == "decade":
        unit, count = "year", 10 * count
    far = _step(published.today, unit, count if match["which"] in ("next", "coming") else -count)
    return Span(min(far, published.today), max(far, published.today), unit)


def _step(day: date, unit: str, count: int) -> date:
    if unit in ("day", "week"):
        return day + count * (7 if unit == "week" else 1) * DAY
    month = _month_from(day, count * (12 if unit == "year" else 1))
    return month.start.replace(day=min(day.day, month.end.day))


def _which_unit(match: re.Match[str], published: Published) -> Span | None:
    """last week, this month, earlier this year, so far this year, later this week."""
    if published.today is None:
        return None
    steps = {"last": -1, "next": 1, "coming": 1}.get(match["which"], 0)
    if (
        match["unit"] == "week"
        and steps == 0
        and published.future
        and published.today.weekday() == 6
    ):
        steps = 1  # what is to come this week, on a Sunday, comes in the one that begins
    span = _unit(published.today, match["unit"], steps)
    if steps == 0 and match["part"]:
        if match["part"].startswith("later"):
            return Span(published.today, span.end, span.unit)
        return Span(span.start, published.today, span.unit)
    return span


def _weekend(match: re.Match[str], published: Published) -> Span | None:
    if published.today is None:
        return None
    saturday = _week(published.today).start + 5 * DAY
    started = saturday <= published.today
    if match["which"] in ("next", "coming"):
        saturday += 7 * DAY if started else timedelta()
    elif not published.future and (not started or match["which"] in ("last", "past")):
        saturday -= 7 * DAY
    return Span(saturday, saturday + DAY, "weekend")


def _near_day(match: re.Match[str], published: Published) -> Span | None:
    if published.today is None:
        return None
    if match[0] == "overnight":
        return Span(published.today - DAY, published.today, "day")
    return _day(published.today + _NEAR_DAYS[match["near"]] * DAY)


def _part_of_year(match: re.Match[str], published: Published) -> Span | None:
    year = span(match["year"], published)
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
    return Span(first.start, _month(year.start.year, count * which).end, unit)


def _season(match: re.Match[str], published: Published) -> Span | None:
    """The whole year: which months a summer has depends on where; a winter has two years."""
    return None if match["season"] == "winter" else span(match["year"], published)


def _decade(match: re.Match[str], _: Published) -> Span:
    start = int(match["decade"])
    return Span(date(start, 1, 1), date(start + 9, 12, 31), "decade")


def _two_decades(match: re.Match[str], _: Published) -> Span:
    first, last = int(match["decade"]), int(match["decade"][:2] + match["last"])
    return Span(date(first, 1, 1), date(last + 9, 12, 31), "decade")


def _century(match: re.Match[str], _: Published) -> Span:
    number = int(match["century"])
    return Span(date(100 * number - 99, 1, 1), date(100 * number, 12, 31), "century")


def _holiday(match: re.Match[str], published: Published) -> Span | None:
    month, day = _HOLIDAYS[match["holiday"]]
    if match["year"]:
        year = span(match["year"], published)
        return _day(date(year.start.year, month, day)) if year else None
    return _nearest(day, month, published)


def _between(match: re.Match[str], published: Published) -> Span | None:
    first, last = match["first"], match["last"]
    if _YEAR_WORD.fullmatch(first) and re.fullmatch(r"\d\d", last):
        last = first[:2] + last
    year = _YEAR_WORD.search(last)
    if year and not _YEAR_WORD.search(first) and re.search(MONTH, first):
        first = f"{first} {year[0]}"
    begin, end = span(first, published), span(last, published)
    if begin is None or end is None or end.end < begin.start:
        return None
    return Span(begin.start, end.end, begin.unit)


# -------------------------------------------------------------------------------------------- words

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

WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tues?|weds?|thur?s?|fri|sat|sun"
MONTH = (
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

_YEAR_WORD = re.compile(r"\b(?:1[5-9]\d\d|20\d\d)\b")
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
    (rf"(?:(?:on|the) )*(?:{_WHICH} )?(?P<weekday>{WEEKDAY}){_PART_OF_DAY}?", _weekday),
    (rf"(?P<near>{'|'.join(_NEAR_DAYS)})|overnight", _near_day),
    (
        r"(?:(?P<part>earlier|later|so far|early|late)(?: in)? )?"
        r"(?P<which>last|this|next|coming|the) "
        r"(?P<unit>week|month|year|decade)",
        _which_unit,
    ),
    (rf"(?P<year>{_YEAR_WORD.pattern})", lambda match, _: _year(int(match["year"]))),
    (rf"(?:{_WHICH} )?(?P<month>{MONTH})", _month_alone),
    (rf"(?:the )?{_DAY}(?: of)? (?P<month>{MONTH}),? (?:of )?{_ANY_YEAR}", _full_date),
    (rf"(?P<month>{MONTH}),? (?:the )?{_DAY},? (?:of )?{_ANY_YEAR}", _full_date),
    (rf"(?:the )?{_DAY}(?: of)? (?P<month>{MONTH})", _day_and_month),
    (rf"(?P<month>{MONTH}) (?:the )?{_DAY}", _day_and_month),
    (rf"(?P<month>{MONTH}),? (?:of |in )?{_ANY_YEAR}", _month_of_year),
    (
        rf"(?P<weekday>{WEEKDAY}),? (?:the )?{_DAY}(?: of)? (?P<month>{MONTH})(?:,? {_YEAR})?",
        _weekday_and_date,
    ),
    (rf"(?P<weekday>{WEEKDAY}),? (?P<month>{MONTH}) {_DAY}(?:,? {_YEAR})?", _weekday_and_date),
    (rf"(?P<weekday>{WEEKDAY}),? the {_DAY}(?P<month>(?!))?(?P<year>(?!))?", _weekday_and_date),
    (
        rf"(?P<weekday>{WEEKDAY})(?: (?:and|or) (?P<other>{WEEKDAY}))? (?:of )?"
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
        rf"(?P<month>{MONTH}) {_DAY} ?(?:-|to|and|through) ?{_LAST_DAY}(?:,? {_YEAR})?",
        _days_of_month,
    ),
    (
        rf"{_DAY} ?(?:-|to|and) ?{_LAST_DAY}(?: of)? (?P<month>{MONTH})(?:,? {_YEAR})?",
        _days_of_month,
    ),
    (r"(?:between|from) (?P<first>.+?) (?:and|to|until|till|through) (?P<last>.+)", _between),
    (rf"(?P<first>{_YEAR_WORD.pattern})(?: ?- ?| to )(?P<last>(?:19|20)?\d\d)", _between),
    (
        rf"(?P<first>(?:{WEEKDAY}|{MONTH}).*?) (?:and|to|through) "
        rf"(?P<last>(?:{WEEKDAY}|{MONTH}).*)",
        _between,
    ),
)  # fmt: skip
