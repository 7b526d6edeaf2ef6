"""What the records of a log make in a window, in one order, from the log alone.

Whatever the order in which the records arrived and wherever they lie, two replays give the same points in the same order.
A normalizer that reads an entity at a time gives them in the order (entity, time), and is computed so, in parts; behind
them stand the states that are repeated, in the order (time, entity). Any other gives them in the order (series, time). Of
two records that give the same point the one that ranks higher is believed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from weakref import WeakSet

import pyarrow as pa
import pyarrow.compute as pc

from ..storage.reader import records_of
from ..storage.record import COLUMNS, ORIGIN_RANK, Record
from ..storage.view import LogView, chosen_rows
from .failures import sentence_in, traceback_text
from .home import Home
from .normalizers.base import Fold, Normalizer, Reading, Reason, SetAside, Summarizer
from .point import Point
from .repeating import repeated, times_in
from .windows import Counts, scan_for, wanted_entities

__all__ = [
    "Candidate",
    "Rank",
    "add_best",
    "candidates_in",
    "folded",
    "last_word",
    "normalized",
    "rank_in",
    "rank_of",
    "readings_in",
    "readings_of",
    "window_points",
]

_log = logging.getLogger(__name__)
_said: WeakSet[Normalizer] = WeakSet()

BATCH = 5_000
"""Points that are yielded at once, about."""

_RECORDS = 4_900
"""Records that are normalized at once: with those of the last moment of the lot before, they fit into a batch."""

Rank = tuple[int, int, bytes]
Candidate = tuple[Point, Record]


def rank_of(record: Record, revised: bool = False) -> Rank:
    """Return by what the copies of one point are compared: the greatest wins. The order of arrival decides nothing.

    The origin decides, then the record's time, then its text; for a `revised` value the time comes first.
    """
    origin = ORIGIN_RANK.get(record.origin, 0)
    raw = record.raw.encode("utf-8", "surrogatepass")
    return (record.time, origin, raw) if revised else (origin, record.time, raw)


def window_points(
    view: LogView, normalizer: Normalizer, home: Home, start: int, end: int, counts: Counts
) -> Iterator[list[Point]]:
    """Yield the points with times in [start, end) (microseconds UTC) that a normalizer makes of a log, in batches."""
    if normalizer.by_entity:
        yield from _points_by_entity(view, normalizer, home, start, end, counts)
        if not normalizer.repeat_every:
            return
        points = repeated(view, normalizer, times_in(view, normalizer, start, end), last_word(normalizer, home))
    elif isinstance(normalizer, Summarizer):
        points = _summary_points(view, normalizer, home, start, end, counts)
    else:
        best = candidates_in(view, normalizer, home, start, end, counts)
        points = [best[key][0] for key in sorted(best)]
    counts.points += len(points)
    for place in range(0, len(points), BATCH):
        yield points[place : place + BATCH]


# --- an entity at a time ---------------------------------------------------------------------------------------------


def _points_by_entity(
    view: LogView, normalizer: Normalizer, home: Home, start: int, end: int, counts: Counts
) -> Iterator[list[Point]]:
    """Yield the points that the records with time in [start, end) make, in the order (entity, time), in batches."""
    for entities in wanted_entities(view, normalizer, start, end, counts):
        tables = scan_for(view, normalizer, COLUMNS, start=start, end=end, entities=entities)
        batch: list[Candidate] = []
        for records in _in_order(_chosen(tables, normalizer, counts)):
            # Copies of one point lie side by side; those at the end may have more in the next chunk.
            batch += normalized(records, normalizer, home, counts)
            ready, batch = _without_last_moment(batch)
            if ready:
                yield _winners(ready, counts)
        if batch:
            yield _winners(batch, counts)


def _chosen(tables: Iterable[pa.Table], normalizer: Normalizer, counts: Counts) -> Iterator[pa.Table]:
    """Yield what of tables is to be projected; the rest is set aside."""
    for table in tables:
        chosen = chosen_rows(table, normalizer.choice)
        if chosen.num_rows < table.num_rows:
            counts.events += table.num_rows - chosen.num_rows
            counts.set_aside(Reason.NOT_CHOSEN, table.num_rows - chosen.num_rows)
        yield chosen


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
    for place in range(0, len(order), _RECORDS):
        yield [records[row] for row in order[place : place + _RECORDS]]


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


# --- with reach ------------------------------------------------------------------------------------------------------


def candidates_in(
    view: LogView,
    normalizer: Normalizer,
    home: Home,
    start: int,
    end: int,
    counts: Counts,
    upto: int | None = None,
) -> dict[tuple[str, int], Candidate]:
    """Return the best copy of each point with its time in [start, end), from all records that reach there.

    A record is counted in the window in which it lies itself; with `upto` only those up to this seq are read.
    """
    best: dict[tuple[str, int], Candidate] = {}
    inside: set[int] = set()
    for table in scan_for(view, normalizer, start=start - normalizer.ahead, end=end + normalizer.back):
        for record in records_of(table):
            if upto is not None and record.seq > upto:
                continue
            of_window = start <= record.time < end
            made = normalized([record], normalizer, home, counts if of_window else Counts())
            wanted = [candidate for candidate in made if start * 1000 <= candidate[0].time < end * 1000]
            if of_window and made and len(wanted) == len(made):
                inside.add(record.seq)
            for candidate in wanted:
                key = candidate[0].key
                if key not in best or rank_in(normalizer, record) > rank_in(normalizer, best[key][1]):
                    best[key] = candidate
    if superseded := inside - {record.seq for _, record in best.values()}:
        counts.set_aside(Reason.SUPERSEDED, len(superseded))
    return best


# --- in the order of time --------------------------------------------------------------------------------------------


def readings_of(record: Record, summarizer: Summarizer, home: Home, counts: Counts) -> list[Reading]:
    """Return what a record says of meters, at its own time."""
    counts.events += 1
    if not summarizer.choice.chosen(record):
        counts.set_aside(Reason.NOT_CHOSEN)
        return []
    try:
        readings = summarizer.readings(record, home.at(record.time))
    except SetAside as error:
        counts.set_aside(error.reason)
        return []
    except Exception:
        _failed(summarizer, record, counts)
        return []
    at_its_time = [reading for reading in readings if reading.time == record.time]
    if len(at_its_time) < len(readings):
        counts.set_aside(Reason.OUT_OF_REACH, len(readings) - len(at_its_time))
    return at_its_time


def readings_in(
    view: LogView,
    summarizer: Summarizer,
    home: Home,
    start: int,
    end: int | None,
    counts: Counts,
    upto: int | None = None,
) -> list[Reading]:
    """Return the readings with times in [start - ahead, end) in order of (time, meter), the best copy of each.

    Only records in [start, end) are counted; with `upto` only those up to this seq are read.
    """
    best: dict[tuple[int, str], tuple[Rank, Reading]] = {}
    for table in scan_for(view, summarizer, start=start - summarizer.ahead, end=end):
        for record in records_of(table):
            if upto is None or record.seq <= upto:
                add_best(
                    best, record, readings_of(record, summarizer, home, counts if record.time >= start else Counts())
                )
    return [best[key][1] for key in sorted(best)]


def add_best(best: dict[tuple[int, str], tuple[Rank, Reading]], record: Record, readings: Iterable[Reading]) -> None:
    """Add a record's readings where there is no better copy of them."""
    rank = rank_of(record)
    for reading in readings:
        key = reading.time, reading.meter
        if key not in best or rank > best[key][0]:
            best[key] = rank, reading


