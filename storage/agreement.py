"""Whether a record's columns are what its `raw` says. Pure.

Only what `raw` itself says is compared: a pushed event without a time has the time at which it came, and a row of Home
Assistant's history does not say whose it is.
"""

from __future__ import annotations

from typing import Any

from ..clock import from_iso
from ..verbatim import loads, storable
from .record import BLANKS, HOUSEKEEPING, Record

__all__ = ["disagreement", "is_blank"]


def is_blank(record: Record) -> bool:
    """Tell whether a record only keeps the place of one whose content is gone."""
    return record.event_type in BLANKS


def disagreement(record: Record) -> str:
    """Return how a record's columns differ from its raw text; an empty text if they don't."""
    if record.event_type == "unparsed":
        return _unlike(record, {"entity_id": None, "state": None})
    try:
        said = loads(record.raw)
    except (ValueError, TypeError):
        return "has a raw text that is not JSON"
    if is_blank(record):
        if not (isinstance(said, dict) and isinstance(said.get("reason"), str)):
            return "is blank and does not say why"
        return _unlike(record, {"time": record.received_at, "entity_id": None, "state": None})
    if record.event_type.startswith(HOUSEKEEPING):
        return "" if isinstance(said, dict) else "is one of homeiq's own words and has no facts"
    return _unlike(record, _said(record.event_type, said)) if isinstance(said, dict) else ""


def _unlike(record: Record, said: dict[str, Any]) -> str:
    for name, value in said.items():
        if getattr(record, name) != value:
            return f"has another {name} than its raw text"
    return ""


def _said(event_type: str, content: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that a raw object speaks of."""
    if event_type == "state":
        return _of_state(content)
    said: dict[str, Any] = {}
    if isinstance(content.get("event_type"), str):
        said["event_type"] = storable(content["event_type"])
    data = content.get("data")
    holder = data if isinstance(data, dict) else content
    if event_type != "state_changed":
        if "event_type" in content:
            if isinstance(holder.get("entity_id"), str):
                said["entity_id"] = storable(holder["entity_id"])
            elif holder.get("entity_id") is None and content.get("entity_id") is None:
                said["entity_id"] = None
            said |= {"state": None} | _time(content.get("time_fired"))
        return said
    if "new_state" not in holder:
        holder = content
    if "new_state" not in holder:
        return said
    if isinstance(holder.get("entity_id"), str):
        said["entity_id"] = storable(holder["entity_id"])
    new = holder["new_state"]
    if isinstance(new, dict):
        said |= {name: value for name, value in _of_state(new).items() if name not in said}
    elif new is None or isinstance(new, str):
        said["state"] = storable(new)
    if "time" not in said:
        said |= _time(content.get("time_fired"))
    return said


def _of_state(state: dict[str, Any]) -> dict[str, Any]:
    """Return what a state says, as Home Assistant sends it, or as a row of its history."""
    said: dict[str, Any] = {}
    if isinstance(state.get("entity_id"), str):
        said["entity_id"] = storable(state["entity_id"])
    if "state" in state:
        said["state"] = _text(state["state"])
        said |= _time(state.get("last_updated"))
    elif "s" in state:
        said["state"] = storable(state["s"]) or None
        seconds = state.get("lu", state.get("lc"))
        if isinstance(seconds, int | float):
            said["time"] = round(seconds * 1e6)
    return said


def _text(value: Any) -> str | None:
    return storable(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else storable(value)


def _time(text: Any) -> dict[str, int]:
    try:
        return {"time": from_iso(text)} if isinstance(text, str) else {}
    except (ValueError, OverflowError):
        return {}
