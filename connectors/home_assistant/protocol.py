"""Home Assistant's WebSocket API without any I/O: a frame in, actions out.

Format: https://developers.home-assistant.io/docs/api/websocket. The order is auth, get_config (which says whom we speak
to), subscribe_events; from then on nothing is missed, and a snapshot can be asked for at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from ...clock import SECOND, from_iso
from ...errors import NotHomeAssistant, SourceUnreachable, TokenRefused
from ...storage.record import Event, Origin, text_of
from ...verbatim import elements, loads, member, storable
from .refetch import Refetches
from .snapshot import COMMANDS, REFETCHED_ON, is_as_expected, registry_event, state_events
from .subscription import VISIBLE_WITHOUT_ADMIN, without_admin

__all__ = [
    "Answered",
    "SOURCE",
    "Send",
    "Subscribed",
    "SnapshotTaken",
    "FetchLater",
    "Warn",
    "Action",
    "HomeAssistantProtocol",
    "event_of",
]

SOURCE = "home_assistant"

_EVENT_LAST = re.compile(rb'\{"id":\d+,"type":"event","event":')
_EVENT_FIRST = re.compile(rb'\{"type":"event","event":')
_ANSWER = re.compile(rb'\{"id":(\d+),"type":"result","success":true,"result":')
_EVENT_FIRST_END = re.compile(rb',"id":\d+\}$')


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text."""

    text: str


@dataclass(frozen=True, slots=True)
class Subscribed:
    """From now on every event is heard; of `event_types` alone, where there are any."""

    version: str
    event_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """All parts of the snapshot that was asked for have been answered."""

    entities: int


@dataclass(frozen=True, slots=True)
class FetchLater:
    """Call `fetch` with this command after so many seconds."""

    command: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Warn:
    """Something that a person should know."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A question of our own was answered: `raw` is the result's text, or `code` says why there is none."""

    number: int
    raw: str | None
    code: str = ""


Action = Event | Send | Subscribed | SnapshotTaken | FetchLater | Warn | Answered


