"""The WebSocket protocol without a socket, held against answers of a real Home Assistant 2024.3.3."""

from typing import Any

import orjson
import pytest
from homeiq.clock import DAY, SECOND, from_iso, to_iso
from homeiq.connectors.simulated import Rules, SimulatedHome
from homeiq.connectors.simulated.conversation import Answer, Conversation

START = from_iso("2026-10-22T22:00:00")

# Keys of what the real one answered.
CONFIG_KEYS = (
    "allowlist_external_dirs allowlist_external_urls components config_dir config_source country currency elevation"
    " external_url internal_url language latitude location_name longitude recovery_mode safe_mode state time_zone"
    " unit_system version whitelist_external_dirs"
)
UNIT_KEYS = "accumulated_precipitation length mass pressure temperature volume wind_speed"
STATE_KEYS = "attributes context entity_id last_changed last_updated state"
EVENT_KEYS = "context data event_type origin time_fired"
ENTITY_KEYS = (
    "area_id config_entry_id device_id disabled_by entity_category entity_id has_entity_name hidden_by icon id labels"
    " name options original_name platform translation_key unique_id"
)
DEVICE_KEYS = (
    "area_id configuration_url config_entries connections disabled_by entry_type hw_version id identifiers"
    " manufacturer model name_by_user name serial_number sw_version via_device_id"
)
AREA_KEYS = "aliases area_id icon name picture"


class Client:
    """Speaks to the home as a client would, and counts ids."""

    def __init__(self, rules: Rules | None = None) -> None:
        self.home = SimulatedHome(5, START)
        self.talk = Conversation(self.home, rules or Rules("secret"))
        self.last = 0

    def say(self, message: Any) -> Answer:
        return self.talk.receive(message if isinstance(message, (str, bytes)) else orjson.dumps(message))

    def enter(self) -> "Client":
        assert self.say({"type": "auth", "access_token": "secret"}).close is False
        return self

    def ask(self, kind: str, **fields: Any) -> dict[str, Any]:
        self.last += 1
        answer = self.say({"id": self.last, "type": kind, **fields})
        (message,) = answer.messages
        reply: dict[str, Any] = orjson.loads(message)
        assert reply["id"] == self.last
        return reply

    def result(self, kind: str, **fields: Any) -> Any:
        reply = self.ask(kind, **fields)
        assert list(reply) == ["id", "type", "success", "result"]
        assert reply["type"] == "result"
        assert reply["success"] is True
        return reply["result"]

    def refused(self, kind: str, **fields: Any) -> str:
        reply = self.ask(kind, **fields)
        assert list(reply) == ["id", "type", "success", "error"]
        assert list(reply["error"]) == ["code", "message"]
        code: str = reply["error"]["code"]
        return code


@pytest.fixture
def client() -> Client:
    """A client that was let in."""
    return Client().enter()


def test_greeting_and_entrance() -> None:
    client = Client()
    assert orjson.loads(client.talk.greeting()) == {"type": "auth_required", "ha_version": "2026.11.0"}
    answer = client.say({"type": "auth", "access_token": "secret"})
    assert [orjson.loads(message) for message in answer.messages] == [{"type": "auth_ok", "ha_version": "2026.11.0"}]


def test_a_bad_token() -> None:
    answer = Client().say({"type": "auth", "access_token": "wrong"})
    assert orjson.loads(answer.messages[0]) == {"type": "auth_invalid", "message": "Invalid access token or password"}
    assert answer.close


@pytest.mark.parametrize("message", [{"type": "auth"}, {"type": "get_states", "id": 1}, [1], 7])
def test_something_else_than_a_token(message: Any) -> None:
    answer = Client().say(message)
    assert orjson.loads(answer.messages[0])["type"] == "auth_invalid"
    assert answer.close


def test_what_is_not_json_ends_the_talk(client: Client) -> None:
    assert client.say("{").close


def test_get_config(client: Client) -> None:
    config = client.result("get_config")
    assert set(config) >= set(CONFIG_KEYS.split())
    assert set(config["unit_system"]) >= set(UNIT_KEYS.split())
    assert config["homeiq_simulated"] is True
    assert "light" in config["components"]


def test_get_states(client: Client) -> None:
    states = client.result("get_states")
    assert all(set(state) >= set(STATE_KEYS.split()) for state in states)
    assert set(states[0]["context"]) == {"id", "parent_id", "user_id"}
    assert states == client.home.states()


