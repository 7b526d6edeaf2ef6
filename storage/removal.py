"""Records that the settings let expire become blank rows; whole segments at the log's beginning go. Imports pyarrow.

The log says first what goes; then each segment is written anew with the next generation, read back, and the old one set
aside for an hour. Whoever is killed in between does it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY
from ..errors import LogCorrupt
from ..retention import RetentionSettings
from .blanking import blank_segment, columns_of_segment, enter_days, speaking_segments
from .files import Files, locked
from .log import log_folder
from .maintenance import Watch, is_trusted, retire, retire_superseded, seal_tails, unwatched
from .manifest import SegmentName
from .record import BLANKS, HEARTBEAT
from .vanished import Key, never_expires, runs_of

__all__ = [
    "Note",
    "Removed",
    "Rules",
    "expire",
    "rules_of",
]

_log = logging.getLogger(__name__)

Note = Callable[[str, Mapping[str, Any]], None]
"""Makes the recorder's own word `what`, with its facts, durable in the log, before it returns. Raises HomeiqError."""

_STAMP = pa.timestamp("us", tz="UTC")
_CLOCK_BELIEVED = 7 * DAY
"""So long after half of the newest sealed records had come it may be now: a clock that is wrong by years empties no log.

Where the recorder rested longer, expiring waits for more.
"""

_SIGNS_KEPT = DAY
"""The heartbeats of the last day, and of so much before, stay: the last one is where a gap begins."""

_KEPT_OF_A_ROW = 0.15
"""What a blank row takes of the room of the record that it was, about."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How long records are kept: in microseconds, None for ever. `ages` by event type wins over `age`.

    `total_bytes`: of the segments; the oldest days go first, whatever their ages.
    """

    age: int | None = None
    ages: Mapping[str, int | None] | None = None
    total_bytes: int | None = None

    @property
    def any(self) -> bool:
        """Something may expire."""
        ages = self.ages or {}
        return self.age is not None or self.total_bytes is not None or any(age is not None for age in ages.values())

    def cutoff(self, event_type: str, now: int) -> int:
        """Return the time before which records of a type have expired: the beginning of a UTC day."""
        ages = self.ages or {}
        like = "state_changed" if event_type == "state" and "state" not in ages else event_type
        age = ages.get(like, self.age)
        return -(2**63) if age is None or never_expires(event_type) else (now - age) // DAY * DAY


def rules_of(settings: RetentionSettings) -> Rules:
    """Return what the settings say."""
    return Rules(settings.age, settings.event_types, settings.total_size)


@dataclass(frozen=True, slots=True)
class Removed:
    """How many records became blank rows, how many segments were rewritten, and how many went whole."""

    records: int = 0
    segments: int = 0
    whole_segments: int = 0


def expire(
    data_dir: Path, rules: Rules, now: int, note: Note, files: Files | None = None, *, watch: Watch = unwatched
) -> Removed:
    """Seal the tails, and let expire what the rules say at `now` (microseconds UTC). Waits for other maintenance.

    Nothing of a damaged segment expires. Raises HomeiqError, OSError.
    """
    if not rules.any:
        return Removed()
    files = files or Files()
    with locked(data_dir / "log" / "MAINTENANCE", "expiring", wait=True):
        seal_tails(data_dir, files)  # a tail that was sealed, and is there still, would speak for what goes
        retire_superseded(data_dir, files)
        speaking = speaking_segments(data_dir)
        names = [name for name in speaking if _is_readable(name)]
        arrivals = _arrivals(names)
        now = min(now, arrivals.middle + _CLOCK_BELIEVED) if arrivals else now
        cutoffs = _Cutoffs(rules, now, _day_for_size(names, rules, now), arrivals.last if arrivals else now)
        days: dict[Key, set[int]] = {}
        going: dict[SegmentName, int] = {}
        damaged = set(speaking).difference(names)
        total = sum(map(_size_of, names))
        for name in names:
            of_name: dict[Key, set[int]] = {}
            count = _count(name, cutoffs, of_name)
            if count and not is_trusted(name):
                damaged.add(name)
            elif count:
                going[name] = count
                for key, of in of_name.items():
                    days.setdefault(key, set()).update(of)
            watch("looked through", name.last - names[0].first + 1, total)
        leading = _leading_blank(list(takewhile(lambda name: name not in damaged, speaking)), cutoffs)
        if not going and not leading:
            return Removed()
        facts: dict[str, Any] = {
            "records": sum(going.values()),
            "rows": [[*key, first, last] for key, of in sorted(days.items()) for first, last in runs_of(of)],
        }
        if leading:
            facts["first_seq"] = leading[-1].last + 1
        note("expired", facts)
        if leading:  # those that a killed process had taken away must not come back alone
            for folder in sorted(log_folder(data_dir).glob("date=*")):
                files.sync_folder(folder)
        for name in leading:  # the oldest first: killed in between, the log begins later, and has no hole
            retire(name, files)
        rewritten = [name for name in going if name not in leading]
        done, total = 0, sum(map(_size_of, rewritten))
        for name in rewritten:
            blank_segment(data_dir, name, cutoffs.mask, "expired", files)
            retire(name, files)
            done += _size_of(name)
            watch("rewritten", done, total)
        return Removed(sum(going.values()), len(rewritten), len(leading))