class HomeAssistantProtocol:
    """One connection's conversation. `receive` never raises for a strange frame, only when the conversation is over."""

    def __init__(self, token: str, *, listens: bool = True) -> None:
        """One that does not listen subscribes to nothing: it only asks."""
        self.listens = listens
        self.version = ""
        self.origin: Origin = "live"
        self._token = token
        self._last_id = 0
        self._authenticated = False
        self._configured = False
        self._by_type: dict[int, str] = {}
        self._refused: list[str] = []
        self._pending: dict[int, tuple[str, int | None]] = {}
        self._refetches = Refetches()
        self._snapshot: dict[int, str] = {}
        self._asked: set[int] = set()
        self._entities = 0

    def receive(self, frame: bytes, now: int) -> list[Action]:
        """Return what to do about a frame that came at `now` (microseconds UTC).

        Raises TokenRefused, NotHomeAssistant, or SourceUnreachable when Home Assistant does not let us subscribe.
        """
        cut = _cut_event(frame)
        if cut is not None:
            return self._event(*cut, now)
        answer = _ANSWER.match(frame) if self._asked else None
        if answer and int(answer[1]) in self._asked and frame.endswith(b"}"):
            # It may be long: whoever asked reads it bit by bit.
            self._asked.discard(int(answer[1]))
            return [Answered(int(answer[1]), text_of(frame[answer.end() : -1]))]
        text = text_of(frame)
        try:
            message = loads(text)
        except ValueError:
            if not self.version:
                raise NotHomeAssistant(
                    "what answers there is not Home Assistant", hint="check home_assistant.url"
                ) from None
            return [self._unparsed(text, now)]
        if isinstance(message, list):
            return [action for part, _ in elements(text) for action in self.receive(part.encode(), now)]
        if not isinstance(message, dict):
            return [self._unparsed(text, now)]
        try:
            return self._message(text, message, now)
        except ValueError:  # what is nested too deeply cannot be cut out
            return [self._unparsed(text, now)]

    def ping(self) -> Send:
        """Return the question that shows whether Home Assistant is still there."""
        return self._command("ping")

    def ask(self, command: str, **arguments: object) -> tuple[int, Send]:
        """Return a question, and the number by which Answered tells its answer."""
        self._last_id += 1
        self._asked.add(self._last_id)
        return self._last_id, Send(orjson.dumps({"id": self._last_id, "type": command, **arguments}).decode())

    def snapshot(self) -> list[Action]:
        """Ask for the registries, all states and the configuration, which come in as events."""
        self._entities = 0
        first = self._last_id + 1
        sends: list[Action] = [self._command(command) for command in COMMANDS]
        self._snapshot = dict(enumerate(COMMANDS, first))
        return sends

    def snapshot_overdue(self) -> list[Action]:
        """Wait no longer for what a snapshot has not been answered; what is answered later is taken all the same."""
        if not self._snapshot:
            return []
        missing = ", ".join(self._snapshot.values())
        self._snapshot.clear()
        sentence = f"Home Assistant has not answered {missing}; the next snapshot asks again"
        return [Warn(sentence), SnapshotTaken(self._entities)]

    def fetch(self, command: str, now: int) -> list[Action]:
        """Ask for a registry that has changed, if it was not asked for since; `now` is microseconds UTC."""
        time = self._refetches.asking(command, now)
        return [] if time is None else [self._command(command, time)]

    def _command(self, command: str, time: int | None = None, **arguments: object) -> Send:
        self._last_id += 1
        self._pending[self._last_id] = (command, time)
        return Send(orjson.dumps({"id": self._last_id, "type": command, **arguments}).decode())

    def _event(self, raw: bytes, content: Any, now: int) -> list[Action]:
        event = event_of(raw.decode("utf-8"), content, now, self.origin)
        if event is None:
            return [self._unparsed(text_of(raw), now)]
        command = REFETCHED_ON.get(event.event_type)
        if command is None:
            return [event]
        wait = self._refetches.changed(command, event.time, now)
        if wait is None:
            return [event]
        return [event, FetchLater(command, wait / SECOND)] if wait else [event, *self.fetch(command, now)]

    def _message(self, text: str, message: dict[str, Any], now: int) -> list[Action]:
        match message.get("type"):
            case "auth_required":
                return [Send(orjson.dumps({"type": "auth", "access_token": self._token}).decode())]
            case "auth_invalid":
                raise TokenRefused(
                    "Home Assistant refuses the token",
                    hint="make a new long-lived access token in your Home Assistant profile (Security)"
                    " and set home_assistant.token, or HOME_ASSISTANT_TOKEN",
                )
            case "auth_ok":
                self.version = str(message.get("ha_version", "of unknown version"))
                self._authenticated = True
                return [self._command("get_config")]
            case _ if not self._authenticated:
                raise NotHomeAssistant("what answers there is not Home Assistant", hint="check home_assistant.url")
            case "result":
                return self._result(text, message, now)
            case "pong":
                self._pending.pop(_number_of(message), None)
                return []
            case "event":
                return self._odd_event(text, now)
            case _:
                return [self._unparsed(text, now)]

    def _odd_event(self, text: str, now: int) -> list[Action]:
        """Take an event frame whose members stand in another order, or which only a tolerant reading understands."""
        raw = member(text, "event")
        if raw is None:
            return [self._unparsed(text, now)]
        return self._event(raw.encode(), loads(raw), now)

    def _result(self, text: str, message: dict[str, Any], now: int) -> list[Action]:
        number = _number_of(message)
        if number in self._asked:
            self._asked.discard(number)
            raw = (_part(text, "result") or "null") if message.get("success") else None
            return [Answered(number, raw, "" if raw is not None else _code_of(message))]
        command, time = self._pending.pop(number, ("", None))
        if command == "subscribe_events":
            return self._subscription(number, message)
        actions: list[Action] = []
        if command in COMMANDS:
            if message.get("success"):
                actions += self._answer(command, text, message.get("result"), now if time is None else time, now)
            else:
                actions += self._refusal(command, message)
        if command == "get_config" and not self._configured:
            self._configured = True
            actions.append(self._command("subscribe_events") if self.listens else Subscribed(self.version))
        if self._snapshot.pop(number, None) and not self._snapshot:
            actions.append(SnapshotTaken(self._entities))
        return actions

    def _answer(self, command: str, text: str, content: Any, time: int, now: int) -> Iterator[Action]:
        raw = None if not is_as_expected(command, content) else _part(text, "result")
        if raw is None:
            yield self._unparsed(text, now)
            yield Warn(f"what Home Assistant answers to {command} is not understood; it is kept in the log as unparsed")
        elif command == "get_states":
            for event in state_events(raw, now, self.origin):
                self._entities += event.event_type == "state"
                yield event
        else:
            if command == "get_config" and content.get("homeiq_simulated") is True:
                self.origin = "simulated"
            yield registry_event(command, raw, time, now, self.origin)

    def _refusal(self, command: str, message: dict[str, Any]) -> Iterator[Action]:
        code = _code_of(message)
        if code != "unknown_command":  # older and newer versions lack a registry or two
            yield Warn(f"Home Assistant does not answer {command} ({code})")

    def _subscription(self, number: int, message: dict[str, Any]) -> list[Action]:
        if number in self._by_type:
            return self._subscription_by_type(self._by_type.pop(number), message)
        if message.get("success"):
            return [Subscribed(self.version)]
        code = _code_of(message)
        if code != "unauthorized":
            raise SourceUnreachable(f"Home Assistant refuses the subscription to its events ({code})")
        actions: list[Action] = []
        for event_type in VISIBLE_WITHOUT_ADMIN:
            actions.append(self._command("subscribe_events", event_type=event_type))
            self._by_type[self._last_id] = event_type
        return actions

    def _subscription_by_type(self, event_type: str, message: dict[str, Any]) -> list[Action]:
        """Take one of the answers; after the last one it is known what is heard and what is missing."""
        if not message.get("success"):
            self._refused.append(event_type)
        if "state_changed" in self._refused:
            raise TokenRefused(
                "Home Assistant does not let the token subscribe to states",
                hint="make a long-lived access token as an administrator and set home_assistant.token",
            )
        if self._by_type:
            return []
        heard = tuple(name for name in VISIBLE_WITHOUT_ADMIN if name not in self._refused)
        return [Subscribed(self.version, heard), Warn(without_admin(self._refused))]

    def _unparsed(self, text: str, now: int) -> Event:
        return Event(now, now, SOURCE, self.origin, "unparsed", None, None, text)


