"""Times: spans to ISO 8601, against an article published on Friday 8 March 2024."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwire.models.enrich.times import parse_published, resolve_time

FRIDAY = "2024-03-08T10:00:00Z"


def value(text: str, published: str | None = FRIDAY, **more: str) -> str | None:
    return resolve_time(text, published_at=published, **more).value


@pytest.mark.parametrize(
    ("text", "expected", "granularity"),
    [
        ("on Tuesday", "2024-03-05", "day"),
        ("Tuesday", "2024-03-05", "day"),
        ("Saturday", "2024-03-02", "day"),
        ("Thursday night", "2024-03-07", "day"),
        ("late on Tuesday", "2024-03-05", "day"),
        ("early Wednesday", "2024-03-06", "day"),
        ("Earlier on Saturday", "2024-03-02", "day"),
        ("earlier Monday", "2024-03-04", "day"),
        ("early hours of Tuesday morning", "2024-03-05", "day"),
        ("last Friday", "2024-03-01", "day"),
        ("last Thursday", "2024-03-07", "day"),
        ("next Wednesday", "2024-03-13", "day"),
        ("next Friday", "2024-03-15", "day"),
        ("Tues.", "2024-03-05", "day"),
        ("Tuesday and Wednesday", "2024-03-05/2024-03-06", "day"),
        ("Thursday and Friday next week", "2024-03-14/2024-03-15", "day"),
        ("Friday last week", "2024-03-01", "day"),
        ("today", "2024-03-08", "day"),
        ("yesterday", "2024-03-07", "day"),
        ("tomorrow", "2024-03-09", "day"),
        ("the day before yesterday", "2024-03-06", "day"),
        ("this morning", "2024-03-08", "day"),
        ("tonight", "2024-03-08", "day"),
        ("Last night", "2024-03-07", "day"),
        ("overnight", "2024-03-07/2024-03-08", "day"),
        ("three days ago", "2024-03-05", "day"),
        ("5 days ago", "2024-03-03", "day"),
        ("two hours ago", "2024-03-08", "day"),
        ("last week", "2024-02-26/2024-03-03", "week"),
        ("this week", "2024-03-04/2024-03-10", "week"),
        ("earlier this week", "2024-03-04/2024-03-08", "week"),
        ("earlier in the week", "2024-03-04/2024-03-08", "week"),
        ("later this week", "2024-03-08/2024-03-10", "week"),
        ("next week", "2024-03-11/2024-03-17", "week"),
        ("two weeks ago", "2024-02-19/2024-02-25", "week"),
        ("a week ago", "2024-02-26/2024-03-03", "week"),
        ("past week", "2024-03-01/2024-03-08", "week"),
        ("the weekend", "2024-03-02/2024-03-03", "weekend"),
        ("over the weekend", "2024-03-02/2024-03-03", "weekend"),
        ("last weekend", "2024-03-02/2024-03-03", "weekend"),
        ("next weekend", "2024-03-09/2024-03-10", "weekend"),
        ("last month", "2024-02-01/2024-02-29", "month"),
        ("earlier this month", "2024-03-01/2024-03-08", "month"),
        ("later this month", "2024-03-08/2024-03-31", "month"),
        ("next month", "2024-04-01/2024-04-30", "month"),
        ("11 months ago", "2023-04-01/2023-04-30", "month"),
        ("past two months", "2024-01-08/2024-03-08", "month"),
        ("last year", "2023-01-01/2023-12-31", "year"),
        ("late last year", "2023-01-01/2023-12-31", "year"),
        ("so far this year", "2024-01-01/2024-03-08", "year"),
        ("a year ago", "2023-01-01/2023-12-31", "year"),
        ("year ago", "2023-01-01/2023-12-31", "year"),
        ("around 6am (05:00 GMT) on Monday", "2024-03-04T05:00+00:00", "minute"),
        ("around 9.30am (09:30 GMT", "2024-03-08T09:30+00:00", "minute"),
        ("last five years", "2019-03-08/2024-03-08", "year"),
        ("past decade", "2014-03-08/2024-03-08", "year"),
        ("last 24 hours", "2024-03-07/2024-03-08", "day"),
        ("next two weeks", "2024-03-08/2024-03-22", "week"),
        ("in February", "2024-02-01/2024-02-29", "month"),
        ("March", "2024-03-01/2024-03-31", "month"),
        ("December", "2023-12-01/2023-12-31", "month"),
        ("last April", "2023-04-01/2023-04-30", "month"),
        ("last March", "2023-03-01/2023-03-31", "month"),
        ("next March", "2025-03-01/2025-03-31", "month"),
        ("mid-August", "2023-08-01/2023-08-31", "month"),
        ("end of May", "2023-05-01/2023-05-31", "month"),
        ("October last year", "2023-10-01/2023-10-31", "month"),
        ("Sept.", "2023-09-01/2023-09-30", "month"),
        ("on 12 May", "2023-05-12", "day"),
        ("March 7", "2024-03-07", "day"),
        ("9th of February", "2024-02-09", "day"),
        ("Nov. 25", "2023-11-25", "day"),
        ("29 February", "2024-02-29", "day"),
        ("night of January 11", "2024-01-11", "day"),
        ("April 30 afternoon", "2023-04-30", "day"),
        ("August 6-7", "2023-08-06/2023-08-07", "day"),
        ("18 September last year", "2023-09-18", "day"),
        ("Friday the 13th", "2023-10-13", "day"),
        ("Saturday, March 2", "2024-03-02", "day"),
        ("since Thursday", "2024-03-07/2024-03-08", "day"),
        ("since March", "2024-03-01/2024-03-08", "month"),
        ("Since October 2010", "2010-10-01/2024-03-08", "month"),
        ("since 2012", "2012-01-01/2024-03-08", "year"),
        ("Since the party came to power in 2014", "2014-01-01/2024-03-08", "year"),
        ("New Year’s Eve", "2023-12-31", "day"),
        ("22/06", "2023-06-22", "day"),
        ("around 6am on Monday", "2024-03-04T06:00+00:00", "hour"),
        ("5:30 p.m. on Thursday", "2024-03-07T17:30+00:00", "minute"),
        ("around 9 am", "2024-03-08T09:00+00:00", "hour"),
    ],
)
def test_relative_words_count_from_publication(text: str, expected: str, granularity: str) -> None:
    assert resolve_time(text, published_at=FRIDAY) == (expected, granularity)


@pytest.mark.parametrize(
    ("text", "expected", "granularity"),
    [
        ("in 2017", "2017-01-01/2017-12-31", "year"),
        ("early 2012", "2012-01-01/2012-12-31", "year"),
        ("autumn of 2014", "2014-01-01/2014-12-31", "year"),
        ("1967 Six Day War", "1967-01-01/1967-12-31", "year"),
        ("the 1990s", "1990-01-01/1999-12-31", "decade"),
        ("1960s and '70s", "1960-01-01/1979-12-31", "decade"),
        ("late 18th century", "1701-01-01/1800-12-31", "century"),
        ("between 2011 and 2014", "2011-01-01/2014-12-31", "year"),
        ("2011–14", "2011-01-01/2014-12-31", "year"),
        ("from April to June 2013", "2013-04-01/2013-06-30", "month"),
        ("between April 2012 and June 2013", "2012-04-01/2013-06-30", "month"),
        ("first six months of 2013", "2013-01-01/2013-06-30", "month"),
        ("third quarter of 2019", "2019-07-01/2019-09-30", "quarter"),
        ("first half of 2019", "2019-01-01/2019-06-30", "month"),
        ("May 2009", "2009-05-01/2009-05-31", "month"),
        ("December of 2020", "2020-12-01/2020-12-31", "month"),
        ("May 12, 2019", "2019-05-12", "day"),
        ("May, 1, 2011", "2011-05-01", "day"),
        ("12 May 2019", "2019-05-12", "day"),
        ("Oct. 2, 1968", "1968-10-02", "day"),
        ("Sunday, May 24, 2020", "2020-05-24", "day"),
        ("early hours of April 13, 2016", "2016-04-13", "day"),
        ("2016-07-06", "2016-07-06", "day"),
        ("29.06.2016", "2016-06-29", "day"),
        ("06/06/2016", "2016-06-06", "day"),
        ("Christmas Eve 2010", "2010-12-24", "day"),
        ("since 2017", "2017-01-01/..", "year"),
        ("9am GMT on 12 May 2019", "2019-05-12T09:00+00:00", "hour"),
    ],
)
def test_absolute_words_need_no_publication_date(
    text: str, expected: str, granularity: str
) -> None:
    assert resolve_time(text, published_at=None) == (expected, granularity)


@pytest.mark.parametrize(
    "text",
    ["on Tuesday", "last week", "yesterday", "in May", "12 May", "since March", "overnight",
     "Friday the 13th", "October last year", "this weekend", "two weeks ago", "past decade",
     "Christmas", "Sunday, March 2", "around 9 am", "22/06", "winter of 2014"],
)  # fmt: skip
def test_relative_words_stay_open_without_a_publication_date(text: str) -> None:
    assert resolve_time(text, published_at=None) == (None, None)


@pytest.mark.parametrize(
    "text",
    ["two days later", "a year later", "days before the call", "the next day", "same day",
     "that night", "previous day", "previous month", "following August", "the third day",
     "day before the inauguration", "two weeks after 2017", "after 1991", "until 2025",
     "before Sunday", "more than a year ago"],
)  # fmt: skip
def test_words_that_count_from_elsewhere_have_no_value(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize(
    "text",
    ["recently", "recent weeks", "past few days", "the last years", "now", "daily", "two years",
     "for years", "six-month period", "morning", "last summer", "13th", "soon", "", "  ", "...",
     "fiscal 2015", "since the uprising began", "second"],
)  # fmt: skip
def test_vague_words_have_no_value(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize(
    "text",
    ["31 June", "31 June 2021", "30 February 2020", "29 February 2023", "Friday, May 24, 2020",
     "06/31/2016", "25:99", "1am (23:00 GMT) on Tuesday", "13am on Monday", "32 May 2020"],
)  # fmt: skip
def test_impossible_dates_have_no_value(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize("text", ["06/07/2016", "06.07.2016", "10/8", "5/6"])
def test_dates_that_could_be_two_stay_unknown(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize("text", ["may", "march", "second", "fall"])
def test_verbs_and_ordinals_in_lower_case_are_no_times(text: str) -> None:
    assert value(text) is None


def test_may_is_a_month_where_it_can_be_nothing_else() -> None:
    assert value("May") == value("in may") == "2023-05-01/2023-05-31"


def test_weekday_of_publication_is_that_day() -> None:
    assert value("on Friday") == "2024-03-08"


def test_an_offset_in_published_at_says_what_day_it_was_there() -> None:
    assert value("on Friday", "2024-03-08T01:30:00+09:00") == "2024-03-08"
    assert value("today", "2024-03-07T23:30:00-05:00") == "2024-03-07"


@pytest.mark.parametrize(
    ("published", "expected"),
    [("2024-03-07T23:30:00Z", "2024-03-08"), ("2024-03-08T00:30:00Z", "2024-03-08"),
     ("2024-03-08T16:00:00Z", "2024-03-09")],
)  # fmt: skip
def test_the_outlets_zone_decides_what_today_is(published: str, expected: str) -> None:
    assert value("today", published, timezone="Asia/Tokyo") == expected


def test_a_publication_without_zone_is_in_the_outlets() -> None:
    assert value("around 9am", "2024-03-08T10:00:00", timezone="Asia/Tokyo") == (
        "2024-03-08T09:00+09:00"
    )


@pytest.mark.parametrize("zone", ["Mars/Phobos", "", "../UTC", "America", "/etc/passwd", "\0"])
def test_a_zone_that_is_none_is_as_if_not_given(zone: str) -> None:
    assert value("today", FRIDAY, timezone=zone) == "2024-03-08"


def test_friday_in_tokyo_is_the_day_of_publication_there() -> None:
    assert value("on Friday", "2024-03-07T23:30:00Z", timezone="Asia/Tokyo") == "2024-03-08"
    assert value("on Friday", "2024-03-07T23:30:00Z") == "2024-03-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("on Tuesday", "2024-03-12"), ("on Friday", "2024-03-08"), ("in May", "2024-05-01/2024-05-31"),
     ("in February", "2025-02-01/2025-02-28"), ("12 May", "2024-05-12"), ("March 7", "2025-03-07"),
     ("this weekend", "2024-03-09/2024-03-10"), ("December 24", "2024-12-24"),
     ("Christmas Eve", "2024-12-24"), ("by 2030", "2030-01-01/2030-12-31")],
)  # fmt: skip
def test_planned_events_lie_ahead(text: str, expected: str) -> None:
    assert value(text, status="planned") == expected


def test_this_week_is_the_coming_one_for_what_is_planned_on_a_sunday() -> None:
    sunday = "2024-03-10"
    assert value("this week", sunday, status="planned") == "2024-03-11/2024-03-17"
    assert value("this week", sunday) == "2024-03-04/2024-03-10"


def test_what_will_not_happen_lies_ahead() -> None:
    assert value("on Monday", status="negated", sentence="They will not meet on Monday.") == (
        "2024-03-11"
    )
    assert value("on Monday", status="negated", sentence="They did not meet on Monday.") == (
        "2024-03-04"
    )


def test_an_alleged_event_lies_behind() -> None:
    assert value("on Monday", status="alleged") == "2024-03-04"


@pytest.mark.parametrize(
    ("text", "published", "expected"),
    [
        ("at 12.15pm UK time", "2024-03-08T14:00:00Z", "2024-03-08T12:15+00:00"),
        ("at 12.15pm UK time", "2024-07-08T14:00:00Z", "2024-07-08T12:15+01:00"),
        ("(1830 GMT)", "2024-03-08T20:00:00Z", "2024-03-08T18:30+00:00"),
        ("14:30", "2024-03-08T15:00:00+02:00", "2024-03-08T14:30+02:00"),
        ("at 12.15pm UK time", "2024-03-08T10:00:00Z", None),
        ("at 9am", "2024-03-08", None),
        ("at 9am", "2024-03-08T10:00:00", None),
    ],
)
def test_a_clock_time_without_a_day_is_today_only_if_it_has_been(
    text: str, published: str, expected: str | None
) -> None:
    assert value(text, published) == expected


def test_a_clock_time_takes_the_one_day_that_the_sentence_names() -> None:
    assert value("at 9am", sentence="On Tuesday police raided the house at 9am.") == (
        "2024-03-05T09:00+00:00"
    )


def test_a_clock_time_in_a_sentence_of_two_days_stays_open() -> None:
    sentence = "On Tuesday, after Monday's raid, they met at 9am."
    assert value("at 9am", sentence=sentence) is None


def test_a_dateline_a_day_ahead_is_not_a_year_back() -> None:
    assert value("9 March", "2024-03-08T21:00:00Z") == "2024-03-09"


def test_days_of_months_look_across_the_new_year() -> None:
    assert value("December 30", "2024-01-02") == "2023-12-30"
    assert value("last month", "2024-01-02") == "2023-12-01/2023-12-31"


@pytest.mark.parametrize("published", ["yesterday", "2024-13-40", "", "8 March 2024"])
def test_a_publication_date_that_cannot_be_read_counts_as_none(published: str) -> None:
    assert value("yesterday", published) is None
    assert value("in 2017", published) == "2017-01-01/2017-12-31"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-08", date(2024, 3, 8)),
        ("20240308", date(2024, 3, 8)),
        (" 2024-03-08T10:00:00Z ", datetime(2024, 3, 8, 10, tzinfo=UTC)),
        ("2024-03-08T10:00:00", datetime(2024, 3, 8, 10)),
        ("2024-03-08 10:00", datetime(2024, 3, 8, 10)),
        ("2024-03-08T10:00+09:00", datetime(2024, 3, 8, 10, tzinfo=timezone(timedelta(hours=9)))),
        ("", None),
        ("Fri, 08 Mar 2024 10:00:00 GMT", None),
        ("2024-02-30", None),
    ],
)
def test_publication_dates_are_read_as_feeds_write_them(
    text: str, expected: datetime | date | None
) -> None:
    assert parse_published(text) == expected


@given(st.text(max_size=40), st.sampled_from([FRIDAY, None, "0001-01-01", "9999-12-31", "x"]))
def test_no_words_raise(text: str, published: str | None) -> None:
    resolved = resolve_time(text, published_at=published)
    assert (resolved.value is None) == (resolved.granularity is None)


@given(
    st.sampled_from(["last", "next", "this", "past"]),
    st.sampled_from(["week", "month", "year", "decade", "weekend", "Monday", "March", "9 years"]),
    st.sampled_from(["0001-01-01", "9999-12-31", "2024-02-29"]),
)
def test_the_ends_of_the_calendar_do_not_raise(which: str, unit: str, published: str) -> None:
    resolve_time(f"{which} {unit}", published_at=published)