def folded(fold: Fold, readings: Iterable[Reading], home: Home) -> Iterator[Point]:
    """Yield what a fold makes of readings that are in order of (time, meter)."""
    for time, moment in groupby(readings, lambda reading: reading.time):
        yield from fold.step(list(moment), home.at(time).zone)


def _summary_points(
    view: LogView, summarizer: Summarizer, home: Home, start: int, end: int, counts: Counts
) -> list[Point]:
    readings = readings_in(view, summarizer, home, start, end, counts)
    points = folded(summarizer.fold(), readings, home)
    return sorted((point for point in points if point.time >= start * 1000), key=lambda point: point.key)


# --- one record ------------------------------------------------------------------------------------------------------


def rank_in(normalizer: Normalizer, record: Record) -> Rank:
    """Return by what a normalizer's copies of one point are compared: the greatest wins."""
    return rank_of(record, normalizer.revised)


def normalized(records: Sequence[Record], normalizer: Normalizer, home: Home, counts: Counts) -> list[Candidate]:
    """Return the points that records make, each with its record. What a normalizer fails on is set aside."""
    candidates: list[Candidate] = []
    normalize, at = normalizer.normalize, home.at
    back, ahead = normalizer.back, normalizer.ahead
    everything, chosen = normalizer.choice.everything, normalizer.choice.chosen
    left_out = dict(normalizer.left_out)
    for record in records:
        counts.events += 1
        if not everything and not chosen(record):
            counts.set_aside(Reason.NOT_CHOSEN)
            continue
        try:
            for point in normalize(record, at(record.time)):
                if -back <= point.time // 1000 - record.time <= ahead:
                    candidates.append((point, record))
                else:
                    counts.set_aside(Reason.OUT_OF_REACH)
        except SetAside as error:
            counts.set_aside(error.reason)
        except Exception:
            _failed(normalizer, record, counts)
    if normalizer.left_out != left_out:
        counts.leave_out(left_out, normalizer.left_out)
    return candidates


def last_word(normalizer: Normalizer, home: Home) -> Callable[[Sequence[Record]], Point | None]:
    """Return what gives the point of copies of one state: that of the copy which ranks highest, None if there is none."""

    def point_of(records: Sequence[Record]) -> Point | None:
        candidates = normalized(records, normalizer, home, Counts())
        best = max(candidates, key=lambda candidate: rank_in(normalizer, candidate[1]), default=None)
        return None if best is None else best[0]

    return point_of


def _failed(normalizer: Normalizer, record: Record, counts: Counts) -> None:
    """A normalizer has a bug, or is a user's own: the record stays in the log, and the rest goes on."""
    if normalizer not in _said:
        _said.add(normalizer)
        text = traceback_text()
        what = sentence_in(text)
        _log.error("the normalizer %s failed on record %d, which is set aside: %s", normalizer.name, record.seq, what)
        _log.debug("%s", text)
    counts.fail(normalizer.name, record.time, record.seq)
