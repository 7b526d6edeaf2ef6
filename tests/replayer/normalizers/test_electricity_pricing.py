"""Prices are per kWh at their interval's start, and the same point from whichever poll they come."""

from typing import Any

import pytest
from homeiq.clock import DAY, from_iso
from homeiq.replayer.normalizers import electricity_pricing
from homeiq.replayer.normalizers.base import Reason, SetAside
from homeiq.replayer.normalizers.electricity_pricing import CURRENT, FORECAST, NORMALIZER
from homeiq.replayer.point import Point

from replayer.normalizers.polls import HOUR, awattar, energy_charts, fields_at, home_in, points_of, poll, tibber

BERLIN = home_in("Europe/Berlin")
MIDNIGHT = from_iso("2026-11-23T00:00:00+01:00")
DAY_OF_PRICES = [float(place) for place in range(24)]


def prices(body: Any, provider: str, time: int = MIDNIGHT + 14 * HOUR + 1, home: Any = BERLIN) -> list[Point]:
    return points_of(NORMALIZER(), poll("electricity_pricing", provider, body, time), home)


def reason_of(body: Any, provider: str) -> Reason:
    with pytest.raises(SetAside) as caught:
        prices(body, provider)
    return caught.value.reason


def test_awattar_gives_milliseconds_and_euros_per_mwh() -> None:
    points = prices(awattar([94.02, 0, -9.97, 120], MIDNIGHT), "awattar", MIDNIGHT + HOUR)
    assert fields_at(points, FORECAST) == {
        MIDNIGHT + place * HOUR: {"price": price} for place, price in enumerate([0.09402, 0.0, -0.00997, 0.12])
    }
    assert {point.series.prefix for point in points} == {
        f"{name},currency=EUR,provider=awattar" for name in (CURRENT, FORECAST)
    }
    assert all(type(point.fields.get("price", 0.0)) is float for point in points), "integers among floats"


def test_the_error_of_the_old_service_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(electricity_pricing, "KWH_IN_MWH", 10_000.0)
    assert fields_at(prices(awattar([94.02], MIDNIGHT), "awattar"), FORECAST) == {MIDNIGHT: {"price": 0.009402}}


@pytest.mark.parametrize("unit", ["EUR/MWh", "EUR / MWh"])
def test_energy_charts_changed_how_it_writes_its_unit(unit: str) -> None:
    points = prices(energy_charts([94.02], MIDNIGHT, unit), "energy_charts")
    assert fields_at(points, FORECAST) == {MIDNIGHT: {"price": 0.09402}}
    assert points[0].series.tags == {"currency": "EUR", "provider": "energy_charts"}


def test_a_price_that_is_null_is_a_gap() -> None:
    points = prices(energy_charts([1, None, 3], MIDNIGHT), "energy_charts")
    assert fields_at(points, FORECAST).keys() == {MIDNIGHT, MIDNIGHT + 2 * HOUR}


