"""A POST body → events. Pure.

A body is one event, a JSON list of events, or one event a line (NDJSON). An event is nested, as Home Assistant sends it, or
flat, as the enrichment service of older HomeIQ installations took it:

    {"event_type": "state_changed", "time_fired": …, "data": {"entity_id": …, "new_state": {…}, "old_state": {…}}}
    {"event_type": "state_changed", "entity_id": …, "new_state": {…}, "old_state": {…}}

A state is an object with `state`, or only its text. Whatever else an event holds is recorded as it is, and not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ..clock import from_iso
from ..storage.record import HOUSEKEEPING, Event, Origin
from ..verbatim import elements, storable, strict_loads
from .home_assistant.snapshot import COMMANDS

__all__ = ["SOURCE", "ORIGINS_TO_STATE", "MOST_EVENTS", "Refused", "TooManyEvents", "events_of"]

SOURCE: Final = "pushed"

ORIGINS_TO_STATE: Final[tuple[Origin, ...]] = ("manual", "simulated", "import")
"""The origins that a caller may state; the first is taken where none is stated."""

MOST_EVENTS: Final = 10_000
"""So many events may come in one body: what they take in memory is many times their text."""

_RESERVED: Final = frozenset({*COMMANDS.values(), "unparsed"})
_SPACE: Final = " \t\r\n"


class Refused(Exception):
    """A body is not taken: `at` says which element ("index": from 0, or "line": from 1), `field` which member of it."""

    def __init__(self, reason: str, *, field: str = "", at: dict[str, int] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field
        self.at = at or {}

    def __str__(self) -> str:
        where = [*(f"{name} {number}" for name, number in self.at.items()), self.field]
        return ": ".join([part for part in where if part] + [self.reason])


class TooManyEvents(Exception):
    """A body holds more than MOST_EVENTS events."""


def events_of(body: bytes, origin: Origin, now: int) -> list[Event]:
    """Return the events of a body that came at `now` (microseconds UTC), in their order; at least one.

    Raises Refused, for the first element that is wrong, or TooManyEvents.
    """
    try:
        text = body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise Refused(f"the body is not UTF-8 (byte {error.start})") from None
    events: list[Event] = []
    for at, raw, content in _elements(text.strip(_SPACE)):
        if len(events) == MOST_EVENTS:
            raise TooManyEvents
        try:
            events.append(_event(raw, content, origin, now))
        except Refused as refused:
            raise Refused(refused.reason, field=refused.field, at=at) from None
    if not events:
        raise Refused("there is no event in the body")
    return events


def _elements(text: str) -> Iterator[tuple[dict[str, int], str, Any]]:
    """Yield each element as (where it stands, its text exactly as it was sent, its value)."""
    try:
        whole = strict_loads(text) if text else []
    except ValueError as error:
        yield from _lines(text, str(error))
        return
    if not isinstance(whole, list):
        yield {}, text, whole
        return
    try:
        for index, (raw, _) in enumerate(elements(text) if whole else ()):
            yield {"index": index}, raw, whole[index]
    except ValueError:  # that it is JSON is known by now
        raise Refused("nested too deeply") from None


def _lines(text: str, problem: str) -> Iterator[tuple[dict[str, int], str, Any]]:
    """Yield the elements of a body that is not one JSON value as a whole, for the reason `problem`."""
    lines = text.split("\n")
    if len(lines) == 1 or text[0] == "[":
        raise Refused(f"not JSON: {problem}")
    for number, line in enumerate(lines, 1):
        raw = line.strip(_SPACE)
        if not raw:
            continue
        try:
            content = strict_loads(raw)
        except ValueError as error:
            if number == 1:  # more likely one event over many lines than an event in each
                raise Refused(f"not JSON: {problem}") from None
            raise Refused(f"not JSON: {error}", at={"line": number}) from None
        yield {"line": number}, raw, content


def _event(raw: str, content: Any, origin: Origin, now: int) -> Event:
    if not isinstance(content, dict):
        raise Refused("an event must be an object")
    event_type = _text(content, "event_type")
    if event_type.startswith(HOUSEKEEPING) or event_type in _RESERVED:
        raise Refused("is one of homeiq's own words", field="event_type")
    data = content.get("data")
    if data is not None and not isinstance(data, dict):
        raise Refused("must be an object", field="data")
    fired = _time(content, "time_fired", "time_fired")
    if event_type == "state_changed":
        return _state_changed(raw, content, origin, now, fired)
    entity_id = storable((data or {}).get("entity_id", content.get("entity_id"))) or None
    return Event(now if fired is None else fired, now, SOURCE, origin, event_type, entity_id, None, raw)


def _state_changed(raw: str, content: dict[str, Any], origin: Origin, now: int, fired: int | None) -> Event:
    """Return the event of a state, nested or flat: the normalizer tells them apart in the same way."""
    data = content.get("data")
    nested = isinstance(data, dict) and "new_state" in data
    holder: dict[str, Any] = data if isinstance(data, dict) and nested else content
    prefix = "data." if nested else ""
    if "new_state" not in holder:
        raise Refused("is missing (null: the entity is gone)", field="new_state")
    new, old = holder["new_state"], holder.get("old_state")
    entity_id = _entity(content, holder, prefix)
    if old is not None and not isinstance(old, dict | str):
        raise Refused("must be an object, a text or null", field=f"{prefix}old_state")
    time, state = fired, None
    if isinstance(new, str):
        state = storable(new)
    elif isinstance(new, dict):
        state = _state(new, f"{prefix}new_state")
        updated = _time(new, "last_updated", f"{prefix}new_state.last_updated")
        time = fired if updated is None else updated
    elif new is not None:
        raise Refused("must be an object, a text or null", field=f"{prefix}new_state")
    return Event(now if time is None else time, now, SOURCE, origin, "state_changed", entity_id, state, raw)


def _entity(content: dict[str, Any], holder: dict[str, Any], prefix: str) -> str:
    """Return whose state it is: it may stand beside the states, in the new one, or at the top."""
    new = holder["new_state"]
    for place in (holder, new, content):
        if isinstance(place, dict) and place.get("entity_id") is not None:
            return _text(place, "entity_id", f"{prefix}entity_id")
    raise Refused("is missing", field=f"{prefix}entity_id")


def _state(new: dict[str, Any], field: str) -> str | None:
    state = new.get("state")
    if isinstance(state, bool) or not isinstance(state, str | int | float):
        raise Refused("must be a text or a number" if "state" in new else "is missing", field=f"{field}.state")
    if not isinstance(new.get("attributes"), dict | None):
        raise Refused("must be an object", field=f"{field}.attributes")
    return storable(str(state))


def _text(content: dict[str, Any], name: str, field: str = "") -> str:
    value = content.get(name)
    if value is None:
        raise Refused("is missing", field=field or name)
    if not isinstance(value, str) or not value:
        raise Refused("must be a text that is not empty", field=field or name)
    return storable(value) or ""


def _time(content: dict[str, Any], name: str, field: str) -> int | None:
    """Return a time in microseconds UTC; None where there is none."""
    value = content.get(name)
    if value is None:
        return None
    try:
        return from_iso(value)
    except (ValueError, TypeError, OverflowError):
        raise Refused("must be an ISO 8601 time", field=field) from None