@pytest.mark.parametrize(("name", "keys"), [("entity", ENTITY_KEYS), ("device", DEVICE_KEYS), ("area", AREA_KEYS)])
def test_registries(client: Client, name: str, keys: str) -> None:
    rows = client.result(f"config/{name}_registry/list")
    assert rows
    assert all(set(keys.split()) <= set(row) for row in rows)


def test_floors_labels_services_and_user(client: Client) -> None:
    assert {row["floor_id"] for row in client.result("config/floor_registry/list")} == {"ground_floor", "upper_floor"}
    assert {row["label_id"] for row in client.result("config/label_registry/list")} == {"energy", "safety"}
    assert set(client.result("get_services")["light"]) == {"turn_on", "turn_off", "toggle"}
    assert client.result("auth/current_user")["is_admin"] is True


def test_ping_and_unknown_command(client: Client) -> None:
    assert client.ask("ping") == {"id": 1, "type": "pong"}
    error = {"code": "unknown_command", "message": "Unknown command."}
    assert client.ask("nonsense") == {"id": 2, "type": "result", "success": False, "error": error}


def test_ids_must_increase(client: Client) -> None:
    client.ask("ping")
    (message,) = client.say({"id": 1, "type": "ping"}).messages
    error = {"code": "id_reuse", "message": "Identifier values have to increase."}
    assert orjson.loads(message) == {"id": 1, "type": "result", "success": False, "error": error}


@pytest.mark.parametrize(
    "message", [{}, {"id": 1}, {"type": "ping"}, {"id": "1", "type": "ping"}, {"id": -1, "type": "ping"}, 3]
)
def test_badly_formatted(client: Client, message: Any) -> None:
    (reply,) = client.say(message).messages
    assert orjson.loads(reply)["error"]["code"] == "invalid_format"


def test_a_list_of_messages(client: Client) -> None:
    answer = client.say([{"id": 1, "type": "ping"}, {"id": 2, "type": "ping"}])
    assert [orjson.loads(message)["id"] for message in answer.messages] == [1, 2]


def test_event_frames_are_written_as_the_real_ones(client: Client) -> None:
    assert client.result("subscribe_events") is None
    batch = list(client.home.advance(START + 600 * SECOND))
    frames = list(client.talk.frames(batch))
    assert len(frames) == len(batch) > 20
    for fired, frame in zip(batch, frames, strict=True):
        assert frame == b'{"type":"event","event":' + fired.raw + b',"id":1}'
        event = orjson.loads(frame)["event"]
        assert set(event) == set(EVENT_KEYS.split())
        assert orjson.dumps(event) == fired.raw


def test_subscription_by_type_and_its_end(client: Client) -> None:
    client.result("subscribe_events", event_type="call_service")
    client.result("subscribe_events", event_type="state_changed")
    batch = client.home.call_service("light", "toggle", {"entity_id": "light.kitchen"})
    assert [orjson.loads(frame)["id"] for frame in client.talk.frames(batch)] == [1, 2]
    assert client.result("unsubscribe_events", subscription=1) is None
    assert [orjson.loads(frame)["id"] for frame in client.talk.frames(batch)] == [2]
    assert client.refused("unsubscribe_events", subscription=1) == "not_found"
    client.result("unsubscribe_events", subscription=2)
    assert not client.talk.listening


def test_without_administrator_rights() -> None:
    client = Client(Rules("secret", admin=False)).enter()
    assert client.refused("subscribe_events") == "unauthorized"
    assert client.refused("subscribe_events", event_type="call_service") == "unauthorized"
    assert client.result("subscribe_events", event_type="state_changed") is None


def test_coalescing_is_asked_for(client: Client) -> None:
    assert client.result("supported_features", features={"coalesce_messages": 1}) is None
    assert client.talk.coalesce
    assert client.refused("supported_features") == "invalid_format"


def test_a_called_service_changes_the_entity_in_the_caller_s_context(client: Client) -> None:
    message = {
        "id": 1,
        "type": "call_service",
        "domain": "light",
        "service": "turn_on",
        "service_data": {"brightness": 77},
        "target": {"entity_id": "light.office"},
    }
    answer = client.say(message)
    called, changed = (orjson.loads(fired.raw) for fired in answer.fired)
    data = {"brightness": 77, "entity_id": "light.office"}
    assert called["data"] == {"domain": "light", "service": "turn_on", "service_data": data}
    assert changed["data"]["new_state"]["state"] == "on"
    assert changed["data"]["new_state"]["attributes"]["brightness"] == 77
    assert called["context"] == changed["context"]
    assert called["context"]["user_id"] == client.home.users["anna"]
    result = orjson.loads(answer.messages[0])["result"]
    assert result == {"context": called["context"], "response": None}


