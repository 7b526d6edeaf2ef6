"""A line of a file that is imported → an event. Pure.

A line is one of `homeiq export`: an object with the columns of the log, time in microseconds UTC and `raw` as a text. Or it
is what POST /events takes, which must say its own time: raw is then the line.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from ..storage.record import COLUMNS, ORIGINS, Event, Record
from ..verbatim import storable
from .pushed import Refused, events_of

__all__ = ["checked_event", "event_of_line", "line_of"]

_NO_TIME: Final = -(2**63)
_MOST: Final = 2**63


def line_of(record: Record) -> bytes:
    """Return the line of `homeiq export`, with its line feed."""
    return orjson.dumps({name: getattr(record, name) for name in COLUMNS}) + b"\n"


def event_of_line(line: bytes, now: int) -> Event:
    """Return the event of a line that is not empty, as received at `now` (microseconds UTC); raises Refused."""
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError:
        content = None
    if isinstance(content, dict) and {"seq", "origin", "raw"} <= content.keys():
        return checked_event(content, now)
    if isinstance(content, list):
        raise Refused("a line must be one event, not a list")
    # A time that is not in the line would be another one each time: the same file twice would add all twice.
    (event,) = events_of(line, "import", _NO_TIME)
    if event.time == _NO_TIME:
        raise Refused("it says no time (time_fired, or new_state.last_updated)")
    return Event(event.time, now, event.source, event.origin, event.event_type, event.entity_id, event.state, event.raw)


def checked_event(columns: dict[str, Any], now: int) -> Event:
    """Return the event with these columns of the log; raises Refused for one that could be no record."""
    time = columns.get("time")
    if not isinstance(time, int) or isinstance(time, bool) or not -_MOST <= time < _MOST:
        raise Refused("must be an integer, microseconds UTC", field="time")
    if columns.get("origin") not in ORIGINS:
        raise Refused(f"must be one of {', '.join(ORIGINS)}", field="origin")
    for name in ("source", "event_type", "raw"):
        if not isinstance(columns.get(name), str) or not (columns[name] or name == "raw"):
            raise Refused("must be a text", field=name)
    for name in ("entity_id", "state"):
        if not isinstance(columns.get(name), str | None):
            raise Refused("must be a text or null", field=name)
    texts = {name: columns.get(name) for name in ("source", "event_type", "entity_id", "state", "raw")}
    if any(text != storable(text) for text in texts.values()):
        raise Refused("it holds half a surrogate pair")
    return Event(
        time=time,
        received_at=now,
        origin=columns["origin"],
        source=columns["source"],
        event_type=columns["event_type"],
        entity_id=columns.get("entity_id"),
        state=columns.get("state"),
        raw=columns["raw"],
    )
