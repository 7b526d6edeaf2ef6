"""The protocol without a socket: odd frames, refused subscriptions, registries fetched again."""

import base64
import json

import pytest
from homeiq.connectors.home_assistant.protocol import HomeAssistantProtocol, Send, SnapshotTaken, Subscribed, Warn
from homeiq.connectors.home_assistant.snapshot import COMMANDS, VISIBLE_WITHOUT_ADMIN
from homeiq.errors import NotHomeAssistant, SourceUnreachable, TokenRefused
from homeiq.storage.record import Event
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000_000_000
FIRED = "2026-11-23T15:48:33.184487+00:00"
CONFIG = {"version": "2026.11.0", "time_zone": "UTC"}


def frame(**message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def sent(actions: list[object]) -> list[dict[str, object]]:
    return [json.loads(action.text) for action in actions if isinstance(action, Send)]


def result(number: int, content: object, *, success: bool = True) -> bytes:
    if success:
        return frame(id=number, type="result", success=True, result=content)
    return frame(id=number, type="result", success=False, error={"code": content, "message": "no"})


def subscribed(config: object = CONFIG) -> HomeAssistantProtocol:
    """Return a protocol that hears everything."""
    protocol = HomeAssistantProtocol("secret")
    assert sent(protocol.receive(frame(type="auth_required", ha_version="2026.11.0"), NOW)) == [
        {"type": "auth", "access_token": "secret"}
    ]
    assert sent(protocol.receive(frame(type="auth_ok", ha_version="2026.11.0"), NOW)) == [
        {"id": 1, "type": "get_config"}
    ]
    actions = protocol.receive(result(1, config), NOW)
    assert sent(actions) == [{"id": 2, "type": "subscribe_events"}]
    assert [action.event_type for action in actions if isinstance(action, Event)] == ["config"]
    assert protocol.receive(result(2, None), NOW) == [Subscribed("2026.11.0")]
    return protocol


def state_changed(**more: object) -> str:
    new = {"entity_id": "a.b", "state": "on", "attributes": {}, "last_updated": FIRED}
    event = {"event_type": "state_changed", "data": {"entity_id": "a.b", "new_state": new}, "time_fired": FIRED, **more}
    return json.dumps(event)


FRAMES = {
    "id last": '{"type":"event","event":%s,"id":2}',
    "id first": '{"id":2,"type":"event","event":%s}',
    "another order": '{"event":%s,"id":2,"type":"event"}',
    "white space": ' { "id" : 2, "type" : "event",\n "event" : %s }',
    "unknown members": '{"id":2,"type":"event","event":%s,"more":{"event":1}}',
}


@pytest.mark.parametrize("form", FRAMES.values(), ids=FRAMES.keys())
@given(extra=st.text(), spaces=st.sampled_from(["", " ", "\n\t "]))
def test_an_event_is_kept_exactly_as_sent(form: str, extra: str, spaces: str) -> None:
    raw = state_changed(extra=extra).replace(": ", f":{spaces}")
    (event,) = subscribed().receive((form % raw).encode(), NOW)
    assert isinstance(event, Event)
    assert event.raw == raw
    assert (event.event_type, event.entity_id, event.state, event.origin) == ("state_changed", "a.b", "on", "live")
    assert event.time == 1_795_448_913_184_487
    assert event.received_at == NOW


def test_bare_nan_and_half_a_surrogate_do_not_break_a_frame() -> None:
    raw = state_changed().replace('"on"', '"\\ud800"').replace("{}", '{"x": NaN, "y": 1e999}')
    for form in FRAMES.values():
        (event,) = subscribed().receive((form % raw).encode(), NOW)
        assert isinstance(event, Event)
        assert (event.raw, event.state) == (raw, "\ufffd")


def test_coalesced_frames() -> None:
    parts = [FRAMES["id first"] % state_changed(n=n) for n in range(3)]
    events = subscribed().receive(f"[{', '.join(parts)}]".encode(), NOW)
    assert [event.raw for event in events if isinstance(event, Event)] == [state_changed(n=n) for n in range(3)]


@pytest.mark.parametrize(
    "odd", [b"", b"{", b"null", b"[1", b'"text"', b'{"type":"event"}', b'{"type":"new_thing"}', b"[" * 50_000]
)
def test_what_is_not_understood_is_kept_whole(odd: bytes) -> None:
    (event,) = subscribed().receive(odd, NOW)
    assert isinstance(event, Event)
    assert (event.event_type, event.raw, event.time) == ("unparsed", odd.decode(), NOW)


@given(st.binary(max_size=200))
def test_no_frame_breaks_the_conversation(odd: bytes) -> None:
    for action in subscribed().receive(odd, NOW):
        if isinstance(action, Event) and action.raw.startswith('{"encoding":"base64"'):
            assert base64.b64decode(json.loads(action.raw)["data"]) == odd
    for action in subscribed().receive(b'{"id":2,"type":"event","event":' + odd + b"}", NOW):
        assert isinstance(action, Event)


def test_an_event_without_type_or_time_is_kept() -> None:
    for raw in (
        '{"event_type":"x","data":{}}',
        '{"data":{},"time_fired":"2026-11-23"}',
        '{"event_type":"x","time_fired":"?","data":{}}',
    ):
        (event,) = subscribed().receive((FRAMES["id first"] % raw).encode(), NOW)
        assert isinstance(event, Event)
        assert (event.event_type, event.raw) == ("unparsed", raw)


def test_a_refused_token_and_a_stranger() -> None:
    with pytest.raises(TokenRefused):
        HomeAssistantProtocol("x").receive(frame(type="auth_invalid", message="no"), NOW)
    for stranger in (b"hello", frame(type="hello"), frame(hello=1)):
        with pytest.raises(NotHomeAssistant):
            HomeAssistantProtocol("x").receive(stranger, NOW)


def test_a_simulated_home_says_so() -> None:
    protocol = subscribed(CONFIG | {"homeiq_simulated": True})
    (event,) = protocol.receive((FRAMES["id first"] % state_changed()).encode(), NOW)
    assert isinstance(event, Event)
    assert (event.origin, event.source) == ("simulated", "home_assistant")


def test_a_snapshot_is_split_into_records() -> None:
    protocol = subscribed()
    asked = sent(protocol.snapshot())
    assert [message["type"] for message in asked] == list(COMMANDS)
    states = [
        {"entity_id": f"a.b{n}", "state": str(n), "last_updated": FIRED, "attributes": {"n": n}} for n in range(3)
    ]
    texts = [json.dumps(state) for state in states]
    actions = []
    for message in asked:
        if message["type"] == "get_states":
            answer = f'{{"id":{message["id"]},"type":"result","success":true,"result":[{" , ".join(texts)}]}}'.encode()
        elif message["type"] == "config/label_registry/list":
            answer = result(message["id"], "unknown_command", success=False)
        elif message["type"] == "config/floor_registry/list":
            answer = result(message["id"], "unauthorized", success=False)
        else:
            answer = result(message["id"], CONFIG if message["type"] == "get_config" else [])
        actions += protocol.receive(answer, NOW)
    records = [action for action in actions if isinstance(action, Event)]
    assert [record.raw for record in records if record.event_type == "state"] == texts
    assert {record.origin for record in records} == {"snapshot"}
    assert [record.time for record in records if record.event_type == "state"] == [1_795_448_913_184_487] * 3
    assert records[-1].event_type == "config"
    assert actions[-1] == SnapshotTaken(3)
    warnings = [action.sentence for action in actions if isinstance(action, Warn)]
    assert warnings == ["Home Assistant does not answer config/floor_registry/list (unauthorized)"]


def test_a_changed_registry_is_fetched_again_with_the_time_of_the_event() -> None:
    protocol = subscribed()

    def update(second: int) -> list[object]:
        fired = f"2026-11-23T15:48:{second:02}.000000+00:00"
        event = {"event_type": "entity_registry_updated", "data": {"entity_id": "a.b"}, "time_fired": fired}
        return list(protocol.receive((FRAMES["id first"] % json.dumps(event)).encode(), NOW))

    (message,) = sent(update(1))
    assert message["type"] == "config/entity_registry/list"
    assert sent(update(2)) == [], "an answer is under way"
    assert sent(update(3)) == []
    actions = protocol.receive(result(message["id"], [1]), NOW)
    first = next(action for action in actions if isinstance(action, Event))
    assert (first.event_type, first.time) == ("entity_registry", 1_795_448_881_000_000)
    (again,) = sent(actions)
    (event,) = protocol.receive(result(again["id"], [2]), NOW)
    assert isinstance(event, Event)
    assert event.time == 1_795_448_883_000_000
    assert sent(update(4)), "and so on"


def test_without_administrator_rights_by_type() -> None:
    protocol = HomeAssistantProtocol("x")
    protocol.receive(frame(type="auth_ok", ha_version="2026.11.0"), NOW)
    protocol.receive(result(1, CONFIG), NOW)
    actions = protocol.receive(result(2, "unauthorized", success=False), NOW)
    assert "no administrator rights" in next(action.sentence for action in actions if isinstance(action, Warn))
    asked = sent(actions)
    assert [message["event_type"] for message in asked] == list(VISIBLE_WITHOUT_ADMIN)
    answers = [protocol.receive(result(message["id"], None), NOW) for message in asked[:2]]
    assert answers == [[Subscribed("2026.11.0")], []], "connected once"
    assert protocol.receive(result(asked[2]["id"], "unauthorized", success=False), NOW) == []


def test_a_subscription_refused_otherwise_ends_the_session() -> None:
    protocol = HomeAssistantProtocol("x")
    protocol.receive(frame(type="auth_ok", ha_version="2026.11.0"), NOW)
    protocol.receive(result(1, CONFIG), NOW)
    with pytest.raises(SourceUnreachable):
        protocol.receive(result(2, "home_assistant_error", success=False), NOW)