@pytest.mark.parametrize(
    ("domain", "service", "data", "entity_id", "expected"),
    [
        ("light", "turn_on", {"brightness_pct": 100}, "light.office", ("on", "brightness", 255)),
        ("light", "turn_off", {}, "light.office", ("off", "brightness", None)),
        ("switch", "turn_on", {}, "switch.desk", ("on", None, None)),
        ("homeassistant", "toggle", {}, "switch.irrigation", ("on", None, None)),
        ("climate", "set_temperature", {"temperature": 23.5}, "climate.office", ("heat", "temperature", 23.5)),
        ("climate", "set_hvac_mode", {"hvac_mode": "off"}, "climate.office", ("off", "hvac_action", "off")),
        ("input_number", "set_value", {"value": 61}, "input_number.target_humidity", ("61.0", None, None)),
        ("number", "set_value", {"value": 600}, "number.irrigation_minutes", ("60.0", None, None)),
        ("input_select", "select_option", {"option": "night"}, "input_select.house_mode", ("night", None, None)),
        ("cover", "open_cover", {}, "cover.garage_door", ("open", "current_position", 100)),
        ("lock", "unlock", {}, "lock.front_door", ("unlocked", None, None)),
        ("fan", "set_percentage", {"percentage": 33}, "fan.bathroom", ("on", "percentage", 33)),
    ],
)
def test_services(
    client: Client,
    domain: str,
    service: str,
    data: dict[str, Any],
    entity_id: str,
    expected: tuple[str, str | None, Any],
) -> None:
    client.home.call_service("light", "turn_on", {"entity_id": "light.office", "brightness": 5})
    client.result("call_service", domain=domain, service=service, service_data={**data, "entity_id": [entity_id]})
    list(client.home.advance(START + 20 * SECOND))
    found = client.home.state(entity_id)
    assert found is not None
    state, name, value = expected
    assert found["state"] == state
    assert name is None or found["attributes"][name] == value


def test_services_that_do_not_exist_or_are_called_badly(client: Client) -> None:
    assert client.refused("call_service", domain="light", service="explode") == "not_found"
    assert client.refused("call_service", domain="light") == "invalid_format"
    bad = {"entity_id": "light.office", "brightness": "very"}
    assert client.refused("call_service", domain="light", service="turn_on", service_data=bad) == "invalid_format"


def test_fire_event(client: Client) -> None:
    result = client.result("fire_event", event_type="mine", event_data={"a": 1})
    assert set(result["context"]) == {"id", "parent_id", "user_id"}


def test_history(client: Client) -> None:
    list(client.home.advance(START + DAY // 24))
    asked = {"entity_ids": ["sensor.mains_voltage", "sensor.nobody"], "start_time": to_iso(START + 600 * SECOND)}
    result = client.result("history/history_during_period", **asked)
    rows = result["sensor.mains_voltage"]
    assert set(rows[0]) == {"s", "a", "lu"}
    assert rows[0]["lu"] == START / SECOND + 600
    assert len(rows) > 20
    shorter = client.result("history/history_during_period", **asked, end_time=to_iso(START + 900 * SECOND))
    assert 1 < len(shorter["sensor.mains_voltage"]) < len(rows)


def test_history_that_is_asked_badly(client: Client) -> None:
    good = {"entity_ids": ["sensor.mains_voltage"], "start_time": to_iso(START + DAY)}
    assert client.result("history/history_during_period", **good) == {}
    assert client.refused("history/history_during_period", **{**good, "start_time": "soon"}) == "invalid_start_time"
    assert client.refused("history/history_during_period", **good, end_time="late") == "invalid_end_time"
    assert client.refused("history/history_during_period", **{**good, "entity_ids": ["x"]}) == "invalid_entity_ids"
    assert client.refused("history/history_during_period", start_time="2026-01-01") == "invalid_format"


def test_history_takes_its_time() -> None:
    """A real one has not committed the last seconds yet."""
    client = Client(Rules("secret", history_lag_seconds=5.0)).enter()
    asked = {"entity_ids": ["sensor.mine"], "start_time": to_iso(START - 1), "include_start_time_state": False}
    client.home.set_state("sensor.mine", "1")
    assert client.result("history/history_during_period", **asked) == {}
    list(client.home.advance(client.home.now + 6 * SECOND))
    assert len(client.result("history/history_during_period", **asked)["sensor.mine"]) == 1
