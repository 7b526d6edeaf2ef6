"""The state that a record of Home Assistant holds, for the normalizers that read some of its entities. Pure."""

from __future__ import annotations

from typing import Any

from ...storage.record import Record
from ...verbatim import loads
from .base import Reason, SetAside

__all__ = ["OF_HISTORY", "STATES", "state_in", "state_of"]

STATES = ("state_changed", "state")
"""The event types whose records hold a state."""


OF_HISTORY = ("backfill", "import")
"""Origins of states that Home Assistant's recorder kept: it tells a removal by a state of null or ''."""


def state_in(record: Record) -> dict[str, Any]:
    """Return the new state of a `state_changed` event, or the state of a snapshot or of the history.

    Raises SetAside if there is none, as where the entity was removed.
    """
    try:
        content = loads(record.raw)
    except ValueError as error:
        raise SetAside(Reason.UNREADABLE, str(error)) from None
    if record.event_type == "state_changed":
        data = content.get("data") if isinstance(content, dict) else None
        if not isinstance(data, dict) or "new_state" not in data:
            raise SetAside(Reason.INCOMPLETE, "there is no new_state")
        content = data["new_state"]
    else:
        content = state_of(content, record)
    if content is None:
        raise SetAside(Reason.NO_VALUE, "the entity was removed")
    if not isinstance(content, dict) or record.entity_id is None:
        raise SetAside(Reason.INCOMPLETE, "the state is not an object, or of no entity")
    return content


def state_of(content: Any, record: Record) -> Any:
    """Return the state that a `state` record holds; None for a removal, which a history tells by a state of null or ''.

    A row of the history has short names; whose it is stands in the record only.
    """
    if not isinstance(content, dict):
        return content
    if "s" in content and "state" not in content:
        return None if content["s"] in (None, "") else {"state": content["s"], "attributes": content.get("a")}
    return None if record.origin in OF_HISTORY and content.get("state", 0) in (None, "") else content
