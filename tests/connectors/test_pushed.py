"""A POST body becomes events whose text is exactly as it was sent, or is refused with the first field that is wrong."""

import json
from typing import Any

import pytest
from homeiq.clock import SECOND, from_iso
from homeiq.connectors.pushed import MOST_EVENTS, Refused, TooManyEvents, events_of
from homeiq.storage.record import Event
from homeiq.verbatim import loads
from hypothesis import example, given
from hypothesis import strategies as st

NOW = from_iso("2026-11-23T12:00:00+00:00")
AT = "2026-11-23T11:59:58.5+00:00"
CURL = (
    '{"event_type":"state_changed","entity_id":"sensor.x","new_state":{"state":"21.5","attributes":'
    '{"unit_of_measurement":"°C"}},"old_state":null}'
)


def take(body: str | bytes, origin: Any = "manual") -> list[Event]:
    return events_of(body if isinstance(body, bytes) else body.encode(), origin, NOW)


def refused(body: str | bytes) -> Refused:
    with pytest.raises(Refused) as found:
        take(body)
    return found.value


def test_the_old_services_curl() -> None:
    (event,) = take(CURL)
    assert event == Event(NOW, NOW, "pushed", "manual", "state_changed", "sensor.x", "21.5", CURL)


def changed(**facts: Any) -> str:
    return json.dumps({"event_type": "state_changed", "entity_id": "sensor.x", **facts})


@pytest.mark.parametrize(
    ("body", "entity_id", "state", "time"),
    [
        (changed(new_state="on"), "sensor.x", "on", NOW),
        (changed(new_state="on", time_fired=AT), "sensor.x", "on", NOW - 3 * SECOND // 2),
        (changed(new_state={"state": "1", "last_updated": AT}), "sensor.x", "1", NOW - 3 * SECOND // 2),
        (changed(new_state={"state": 21.5}), "sensor.x", "21.5", NOW),
        (changed(new_state={"state": 7}, old_state="6"), "sensor.x", "7", NOW),
        (changed(new_state={"state": ""}), "sensor.x", "", NOW),
        (changed(new_state={"state": "1", "last_updated": None, "attributes": None}), "sensor.x", "1", NOW),
        (changed(new_state=None), "sensor.x", None, NOW),
        (changed(new_state=None, time_fired=AT), "sensor.x", None, NOW - 3 * SECOND // 2),
        (changed(data=None, new_state="on"), "sensor.x", "on", NOW),
        ('{"event_type":"state_changed","new_state":{"entity_id":"a.b","state":"1"}}', "a.b", "1", NOW),
        ('{"event_type":"state_changed","data":{"entity_id":"a.b","new_state":{"state":"1"}}}', "a.b", "1", NOW),
        ('{"event_type":"state_changed","entity_id":"a.b","data":{"new_state":"1"}}', "a.b", "1", NOW),
        ('{"event_type":"call_service","data":{"entity_id":"a.b"}}', "a.b", None, NOW),
        ('{"event_type":"doorbell","entity_id":"a.b","time_fired":"2026-11-23T11:59:58.5Z"}', "a.b", None, NOW - 1_500_000),
        ('{"event_type":"doorbell","data":{"entity_id":["a.b"]}}', None, None, NOW),
        ('{"event_type":"x","y":"\\ud800","z":1e999}', None, None, NOW),
        ('\ufeff{"event_type":"x"}', None, None, NOW),
    ],
)  # fmt: skip
def test_forms(body: str, entity_id: str | None, state: str | None, time: int) -> None:
    (event,) = take(body)
    assert (event.entity_id, event.state, event.time, event.received_at) == (entity_id, state, time, NOW)
    assert event.raw == body.removeprefix("\ufeff")


@pytest.mark.parametrize(
    ("body", "at", "field"),
    [
        ("", {}, ""),
        ("[]", {}, ""),
        ("[ ]", {}, ""),
        (b"\xff", {}, ""),
        ("{", {}, ""),
        ("nonsense", {}, ""),
        ("7", {}, ""),
        ('{"event_type":"x","y":NaN}', {}, ""),
        ('{"event_type":"x","y":"a\tb"}', {}, ""),
        ('{\n"event_type":"x",\n}', {}, ""),
        ("[" * 100_000, {}, ""),
        (f'[{{"event_type":"x","y":{"[" * 1_000}{"]" * 1_000}}}]', {}, ""),
        ("{}", {}, "event_type"),
        ('{"event_type":7}', {}, "event_type"),
        ('{"event_type":""}', {}, "event_type"),
        ('{"event_type":"homeiq_started"}', {}, "event_type"),
        ('{"event_type":"config"}', {}, "event_type"),
        ('{"event_type":"entity_registry"}', {}, "event_type"),
        ('{"event_type":"x","data":7}', {}, "data"),
        ('{"event_type":"x","time_fired":"now"}', {}, "time_fired"),
        ('{"event_type":"x","time_fired":1700000000}', {}, "time_fired"),
        ('{"event_type":"state_changed"}', {}, "new_state"),
        ('{"event_type":"state_changed","data":{}}', {}, "new_state"),
        ('{"event_type":"state_changed","new_state":"on"}', {}, "entity_id"),
        ('{"event_type":"state_changed","entity_id":7,"new_state":"on"}', {}, "entity_id"),
        ('{"event_type":"state_changed","data":{"entity_id":"","new_state":"on"}}', {}, "data.entity_id"),
        (changed(new_state=7), {}, "new_state"),
        (changed(new_state=[]), {}, "new_state"),
        (changed(new_state={}), {}, "new_state.state"),
        (changed(new_state={"state": None}), {}, "new_state.state"),
        (changed(new_state={"state": True}), {}, "new_state.state"),
        (changed(new_state={"state": "1", "attributes": []}), {}, "new_state.attributes"),
        (changed(new_state={"state": "1", "last_updated": "x"}), {}, "new_state.last_updated"),
        (changed(new_state="on", old_state=7), {}, "old_state"),
        ('{"event_type":"state_changed","data":{"entity_id":"a","new_state":{}}}', {}, "data.new_state.state"),
        ('[{"event_type":"x"},{"event_type":7}]', {"index": 1}, "event_type"),
        ('[{"event_type":"x"},[]]', {"index": 1}, ""),
        ('{"event_type":"x"}\n{"event_type":7}', {"line": 2}, "event_type"),
        ('{"event_type":"x"}\n\n{"event_type":', {"line": 3}, ""),
        ('{"event_type":"x"}\n[]', {"line": 2}, ""),
    ],
)
def test_what_is_wrong_is_named(body: str | bytes, at: dict[str, int], field: str) -> None:
    error = refused(body)
    assert (error.at, error.field) == (at, field)
    assert "\n" not in str(error)
    assert field in str(error)


def test_no_more_than_so_many_at_once() -> None:
    one = '{"event_type":"x"}'
    assert len(take("\n".join([one] * MOST_EVENTS))) == MOST_EVENTS
    with pytest.raises(TooManyEvents):
        take(f"[{','.join([one] * (MOST_EVENTS + 1))}]")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
events = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["x", "ü"])}, optional={"entity_id": json_values, "z": json_values}
)
spaces = st.text(" \t\r\n", max_size=3)  # fmt: skip


