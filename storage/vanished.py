"""What the log says of records that it does not hold any more: expired, forgotten for a person's sake, or lost by a disk.

All stand in records of the recorder's own (source `recorder`; they never expire), so that the log alone tells it:

    homeiq_expired     written before the first row goes. `rows`: a list of [source, event type, domain of the entity or
                       "", first day, last day] (days: microseconds UTC of their beginning), `records` in number, and where
                       whole segments went `first_seq`: the first record that there still is
    homeiq_forgetting  written before the first row is forgotten, with the same facts: where no `homeiq_forgotten` says the
                       same later, or one with `left`, it was interrupted, and what had been recorded before this word is
                       still to be forgotten
    homeiq_forgotten   written after the last row went. `entity` (a glob), `since` and `until` (microseconds UTC or null),
                       `before`: a seq, that of `homeiq_forgetting`; what was recorded from there on was not meant;
                       `records` in number. Never what they held
    homeiq_lost        the records `first` … `last` were damaged on disk. With `rows`, as above, where they had been sealed
                       and somebody accepted the loss (see mending.py); `*` stands for any where nothing is known any more.
                       `records`: so many of them are lost. Without `rows`: the end of a tail
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from ..clock import DAY
from .gaps import facts_of
from .record import EXPIRED, FORGETTING, FORGOTTEN, GONE, HEARTBEAT, HOUSEKEEPING, LOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .record import Record

__all__ = ["ANY", "Expired", "Forgotten", "Vanished", "never_expires", "runs_of", "vanished_of"]

Key = tuple[str, str, str]
"""Source, event type, and the entity's domain; empty where there is no entity."""

ANY: Final = "*"
"""Stands in a key for whatever it may have been."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Records of this kind have expired, or are lost, whose times lie in [start, end), whole days (microseconds UTC)."""

    source: str
    event_type: str
    domain: str
    start: int
    end: int

    def may_be(self, source: str | None, event_type: str) -> bool:
        """Tell whether a record of this source (None: of any) and type was among them."""
        return self.event_type in (event_type, ANY) and (source is None or self.source in (source, ANY))


@dataclass(frozen=True, slots=True)
class Forgotten:
    """States of entities that the glob matches, with times in [since, until), were forgotten, as record `seq` says.

    `records`: so many. `before`: those with a lower seq only; what came while it went on, or since, was not meant.
    """

    seq: int
    entity: str
    since: int | None
    until: int | None
    records: int = 0
    before: int = 0

    def matches(self, entity: str) -> bool:
        """Tell whether an entity was meant."""
        return fnmatchcase(entity, self.entity)


@dataclass(frozen=True, slots=True)
class Vanished:
    """All that a log says of what it does not hold any more; `first_seq`: no record before it is missed.

    `unfinished`: what was to be forgotten, and may be there still in part.
    """

    expired: tuple[Expired, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()
    first_seq: int = 1
    unfinished: tuple[Forgotten, ...] = ()


def never_expires(event_type: str) -> bool:
    """Tell whether records of a type stay: the recorder's own words but for its heartbeats, registries, configuration."""
    if event_type == HEARTBEAT:
        return False
    return event_type.startswith(HOUSEKEEPING) or event_type.endswith("_registry") or event_type in ("config", GONE)


def runs_of(days: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each run of days that follow each other."""
    runs: list[tuple[int, int]] = []
    for day in sorted(days):
        if runs and runs[-1][1] + DAY == day:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def vanished_of(records: Sequence[Record]) -> Vanished:
    """Return what these records say, of which others are passed over."""
    days: dict[Key, set[tuple[int, int]]] = {}
    forgotten: list[Forgotten] = []
    unfinished: dict[tuple[str, int | None, int | None], Forgotten] = {}
    first_seq = 1
    for record in sorted(records, key=lambda record: record.seq):
        facts = facts_of(record.raw)
        if record.event_type in (EXPIRED, LOST):
            first_seq = max(first_seq, _integer(facts.get("first_seq")) or 1)
            rows = facts.get("rows")
            for row in rows if isinstance(rows, list) else ():
                source, event_type, domain, first, last = row
                days.setdefault((source, event_type, domain), set()).add((first, last))
        elif record.event_type in (FORGETTING, FORGOTTEN):
            meant = str(facts.get("entity", "*")), _integer(facts.get("since")), _integer(facts.get("until"))
            reach = _integer(facts.get("before")) or record.seq
            one = Forgotten(record.seq, *meant, _integer(facts.get("records")) or 0, reach)
            if record.event_type == FORGETTING:
                before = unfinished.get(meant, one)  # the first one counted all of them, the last one means the most
                unfinished[meant] = replace(one, records=max(before.records, one.records))
            else:
                forgotten.append(one)
                if not facts.get("left") and meant in unfinished and unfinished[meant].before <= reach:
                    del unfinished[meant]
    expired = [Expired(*key, first, last + DAY) for key, runs in sorted(days.items()) for first, last in _joined(runs)]
    return Vanished(tuple(expired), tuple(forgotten), first_seq, tuple(unfinished.values()))


def _joined(runs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(runs):
        if joined and first <= joined[-1][1] + DAY:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return joined


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) else None
