"""A record as one line for a person: when, whose, and what changed. Pure.

Nothing that a record holds reaches the terminal as it is: what a terminal would obey is written as an escape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

import orjson

from ..storage.record import HOUSEKEEPING, STATE_TYPES, Record
from ..verbatim import loads

__all__ = ["printable", "text_of_record"]

_ATTRIBUTES: Final = 3
_LONGEST: Final = 200
_UNIT: Final = "unit_of_measurement"
_SAID: Final = frozenset({"backfill", "snapshot", "import", "manual"})
"""Origins that are said: the others are the usual case."""


def text_of_record(record: Record, zone: tzinfo | None) -> str:
    """Return a record's line; its time is in `zone`, None: that of this machine."""
    moment = datetime.fromtimestamp(record.time / 1e6, UTC).astimezone(zone)
    origin = f"  ({record.origin})" if record.origin in _SAID else ""
    return printable(f"{moment:%Y-%m-%d %H:%M:%S}  {_what(record)}{origin}")


def printable(text: str) -> str:
    """Return a text without anything that a terminal would obey, or break a line at."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _what(record: Record) -> str:
    content = _object(record.raw)
    if record.event_type in STATE_TYPES and record.entity_id:
        return f"{record.entity_id}  {_change(record, content)}"
    if record.event_type.startswith(HOUSEKEEPING):
        word = record.event_type.removeprefix(HOUSEKEEPING).replace("_", " ")
        return f"{record.source}: {word}{_facts(content)}"
    whose = record.entity_id or record.source
    if record.event_type == "polled":
        request = content.get("request")
        url = request.get("url", "") if isinstance(request, dict) else ""
        return f"{whose}: asked {url}, answer {content.get('status')}"
    data = content.get("data")
    return f"{whose}: {record.event_type}{_facts(data if isinstance(data, dict) else content)}"


def _change(record: Record, content: Mapping[str, Any]) -> str:
    """Return old → new, or where the state is the same which attributes changed."""
    if record.event_type == "state":
        attributes = content.get("attributes", content.get("a"))
        return _with_unit(record.state, attributes)
    data = content.get("data")
    holder = data if isinstance(data, dict) and "new_state" in data else content
    new, old = holder.get("new_state"), holder.get("old_state")
    before, after = _state(old), record.state
    if after is None:
        return f"{'' if before is None else f'{before} '}→ removed"
    shown = _with_unit(after, _attributes(new))
    if before is None:
        return f"→ {shown}"
    if before != after:
        return f"{before} → {shown}"
    changed = list(_changed(_attributes(old), _attributes(new)))
    more = f", and {len(changed) - _ATTRIBUTES} more" if len(changed) > _ATTRIBUTES else ""
    return f"{shown}  {', '.join(changed[:_ATTRIBUTES])}{more}" if changed else f"{shown}  (again)"


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before != after:
            yield f"{name} {_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    text = "nothing" if value is None else value if isinstance(value, str) else _json(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _with_unit(state: str | None, attributes: object) -> str:
    unit = attributes.get(_UNIT) if isinstance(attributes, Mapping) else None
    text = "removed" if state is None else state or "''"
    return f"{text} {unit}" if isinstance(unit, str) and unit else text


def _state(value: object) -> str | None:
    """Return the state that an object of Home Assistant's, or the text of a flat event, says."""
    if isinstance(value, Mapping):
        value = value.get("state")
    return None if value is None else str(value)


def _attributes(value: object) -> Mapping[str, Any]:
    found = value.get("attributes") if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _facts(content: Mapping[str, Any]) -> str:
    """Return the facts of an object as words, shortened."""
    words = ", ".join(f"{name} {_short(value)}" for name, value in content.items() if value not in (None, "", [], {}))
    words = words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
    return f"  {words}" if words else ""


def _json(value: object) -> str:
    try:
        return orjson.dumps(value, default=str).decode()
    except (TypeError, ValueError):  # an integer beyond 64 bits, half a surrogate pair
        return str(value)


def _object(raw: str) -> Mapping[str, Any]:
    try:
        content = loads(raw)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
