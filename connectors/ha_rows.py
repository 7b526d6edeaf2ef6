"""A row of Home Assistant's recorder database → an event. Pure.

A state becomes what a snapshot would have said of it, an event what the socket would have sent: attributes and data are
the database's own text. The database keeps neither the old state, nor attributes that an integration leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import orjson

from ..clock import from_iso, to_iso
from ..storage.record import Event
from ..verbatim import loads, storable

__all__ = ["STATISTIC", "BadRow", "event_event", "microseconds", "state_event", "statistic_event"]

STATISTIC: Final = "statistic"
"""The event type of an hour of long-term statistics."""

_SOURCE: Final = "home_assistant"
_MOST_SECONDS: Final = 9e12
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_UUID_DIGITS: Final = 32


class BadRow(ValueError):
    """A row is not what Home Assistant writes: it cannot become an event."""


def microseconds(seconds: Any, text: Any) -> int:
    """Return microseconds UTC of float seconds, else of a text without an offset; raises BadRow.

    The fraction is rounded as Home Assistant itself does it when it sends the time, not seconds times a million.
    """
    if isinstance(seconds, int | float) and abs(seconds) < _MOST_SECONDS:
        fraction, whole = math.modf(seconds)
        return int(whole) * 1_000_000 + round(fraction * 1e6)
    if isinstance(text, str):
        try:
            return from_iso(text)
        except (ValueError, OverflowError):
            raise BadRow("its time cannot be read") from None
    raise BadRow("it has no time")


def state_event(row: Sequence[Any], now: int) -> Event:
    """Return the event of a state; `row` as ha_schema asks for it. Raises BadRow."""
    _, entity, state, attributes, updated_ts, updated, changed_ts, changed, *context = row
    entity_id = storable(entity)
    if not entity_id:
        raise BadRow("it has no entity")
    time = microseconds(updated_ts, updated)
    since = time if changed_ts is None and changed is None else microseconds(changed_ts, changed)
    value = storable(state) if state is None or isinstance(state, str) else str(state)
    raw = (
        f'{{"entity_id":{_text(entity_id)},"state":{_text(value or None)},"attributes":{_object(attributes)}'
        f',"last_changed":{_text(_iso(since))},"last_updated":{_text(_iso(time))}{_context(context)}}}'
    )
    return Event(time, now, _SOURCE, "import", "state", entity_id, value or None, raw)


def event_event(row: Sequence[Any], now: int) -> Event:
    """Return the event of a row of `events`; raises BadRow."""
    _, event_type, data, origin_number, origin, fired_ts, fired, *context = row
    name = storable(event_type)
    if not name:
        raise BadRow("it has no event type")
    time = microseconds(fired_ts, fired)
    content = _object(data)
    said = origin if isinstance(origin, str) and origin else "REMOTE" if origin_number == 1 else "LOCAL"
    raw = (
        f'{{"event_type":{_text(name)},"data":{content},"origin":{_text(said)}'
        f',"time_fired":{_text(_iso(time))}{_context(context)}}}'
    )
    entity_id = loads(content).get("entity_id")
    return Event(time, now, _SOURCE, "import", name, storable(entity_id), None, raw)


def statistic_event(row: Sequence[Any], now: int, device_class: str | None) -> Event:
    """Return the event of an hour of statistics; its raw begins with when it was read, so that what is read later wins.

    `device_class` is the entity's, which decides of some units what is measured. Raises BadRow.
    """
    _, statistic_id, source, unit, unit_class, name, start_ts, start, *values = row
    mean, least, greatest, reset_ts, reset, state, total = values
    entity_id = storable(statistic_id)
    if not entity_id:
        raise BadRow("it has no statistic_id")
    time = microseconds(start_ts, start)
    since = None if reset_ts is None and reset is None else _iso(microseconds(reset_ts, reset))
    content = {
        "read_at": _iso(now),
        "device_class": device_class,
        "name": name,
        "statistic_id": entity_id,
        "source": source,
        "unit_of_measurement": unit,
        "unit_class": unit_class,
        "start": _iso(time),
        **{"mean": mean, "min": least, "max": greatest, "last_reset": since, "state": state, "sum": total},
    }
    return Event(time, now, _SOURCE, "import", STATISTIC, entity_id, None, orjson.dumps(content).decode())


def _iso(time: int) -> str:
    try:
        return to_iso(time)
    except OverflowError:
        raise BadRow("its time cannot be read") from None


def _text(value: str | None) -> str:
    return orjson.dumps(value).decode()


def _object(text: Any) -> str:
    """Return the text of a JSON object exactly as it is; `{}` where there is none. Raises BadRow."""
    if text is None or text == "":
        return "{}"
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        if isinstance(text, str) and text == storable(text):
            content = loads(text)
            if content is None:
                return "{}"
            if isinstance(content, dict):
                return text
    except ValueError:
        pass
    raise BadRow("its attributes or data are no JSON object")


def _context(values: Sequence[Any]) -> str:
    """Return the member `context`: each id by its 16 bytes, else by its text. Old databases have none."""
    known = [_context_id(values[place], values[place + 1], user=place == 2) for place in (0, 2, 4)]
    if known[0] is None:
        return ""
    return f',"context":{{"id":{_text(known[0])},"parent_id":{_text(known[2])},"user_id":{_text(known[1])}}}'


def _context_id(binary: Any, text: Any, *, user: bool) -> str | None:
    """Return an id as the socket writes it: ULID; a user's id as 32 hexadecimal digits.

    A text of 32 hexadecimal digits (before 2023) becomes a ULID too: Home Assistant converts them, and the same row is
    then still the same.
    """
    if isinstance(binary, bytes) and len(binary) == 16:
        return binary.hex() if user else _ulid(binary)
    if not isinstance(text, str) or not text:
        return None
    if not user and len(text) == _UUID_DIGITS:
        try:
            return _ulid(bytes.fromhex(text))
        except ValueError:
            pass
    return storable(text)


def _ulid(binary: bytes) -> str:
    number = int.from_bytes(binary, "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
