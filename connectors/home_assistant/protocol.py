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

from ...clock import from_iso
from ...errors import NotHomeAssistant, SourceUnreachable, TokenRefused
from ...storage.record import Event, Origin, text_of
from ...verbatim import elements, loads, member, storable
from .snapshot import COMMANDS, REFETCHED_ON, VISIBLE_WITHOUT_ADMIN, registry_event, state_events

__all__ = [
    "SOURCE",
    "Answered",
    "Send",
    "Subscribed",
    "SnapshotTaken",
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
    """From now on every event is heard."""

    version: str


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """All parts of the snapshot that was asked for have been answered."""

    entities: int


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


Action = Event | Send | Subscribed | SnapshotTaken | Warn | Answered


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
        self._subscribed = False
        self._by_type = False
        self._pending: dict[int, tuple[str, int | None]] = {}
        self._again: dict[str, int] = {}
        self._snapshot: set[int] = set()
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
                raise NotHomeAssistant("what answers there is not Home Assistant") from None
            return [self._unparsed(text, now)]
        if isinstance(message, list):
            return [action for part, _ in elements(text) for action in self.receive(part.encode(), now)]
        if not isinstance(message, dict):
            return [self._unparsed(text, now)]
        return self._message(text, message, now)

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
        sends: list[Action] = [self._command(command) for command in COMMANDS]
        self._snapshot = set(range(self._last_id - len(sends) + 1, self._last_id + 1))
        return sends

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
        return [event, *self._fetch_again(command, event.time)]

    def _fetch_again(self, command: str, time: int) -> list[Action]:
        """Ask for a registry that has changed; while an answer is under way, remember to ask once more behind it."""
        if any(waiting == command and since is not None for waiting, since in self._pending.values()):
            self._again[command] = time
            return []
        return [self._command(command, time)]

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
                raise NotHomeAssistant("what answers there is not Home Assistant")
            case "result":
                return self._result(text, message, now)
            case "pong":
                self._pending.pop(message.get("id", 0), None)
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
        if message.get("id") in self._asked:
            self._asked.discard(message["id"])
            if message.get("success"):
                return [Answered(message["id"], member(text, "result") or "null")]
            error = message.get("error")
            return [Answered(message["id"], None, str(error.get("code") if isinstance(error, dict) else error))]
        command, time = self._pending.pop(message.get("id", 0), ("", None))
        if command == "subscribe_events":
            return self._subscription(message)
        actions: list[Action] = []
        if message.get("success"):
            actions += self._answer(command, member(text, "result") or "null", message.get("result"), time or now, now)
        elif message.get("id") in self._snapshot:
            actions += self._refusal(command, message)
        if command in self._again and time is not None:
            actions.append(self._command(command, self._again.pop(command)))
        if message.get("id") in self._snapshot:
            self._snapshot.discard(message["id"])
            if not self._snapshot:
                actions.append(SnapshotTaken(self._entities))
        return actions

    def _answer(self, command: str, raw: str, content: Any, time: int, now: int) -> Iterator[Action]:
        if command == "get_states":
            for event in state_events(raw, now, self.origin):
                self._entities += 1
                yield event
        elif command in COMMANDS:
            if command == "get_config" and isinstance(content, dict) and content.get("homeiq_simulated") is True:
                self.origin = "simulated"
            yield registry_event(command, raw, time, now, self.origin)
            if command == "get_config" and self._last_id == 1:
                yield self._command("subscribe_events") if self.listens else Subscribed(self.version)

    def _refusal(self, command: str, message: dict[str, Any]) -> Iterator[Action]:
        error = message.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        if code != "unknown_command":  # older and newer versions lack a registry or two
            yield Warn(f"Home Assistant does not answer {command} ({code})")

    def _subscription(self, message: dict[str, Any]) -> list[Action]:
        error = message.get("error")
        if message.get("success"):
            first, self._subscribed = not self._subscribed, True
            return [Subscribed(self.version)] if first else []
        if self._by_type:
            return []  # a type that this version of Home Assistant does not offer
        if not (isinstance(error, dict) and error.get("code") == "unauthorized"):
            raise SourceUnreachable(f"Home Assistant refuses the subscription to its events ({error})")
        self._by_type = True
        sentence = (
            "the Home Assistant token has no administrator rights: only states, registry and configuration changes"
            " are recorded; calls of services and other events are missing"
        )
        return [Warn(sentence), *(self._command("subscribe_events", event_type=t) for t in VISIBLE_WITHOUT_ADMIN)]

    def _unparsed(self, text: str, now: int) -> Event:
        return Event(now, now, SOURCE, self.origin, "unparsed", None, None, text)


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
