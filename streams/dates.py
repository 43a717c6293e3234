"""When a feed says that an article was published: told exactly, or not known. Never a made-up day.

Feeds write dates in every form there is, and libraries guess where a form could be two: here
`06/07/2016` is no date, and neither is `31 Jun 2021`.
"""

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

OLDEST = datetime(1800, 1, 1, tzinfo=UTC)


def told(text: str) -> str | None:
    """The date or time that `text` tells, in ISO 8601; None where that could be two, or is none.

    A bare date stays bare, a time without a zone stays without, and one with a zone keeps its
    offset: the day of publication is the outlet's.
    """
    try:
        moment, rest = _time_of_day(" ".join(text.split()))
        day = _day(rest)
    except ValueError:  # no such hour, no such day
        return None
    if day is None or day.year < OLDEST.year:
        return None
    return (day if moment is None else datetime.combine(day, moment)).isoformat()


def implausible(moment: datetime, now: datetime) -> bool:
    """Whether no article can have been published then: tomorrow, or before there were wires."""
    return not OLDEST <= moment <= now + timedelta(days=1)


_TIME = re.compile(
    r"""(?:(?<=\d)[Tt]|\bat\ |\b)
        (?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?
        (?:\ ?(?P<half>[AaPp])\.?[Mm]\.?(?!\w))?
        (?:\ ?(?:(?P<name>[A-Za-z]{1,4})(?![A-Za-z])|(?P<sign>[+-])(?P<hh>\d\d):?(?P<mm>\d\d)))?
        (?:\ \([^()]*\))?(?![\w:+])""",
    re.VERBOSE | re.ASCII,
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T?(\d\d)(\d\d)(\d\d)(Z?))?")
_ZONES = {"z": 0, "ut": 0, "utc": 0, "gmt": 0} | {
    f"{letter}{kind}t": hours + (kind == "d")
    for letter, hours in (("e", -5), ("c", -6), ("m", -7), ("p", -8))
    for kind in "sd"
}
"""Those of RFC 822. Of others, such as IST, there are several."""

_NAMES = """
monday tuesday wednesday thursday friday saturday sunday
january february march april may june july august september october november december
"""
_WEEKDAYS, _MONTHS = (names.split() for names in _NAMES.strip().splitlines())
_MONTH_NUMBERS = {
    short: number
    for number, name in enumerate(_MONTHS, 1)
    for short in {name, name[:3], "sept" if name == "september" else name}
}
_WORD = r"(?:(?P<weekday>[^\W\d_]+)\.?,? )?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_NAMED = [
    re.compile(_WORD + _DAY + r"[ .-]{1,2}(?P<month>[a-z]+)[ .,-]{1,2}(?P<year>\d{4})"),
    re.compile(_WORD + r"(?P<month>[a-z]+)\.? " + _DAY + r",? (?P<year>\d{4})"),
]
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})")


def _time_of_day(text: str) -> tuple[time | None, str]:
    """The time in `text`, if there is one, and what is left without it."""
    if match := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second, zone = match.groups()
        moment = (
            time(int(hour), int(minute), int(second), 0, UTC if zone else None) if hour else None
        )
        return moment, f"{year}-{month}-{day}"
    if not (match := _TIME.search(text)):
        return None, text
    rest = " ".join((text[: match.start()] + " " + text[match.end() :]).split()).strip(" ,")
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(match[0])
        hour = hour % 12 + (12 if match["half"] in "Pp" else 0)
    micros = int((match["fraction"] or "0").ljust(6, "0")[:6])
    return time(hour, int(match["minute"]), int(match["second"] or 0), micros, _zone(match)), rest


def _zone(match: re.Match[str]) -> timezone | None:
    if match["name"]:
        if match["name"].lower() not in _ZONES:
            raise ValueError(match["name"])
        return timezone(timedelta(hours=_ZONES[match["name"].lower()]))
    if match["sign"]:
        offset = timedelta(hours=int(match["hh"]), minutes=int(match["mm"]))
        return timezone(-offset if match["sign"] == "-" else offset)
    return None


def _day(text: str) -> date | None:
    text = text.lower()
    for pattern in _NAMED:
        if (match := pattern.fullmatch(text)) and match["month"] in _MONTH_NUMBERS:
            day = date(int(match["year"]), _MONTH_NUMBERS[match["month"]], int(match["day"]))
            return day if _may_be(match["weekday"], day) else None
    if match := _YEAR_FIRST.fullmatch(text):
        return date(int(match[1]), int(match[3]), int(match[4]))
    if match := _YEAR_LAST.fullmatch(text):
        # Of 06/07 nobody can tell which is the month.
        readings = {_date(match[4], match[3], match[1]), _date(match[4], match[1], match[3])}
        readings.discard(None)
        return readings.pop() if len(readings) == 1 else None
    return None


def _date(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _may_be(word: str | None, day: date) -> bool:
    """False where the word is another day of the week: then one of the two is wrong. Words of
    other languages tell nothing."""
    named = [number for number, name in enumerate(_WEEKDAYS) if word in (name, name[:3])]
    return not named or named == [day.weekday()]
