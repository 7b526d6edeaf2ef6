from datetime import UTC, datetime, timedelta, timezone

import pytest
from homeiq.clock import DAY, SECOND, ManualClock, SystemClock, from_iso, full_jitter, to_iso, window_of
from hypothesis import given
from hypothesis import strategies as st

OFFSETS = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.integers(from_iso("0001-01-01T00:00:00+00:00"), from_iso("9999-12-31T23:59:59.999999+00:00"))


@given(microseconds=MOMENTS)
def test_a_time_comes_back_as_it_was_written(microseconds: int) -> None:
    text = to_iso(microseconds)
    assert from_iso(text) == microseconds
    assert len(text) == len("2026-11-23T15:48:33.184487+00:00")


@given(moment=st.datetimes(timezones=OFFSETS))
def test_an_offset_moves_nothing(moment: datetime) -> None:
    assert from_iso(moment.isoformat()) == from_iso(moment.replace(tzinfo=UTC).isoformat()) - round(
        moment.utcoffset().total_seconds() * SECOND  # type: ignore[union-attr]
    )


@given(moment=st.datetimes())
def test_without_an_offset_it_is_utc(moment: datetime) -> None:
    assert from_iso(moment.isoformat()) == from_iso(moment.isoformat() + "+00:00")


@given(text=st.text(st.characters(), max_size=40))
def test_what_is_no_time_is_a_value_error(text: str) -> None:
    try:
        from_iso(text)
    except ValueError:
        return
    datetime.fromisoformat(text)


@given(microseconds=MOMENTS)
def test_a_window_is_the_utc_day(microseconds: int) -> None:
    start = window_of(microseconds)
    assert to_iso(start) == to_iso(microseconds)[:10] + "T00:00:00.000000+00:00"
    assert start <= microseconds < start + DAY


@given(attempt=st.integers(0, 10**9), chance=st.floats(0, 1, exclude_max=True), cap=st.floats(0.1, 1e6))
def test_jitter_is_full_and_capped(attempt: int, chance: float, cap: float) -> None:
    wait = full_jitter(attempt, base=0.5, cap=cap, chance=lambda: chance)
    assert 0 <= wait <= min(cap, 0.5 * 2 ** min(attempt, 63))
    assert full_jitter(attempt, base=0.5, cap=cap, chance=lambda: 0.0) == 0.0
    assert full_jitter(10**9, cap=cap, chance=lambda: 1.0) == cap


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(-1000, 1000)), max_size=10))
def test_only_the_wall_clock_jumps(steps: list[tuple[bool, int]]) -> None:
    clock = ManualClock(0)
    for jump, seconds in steps:
        (clock.jump if jump else clock.advance)(seconds)
    assert clock.now() == sum(seconds for _, seconds in steps) * SECOND
    assert clock.monotonic() == pytest.approx(sum(seconds for jump, seconds in steps if not jump))


def test_the_system_clocks_count_in_the_same_units() -> None:
    clock = SystemClock()
    before = datetime.now(UTC)
    first = clock.monotonic()
    assert before - timedelta(seconds=1) <= datetime.fromisoformat(to_iso(clock.now())) <= before + timedelta(minutes=1)
    assert clock.monotonic() >= first
