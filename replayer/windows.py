"""Windows: days of point time. What a window's records make, in one order, from the log alone.

The points come in the order (entity, time), whatever the order in which the records arrived and wherever they lie, so
that two replays are the same byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY
from ..storage.reader import records_of
from ..storage.record import COLUMNS, ORIGIN_RANK, Record
from ..storage.view import LogView
from .home import HOME_TYPES, Home
from .normalizers.base import Normalizer, Reason, SetAside
from .point import Point

__all__ = [
    "Candidate",
    "Counts",
    "Rank",
    "Span",
    "home_of",
    "latest_in",
    "normalized",
    "rank_of",
    "window_points",
    "wanted_entities",
    "whole_windows",
    "windows_between",
]

PARTITION = 100_000
"""A window is read in parts of about so many records, each a range of entities: what is held in memory at once."""

BATCH = 5_000

Rank = tuple[int, int, bytes]
Candidate = tuple[Point, Record]


@dataclass(slots=True)
class Counts:
    """What a replay did: records read, points made of them, and why the other records gave none of their own."""

    events: int = 0
    points: int = 0
    refused: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def set_aside(self, reason: Reason, count: int = 1) -> None:
        """Count records that give no point of their own."""
        self.reasons[reason.value] = self.reasons.get(reason.value, 0) + count

    def add(self, other: Counts) -> None:
        """Add what another replay did."""
        self.events += other.events
        self.points += other.points
        self.refused += other.refused
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count


def rank_of(record: Record) -> Rank:
    """Return by what the copies of one point are compared: the greatest wins. The order of arrival decides nothing."""
    return ORIGIN_RANK.get(record.origin, 0), record.time, record.raw.encode("utf-8", "surrogatepass")


def home_of(view: LogView) -> Home:
    """Return all that a log says of the home."""
    home = Home()
    for table in view.scan(event_types=HOME_TYPES):
        home.learn_all(records_of(table))
    return home


class Span(NamedTuple):
    """The wanted times [start, end) of a window (microseconds UTC), and how many records of a normalizer lie in them."""

    window: int
    start: int
    end: int
    events: int


def windows_between(view: LogView, normalizer: Normalizer, since: int | None, until: int | None) -> list[Span]:
    """Return the windows that hold records of a normalizer with times in [since, until), oldest first.

    Times are microseconds UTC; None is no bound.
    """
    found: dict[int, int] = {}
    for table in view.scan(["time"], start=since, end=until, event_types=normalizer.reads.event_types):
        for entry in pc.value_counts(pc.floor_temporal(table["time"], unit="day").cast(pa.int64())).to_pylist():
            found[entry["values"]] = found.get(entry["values"], 0) + entry["counts"]
    return [
        Span(
            window,
            window if since is None else max(window, since),
            window + DAY if until is None else min(window + DAY, until),
            found[window],
        )
        for window in sorted(found)
    ]


def latest_in(view: LogView, normalizer: Normalizer, window: int) -> int | None:
    """Return the greatest time of a normalizer's records in a window; None if there are none."""
    tables = view.scan(["time"], start=window, end=window + DAY, event_types=normalizer.reads.event_types)
    return max((pc.max(table["time"].cast(pa.int64())).as_py() for table in tables if table.num_rows), default=None)


def whole_windows(view: LogView, normalizer: Normalizer, since: int | None, until: int | None) -> list[Span]:
    """Return the windows that overlap [since, until), whole: a window is the unit of a replay."""
    first = None if since is None else since - since % DAY
    last = None if until is None else until + -until % DAY
    return windows_between(view, normalizer, first, last)


