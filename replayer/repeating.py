"""Each entity's last state, written again at fixed times: `replay.repeat_state_every`. From the log alone.

At each time T that is a multiple of the interval, counted from midnight UTC, the point of an entity's last state before T
stands once more: the same measurement, tags and fields, the time T, and the field `repeated`. Where

- the log knows that somebody listened: it holds a sign, a heartbeat or a state of any entity, from 5 s after T on and
  before the next such time. So nothing is made up for hours in which homeiq did not run, and a record that comes up to 5 s
  late is there in time
- the state is no older than 7 days, is no removal, and gives a point itself
- no state of the entity has the time T
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import SECOND
from ..storage.reader import records_of
from ..storage.record import COLUMNS, Record
from ..storage.view import LogView
from .normalizers.base import REPEAT_REACH, SIGNS, Normalizer
from .point import Point
from .windows import scan_for

__all__ = ["SETTLES", "repeated", "time_of_sign", "times_in"]

SETTLES: Final = 5 * SECOND
"""A sign lies so long after the time that it stands for, at least (microseconds)."""

Moment = tuple[str, int]
"""An entity, and the time of one of its states."""

PointOf = Callable[[Sequence[Record]], Point | None]
"""Returns the point of copies of one state."""


def time_of_sign(record: Record, every: int) -> int | None:
    """Return the time at which states are repeated because of a record; None if it is no sign."""
    time = record.time - record.time % every
    return time if record.time - time >= SETTLES and SIGNS.wants(record) else None


def times_in(view: LogView, normalizer: Normalizer, start: int, end: int, upto: int | None = None) -> list[int]:
    """Return the times in [start, end) (microseconds UTC) at which states are repeated, by the records up to `upto`."""
    every = normalizer.repeat_every
    found: set[int] = set()
    for table in view.scan(
        ["time"],
        start=start + -start % every + SETTLES,
        end=end + -end % every,
        event_types=SIGNS.event_types,
        wanted=None if upto is None else pc.field("seq") <= upto,
    ):
        time = table["time"].cast(pa.int64())
        of = pc.multiply(pc.divide(time, every), every)
        late = pc.greater_equal(pc.subtract(time, of), SETTLES)
        found.update(pc.unique(of.filter(late)).to_pylist())
    return sorted(found)


def repeated(view: LogView, normalizer: Normalizer, times: Sequence[int], point_of: PointOf) -> list[Point]:
    """Return the repeated points of these times, in the order (time, entity)."""
    if not times:
        return []
    last = _last_times(view, normalizer, times)
    moments = {
        (entity, at)
        for entity, of in last.items()
        for time, at in zip(times, of, strict=True)
        if at is not None and at < time
    }
    points = {
        moment: point
        for moment, records in _records_at(view, normalizer, moments).items()
        if (point := point_of(records)) is not None and point.fields.get("removed") is not True
    }
    made = []
    for place, time in enumerate(times):
        for entity in sorted(last):
            at = last[entity][place]
            point = points.get((entity, at)) if at is not None and time - REPEAT_REACH <= at < time else None
            if point is not None:
                made.append(Point(point.series, (*point.parts, {"repeated": True}), time * 1000, point.seq))
    return made


def _last_times(view: LogView, normalizer: Normalizer, times: Sequence[int]) -> dict[str, list[int | None]]:
    """Return for each entity the time of its last state up to each of these times, that itself included.

    A scan of narrow columns: of each table only the last state before each time is looked at.
    """
    every = normalizer.repeat_every
    latest: dict[str, dict[int, int]] = {}
    columns = ["time", "entity_id"]
    for table in scan_for(view, normalizer, columns, start=times[0] - REPEAT_REACH, end=times[-1] + 1):
        time = table["time"].cast(pa.int64())
        following = pc.multiply(pc.divide(pc.add(time, every - 1), every), every)
        grouped = pa.table(
            {"entity": table["entity_id"], "following": pc.max_element_wise(following, times[0]), "time": time}
        )
        for row in grouped.group_by(["entity", "following"]).aggregate([("time", "max")]).to_pylist():
            if row["entity"] is not None:
                of = latest.setdefault(row["entity"], {})
                of[row["following"]] = max(of.get(row["following"], row["time_max"]), row["time_max"])
    return {entity: _up_to(of, times) for entity, of in latest.items()}


def _up_to(of: dict[int, int], times: Sequence[int]) -> list[int | None]:
    """Return the greatest of the values whose keys are not after each of these times."""
    found: list[int | None] = []
    keys = sorted(of)
    place, last = 0, None
    for time in times:
        while place < len(keys) and keys[place] <= time:
            last = of[keys[place]]
            place += 1
        found.append(last)
    return found


def _records_at(view: LogView, normalizer: Normalizer, moments: set[Moment]) -> dict[Moment, list[Record]]:
    """Return the records of these states: all copies of each."""
    if not moments:
        return {}
    stamps = sorted({time for _, time in moments})
    condition = pc.field("time").isin(pa.array(stamps, pa.timestamp("us", tz="UTC")))
    found: dict[Moment, list[Record]] = {}
    for table in scan_for(view, normalizer, COLUMNS, start=stamps[0], end=stamps[-1] + 1, also=condition):
        for record in _among(table, moments):
            found.setdefault((record.entity_id or "", record.time), []).append(record)
    return found


def _among(table: pa.Table, moments: set[Moment]) -> Iterable[Record]:
    """Yield the records of these states; the wide columns of others are not made into Python objects."""
    pairs = zip(table["entity_id"].to_pylist(), table["time"].cast(pa.int64()).to_pylist(), strict=True)
    places = [place for place, pair in enumerate(pairs) if pair in moments]
    yield from records_of(table.take(pa.array(places, pa.int64())))
