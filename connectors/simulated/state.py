"""States, contexts and events as Home Assistant writes them, already as JSON: what was said once is never written again.

Times are integers, microseconds since 1970-01-01 UTC. Nothing here knows what time it is.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final, NamedTuple

import orjson

from ...clock import to_iso

__all__ = ["Attributes", "Context", "Contexts", "Fired", "State", "Timestamps"]

Attributes = dict[str, Any]

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(a + b for a in _CROCKFORD for b in _CROCKFORD)


class Fired(NamedTuple):
    """One event of the home's bus; `raw` is its JSON, the value of `event` in a frame."""

    time: int
    event_type: str
    raw: bytes


class Context:
    """What caused something: an id, the context that led to it, and the user who did it."""

    __slots__ = ("id", "parent_id", "raw", "user_id")

    def __init__(self, identity: str, parent_id: str | None = None, user_id: str | None = None) -> None:
        self.id = identity
        self.parent_id = parent_id
        self.user_id = user_id
        parent = f'"{parent_id}"' if parent_id else "null"
        user = f'"{user_id}"' if user_id else "null"
        self.raw = f'{{"id":"{identity}","parent_id":{parent},"user_id":{user}}}'.encode()

    def as_dict(self) -> dict[str, str | None]:
        """Return it as Home Assistant shows it."""
        return {"id": self.id, "parent_id": self.parent_id, "user_id": self.user_id}


class Contexts:
    """Makes contexts, whose ids are ULIDs: the time in milliseconds, then 80 bits of chance from a seed."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._millisecond = -1
        self._prefix = ""

    def new(self, time: int, parent_id: str | None = None, user_id: str | None = None) -> Context:
        """Return a context that begins at `time`."""
        millisecond = time // 1000
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            self._prefix = "".join([_PAIRS[millisecond >> shift & 1023] for shift in (40, 30, 20, 10, 0)])
        bits = self._random.getrandbits(80)
        rest = [_PAIRS[bits >> shift & 1023] for shift in (70, 60, 50, 40, 30, 20, 10, 0)]
        return Context(self._prefix + "".join(rest), parent_id, user_id)


class Timestamps:
    """Writes times as ISO 8601; the part down to the second is kept, because the next event is mostly near."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def iso(self, time: int) -> bytes:
        """Return e.g. 2026-11-23T15:48:33.184487+00:00."""
        second, fraction = divmod(time, 1_000_000)
        if second != self._second:
            self._second = second
            self._text = to_iso(second * 1_000_000)[:-12]
        return b"%s%06d+00:00" % (self._text.encode(), fraction)


class State:
    """What an entity is since `last_changed`, with the attributes that it has since `last_updated`. Never changed."""

    __slots__ = (
        "attributes",
        "attributes_raw",
        "changed_iso",
        "context",
        "entity_id",
        "last_changed",
        "last_updated",
        "raw",
        "state",
    )

    context: Context

    def __init__(self, entity_id: str, state: str, attributes: Attributes, attributes_raw: bytes | None = None) -> None:
        self.entity_id = entity_id
        self.state = state
        self.attributes = attributes
        self.attributes_raw = orjson.dumps(attributes) if attributes_raw is None else attributes_raw
        self.changed_iso = b""
        self.last_changed = 0
        self.last_updated = 0
        self.raw = b""

    def stamp(self, time: int, iso: bytes, context: Context, since: State | None) -> None:
        """Set its times, once; `since` is the state before, if only the attributes differ."""
        self.last_updated = time
        self.context = context
        if since is None:
            self.last_changed, self.changed_iso = time, iso
        else:
            self.last_changed, self.changed_iso = since.last_changed, since.changed_iso
        self.raw = b'{"entity_id":%s,"state":%s,"attributes":%s,"last_changed":"%s","last_reported":"%s",' % (
            orjson.dumps(self.entity_id),
            orjson.dumps(self.state),
            self.attributes_raw,
            self.changed_iso,
            iso,
        ) + b'"last_updated":"%s","context":%s}' % (iso, context.raw)
