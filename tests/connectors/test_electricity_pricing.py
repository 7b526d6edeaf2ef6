"""What the services for prices are asked, as their documentation has it: both days, also when the clocks change."""

import json

import pytest
from homeiq.clock import ManualClock, from_iso
from pydantic import ValidationError

from connectors.polls import around, made, poll
from servers.service import Reply


@pytest.mark.parametrize(
    ("now", "start", "end", "hours"),
    [
        ("2026-11-24T14:30:00+00:00", "2026-11-23T23:00:00+00:00", "2026-11-25T23:00:00+00:00", 48),
        ("2026-11-24T23:30:00+00:00", "2026-11-24T23:00:00+00:00", "2026-11-26T23:00:00+00:00", 48),
        ("2026-03-28T12:00:00+00:00", "2026-03-27T23:00:00+00:00", "2026-03-29T22:00:00+00:00", 47),
        ("2026-10-25T12:00:00+00:00", "2026-10-24T22:00:00+00:00", "2026-10-26T23:00:00+00:00", 49),
    ],
)
def test_awattar(now: str, start: str, end: str, hours: int) -> None:
    near = around(clock=ManualClock(from_iso(now)))
    (asked,) = poll("electricity_pricing", {"provider": "awattar"}, lambda asked: Reply({}), near).asked
    assert (asked.method, asked.path) == ("GET", "/v1/marketdata")
    assert asked.query == {"start": str(from_iso(start) // 1000), "end": str(from_iso(end) // 1000)}
    assert from_iso(end) - from_iso(start) == hours * 3_600_000_000


def test_awattars_countries() -> None:
    for country, host in (("DE", "https://api.awattar.de/"), ("AT", "https://api.awattar.at/")):
        poller = made("electricity_pricing", {"provider": "awattar", "country": country})
        assert poller.requests()[0].url.startswith(host)
    with pytest.raises(ValidationError):
        made("electricity_pricing", {"country": "FR"})


def test_energy_charts() -> None:
    (asked,) = poll("electricity_pricing", {"provider": "energy_charts", "zone": "DK1"}, lambda asked: Reply({})).asked
    assert (asked.method, asked.path) == ("GET", "/price")
    assert asked.query == {"bzn": "DK1", "start": "2026-11-24", "end": "2026-11-25"}
    poller = made("electricity_pricing", {"provider": "energy_charts"})
    assert poller.requests()[0].url == "https://api.energy-charts.info/price"
    assert poller.requests()[0].params["bzn"] == "DE-LU"


def test_tibber() -> None:
    section = {"provider": "tibber", "token": "5K4MVS-OjfWhK_4yrjOlFe1F6kJXPVf7eQYggo8ebAE"}
    polled = poll("electricity_pricing", section, lambda asked: Reply({"data": {}}))
    (asked,) = polled.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/v1-beta/gql", {})
    assert asked.headers["authorization"] == f"Bearer {section['token']}"
    assert asked.headers["content-type"] == "application/json"
    query = json.loads(asked.body)
    assert set(query) == {"query"}
    assert query["query"].count("{") == query["query"].count("}") == 8
    for name in ("viewer", "homes", "currentSubscription", "priceInfo", "current", "today", "tomorrow", "startsAt"):
        assert name in query["query"]
    assert polled.raws[0]["request"] == {"method": "POST", "url": f"{polled.url}/v1-beta/gql", "params": query}
    assert made("electricity_pricing", section).requests()[0].url == "https://api.tibber.com/v1-beta/gql"


def test_no_more_than_the_services_allow() -> None:
    """aWATTar: a hundred requests a day."""
    with pytest.raises(ValidationError):
        made("electricity_pricing", {"interval_minutes": 14})
    assert 86_400 / made("electricity_pricing", {"interval_minutes": 15}).interval <= 100
