from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwire.streams.dates import implausible, told


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021/9/17 08:45:00", "2021-09-17T08:45:00"),
        ("29.06.2016", "2016-06-29"),
        ("05/05/2016", "2016-05-05"),
        ("Tue, Mar 14 2023 07:05 PM", "2023-03-14T19:05:00"),
        ("March 14, 2023 at 12:05 a.m. EST", "2023-03-14T00:05:00-05:00"),
        ("mer, 8 nov 2023 09:30 +0100", "2023-11-08T09:30:00+01:00"),
        ("Wed, 08 Nov 2023 09:30:00 GMT", "2023-11-08T09:30:00+00:00"),
        ("Wed, 08 Nov 2023 09:30:00 -0330 (NST)", "2023-11-08T09:30:00-03:30"),
        ("Wed Nov 08 09:30:00 +0000 2023", "2023-11-08T09:30:00+00:00"),
        ("8th November 2023", "2023-11-08"),
        ("2023-11-08T09:30:00.5Z", "2023-11-08T09:30:00.500000+00:00"),
        ("2023-11-08 09:30", "2023-11-08T09:30:00"),
        (" 2023-11-08 ", "2023-11-08"),
        ("20231108", "2023-11-08"),
        ("20231108093000", "2023-11-08T09:30:00"),
    ],
)
def test_a_date_that_is_told_exactly_is_read(text, expected):
    assert told(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "06/07/2016",
        "06-07-2016 10:00",
        "07.06.2016",
        "Wed, 31 Jun 2021 10:00 GMT",
        "2020-02-30",
        "2023-11-08T25:30:00Z",
        "20231108256100",
        "Tue, 08 Nov 2023 09:30:00 GMT",
        "Wed, 08 Nov 2023 09:30:00 IST",
        "Wed, 08 Nov 2023 09:30:00 +9999",
        "8 Nov 23",
        "13:05 PM, 8 Nov 2023",
        "8 mai 2023",
        "08112023",
        "1699435800",
        "Nov 2023",
        "2023",
        "09:30",
        "yesterday",
        "",
    ],
)
def test_a_date_that_could_be_two_or_is_none_is_not_known(text):
    assert told(text) is None


@given(st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1)))
def test_what_this_program_writes_it_reads_as_the_same_moment(moment):
    assert datetime.fromisoformat(told(moment.isoformat())) == moment
    said = moment.strftime("%d %B %Y %H:%M:%S")
    assert datetime.fromisoformat(told(said)) == moment.replace(microsecond=0)


@given(st.text("0123456789:/.-+ TZapmGMTNovJan", max_size=30))
def test_whatever_a_feed_says_is_a_date_or_not_known(text):
    found = told(text)
    assert found is None or datetime.fromisoformat(found)


def test_a_date_to_come_or_before_the_wires_is_implausible():
    now = datetime(2025, 3, 3, 12, tzinfo=UTC)
    assert implausible(datetime(2087, 1, 1, tzinfo=UTC), now)
    assert implausible(datetime(1799, 1, 1, tzinfo=UTC), now)
    assert not implausible(now + timedelta(hours=14), now)  # the other side of the date line
    assert not implausible(datetime(1901, 1, 1, tzinfo=UTC), now)
