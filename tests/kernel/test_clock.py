"""Time is stored in UTC and cut into days and months in Asia/Shanghai, whatever the machine."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.clock import (
    SHANGHAI,
    FixedClock,
    Month,
    SystemClock,
    as_utc,
    month_bounds,
    month_of,
    months_between,
    next_month,
    parse_day,
    parse_moment,
    parse_month,
    shanghai_day,
    show_month,
    start_of_day,
)
from kernel.errors import InvalidDate, InvalidPeriod, NaiveTime

FEBRUARY_2028 = Month(date(2028, 2, 1))  # a leap year

moments = st.datetimes(
    min_value=datetime.fromisoformat("1970-01-01"),
    max_value=datetime.fromisoformat("2200-01-01"),
    timezones=st.just(UTC),
)


def test_a_month_begins_and_ends_at_midnight_in_shanghai():
    assert month_bounds(parse_month("2026-03")) == (
        datetime(2026, 2, 28, 16, tzinfo=UTC),
        datetime(2026, 3, 31, 16, tzinfo=UTC),
    )


def test_a_leap_day_belongs_to_february():
    start, end = month_bounds(FEBRUARY_2028)

    assert (end - start) == timedelta(days=29)
    assert month_of(date(2028, 2, 29)) == FEBRUARY_2028
    assert start_of_day(date(2028, 2, 29)) == datetime(2028, 2, 28, 16, tzinfo=UTC)
    assert next_month(FEBRUARY_2028) == date(2028, 3, 1)


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 3, 31, 15, 59, 59, 999_999, tzinfo=UTC), date(2026, 3, 31)),
        (datetime(2026, 3, 31, 16, tzinfo=UTC), date(2026, 4, 1)),
        (datetime(2025, 12, 31, 16, tzinfo=UTC), date(2026, 1, 1)),
        (datetime(2026, 3, 31, 23, 59, tzinfo=SHANGHAI), date(2026, 3, 31)),
        (datetime(2026, 3, 31, 12, tzinfo=timezone(timedelta(hours=-5))), date(2026, 4, 1)),
    ],
)
def test_a_moment_falls_on_its_day_in_shanghai(at: datetime, day: date):
    assert shanghai_day(at) == day


@given(moments)
def test_each_moment_lies_in_exactly_the_month_of_its_day(at: datetime):
    month = month_of(shanghai_day(at))
    start, end = month_bounds(month)

    assert start <= at < end
    assert month_bounds(next_month(month))[0] == end


def test_months_run_over_the_end_of_a_year():
    first, last = parse_month("2025-11"), parse_month("2026-02")

    assert [show_month(month) for month in months_between(first, last)] == [
        "2025-11",
        "2025-12",
        "2026-01",
        "2026-02",
    ]
    assert list(months_between(last, first)) == []


def test_a_time_without_a_zone_is_refused():
    naive = datetime.fromisoformat("2026-03-01T08:00:00")

    for take in (as_utc, shanghai_day, FixedClock):
        with pytest.raises(NaiveTime) as refused:
            take(naive)
        assert refused.value.facts == {"text": "2026-03-01T08:00:00"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-13",
        "2026-00",
        "03-2026",
        "2026-3-1",
        "2026/03",
        "March",
        "0001-01",
        "1899-12",
        "2201-01",
        "9999-12",
    ],
)
def test_what_is_no_period_is_refused_with_what_was_written(text: str):
    with pytest.raises(InvalidPeriod) as refused:
        parse_month(text)
    assert refused.value.facts == {"text": text}


def test_a_period_is_shown_as_it_is_read():
    assert parse_month(" 2026-03 ") == date(2026, 3, 1)
    assert show_month(date(999, 12, 1)) == "0999-12"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-02-29",
        "2026-04-31",
        "01.03.2026",
        "2026-03",
        "tomorrow",
        "0001-01-01",
        "1899-12-31",
        "2201-01-01",
        "9999-12-31",
    ],
)
def test_what_is_no_date_is_refused_with_what_was_written(text: str):
    with pytest.raises(InvalidDate) as refused:
        parse_day(text)
    assert refused.value.facts == {"text": text}


def test_a_date_is_read():
    assert parse_day(" 2028-02-29 ") == date(2028, 2, 29)
    assert parse_day("1900-01-01") == date(1900, 1, 1)
    assert parse_day("2200-12-31") == date(2200, 12, 31)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01T08:30:00+08:00", datetime(2026, 3, 1, 0, 30, tzinfo=UTC)),
        ("2026-03-01T08:30:00Z", datetime(2026, 3, 1, 8, 30, tzinfo=UTC)),
        ("2026-03-01 08:30:00", datetime(2026, 3, 1, 0, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 2, 28, 16, tzinfo=UTC)),
    ],
)
def test_a_moment_of_a_file_without_a_zone_is_shanghais(text: str, at: datetime):
    read = parse_moment(text)

    assert read == at
    assert read.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30T00:00:00",
        "2026-03-01T25:00:00",
        "0001-01-01T00:00:00+08:00",  # in UTC before the first year there is
        "1740787200",
        "9999-12-31T23:59:59Z",  # in Asia/Shanghai after the last one
        "2201-01-01",
        "1899-12-31",
        "330102201501011234",  # a person number, which the short form of ISO 8601 would read
        "20260301T083000",
        "2026-W10-1",
        "2026-03-01X08:30:00",
    ],
)
def test_what_is_no_moment_is_refused_with_what_was_written(text: str):
    with pytest.raises(InvalidDate) as refused:
        parse_moment(text)
    assert refused.value.facts == {"text": text}


def test_a_fixed_clock_stands_until_it_is_moved():
    clock = FixedClock(datetime(2026, 3, 1, 8, tzinfo=SHANGHAI))

    assert clock.now() == clock.now() == datetime(2026, 3, 1, 0, tzinfo=UTC)
    assert clock.now().tzinfo is UTC
    clock.advance(timedelta(days=1))
    assert clock.now() == datetime(2026, 3, 2, 0, tzinfo=UTC)


def test_the_machines_clock_tells_utc():
    first, second = SystemClock().now(), SystemClock().now()

    assert first.tzinfo is UTC
    assert timedelta(0) <= second - first < timedelta(minutes=1)
