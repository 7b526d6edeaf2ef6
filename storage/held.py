"""What the log holds already, asked day by day: so that the same import twice adds nothing. Imports pyarrow.

No state is kept beside the log. Questions come in the order of time; a record of the log answers for one event only, so
that of n copies in a file and m in the log n - m are new.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY, window_of
from .log import log_folder
from .record import HOUSEKEEPING, STATE_TYPES, Event
from .view import LogView

__all__ = ["Held", "New", "keeps_own_words", "new_by_content", "new_of_home_assistant"]

New = Callable[[Iterable[Event]], Iterator[tuple[Event, bool]]]
"""Given events in the order of their times, says of each whether it is new."""

_READ_AT: Final = ("read_at", "device_class", "name")
"""What of a statistic may differ though it says the same."""


class Held:
    """The log as it is when this is made, read a day at a time."""

    def __init__(self, data_dir: Path) -> None:
        """Raises LogCorrupt if a range of records is missing."""
        self._data_dir = data_dir
        self._view = LogView(data_dir) if log_folder(data_dir).is_dir() else None
        self._upto = 0 if self._view is None else self._view.last_seq

    def day(
        self,
        start: int,
        columns: Sequence[str],
        event_types: Sequence[str] | None = None,
        wanted: pc.Expression | None = None,
    ) -> Iterator[list[Any]]:
        """Yield the columns (lists; times in microseconds UTC) of the records of the day that begins at `start`."""
        while self._view is not None and self._upto:
            try:
                tables = list(
                    self._view.scan(columns, start=start, end=start + DAY, event_types=event_types, wanted=wanted)
                )
            except FileNotFoundError:  # a file was superseded meanwhile
                self._view = LogView(self._data_dir, self._upto)
                continue
            for table in tables:
                if table.num_rows:
                    yield [_values(table[name]) for name in columns]
            return


def _values(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
    return values


def keeps_own_words(data_dir: Path) -> bool:
    """Tell whether a recorder has recorded into this log: its own words came at the time that they speak of."""
    if not log_folder(data_dir).is_dir():
        return False
    view = LogView(data_dir)
    types = tuple(HOUSEKEEPING + what for what in ("started", "connected", "disconnected", "stopped"))
    tables = view.scan(("time", "received_at"), event_types=types)
    return any(pc.any(pc.equal(table["time"], table["received_at"])).as_py() for table in tables if table.num_rows)


def _digest(source: str, origin: str, event_type: str, entity_id: str | None, raw: str, time: int) -> bytes:
    parts = orjson.dumps([source, origin, event_type, entity_id, time])
    return hashlib.blake2b(parts + raw.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def new_by_content(held: Held) -> New:
    """Return what compares source, origin, time, event type, entity and raw."""
    columns = ("source", "origin", "event_type", "entity_id", "raw", "time")

    def tell(events: Iterable[Event]) -> Iterator[tuple[Event, bool]]:
        for day, of_day in groupby(events, key=lambda event: window_of(event.time)):
            known: Counter[bytes] = Counter()
            for table in held.day(day, columns):
                known.update(map(_digest, *table))
            for one in of_day:
                key = _digest(one.source, one.origin, one.event_type, one.entity_id, one.raw, one.time)
                new = known[key] <= 0
                if not new:
                    known[key] -= 1
                yield one, new

    return tell


def new_of_home_assistant(held: Held) -> New:
    """Return what knows a state by entity and time, another event by its type and time, and a statistic by what it says.

    A state that was recorded live, or came from the history, is so known however its text differs; and so is one of an
    entity that was renamed since, whose history went along.
    """

    def tell(events: Iterable[Event]) -> Iterator[tuple[Event, bool]]:
        for day, of_day in groupby(events, key=lambda event: window_of(event.time)):
            known = _Day(held, day)
            for time, at_once in groupby(of_day, key=lambda event: event.time):
                yield from known.tell(time, list(at_once))

    return tell


class _Day:
    """What the log holds of Home Assistant in one day."""

    def __init__(self, held: Held, day: int) -> None:
        of_home_assistant = pc.field("source") == "home_assistant"
        self._states: dict[int, list[tuple[str | None, str | None]]] = defaultdict(list)
        self._events: Counter[tuple[str, int]] = Counter()
        self._statistics: dict[tuple[str | None, int], bytes] = {}
        for times, entities, states in held.day(day, ("time", "entity_id", "state"), STATE_TYPES, of_home_assistant):
            for time, entity, state in zip(times, entities, states, strict=True):
                self._states[time].append((entity, state or None))
        others = of_home_assistant & pc.invert(pc.field("event_type").isin([*STATE_TYPES, "statistic"]))
        for times, types in held.day(day, ("time", "event_type"), None, others):
            self._events.update(zip(types, times, strict=True))
        for times, entities, raws in held.day(day, ("time", "entity_id", "raw"), ("statistic",), of_home_assistant):
            for time, entity, raw in zip(times, entities, raws, strict=True):
                text = raw.encode()
                self._statistics[entity, time] = max(text, self._statistics.get((entity, time), b""))

    def tell(self, time: int, events: Sequence[Event]) -> Iterator[tuple[Event, bool]]:
        """Say of each event of one moment whether it is new."""
        held = self._states.get(time, [])
        states = [event for event in events if event.event_type == "state"]
        known = set()
        for same in (_same_entity, _renamed):
            for event in states:
                place = next((place for place, one in enumerate(held) if same(event, one)), None)
                if place is not None and id(event) not in known:
                    known.add(id(event))
                    del held[place]
        for event in events:
            if event.event_type == "state":
                yield event, id(event) not in known
            elif event.event_type == "statistic":
                yield event, self._statistic_is_new(event)
            else:
                key = event.event_type, time
                self._events[key] -= 1
                yield event, self._events[key] < 0

    def _statistic_is_new(self, event: Event) -> bool:
        """Tell whether an hour says another thing than the copy of it that was read last."""
        key, text = (event.entity_id, event.time), event.raw.encode()
        before = self._statistics.get(key)
        if before is not None and _said(before) == _said(text):
            return False
        self._statistics[key] = text
        return True


def _same_entity(event: Event, held: tuple[str | None, str | None]) -> bool:
    return event.entity_id == held[0]


def _renamed(event: Event, held: tuple[str | None, str | None]) -> bool:
    return event.state == held[1]


def _said(raw: bytes) -> Any:
    try:
        content = orjson.loads(raw)
        return {name: value for name, value in content.items() if name not in _READ_AT}
    except (ValueError, AttributeError):
        return raw