def wanted_entities(
    view: LogView, normalizer: Normalizer, start: int, end: int, counts: Counts
) -> list[tuple[str | None, str | None]]:
    """Return ranges of entities, in order, that hold about PARTITION records of these times each.

    Records without an entity are set aside.
    """
    of_entity: dict[str, int] = {}
    for table in view.scan(["entity_id"], start=start, end=end, event_types=normalizer.reads.event_types):
        for entry in pc.value_counts(table["entity_id"]).to_pylist():
            if entry["values"] is None:
                counts.events += entry["counts"]
                counts.set_aside(Reason.INCOMPLETE, entry["counts"])
            else:
                of_entity[entry["values"]] = of_entity.get(entry["values"], 0) + entry["counts"]
    ranges: list[tuple[str | None, str | None]] = []
    first: str | None = None
    size = 0
    names = sorted(of_entity, key=lambda name: name.encode())
    for place, name in enumerate(names):
        first = first if size else name
        size += of_entity[name]
        if size >= PARTITION or place == len(names) - 1:
            ranges.append((first, name))
            size = 0
    return ranges


def window_points(
    view: LogView, normalizer: Normalizer, home: Home, start: int, end: int, counts: Counts
) -> Iterator[list[Point]]:
    """Yield the points that the records with time in [start, end) make, in the order (entity, time), in batches."""
    for entities in wanted_entities(view, normalizer, start, end, counts):
        tables = view.scan(COLUMNS, start=start, end=end, event_types=normalizer.reads.event_types, entities=entities)
        batch: list[Candidate] = []
        for records in _in_order(tables):
            # Copies of one point lie side by side; those at the end may have more in the next chunk.
            batch += normalized(records, normalizer, home, counts)
            ready, batch = _without_last_moment(batch)
            if ready:
                yield _winners(ready, counts)
        if batch:
            yield _winners(batch, counts)


def _in_order(tables: Iterable[pa.Table]) -> Iterator[list[Record]]:
    """Yield the records of tables in the order (entity, time), in lists.

    Sorting their numbers, not the records, saves two copies of all that was ever said.
    """
    records: list[Record] = []
    keys = []
    for table in tables:
        keys.append(table.select(["entity_id", "time"]))
        records += records_of(table)
    order = pc.sort_indices(pa.concat_tables(keys), [("entity_id", "ascending"), ("time", "ascending")]).to_pylist()
    for place in range(0, len(order), BATCH):
        yield [records[row] for row in order[place : place + BATCH]]


def normalized(records: list[Record], normalizer: Normalizer, home: Home, counts: Counts) -> list[Candidate]:
    """Return the points that records make, each with its record."""
    candidates: list[Candidate] = []
    normalize, at = normalizer.normalize, home.at
    for record in records:
        counts.events += 1
        try:
            for point in normalize(record, at(record.time)):
                candidates.append((point, record))
        except SetAside as error:
            counts.set_aside(error.reason)
    return candidates


def _without_last_moment(candidates: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """Split off the candidates of the last entity and time."""
    place = len(candidates)
    if not place:
        return [], []
    last = candidates[-1][1]
    while place and candidates[place - 1][1].time == last.time and candidates[place - 1][1].entity_id == last.entity_id:
        place -= 1
    return candidates[:place], candidates[place:]


def _winners(candidates: list[Candidate], counts: Counts) -> list[Point]:
    """Return one point for each key, from the record that ranks highest, in the order of the candidates."""
    points: list[Point] = []
    previous: Record | None = None
    same: list[Candidate] = []
    for candidate in candidates:
        record = candidate[1]
        if previous is not None and record.time == previous.time and record.entity_id == previous.entity_id:
            same.append(candidate)
        else:
            points += _best(same, counts)
            same = [candidate]
        previous = record
    points += _best(same, counts)
    counts.points += len(points)
    return points


def _best(same: list[Candidate], counts: Counts) -> list[Point]:
    """Return the best of candidates of one entity and time, ordered by key: tags may tell them apart."""
    if len(same) < 2:
        return [point for point, _ in same]
    best: dict[tuple[str, int], Candidate] = {}
    for candidate in same:
        other = best.get(candidate[0].key)
        if other is None or rank_of(candidate[1]) > rank_of(other[1]):
            best[candidate[0].key] = candidate
    counts.set_aside(Reason.SUPERSEDED, len(same) - len(best))
    return [best[key][0] for key in sorted(best)]
