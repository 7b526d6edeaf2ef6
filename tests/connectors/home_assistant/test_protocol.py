"""The protocol without a socket: odd frames, refused subscriptions, registries fetched again."""

import base64
import json

import pytest
from homeiq.clock import SECOND
from homeiq.connectors.home_assistant.protocol import (
    FetchLater,
    HomeAssistantProtocol,
    Send,
    SnapshotTaken,
    Subscribed,
    Warn,
)
from homeiq.connectors.home_assistant.refetch import INTERVAL, Refetches
from homeiq.connectors.home_assistant.snapshot import COMMANDS
from homeiq.connectors.home_assistant.subscription import VISIBLE_WITHOUT_ADMIN
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


def updated(protocol: HomeAssistantProtocol, second: int, kind: str = "entity") -> list[object]:
    """Tell a protocol at 15:48:`second` that a registry has changed."""
    fired = f"2026-11-23T15:48:{second:02}.000000+00:00"
    event = {"event_type": f"{kind}_registry_updated", "data": {"entity_id": "a.b"}, "time_fired": fired}
    event_actions = protocol.receive((FRAMES["id first"] % json.dumps(event)).encode(), MINUTE + second * SECOND)
    assert isinstance(event_actions[0], Event)
    return list(event_actions[1:])


MINUTE = 1_795_448_880_000_000  # 2026-11-23T15:48 UTC


def test_a_changed_registry_is_fetched_again_with_the_time_of_the_event() -> None:
    protocol = subscribed()
    (message,) = sent(updated(protocol, 1))
    assert message["type"] == "config/entity_registry/list"
    (event,) = protocol.receive(result(message["id"], [1]), NOW)
    assert isinstance(event, Event)
    assert (event.event_type, event.time, event.raw) == ("entity_registry", MINUTE + SECOND, "[1]")
    assert len(sent(updated(protocol, 50))) == 1, "and so on"


def test_a_burst_of_changes_is_one_question_more() -> None:
    protocol = subscribed()
    (first,) = sent(updated(protocol, 1))
    assert updated(protocol, 2) == [FetchLater("config/entity_registry/list", 4.0)]
    assert [updated(protocol, 3) for _ in range(100)] == [[]] * 100
    assert len(sent(updated(protocol, 3, "area"))) == 1, "another registry has nothing to do with it"
    assert protocol.receive(result(first["id"], [1]), MINUTE + 3 * SECOND) != []
    (second,) = sent(protocol.fetch("config/entity_registry/list", MINUTE + 6 * SECOND))
    (event,) = protocol.receive(result(second["id"], [2]), NOW)
    assert isinstance(event, Event)
    assert event.time == MINUTE + 2 * SECOND, "the first change that was not in the last answer"
    assert protocol.fetch("config/entity_registry/list", MINUTE + 6 * SECOND) == []
    assert updated(protocol, 8) == [FetchLater("config/entity_registry/list", 3.0)]


def test_an_answer_that_never_comes_blocks_no_registry() -> None:
    protocol = subscribed()
    for second in (1, 20, 40):
        assert len(sent(updated(protocol, second))) == 1


@given(st.lists(st.tuples(st.integers(-(10**7), 10**8), st.booleans()), max_size=30))
def test_no_change_is_forgotten_and_none_waits_longer_than_an_interval(steps: list[tuple[int, bool]]) -> None:
    """Whatever the clock does."""
    refetches, now, due, asked = Refetches(), NOW, None, 0
    for step, changes in steps:
        now += step
        if due is not None and now >= due:
            assert refetches.asking("x", now) is not None
            due, asked = None, asked + 1
        if changes:
            wait = refetches.changed("x", now, now)
            assert (wait is None) == (due is not None)
            if wait is not None:
                assert 0 <= wait <= INTERVAL
                due = now + wait
    assert due is None or refetches.asking("x", due) is not None
    assert refetches.asking("x", now) is None


def test_a_registry_that_lacks_is_tolerated_and_one_that_is_refused_is_said() -> None:
    protocol = subscribed()
    asked = sent(protocol.snapshot())
    codes = ["unknown_command", "unauthorized", "unknown_error"]
    actions = []
    for message, code in zip(asked, codes * 3, strict=False):
        actions += protocol.receive(result(message["id"], code, success=False), NOW)
    said = [action.sentence for action in actions if isinstance(action, Warn)]
    assert len(said) == 4
    assert "Home Assistant does not answer config/floor_registry/list (unauthorized)" in said
    assert actions[-1] == SnapshotTaken(0)


NESTED = "[" * 100_000 + "]" * 100_000
MALFORMED = [
    "null", "5", "true", '"text"', "{}", "[5]", "[null, []]", '[{"entity_id": 5, "last_updated": 5, "state": 5}]',
    '[{"entity_id": "a.b", "last_updated": "2026-11-23", "state": null}]', NESTED, f"[{NESTED}]",
    f'[{{"entity_id":"a.b","state":"1","last_updated":"{FIRED}"}},{{"x":{"[" * 1_015 + "]" * 1_015}}}]',
]  # fmt: skip


