"""Calendars by Home Assistant's REST API: which, in which range; against a service of the tests' own and the real one."""

import asyncio
from typing import Any

import orjson
import pytest
from homeiq.clock import ManualClock, SystemClock, from_iso
from homeiq.connectors.http_client import HttpClient
from homeiq.errors import SourceBusy, SourceIncomplete, SourceRefused, TokenRefused
from homeiq.storage.record import Event
from pydantic import ValidationError

from connectors.polls import CONFIG, around, made, poll, polled_by
from servers.home_assistant import HomeAssistantServer
from servers.service import Asked, Reply
from servers.simulated import SimulatedServer

TOKEN = "the-token-of-home-assistant"
HOME = {"provider": "home_assistant"}


def near(**more: Any) -> Any:
    return around(**{"url": "http://127.0.0.1:1", "token": TOKEN, **more})


def both(asked: Asked) -> Reply:
    if asked.path == "/api/calendars":
        return Reply([{"name": "A", "entity_id": "calendar.a"}, {"name": "B", "entity_id": "calendar.b"}])
    return Reply([])


def test_all_calendars() -> None:
    polled = poll("calendar", HOME, both, near())
    span = {"start": "2026-11-24T00:00:00+01:00", "end": "2026-12-02T00:00:00+01:00"}
    assert [(asked.method, asked.path, asked.query) for asked in polled.asked] == [
        ("GET", "/api/calendars", {}),
        ("GET", "/api/calendars/calendar.a", span),
        ("GET", "/api/calendars/calendar.b", span),
    ]
    assert {asked.headers["authorization"] for asked in polled.asked} == {f"Bearer {TOKEN}"}
    assert [event.entity_id for event in polled.events] == ["calendar.a", "calendar.b"]
    assert polled.error is None
    assert polled.raws[0]["request"]["params"] == span


def test_named_calendars() -> None:
    polled = poll("calendar", {**HOME, "calendars": "calendar.b", "days_ahead": 1}, both, near())
    assert [asked.path for asked in polled.asked] == ["/api/calendars/calendar.b"]
    assert polled.asked[0].query["end"] == "2026-11-26T00:00:00+01:00"
    with pytest.raises(ValidationError):
        made("calendar", {"calendars": ["sensor.a"]})


def test_today_is_the_homes_own() -> None:
    config = {"time_zone": "America/Los_Angeles"}
    clock = ManualClock(from_iso("2026-11-01T06:30:00+00:00"))  # the day before, there; the clocks change in between
    (asked,) = poll("calendar", {**HOME, "calendars": ["calendar.a"]}, both, near(config=config, clock=clock)).asked
    assert asked.query == {"start": "2026-10-31T00:00:00-07:00", "end": "2026-11-08T00:00:00-08:00"}


@pytest.mark.parametrize(
    "config", [{}, {"time_zone": "Nowhere/Atall"}, {"time_zone": 5}, {"time_zone": "../etc/passwd"}]
)
def test_it_waits_for_the_time_zone(config: dict[str, Any]) -> None:
    missing = made("calendar", HOME, near(config=config)).missing()
    assert missing is not None
    assert missing.awaited
    assert made("calendar", HOME, near(config=CONFIG)).missing() is None


def test_without_home_assistant_its_settings_are_named() -> None:
    missing = made("calendar", HOME, around()).missing()
    assert missing is not None
    assert "set home_assistant.url" in missing.sentence


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply("401: Unauthorized", 401), TokenRefused),
        (Reply("", 502), SourceBusy),
        (Reply("<html>"), SourceRefused),
        (Reply({"message": "no"}), SourceRefused),
        (Reply([{"name": "x"}]), SourceRefused),
    ],
)
def test_a_list_that_cannot_be_had_is_a_record(reply: Reply, kind: type[Exception]) -> None:
    polled = poll("calendar", HOME, lambda asked: reply, near())
    assert type(polled.error) is kind
    assert [(event.entity_id, event.event_type) for event in polled.events] == [(None, "polled")]
    assert TOKEN not in polled.events[0].raw


def test_a_broken_calendar_hides_no_other() -> None:
    polled = poll("calendar", HOME, lambda asked: Reply({}, 500) if "calendar.a" in asked.path else both(asked), near())
    assert [raw["status"] for raw in polled.raws] == [500, 200]
    assert isinstance(polled.error, SourceIncomplete)


def test_no_calendar_at_all_is_fine() -> None:
    polled = poll("calendar", HOME, lambda asked: Reply([]), near())
    assert (polled.events, polled.error) == ([], None)


def real_poll(url: str, token: str, config: dict[str, Any]) -> list[Event]:
    async def session() -> list[Event]:
        http = HttpClient(SystemClock())
        try:
            events, error = await polled_by(
                made("calendar", HOME, around(config, clock=SystemClock(), url=url, token=token)), http
            )
        finally:
            await http.close()
        if error is not None:
            raise error
        return events

    return asyncio.run(session())


def test_a_real_home_assistant(home_assistant: HomeAssistantServer) -> None:
    config = home_assistant.ask("GET", "/api/config").json()
    known = {entry["entity_id"] for entry in home_assistant.ask("GET", "/api/calendars").json()}
    events = real_poll(home_assistant.url, home_assistant.token, config)
    assert {event.entity_id for event in events} == known
    assert known
    found = [entry for event in events for entry in orjson.loads(orjson.loads(event.raw)["body"])]
    assert found, "the demo's calendars have events of the next hours"
    assert all({"summary", "start", "end"} <= set(entry) for entry in found)
    assert not any(home_assistant.token in event.raw for event in events)
    with pytest.raises(TokenRefused, match=r"set home_assistant\.token"):
        real_poll(home_assistant.url, "wrong", config)


def test_the_simulated_one() -> None:
    with SimulatedServer() as server:
        config = server.ask("GET", "/api/config").json()
        (event,) = real_poll(server.url, server.token, config)
        assert event.entity_id == "calendar.family"
        assert isinstance(orjson.loads(orjson.loads(event.raw)["body"]), list)
