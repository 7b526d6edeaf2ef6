"""history/history_during_period, by the rules of Home Assistant's recorder."""

import pytest
from homeiq.clock import DAY, SECOND, from_iso
from homeiq.connectors.simulated import Period, SimulatedHome

START = from_iso("2026-10-22T22:00:00")
LIGHT = "light.kitchen"


@pytest.fixture
def home() -> SimulatedHome:
    """A home in which one light was switched on, dimmed and taken away, and a number counted."""
    home = SimulatedHome(5, START)
    home.set_state("light.lamp", "off", {"friendly_name": "Lamp", "brightness": None, "supported_features": 4})
    list(home.advance(START + 10 * SECOND))
    home.set_state("light.lamp", "on", {"friendly_name": "Lamp", "brightness": 10, "supported_features": 4})
    home.set_state("light.lamp", "on", {"friendly_name": "Lamp", "brightness": 20, "supported_features": 4})
    list(home.advance(START + 20 * SECOND))
    home.remove("light.lamp")
    for number in (1, 2, 2, 3):
        home.set_state("sensor.count", str(number), {"n": number, "friendly_name": "Count"})
    list(home.advance(START + 30 * SECOND))
    return home


def period(home: SimulatedHome, *entity_ids: str, since: int = 5, **rules: bool) -> Period:
    """Return the period from `since` seconds after the start until now."""
    return Period(entity_ids, START + since * SECOND, home.now + 1, **rules)


def test_the_start_row_is_made_up(home: SimulatedHome) -> None:
    rows = home.history(period(home, "light.lamp", significant_changes_only=False))["light.lamp"]
    assert [row["s"] for row in rows] == ["off", "on", "on", None]
    assert rows[0] == {"s": "off", "a": {"friendly_name": "Lamp", "brightness": None}, "lu": START / SECOND + 5}
    assert "lc" not in rows[1]
    assert rows[2]["lc"] == rows[1]["lu"] < rows[2]["lu"]
    assert rows[3]["a"] == {}


def test_without_the_start_row(home: SimulatedHome) -> None:
    rules = {"include_start_time_state": False, "significant_changes_only": False}
    rows = home.history(period(home, "light.lamp", **rules))["light.lamp"]
    assert [row["s"] for row in rows] == ["on", "on", None]
    assert home.history(period(home, "light.lamp", since=29, **rules)) == {}


def test_times_are_the_events_microseconds() -> None:
    home = SimulatedHome(5, START)
    fired = [each for each in home.advance(START + DAY // 12) if b'"entity_id":"sensor.mains_voltage"' in each.raw]
    rules = {"include_start_time_state": False, "significant_changes_only": False}
    rows = home.history(period(home, "sensor.mains_voltage", since=0, **rules))["sensor.mains_voltage"]
    assert [round(row["lu"] * 1e6) for row in rows] == [each.time for each in fired]


def test_significant_changes_only(home: SimulatedHome) -> None:
    rows = home.history(period(home, "light.lamp", "sensor.count", include_start_time_state=False))
    assert [row["s"] for row in rows["light.lamp"]] == ["on", None]
    assert [row["s"] for row in rows["sensor.count"]] == ["1", "2", "3"]


def test_minimal_response(home: SimulatedHome) -> None:
    rows = home.history(period(home, "sensor.count", minimal_response=True, include_start_time_state=False))
    assert [set(row) for row in rows["sensor.count"]] == [{"s", "a", "lu"}, {"s", "lu"}, {"s", "lu"}]


def test_no_attributes(home: SimulatedHome) -> None:
    rows = home.history(period(home, "light.lamp", no_attributes=True))["light.lamp"]
    assert all("a" not in row for row in rows)


def test_the_end_is_kept(home: SimulatedHome) -> None:
    asked = Period(("light.lamp",), START + 5 * SECOND, START + 15 * SECOND, significant_changes_only=False)
    assert [row["s"] for row in home.history(asked)["light.lamp"]] == ["off", "on", "on"]


def test_unknown_entities_are_left_out(home: SimulatedHome) -> None:
    assert home.history(period(home, "sensor.nobody", "light.lamp")).keys() == {"light.lamp"}


def test_what_is_older_than_two_days_is_forgotten_but_for_the_last_row() -> None:
    home = SimulatedHome(5, START)
    home.set_state("sensor.count", "1", {})
    home.set_state("sensor.count", "2", {})
    list(home.advance(START + 3 * DAY))
    asked = Period(("sensor.count",), START, home.now, significant_changes_only=False, include_start_time_state=False)
    assert home.history(asked) == {}
    asked = Period(("sensor.count",), START + 2 * DAY, home.now)
    assert [row["s"] for row in home.history(asked)["sensor.count"]] == ["2"]