class _Cutoffs:
    """Which rows have expired."""

    def __init__(self, rules: Rules, now: int, day: int, last: int) -> None:
        """`day`: before which all goes for the log's size; `last`: when the newest record came (microseconds UTC)."""
        self._rules = rules
        self._now = now
        self._day = day
        self._last = last

    def mask(self, table: pa.Table) -> pa.ChunkedArray:
        """Return for each row of a table with event_type and time whether it has expired."""
        found = (
            pa.chunked_array([pa.repeat(False, table.num_rows)]) if table.num_rows else pa.chunked_array([], pa.bool_())
        )
        for event_type in pc.unique(table["event_type"]).to_pylist():
            if event_type is None or never_expires(event_type):
                continue
            before = max(self._rules.cutoff(event_type, self._now), self._day)
            if event_type == HEARTBEAT:
                before = min(before, self._last // DAY * DAY - _SIGNS_KEPT)
            old = pc.less(table["time"], pa.scalar(before, _STAMP))
            found = pc.or_(found, pc.and_(pc.equal(table["event_type"], event_type), old))
        return pc.fill_null(found, False)


def _count(name: SegmentName, cutoffs: _Cutoffs, days: dict[Key, set[int]]) -> int:
    """Count what has expired in a segment, and enter on which days it lay."""
    table = columns_of_segment(name, ("time", "source", "event_type", "entity_id"))
    gone = table.filter(cutoffs.mask(table))
    enter_days(gone, days)
    return int(gone.num_rows)


def _leading_blank(names: Sequence[SegmentName], cutoffs: _Cutoffs) -> list[SegmentName]:
    """Return the segments at the log's beginning of which no record would be left."""
    leading = []
    for name in names:
        table = columns_of_segment(name, ("time", "event_type"))
        gone = pc.or_(cutoffs.mask(table), pc.is_in(table["event_type"], pa.array(sorted(BLANKS))))
        if not pc.all(gone).as_py():
            break
        leading.append(name)
    return leading


class _Arrivals(NamedTuple):
    """When half of the newest sealed records had come, and when the last one did (microseconds UTC)."""

    middle: int
    last: int


def _arrivals(names: Sequence[SegmentName]) -> _Arrivals | None:
    if not names:
        return None
    times = columns_of_segment(names[-1], ("received_at",))["received_at"].cast(pa.int64())
    return _Arrivals(int(pc.quantile(times, 0.5, interpolation="lower")[0].as_py()), int(pc.max(times).as_py()))


def _day_for_size(names: Sequence[SegmentName], rules: Rules, now: int) -> int:
    """Return the day before which all must go for the log to become small enough; never more than the days before today."""
    if rules.total_bytes is None:
        return -(2**63)
    sizes = {name: name.path.stat().st_size for name in names}
    excess = float(sum(sizes.values()) - rules.total_bytes)
    if excess <= 0:
        return -(2**63)
    freed: dict[int, float] = {}
    for name in names:
        table = columns_of_segment(name, ("time", "event_type"))
        types = [one for one in pc.unique(table["event_type"]).to_pylist() if one and not never_expires(one)]
        table = table.filter(pc.is_in(table["event_type"], pa.array(types, pa.string())))
        a_row = sizes[name] / (name.last - name.first + 1) * (1 - _KEPT_OF_A_ROW)
        for entry in pc.value_counts(pc.floor_temporal(table["time"], unit="day").cast(pa.int64())).to_pylist():
            freed[entry["values"]] = freed.get(entry["values"], 0.0) + entry["counts"] * a_row
    today = now // DAY * DAY
    for day in sorted(freed):
        if day >= today:
            break
        excess -= freed[day]
        if excess <= 0:
            return day + DAY
    return today


def _size_of(name: SegmentName) -> int:
    return name.last - name.first + 1


def _is_readable(name: SegmentName) -> bool:
    """Tell whether what decides about its records can be read; says why not."""
    try:
        columns_of_segment(name, ("time", "received_at", "source", "event_type", "entity_id"))
    except LogCorrupt as error:
        _log.warning("%s: nothing of it expires; homeiq verify says which records are concerned", error)
        return False
    return True
