import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from homeiq.clock import from_iso
from homeiq.commands.tail_text import printable, text_of_record
from homeiq.storage.record import Event, Record, housekeeping_event
from hypothesis import given
from hypothesis import strategies as st

AT = from_iso("2026-11-24T20:04:33.5+00:00")
ZONE = ZoneInfo("Europe/Berlin")


def record(raw: Any, event_type: str = "state_changed", state: str | None = "21.5", **columns: Any) -> Record:
    text = raw if isinstance(raw, str) else json.dumps(raw)
    named = {"source": "home_assistant", "origin": "live", "entity_id": "sensor.kitchen"} | columns
    return Record(7, AT, AT, named["source"], named["origin"], event_type, named["entity_id"], state, text)


def changed(old: Any, new: Any) -> dict[str, Any]:
    return {"event_type": "state_changed", "data": {"entity_id": "sensor.kitchen", "old_state": old, "new_state": new}}


def said(of: Record) -> str:
    return text_of_record(of, ZONE).removeprefix("2026-11-24 21:04:33  ")


def of(state: str, **attributes: Any) -> dict[str, Any]:
    return {"state": state, "attributes": attributes}


CELSIUS = {"unit_of_measurement": "°C"}


@pytest.mark.parametrize(
    ("raw", "state", "line"),
    [
        (changed(of("21.4"), of("21.5", **CELSIUS)), "21.5", "21.4 → 21.5 °C"),
        (changed(None, of("21.5")), "21.5", "→ 21.5"),
        (changed(of("21.4"), None), None, "21.4 → removed"),
        (changed(of("on", brightness=1), of("on", brightness=2)), "on", "on  brightness 1 → 2"),
        (changed(of("on", a=1), of("on", b={"c": 1})), "on", 'on  a 1 → nothing, b nothing → {"c":1}'),
        (changed(of("on", **dict.fromkeys("abcd", 1)), of("on")), "on", "on  a 1 → nothing, b 1 → nothing, c 1"),
        (changed(of("on"), of("on")), "on", "on  (again)"),
        ({"entity_id": "sensor.kitchen", "old_state": "20", "new_state": "21.5"}, "21.5", "20 → 21.5"),
        ("not JSON", "21.5", "→ 21.5"),
    ],
)
def test_a_state(raw: Any, state: str | None, line: str) -> None:
    assert said(record(raw, state=state)).startswith(f"sensor.kitchen  {line}")


def test_what_is_no_change() -> None:
    snapshot = record({"state": "21.5", "attributes": CELSIUS}, "state", origin="snapshot")
    assert said(snapshot) == "sensor.kitchen  21.5 °C  (snapshot)"
    assert said(record({"s": "21.5", "a": CELSIUS}, "state", origin="backfill")).endswith("21.5 °C  (backfill)")
    call = {"event_type": "call_service", "data": {"domain": "light", "service": "turn_on", "service_data": {}}}
    text = said(record(call, "call_service", None, entity_id=None))
    assert text == "home_assistant: call_service  domain light, service turn_on"
    polled = {"request": {"url": "https://weather.example/x"}, "status": 200, "body": "{}"}
    asked = record(polled, "polled", None, entity_id=None, source="weather")
    assert said(asked) == "weather: asked https://weather.example/x, answer 200"
    event: Event = housekeeping_event(AT, "home_assistant", "disconnected", gap_reason="unreachable")
    own = record(event.raw, event.event_type, None, entity_id=None)
    assert said(own) == "home_assistant: disconnected  gap_reason unreachable"


@given(st.text(), st.text(), st.text(), st.sampled_from(["state_changed", "state", "polled", "x", "homeiq_connected"]))
def test_nothing_reaches_the_terminal_that_it_would_obey(entity: str, state: str, value: str, event_type: str) -> None:
    raw = changed(of(state, x=value), of(state, x=value + "y"))
    one = record(json.dumps(raw), event_type, state, entity_id=entity or None)
    for text in (text_of_record(one, ZONE), text_of_record(record(value, event_type, state), ZONE)):
        assert text.isprintable()
        text.encode()


def test_escapes_are_shown() -> None:
    assert printable("\x1b[31m°C\n\ud800") == r"\x1b[31m°C\n\ud800"