@given(st.lists(st.tuples(events, spaces, spaces, st.booleans()), min_size=1, max_size=5), st.booleans())
def test_each_elements_text_is_kept_as_it_was_sent(parts: list[tuple[Any, str, str, bool]], lines: bool) -> None:
    texts = [json.dumps(event, ensure_ascii=ascii_only) for event, _, _, ascii_only in parts]
    around = [(a.replace("\n", "") if lines else a, b.replace("\n", "") if lines else b) for _, a, b, _ in parts]
    spaced = [f"{a}{text}{b}" for text, (a, b) in zip(texts, around, strict=True)]
    body = "\n".join(spaced) if lines else f"[{','.join(spaced)}]"
    assert [event.raw for event in take(body)] == texts


near_misses = st.builds(
    lambda event, more: json.dumps({**event, **more}),
    events,
    st.dictionaries(
        st.sampled_from(["event_type", "data", "new_state", "old_state", "entity_id", "time_fired"]), json_values
    ),
)


@given(
    st.binary() | st.text().map(str.encode) | near_misses.map(str.encode) | json_values.map(json.dumps).map(str.encode)
)
@example(b'{"event_type":" ","entity_id":""}')
@example(b'{"event_type":"x","time_fired":"0001-01-01T00:00:00+23:59"}')
@example(b'{"event_type":"x","time_fired":"9999-12-31T23:59:59-23:59"}')
@example(b'{"event_type":"state_changed","entity_id":"a","new_state":{"state":' + b"9" * 4_500 + b"}}")
def test_whatever_comes_is_taken_or_refused(body: bytes) -> None:
    try:
        for event in take(body):
            assert event.raw in body.decode()
            assert loads(event.raw)["event_type"]
            assert -(2**63) <= event.time < 2**63
            assert event.entity_id is None or event.entity_id.encode()
    except Refused as error:
        assert error.reason