@pytest.mark.parametrize("length", [HOUR, HOUR // 4])
def test_quarters_and_hours(length: int) -> None:
    count = DAY // length
    body = energy_charts([float(place) for place in range(count)], MIDNIGHT, length=length)
    points = prices(body, "energy_charts", MIDNIGHT + DAY - 1)
    current = fields_at(points, CURRENT)
    assert len(fields_at(points, FORECAST)) == len(current) == count
    peaks = [time for time, fields in current.items() if fields["peak_period"]]
    assert peaks == [MIDNIGHT + 16 * HOUR + place * length for place in range(count // 3)]


def test_what_had_begun_is_current() -> None:
    points = prices(awattar(DAY_OF_PRICES, MIDNIGHT), "awattar", MIDNIGHT + 14 * HOUR)
    current = fields_at(points, CURRENT)
    assert max(current) == MIDNIGHT + 14 * HOUR
    assert len(current) == 15
    assert current[MIDNIGHT + 14 * HOUR] == {"current_price": 0.014, "peak_period": False}


def test_copies_from_successive_polls_are_the_same_points() -> None:
    body = awattar(DAY_OF_PRICES, MIDNIGHT)
    earlier, later = (prices(body, "awattar", MIDNIGHT + 14 * HOUR + offset) for offset in (1, 2 * HOUR))
    known = {point.key: point.fields for point in later}
    assert all(known[point.key] == point.fields for point in earlier)
    assert len(later) == len(earlier) + 2


def test_of_a_day_that_is_not_whole_nobody_knows_the_dearest_hours() -> None:
    """aWATTar answers from the present hour on, if no start is asked for."""
    points = prices(awattar(DAY_OF_PRICES, MIDNIGHT + 14 * HOUR), "awattar", MIDNIGHT + 15 * HOUR)
    assert fields_at(points, CURRENT) == {
        MIDNIGHT + 14 * HOUR: {"current_price": 0.0},
        MIDNIGHT + 15 * HOUR: {"current_price": 0.001},
    }


def test_the_rest_of_yesterday_does_not_take_the_place_of_yesterday() -> None:
    body = awattar([5.0, *DAY_OF_PRICES], MIDNIGHT - HOUR)
    assert min(fields_at(prices(body, "awattar"), CURRENT)) == MIDNIGHT
    body = awattar([*DAY_OF_PRICES, *DAY_OF_PRICES], MIDNIGHT - DAY)
    assert min(fields_at(prices(body, "awattar"), CURRENT)) == MIDNIGHT - DAY


@pytest.mark.parametrize(("day", "hours", "peaks"), [("2026-03-29", 23, 7), ("2026-10-25", 25, 8)])
def test_days_on_which_clocks_change(day: str, hours: int, peaks: int) -> None:
    start = from_iso(f"{day}T00:00:00+0{2 if hours == 25 else 1}:00")
    body = awattar([float(place) for place in range(hours)], start)
    current = fields_at(prices(body, "awattar", start + hours * HOUR - 1), CURRENT)
    assert len(current) == hours
    assert [time for time, fields in current.items() if fields["peak_period"]] == [
        start + hour * HOUR for hour in range(hours - peaks, hours)
    ]


def test_tibber_gives_local_times_in_the_homes_currency_per_kwh() -> None:
    today = [("2026-11-23T00:00:00.000+01:00", 1.2418), ("2026-11-23T01:00:00.000+01:00", 1)]
    tomorrow = [("2026-11-24T00:00:00.000+01:00", 0.5)]
    for body, expected in ((tibber(today), 2), (tibber(today, tomorrow), 3)):
        points = prices(body, "tibber")
        assert len(fields_at(points, FORECAST)) == expected
        assert points[0].series.tags == {"currency": "NOK", "provider": "tibber"}
        assert fields_at(points, FORECAST)[MIDNIGHT] == {"price": 1.2418}


def test_tibber_on_the_day_with_two_hours_that_are_called_two() -> None:
    today = [(f"2026-10-25T02:00:00.000+0{offset}:00", float(offset)) for offset in (2, 1)]
    points = prices(tibber(today), "tibber", from_iso("2026-10-25T03:00:00+01:00"))
    start = from_iso("2026-10-25T00:00:00Z")
    assert fields_at(points, FORECAST) == {start: {"price": 2.0}, start + HOUR: {"price": 1.0}}


def test_tibbers_second_home_is_read_where_the_first_has_no_contract() -> None:
    body = tibber([("2026-11-23T00:00:00+01:00", 1.0)])
    body["data"]["viewer"]["homes"].insert(0, {"currentSubscription": None})
    assert len(fields_at(prices(body, "tibber"), FORECAST)) == 1


@pytest.mark.parametrize(
    ("body", "provider", "reason"),
    [
        ({"object": "list", "data": [], "url": "/de/v1/marketdata"}, "awattar", Reason.NO_VALUE),
        ({"message": "Too Many Requests"}, "awattar", Reason.UNKNOWN_FORM),
        (awattar([1], MIDNIGHT, unit="ct/kWh"), "awattar", Reason.UNKNOWN_FORM),
        (awattar([1], MIDNIGHT, unit="Eur/GWh"), "awattar", Reason.UNKNOWN_FORM),
        (energy_charts([None], MIDNIGHT), "energy_charts", Reason.NO_VALUE),
        (energy_charts([1], MIDNIGHT) | {"price": [1, 2]}, "energy_charts", Reason.UNKNOWN_FORM),
        (energy_charts([1], MIDNIGHT) | {"unit": None}, "energy_charts", Reason.UNKNOWN_FORM),
        ({"errors": [{"message": "no such token"}], "data": None}, "tibber", Reason.ERROR_ANSWER),
        ({"data": {"viewer": {"homes": []}}}, "tibber", Reason.UNKNOWN_FORM),
        (tibber([]), "tibber", Reason.NO_VALUE),
        (awattar([1], MIDNIGHT), "octopus", Reason.UNKNOWN_FORM),
    ],
)
def test_what_gives_no_point_says_why(body: Any, provider: str, reason: Reason) -> None:
    assert reason_of(body, provider) is reason


def test_an_answer_beyond_all_measure_is_set_aside() -> None:
    assert reason_of(energy_charts([1] * 4_001, MIDNIGHT, length=HOUR // 60), "energy_charts") is Reason.UNKNOWN_FORM


def test_the_prices_of_a_day_lie_within_the_declared_reach() -> None:
    time = MIDNIGHT + DAY - 1
    body = awattar([1.0] * 48, MIDNIGHT)  # today's, and tomorrow's as published at noon
    for point in prices(body, "awattar", time):
        assert time - NORMALIZER.back <= point.time // 1000 <= time + NORMALIZER.ahead
    early = prices(awattar([1.0] * 49, MIDNIGHT), "awattar", MIDNIGHT)
    assert max(point.time // 1000 for point in early) <= MIDNIGHT + NORMALIZER.ahead
