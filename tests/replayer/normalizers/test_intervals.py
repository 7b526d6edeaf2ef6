"""Which hours of a local day are its dearest, also on days of 23 and 25 hours."""

from zoneinfo import ZoneInfo

import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.replayer.normalizers.intervals import HOUR, Interval, intervals_of, local_day, peak_hours
from hypothesis import given
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
QUARTER = HOUR // 4


def day_of(text: str, zone: ZoneInfo = BERLIN) -> tuple[int, int]:
    return local_day(from_iso(text), zone)


def priced(start: int, prices: list[float], length: int = HOUR) -> list[Interval]:
    return [Interval(start + place * length, start + (place + 1) * length, price) for place, price in enumerate(prices)]


@pytest.mark.parametrize(
    ("text", "hours", "start"),
    [
        ("2026-11-23T12:00:00Z", 24, "2026-11-22T23:00:00Z"),
        ("2026-03-29T12:00:00Z", 23, "2026-03-28T23:00:00Z"),
        ("2026-10-25T12:00:00Z", 25, "2026-10-24T22:00:00Z"),
        ("2026-10-25T22:59:59.999999Z", 25, "2026-10-24T22:00:00Z"),
    ],
)
def test_local_days(text: str, hours: int, start: str) -> None:
    assert day_of(text) == (from_iso(start), from_iso(start) + hours * HOUR)


def test_a_day_whose_midnight_does_not_exist_begins_when_clocks_go_forward() -> None:
    start, end = day_of("2026-04-24T12:00:00Z", ZoneInfo("Africa/Cairo"))
    assert (start, end - start) == (from_iso("2026-04-23T22:00:00Z"), 23 * HOUR)


@pytest.mark.parametrize(("hours", "peaks"), [(23, 7), (24, 8), (25, 8)])
@pytest.mark.parametrize("length", [HOUR, QUARTER])
def test_a_third_of_the_hours(hours: int, peaks: int, length: int) -> None:
    start = 0
    intervals = priced(start, [float(place) for place in range(hours * HOUR // length)], length)
    found = peak_hours(intervals, start, start + hours * HOUR)
    assert found == {start + hour * HOUR for hour in range(hours - peaks, hours)}


def test_an_hour_of_quarters_costs_their_mean() -> None:
    prices = [1.0] * 96
    prices[40:44] = [0.0, 0.0, 0.0, 9.0]  # dear on the whole, though three of four are cheap
    found = peak_hours(priced(0, prices, QUARTER), 0, 24 * HOUR)
    assert found is not None
    assert 10 * HOUR in found


def test_negative_prices_and_equal_ones() -> None:
    assert peak_hours(priced(0, [-1.0] * 24), 0, 24 * HOUR) == frozenset()
    found = peak_hours(priced(0, [-5.0, *[-1.0] * 23]), 0, 24 * HOUR)
    assert found == {hour * HOUR for hour in range(1, 9)}, "of equal hours the earlier"


@given(st.integers(0, 23))
def test_a_day_that_is_not_whole_has_none(missing: int) -> None:
    intervals = priced(0, [float(place) for place in range(24)])
    del intervals[missing]
    assert peak_hours(intervals, 0, 24 * HOUR) is None


def test_hours_that_lie_across_the_markets() -> None:
    """In Nepal an hour of the local day begins 15 minutes after one of the market."""
    start, end = day_of("2026-11-23T12:00:00Z", ZoneInfo("Asia/Kathmandu"))
    assert start % HOUR == 15 * 60 * SECOND
    intervals = priced(start - start % HOUR, [float(place) for place in range(25)])
    found = peak_hours(intervals, start, end)
    assert found == {start + hour * HOUR for hour in range(16, 24)}


def test_intervals_end_where_they_say_or_where_the_next_begins() -> None:
    said = [(QUARTER, None, 2.0), (0, None, 1.0), (0, None, 7.0), (None, None, 9.0), (2 * QUARTER, None, None)]
    assert intervals_of(said) == [Interval(0, QUARTER, 1.0), Interval(QUARTER, 2 * QUARTER, 2.0)]
    assert intervals_of([(0, 2 * HOUR, 1.0), (5 * HOUR, 4 * HOUR, 2.0)]) == [
        Interval(0, 2 * HOUR, 1.0),
        Interval(5 * HOUR, 6 * HOUR, 2.0),
    ]
    assert intervals_of([]) == []


@given(st.lists(st.tuples(st.integers(0, 10**15), st.none() | st.integers(0, 10**15), st.floats(-1, 1))))
def test_every_interval_has_a_length(said: list[tuple[int, int | None, float]]) -> None:
    found = intervals_of(said)
    assert [interval.start for interval in found] == sorted({start for start, _, _ in said})
    assert all(interval.start < interval.end for interval in found)