def _number_of(message: dict[str, Any]) -> int:
    number = message.get("id")
    return number if type(number) is int else 0


def _code_of(message: dict[str, Any]) -> str:
    error = message.get("error")
    return str(error.get("code")) if isinstance(error, dict) else str(error)


def _part(text: str, name: str) -> str | None:
    """Return the text of a member; None where it cannot be cut out."""
    try:
        return member(text, name)
    except ValueError:
        return None


def _cut_event(frame: bytes) -> tuple[bytes, Any] | None:
    """Return an event frame's event as it stands there, and its value; None for whatever is not that plain.

    That the part between the known beginning and the known end is one JSON value proves that it was cut rightly.
    """
    start = _EVENT_LAST.match(frame)
    if start:
        raw = frame[start.end() : -1]
    elif start := _EVENT_FIRST.match(frame):
        end = _EVENT_FIRST_END.search(frame, max(0, len(frame) - 32))
        if end is None:
            return None
        raw = frame[start.end() : end.start()]
    else:
        return None
    try:
        return raw, orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def event_of(raw: str, content: Any, now: int, origin: Origin) -> Event | None:
    """Return Home Assistant's event with its envelope, or None if it has no event type or no time."""
    try:
        event_type = content["event_type"]
        fired = content["time_fired"]
        data = content["data"]
        entity_id = data.get("entity_id")
        if event_type != "state_changed":
            return Event(from_iso(fired), now, SOURCE, origin, _text(event_type), _optional(entity_id), None, raw)
        new = data["new_state"]
        if new is None:
            return Event(from_iso(fired), now, SOURCE, origin, event_type, _optional(entity_id), None, raw)
        time = from_iso(new.get("last_updated") or fired)
        return Event(time, now, SOURCE, origin, event_type, _optional(entity_id), _optional(new["state"]), raw)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return storable(value) or ""


def _optional(value: Any) -> str | None:
    return value if value is None or (isinstance(value, str) and value.isascii()) else storable(value)
