"""Home Assistant's own history: what to ask it, and how its answers become records. No I/O.

Asked is `history/history_during_period` (https://developers.home-assistant.io/docs/api/websocket has no word on it; see its
source). Each row of an answer becomes one record: raw is the row exactly as it stands there, in the compressed form

    {"s": the state, null if the entity was removed, "a": attributes, "lu": last_updated, "lc": last_changed if it differs}

with times as float seconds; whose row it is, is said in the record's entity_id only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ...clock import SECOND, to_iso
from ...storage.record import Event, Origin
from ...verbatim import elements, listed, storable

__all__ = ["COMMAND", "LOGBOOK", "STATES", "STATISTICS", "Chunk", "Plan", "named", "question", "row_events"]

COMMAND: Final = "history/history_during_period"

STATES: Final = "get_states"
STATISTICS: Final = "recorder/list_statistic_ids"
LOGBOOK: Final = "logbook/get_events"
"""What else names entities: the history itself tells of none that it is not asked for."""

_ENTITY: Final = re.compile(r"(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)", re.ASCII)
"""Home Assistant's own rule; a question that names anything else is refused as a whole."""


_ROWS: Final = 2_000
"""About so many rows an answer shall have: half a second's work for a small Home Assistant, a megabyte at most times."""

_FIRST_SPAN: Final = 60 * SECOND
_SHORTEST_SPAN: Final = SECOND
_LONGEST_SPAN: Final = 6 * 3_600 * SECOND
_ENTITIES: Final = 50
_FASTEST: Final = 4
"""A span is made longer or shorter by this factor at most from one round to the next."""

_EDGE: Final = 1_000
"""Home Assistant leaves out rows at exactly the start or the end: it is asked for a millisecond more on both sides."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One question: the states of these entities with times in [start, end), microseconds UTC."""

    entity_ids: tuple[str, ...]
    start: int
    end: int


def question(entity_ids: Sequence[str], start: int, end: int, *, start_state: bool = False) -> dict[str, Any]:
    """Return the arguments of the command for the states with times in [start, end), microseconds UTC.

    With `start_state` Home Assistant makes up a row at exactly the start: only of use to see whether it reaches back there.
    """
    entity_ids = [name for name in entity_ids if _ENTITY.fullmatch(name)]
    return {
        "start_time": to_iso(start - _EDGE),
        "end_time": to_iso(end + _EDGE),
        "entity_ids": entity_ids,
        "include_start_time_state": start_state,
        "minimal_response": False,
        "no_attributes": False,
        "significant_changes_only": False,
    }


def row_events(raw: str, chunk: Chunk, now: int, origin: Origin) -> Iterator[Event]:
    """Yield one event for each row of an answer, whose text is `raw`, that lies in the chunk; never raises.

    What is not in the form of a row, or of an answer, is kept as it came.
    """
    try:
        for name, text, row in listed(raw):
            event = _row_event(name, text, row, now, origin)
            if event.event_type == "unparsed" or chunk.start <= event.time < chunk.end:
                yield event
    except ValueError:
        yield _unparsed(raw, now, origin)


def _row_event(name: str, text: str, row: Any, now: int, origin: Origin) -> Event:
    try:
        time = round((row["lu"] if "lu" in row else row["lc"]) * 1e6)
        state = storable(row["s"]) or None
        if not -(2**63) <= time < 2**63:
            raise ValueError("a time that no clock shows")
    except (KeyError, TypeError, ValueError, OverflowError):
        return _unparsed(text, now, origin)
    return Event(time, now, "home_assistant", origin, "state", storable(name), state, text)


def _unparsed(text: str, now: int, origin: Origin) -> Event:
    return Event(now, now, "home_assistant", origin, "unparsed", None, None, text)


def named(raw: str) -> Iterator[str]:
    """Yield the entities that an answer to STATES, STATISTICS or LOGBOOK names; raises ValueError."""
    for _, entry in elements(raw):
        if isinstance(entry, dict):
            name = entry.get("entity_id") or entry.get("statistic_id")
            if isinstance(name, str) and _ENTITY.fullmatch(name):
                yield name


class Plan:
    """Cuts a time range into questions: a span of time for all entities, some of them at once, then the next span.

    Spans follow what the answers hold, so that each has about as many rows. `upto` is how far all is answered.
    """

    def __init__(self, entity_ids: Sequence[str], since: int, until: int) -> None:
        """Times are microseconds UTC; nothing at or after `until` is asked for."""
        self.upto = since
        self.until = until
        self._entities = tuple(name for name in entity_ids if _ENTITY.fullmatch(name))
        self._at_once = _ENTITIES
        self._span = _FIRST_SPAN
        self._end = min(since + self._span, until)
        self._place = 0
        self._most = 0
        if not self._entities:
            self.upto = until

    def next(self) -> Chunk | None:
        """Return what to ask next; the same again until it is `answered`. None when all is answered."""
        if self.upto >= self.until:
            return None
        return Chunk(self._entities[self._place : self._place + self._at_once], self.upto, self._end)

    def answered(self, rows: int) -> None:
        """The last question was answered with so many rows."""
        self._most = max(self._most, rows)
        self._place += self._at_once
        if self._place >= len(self._entities):
            self.upto = self._end
            wanted = _FASTEST * self._span if not self._most else self._span * _ROWS // self._most
            self._set_span(min(max(wanted, self._span // _FASTEST), self._span * _FASTEST))
            self._begin_span()

    def failed(self) -> None:
        """The last question was too much: ask for less, all of this span again (what is known already costs little)."""
        self._set_span(self._span // _FASTEST)
        self._at_once = max(1, self._at_once // 2)
        self._begin_span()

    def _set_span(self, span: int) -> None:
        self._span = min(max(span, _SHORTEST_SPAN), _LONGEST_SPAN)

    def _begin_span(self) -> None:
        self._end = min(self.upto + self._span, self.until)
        self._place = self._most = 0