@pytest.mark.parametrize("content", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_answer_is_kept_and_ends_nothing(content: str) -> None:
    protocol = subscribed()
    actions: list[object] = []
    said = ""
    for message in sent(protocol.snapshot()):
        answer = f'{{"id":{message["id"]},"type":"result","success":true,"result":{content}}}'
        said += answer
        actions += protocol.receive(answer.encode(), NOW)
    records = [action for action in actions if isinstance(action, Event)]
    assert {record.event_type for record in records} & {"unparsed", "state"}
    for record in records:
        assert record.raw in said
        assert record.event_type != "state" or record.entity_id == "a.b"
        if record.event_type.endswith("_registry"):
            assert record.raw.startswith("[")
    if content != NESTED and NESTED not in content:
        assert isinstance(actions[-1], SnapshotTaken), "it is a snapshot all the same"
    (event,) = protocol.receive((FRAMES["id first"] % state_changed()).encode(), NOW)
    assert isinstance(event, Event), "the conversation goes on"


@pytest.mark.parametrize("number", [None, [], {}, "1", 1.5, -1, 10**30, True])
def test_an_answer_to_nothing_is_nothing(number: object) -> None:
    protocol = subscribed()
    protocol.snapshot()
    assert protocol.receive(frame(id=number, type="result", success=True, result=[]), NOW) == []
    assert protocol.receive(frame(id=number, type="pong"), NOW) == []
    assert protocol.receive(frame(type="result"), NOW) == []


def test_a_snapshot_that_is_not_answered_does_not_hang() -> None:
    protocol = subscribed()
    assert protocol.snapshot_overdue() == []
    asked = {message["type"]: message["id"] for message in sent(protocol.snapshot())}
    for command, number in asked.items():
        if command not in ("get_states", "config/label_registry/list"):
            protocol.receive(result(number, CONFIG if command == "get_config" else []), NOW)
    warning, taken = protocol.snapshot_overdue()
    assert isinstance(warning, Warn)
    assert "has not answered config/label_registry/list, get_states;" in warning.sentence
    assert taken == SnapshotTaken(0)
    assert protocol.snapshot_overdue() == []
    (late,) = protocol.receive(result(asked["config/label_registry/list"], [1]), NOW)
    assert isinstance(late, Event)
    assert late.event_type == "label_registry", "what comes late is taken all the same"
    again = sent(protocol.snapshot())
    answers = [protocol.receive(result(message["id"], "unknown_command", success=False), NOW) for message in again]
    assert answers[-1] == [SnapshotTaken(0)], "and blocks no later one"


def test_without_a_configuration_all_is_heard_the_same() -> None:
    protocol = HomeAssistantProtocol("x")
    protocol.receive(frame(type="auth_ok", ha_version="2026.11.0"), NOW)
    actions = protocol.receive(result(1, "unknown_error", success=False), NOW)
    assert sent(actions) == [{"id": 2, "type": "subscribe_events"}]


def without_admin() -> tuple[HomeAssistantProtocol, dict[object, object]]:
    """Return a protocol whose token may not subscribe to all events, and the numbers of its subscriptions by type."""
    protocol = HomeAssistantProtocol("x")
    protocol.receive(frame(type="auth_ok", ha_version="2026.11.0"), NOW)
    protocol.receive(result(1, CONFIG), NOW)
    asked = sent(protocol.receive(result(2, "unauthorized", success=False), NOW))
    assert [message["event_type"] for message in asked] == list(VISIBLE_WITHOUT_ADMIN)
    return protocol, {message["event_type"]: message["id"] for message in asked}


def test_without_administrator_rights_by_type() -> None:
    protocol, asked = without_admin()
    refused = ("floor_registry_updated", "label_registry_updated")
    actions: list[object] = []
    for event_type, number in asked.items():
        assert actions == [], "what is heard is known when all is answered"
        answer = result(number, "unauthorized", success=False) if event_type in refused else result(number, None)
        actions += protocol.receive(answer, NOW)
    connected, warning = actions
    assert connected == Subscribed("2026.11.0", tuple(name for name in VISIBLE_WITHOUT_ADMIN if name not in refused))
    assert isinstance(warning, Warn)
    assert "no administrator rights" in warning.sentence
    assert "and not floor_registry_updated, label_registry_updated;" in warning.sentence


def test_a_token_that_may_not_hear_states_is_refused() -> None:
    protocol, asked = without_admin()
    with pytest.raises(TokenRefused, match="does not let the token subscribe to states"):
        protocol.receive(result(asked["state_changed"], "unauthorized", success=False), NOW)


def test_a_subscription_refused_otherwise_ends_the_session() -> None:
    protocol = HomeAssistantProtocol("x")
    protocol.receive(frame(type="auth_ok", ha_version="2026.11.0"), NOW)
    protocol.receive(result(1, CONFIG), NOW)
    with pytest.raises(SourceUnreachable):
        protocol.receive(result(2, "home_assistant_error", success=False), NOW)
