"""Times as people give them."""

from zoneinfo import ZoneInfo

import pytest
from homeiq.clock import DAY, SECOND, from_iso, to_iso
from homeiq.commands.times import parse_time
from homeiq.errors import UsageError
from hypothesis import given
from hypothesis import strategies as st

BERLIN = ZoneInfo("Europe/Berlin")
NOW = from_iso("2026-11-24T10:30:00+00:00")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-23", "2026-11-22T23:00:00+00:00"),
        ("2026-11-23T18:00", "2026-11-23T17:00:00+00:00"),
        ("2026-07-01 12:00", "2026-07-01T10:00:00+00:00"),
        ("2026-11-23T18:00:00+00:00", "2026-11-23T18:00:00+00:00"),
        ("2026-11-23T18:00:00Z", "2026-11-23T18:00:00+00:00"),
        ("7d", "2026-11-17T10:30:00+00:00"),
        ("36h", "2026-11-22T22:30:00+00:00"),
        ("1.5h", "2026-11-24T09:00:00+00:00"),
        ("2w", "2026-11-10T10:30:00+00:00"),
        (" Yesterday ", "2026-11-22T23:00:00+00:00"),
        ("today", "2026-11-23T23:00:00+00:00"),
        ("now", "2026-11-24T10:30:00+00:00"),
    ],
)
def test_in_the_zone_of_the_home(text: str, expected: str) -> None:
    assert to_iso(parse_time(text, BERLIN, NOW, "--since") or 0) == to_iso(from_iso(expected))


def test_nothing_is_no_bound() -> None:
    assert parse_time(None, BERLIN, NOW, "--since") is None


@given(st.integers(0, 300))
def test_yesterday_is_a_local_midnight_on_any_day(day: int) -> None:
    now = NOW + day * DAY
    since = parse_time("yesterday", BERLIN, now, "--since") or 0
    assert 23 * 3600 * SECOND <= now - since <= 49 * 3600 * SECOND
    assert parse_time("today", BERLIN, now, "--since") == parse_time("today", BERLIN, now + SECOND, "--since")


@given(st.text(max_size=20))
def test_anything_else_is_wrong_usage(text: str) -> None:
    try:
        assert isinstance(parse_time(text, BERLIN, NOW, "--until"), int)
    except UsageError as error:
        assert str(error).startswith("--until ")
        assert error.exit_code == 2
