"""What the carbon services are asked, as their documentation has it; and WattTime's login and its renewal."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import pytest
from homeiq.clock import ManualClock
from homeiq.connectors.http_client import HttpClient
from homeiq.errors import SourceError, SourceIncomplete, SourceRefused, TokenRefused
from pydantic import ValidationError

from connectors.polls import NOW, around, made, poll, polled_by
from servers.service import Asked, Reply, serving

WATTTIME = {"provider": "watttime", "username": "freddo", "password": "the-password", "region": "CAISO_NORTH"}


def test_great_britain() -> None:
    polled = poll("carbon_intensity", {"provider": "uk"}, lambda asked: Reply({"data": []}))
    assert [(asked.method, asked.path, asked.query) for asked in polled.asked] == [
        ("GET", "/intensity", {}),
        ("GET", "/intensity/2026-11-24T14:30Z/fw48h", {}),
        ("GET", "/generation", {}),
    ]
    assert len(polled.events) == 3
    url = made("carbon_intensity", {"provider": "uk"}).requests()[0].url
    assert url == "https://api.carbonintensity.org.uk/intensity"


@pytest.mark.parametrize(
    ("section", "where"),
    [({"region": 13}, "regionid/13"), ({"region": "13"}, "regionid/13"), ({"postcode": "SW1A"}, "postcode/SW1A")],
)
def test_a_region_of_great_britain(section: dict[str, Any], where: str) -> None:
    section = {"provider": "uk", "forecast_hours": "24", **section}
    polled = poll("carbon_intensity", section, lambda asked: Reply({"data": []}))
    assert [asked.path for asked in polled.asked] == [
        f"/regional/{where}",
        f"/regional/intensity/2026-11-24T14:30Z/fw24h/{where}",
    ]


@pytest.mark.parametrize(
    "section", [{"region": "London"}, {"region": 18}, {"postcode": "SW1A 1AA"}, {"region": "../x"}]
)
def test_what_is_no_region(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        made("carbon_intensity", {"provider": "uk", **section})


def test_one_of_several_answers_is_missing() -> None:
    polled = poll(
        "carbon_intensity", {"provider": "uk"}, lambda asked: Reply({}, 404 if "fw48h" in asked.path else 200)
    )
    assert [raw["status"] for raw in polled.raws] == [200, 404, 200]
    assert isinstance(polled.error, SourceIncomplete)


def test_a_busy_service_is_not_asked_on() -> None:
    polled = poll("carbon_intensity", {"provider": "uk"}, lambda asked: Reply({}, 429, {"Retry-After": "60"}))
    assert len(polled.asked) == len(polled.events) == 1


class WattTime:
    """A service with tokens that expire."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.refused = False

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/login":
            if (
                self.refused
                or asked.headers["authorization"] != f"Basic {base64.b64encode(b'freddo:the-password').decode()}"
            ):
                return Reply({"error": "the-password is wrong"}, 401)
            self.tokens.append(f"token-number-{len(self.tokens) + 1}")
            return Reply({"token": self.tokens[-1]})
        if asked.headers.get("authorization") != f"Bearer {self.tokens[-1]}":
            return Reply("Token expired", 401)
        return Reply({"data": [], "meta": {}})


Step = Callable[[WattTime, ManualClock], None]


def session(*steps: Step) -> tuple[list[Asked], list[Any], list[SourceError | None]]:
    """Poll again and again, with a step before each."""

    async def run() -> tuple[list[Asked], list[Any], list[SourceError | None]]:
        watttime, clock = WattTime(), ManualClock(NOW)
        events: list[Any] = []
        errors = []
        async with serving(watttime) as service:
            poller = made("carbon_intensity", {**WATTTIME, "url": service.url}, around(clock=clock))
            http = HttpClient(clock)
            for step in steps:
                step(watttime, clock)
                found, error = await polled_by(poller, http)
                events += found
                errors.append(error)
            await http.close()
            return service.asked, events, errors

    return asyncio.run(run())


def nothing(watttime: WattTime, clock: ManualClock) -> None:
    clock.advance(900)


def test_watttime() -> None:
    asked, events, errors = session(nothing)
    assert [(one.method, one.path, one.query) for one in asked] == [
        ("GET", "/login", {}),
        ("GET", "/v3/signal-index", {"region": "CAISO_NORTH", "signal_type": "co2_moer"}),
        ("GET", "/v3/forecast", {"region": "CAISO_NORTH", "signal_type": "co2_moer", "horizon_hours": "48"}),
    ]
    assert len(events) == 2, "the login's answer is a secret"
    assert errors == [None]
    assert not any("token-number" in event.raw or "the-password" in event.raw for event in events)
    poller = made("carbon_intensity", WATTTIME)
    assert poller.requests()[0].url == "https://api.watttime.org/v3/signal-index"
    assert poller.interval == 900


def test_a_token_is_used_until_it_will_soon_expire() -> None:
    asked, _, errors = session(nothing, nothing, nothing, nothing)
    assert [one.path for one in asked].count("/login") == 2, "after 30 minutes it would have expired"
    assert errors == [None] * 4


def test_a_token_that_is_refused_is_renewed_at_once() -> None:
    def expire(watttime: WattTime, clock: ManualClock) -> None:
        watttime.tokens.append("another")

    asked, events, errors = session(nothing, expire)
    assert [one.path.rpartition("/")[2] for one in asked][3:] == ["signal-index", "login", "signal-index", "forecast"]
    assert errors == [None, None]
    assert len(events) == 5, "the refusal is a record"


def test_a_login_that_is_refused_is_a_record_without_the_password() -> None:
    def refuse(watttime: WattTime, clock: ManualClock) -> None:
        watttime.refused = True

    asked, events, errors = session(refuse, nothing)
    assert [one.path for one in asked] == ["/login", "/login"]
    assert [type(error) for error in errors] == [TokenRefused, TokenRefused]
    assert "check carbon_intensity.username and carbon_intensity.password" in str(errors[0])
    assert len(events) == 2
    assert "(removed) is wrong" in events[0].raw
    assert "the-password" not in events[0].raw


@pytest.mark.parametrize("body", ["<html>", {}, {"token": 5}, {"token": "a\nb"}, [], {"token": ""}])
def test_a_login_without_a_token(body: Any) -> None:
    polled = poll("carbon_intensity", WATTTIME, lambda asked: Reply(body))
    assert isinstance(polled.error, SourceRefused)
    assert polled.events == []


def test_a_forecast_that_is_not_in_the_plan() -> None:
    """A free account hears of the index everywhere, of the forecast only in one region."""

    def answer(asked: Asked) -> Reply:
        return (
            Reply({"token": "abcdefgh"})
            if asked.path == "/login"
            else Reply({}, 403 if "forecast" in asked.path else 200)
        )

    polled = poll("carbon_intensity", WATTTIME, answer)
    assert isinstance(polled.error, SourceIncomplete)
    assert [asked.path for asked in polled.asked].count("/login") == 1
    assert [raw["status"] for raw in polled.raws] == [200, 403]
