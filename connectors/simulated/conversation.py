"""One client's talk with the simulated home over Home Assistant's WebSocket API: a message in, answers out. No I/O.

Format: https://developers.home-assistant.io/docs/api/websocket. What a real one answers to a wrong message is kept, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson

from ...clock import SECOND, from_iso
from .history import Period
from .home import SimulatedHome
from .registries import VERSION
from .services import UnknownService
from .state import Fired

__all__ = ["Answer", "Conversation", "Rules"]

_VISIBLE_WITHOUT_ADMIN: Final = frozenset(
    (
        "area_registry_updated",
        "category_registry_updated",
        "component_loaded",
        "core_config_updated",
        "device_registry_updated",
        "entity_registry_updated",
        "floor_registry_updated",
        "label_registry_updated",
        "lovelace_updated",
        "panels_updated",
        "recorder_5min_statistics_generated",
        "recorder_hourly_statistics_generated",
        "repairs_issue_registry_updated",
        "service_registered",
        "service_removed",
        "shopping_list_updated",
        "state_changed",
        "themes_updated",
    )
)


@dataclass(frozen=True, slots=True)
class Rules:
    """Whom the home lets in: `admin` is whether the token has administrator rights.

    The history knows only what is older than `history_lag_seconds` (of the home's time): a real one commits every 5 s.
    """

    token: str
    admin: bool = True
    history_lag_seconds: float = 0.0


@dataclass(slots=True)
class Answer:
    """What a message leads to: first the home's events, for everybody; then messages to this client; then the end."""

    fired: list[Fired] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    close: bool = False


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Conversation:
    """What the home knows about one client."""

    def __init__(self, home: SimulatedHome, rules: Rules) -> None:
        self._home = home
        self._rules = rules
        self._last_id = 0
        self._events: dict[int, str | None] = {}
        self.authenticated = False
        self.coalesce = False
        self._commands: dict[str, Callable[[dict[str, Any], Answer], object]] = {
            "supported_features": self._features,
            "get_config": lambda message, answer: home.config(),
            "get_states": lambda message, answer: orjson.Fragment(home.states_raw()),
            "get_services": lambda message, answer: home.services(),
            "subscribe_events": self._subscribe,
            "unsubscribe_events": self._unsubscribe,
            "call_service": self._call_service,
            "fire_event": self._fire_event,
            "history/history_during_period": self._history,
            "auth/current_user": self._user,
        }
        for name in ("area", "device", "entity", "floor", "label"):
            self._commands[f"config/{name}_registry/list"] = self._registry(name)

    @property
    def listening(self) -> bool:
        """Whether the client has subscribed to anything."""
        return bool(self._events)

    def greeting(self) -> bytes:
        """Return the first message of every connection."""
        return orjson.dumps({"type": "auth_required", "ha_version": VERSION})

    def frames(self, batch: list[Fired]) -> Iterator[bytes]:
        """Yield the messages that bring these events to the client, once for each subscription that wants them."""
        tails = [(wanted, b',"id":%d}' % number) for number, wanted in self._events.items()]
        if len(tails) == 1 and tails[0][0] is None:
            tail = tails[0][1]
            for fired in batch:
                yield b'{"type":"event","event":' + fired.raw + tail
            return
        for fired in batch:
            for wanted, tail in tails:
                if wanted is None or wanted == fired.event_type:
                    yield b'{"type":"event","event":' + fired.raw + tail

    def receive(self, text: str | bytes) -> Answer:
        """Return what a message leads to. A client that does not speak JSON is hung up on."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return Answer(close=True)
        if not self.authenticated:
            return self._authenticate(message)
        answer = Answer()
        for each in message if isinstance(message, list) else [message]:
            answer.messages.append(self._reply(each, answer))
        return answer

    def _authenticate(self, message: Any) -> Answer:
        if not isinstance(message, dict) or message.get("type") != "auth" or "access_token" not in message:
            refusal = "Auth message incorrectly formatted: required key not provided @ data['access_token']"
        elif message["access_token"] != self._rules.token:
            refusal = "Invalid access token or password"
        else:
            self.authenticated = True
            return Answer(messages=[orjson.dumps({"type": "auth_ok", "ha_version": VERSION})])
        return Answer(messages=[orjson.dumps({"type": "auth_invalid", "message": refusal})], close=True)

    def _reply(self, message: Any, answer: Answer) -> bytes:
        number = message.get("id") if isinstance(message, dict) else 0
        kind = message.get("type") if isinstance(message, dict) else None
        if type(number) is not int or number <= 0 or not isinstance(kind, str) or not kind:
            return _error(number, "invalid_format", "Message incorrectly formatted.")
        if number <= self._last_id:
            return _error(number, "id_reuse", "Identifier values have to increase.")
        command = self._commands.get(kind)
        if command is None and kind != "ping":
            return _error(number, "unknown_command", "Unknown command.")
        self._last_id = number
        if command is None:
            return orjson.dumps({"id": number, "type": "pong"})
        try:
            result = command(message, answer)
        except _Refused as refused:
            return _error(number, refused.code, refused.message)
        return orjson.dumps({"id": number, "type": "result", "success": True, "result": result})

    # Commands

    def _features(self, message: dict[str, Any], answer: Answer) -> None:
        features = _field(message, "features", dict)
        self.coalesce = bool(features.get("coalesce_messages"))

    def _registry(self, name: str) -> Callable[[dict[str, Any], Answer], object]:
        return lambda message, answer: self._home.registry(name)

    def _subscribe(self, message: dict[str, Any], answer: Answer) -> None:
        wanted = _field(message, "event_type", str, "*")
        if not self._rules.admin and wanted not in _VISIBLE_WITHOUT_ADMIN:
            raise _Refused("unauthorized", "Unauthorized")
        self._events[message["id"]] = None if wanted == "*" else wanted

    def _unsubscribe(self, message: dict[str, Any], answer: Answer) -> None:
        if self._events.pop(_field(message, "subscription", int), 0) == 0:
            raise _Refused("not_found", "Subscription not found.")

    def _call_service(self, message: dict[str, Any], answer: Answer) -> dict[str, object]:
        domain, service = _field(message, "domain", str), _field(message, "service", str)
        data = {**_field(message, "service_data", dict, {}), **_field(message, "target", dict, {})}
        context = self._home.context(self._user_id)
        try:
            answer.fired += self._home.call_service(domain, service, data, context)
        except UnknownService:
            raise _Refused("not_found", f"Service {domain}.{service} not found.") from None
        except (TypeError, ValueError) as error:
            raise _Refused("invalid_format", str(error)) from None
        return {"context": context.as_dict(), "response": None}

    def _fire_event(self, message: dict[str, Any], answer: Answer) -> dict[str, object]:
        context = self._home.context(self._user_id)
        data = _field(message, "event_data", dict, {})
        answer.fired += self._home.fire(_field(message, "event_type", str), data, context)
        return {"context": context.as_dict()}

    def _user(self, message: dict[str, Any], answer: Answer) -> dict[str, object]:
        rights = {"is_owner": self._rules.admin, "is_admin": self._rules.admin}
        return {"id": self._user_id, "name": "Anna", **rights, "credentials": [], "mfa_modules": []}

    @property
    def _user_id(self) -> str:
        return self._home.users["anna"]

    def _history(self, message: dict[str, Any], answer: Answer) -> dict[str, object]:
        start = self._time(message, "start_time")
        known_until = self._home.now + 1 - int(self._rules.history_lag_seconds * SECOND)
        end = self._time(message, "end_time") if "end_time" in message else known_until
        entity_ids = tuple(str(entity_id) for entity_id in _field(message, "entity_ids", list))
        if any(entity_id.count(".") != 1 for entity_id in entity_ids):
            raise _Refused("invalid_entity_ids", "Invalid entity_ids")
        period = Period(
            entity_ids,
            start,
            min(end, known_until),
            _field(message, "include_start_time_state", bool, True),
            _field(message, "significant_changes_only", bool, True),
            _field(message, "minimal_response", bool, False),
            _field(message, "no_attributes", bool, False),
        )
        return {} if start > self._home.now else {**self._home.history(period)}

    def _time(self, message: dict[str, Any], name: str) -> int:
        text = _field(message, name, str)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise _Refused(f"invalid_{name}", f"Invalid {name}") from None
        return self._home.time_of(moment) if moment.tzinfo is None else from_iso(text)


def _field(message: dict[str, Any], name: str, kind: type, default: Any = None) -> Any:
    value = message.get(name, default)
    if not isinstance(value, kind):
        problem = "required key not provided" if value is None else f"expected {kind.__name__}"
        raise _Refused("invalid_format", f"{problem} @ data['{name}']. Got {value!r}")
    return value


def _error(number: object, code: str, message: str) -> bytes:
    error = {"code": code, "message": message}
    return orjson.dumps({"id": number, "type": "result", "success": False, "error": error})
