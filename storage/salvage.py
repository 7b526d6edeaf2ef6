"""What can still be read of a damaged segment, and proved; and the rows that take its place. Imports pyarrow.

A record is proved by the checksums of Parquet's pages, and by its columns being what `raw` says. Of the others the narrow
columns may be readable: then it is known what kind of record is lost, and of which day; else the footer may say between
which times a row group lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY
from ..errors import LogCorrupt
from . import maintenance, segment
from .agreement import disagreement
from .blanking import enter_days
from .manifest import SegmentName
from .reader import LogFiles, lists_of, read_slice
from .record import COLUMNS, Record, blank
from .tail import read_tail
from .vanished import ANY, Key, runs_of

__all__ = ["Around", "Salvage", "around", "filled", "kinds_lost", "salvage"]

_NARROW: Final = ("seq", "time", "received_at", "source", "event_type", "entity_id")
_NEIGHBOURS: Final = 1
"""So many records before and after say when what is lost came."""

_NO_ROWS: Final = segment.table_of([]).select(list(_NARROW))


@dataclass(frozen=True, slots=True)
class Salvage:
    """The records `first` … `last` of a damaged segment (None: it is gone): `proved`, the seqs that can be read, by row
    group; `known`, the narrow columns of others, as far as they can be read; `spans`, the least and the greatest time
    (microseconds UTC) of row groups of which not even these can be, None where the footer does not say so.
    """

    name: SegmentName | None
    first: int
    last: int
    proved: dict[int, pa.Array] = field(default_factory=dict)
    known: pa.Table = field(default_factory=lambda: _NO_ROWS)
    spans: tuple[tuple[int, int] | None, ...] = (None,)

    @property
    def readable(self) -> int:
        """How many records are proved."""
        return sum(map(len, self.proved.values()))

    @property
    def lost(self) -> int:
        """How many are not."""
        return self.last - self.first + 1 - self.readable


def salvage(name: SegmentName, first: int, last: int) -> Salvage:
    """Read what can be read of a damaged segment; nothing of one of another log."""
    there = bytearray(last - first + 1)
    proved: dict[int, pa.Array] = {}
    known: list[pa.Table] = []
    spans: list[tuple[int, int] | None] = []
    times = _times_of_groups(name)
    for group, span in enumerate(times):
        seqs: list[int] = []
        for record in _records(name, first, last, group):
            if not there[record.seq - first] and _is_proved(record):
                there[record.seq - first] = 1
                seqs.append(record.seq)
        if seqs:
            proved[group] = pa.array(seqs, pa.int64())
        narrow = _narrow(name, group)
        spans += [] if narrow else [span]
        known += narrow
    rest = pa.concat_tables(known) if known else _NO_ROWS
    lost = [seq for seq in set(rest["seq"].to_pylist()) if first <= seq <= last and not there[seq - first]]
    known_lost = rest.filter(pc.is_in(rest["seq"], pa.array(lost, pa.int64())))
    return Salvage(name, first, last, proved, known_lost, tuple(spans) if times else (None,))


def _times_of_groups(name: SegmentName) -> list[tuple[int, int] | None]:
    """Return the least and the greatest time of each row group, as far as the footer opens and says so."""
    try:
        with segment.open_segment(name.path) as file:
            if segment.is_written_for_another(name.path, file.metadata):
                return []
            return [segment.times_of(file.metadata.row_group(group)) for group in range(file.num_row_groups)]
    except (LogCorrupt, FileNotFoundError, IndexError):
        return []


def _records(name: SegmentName, first: int, last: int, group: int) -> Iterator[Record]:
    """Yield the records of a row group up to the first page that can't be read."""
    try:
        for table in segment.row_group(name.path, group, COLUMNS):
            for records in lists_of(table):
                yield from (record for record in records if first <= (record.seq or 0) <= last)
    except (LogCorrupt, ValueError):  # a text that is not UTF-8 is the latter
        return


def _is_proved(record: Record) -> bool:
    try:
        return not disagreement(record)
    except (AttributeError, TypeError, ValueError):  # a column without its value
        return False


def _narrow(name: SegmentName, group: int) -> list[pa.Table]:
    """Return the narrow columns of a row group, none where not all of them can be read."""
    try:
        tables = list(segment.row_group(name.path, group, _NARROW))
        if sum(table.num_rows for table in tables) != segment.rows_of(name.path, group):
            return []
        return [table.filter(pc.is_valid(table["time"])) for table in tables]
    except LogCorrupt:
        return []


@dataclass(frozen=True, slots=True)
class Around:
    """What was recorded just before and after what is lost: narrow columns, in order of seq."""

    before: pa.Table
    after: pa.Table

    def received_at(self, now: int) -> int:
        """Return when what is lost came, about (microseconds UTC): when the record before it had come."""
        rows = self.before if self.before.num_rows else self.after
        place = -1 if self.before.num_rows else 0
        return _integers(rows, "received_at")[place] if rows.num_rows else now

    def latest(self, now: int) -> int:
        """Return a time (microseconds UTC) after which no lost record lies: when the record after them had come."""
        stamps = _integers(self.after, "time")[:1] + _integers(self.after, "received_at")[:1]
        return max(stamps, default=now)


def around(listed: LogFiles, first: int, last: int) -> Around:
    """Return what there is around the records `first` … `last`."""
    return Around(_near(listed, first - _NEIGHBOURS, first - 1), _near(listed, last + 1, last + _NEIGHBOURS))


def _near(listed: LogFiles, low: int, high: int) -> pa.Table:
    tables = [_NO_ROWS]
    columns = list(_NARROW)
    for part in listed.slices:
        if part.first <= high and low <= part.last:
            try:
                tables += list(read_slice(part, low, high, columns))
            except (LogCorrupt, FileNotFoundError):
                continue
    for tail in listed.tails:
        found = [record for record in read_tail(tail.path, tail.limit()) if low <= record.seq <= high]
        tables.append(segment.table_of(found).select(columns))
    return pa.concat_tables(tables).sort_by("seq")


def _integers(rows: pa.Table, column: str) -> list[int]:
    return [stamp for stamp in rows[column].cast(pa.int64()).to_pylist() if stamp is not None]


def kinds_lost(found: Salvage, near: Around, now: int, since: int | None = None) -> list[list[str | int]]:
    """Return what is known of the records that are lost, as `rows` of the log's own word: see vanished.py.

    Where nothing is known, any time before their arrival may be theirs (a state of a snapshot, what was imported), or since
    `since` (microseconds UTC), if somebody knows so much.
    """
    days: dict[Key, set[int]] = {}
    enter_days(found.known, days)
    rows: list[list[str | int]] = [
        [*key, first, last] for key, of in sorted(days.items()) for first, last in runs_of(of)
    ]
    if found.known.num_rows < found.lost:
        spans = [span for span in found.spans if span is not None]
        if None in found.spans or not spans:
            spans.append((since or 0, max(since or 0, near.latest(now))))
        low, high = min(span[0] for span in spans), max(span[1] for span in spans)
        rows.append([ANY, ANY, ANY, low // DAY * DAY, high // DAY * DAY])
    return rows


def filled(found: Salvage, received_at: int, reason: str) -> Iterator[pa.Table]:
    """Yield the rows of the segment that takes its place: what is proved, and blank rows, as blocks of a merged segment.

    `received_at` (microseconds UTC) is given to blank rows at the beginning of which nothing is known.
    """
    known = {
        seq: (received, source)
        for seq, received, source in zip(
            found.known["seq"].to_pylist(),
            found.known["received_at"].cast(pa.int64()).to_pylist(),
            found.known["source"].to_pylist(),
            strict=True,
        )
    }
    size = maintenance.MERGED_RECORDS
    for start in range(found.first, found.last + 1, size):
        end = min(found.last, start + size - 1)
        rows = _proved_rows(found, start, end)
        came = dict(zip(rows["seq"].to_pylist(), rows["received_at"].cast(pa.int64()).to_pylist(), strict=True))
        blanks: list[Record] = []
        for seq in range(start, end + 1):
            if seq in came:
                received_at = came[seq]
            else:
                received_at, source = known.get(seq, (received_at, "homeiq"))
                blanks.append(blank(seq, received_at, source, reason))
        yield maintenance.in_order(pa.concat_tables([rows, segment.table_of(blanks)]))


def _proved_rows(found: Salvage, start: int, end: int) -> pa.Table:
    tables = [segment.table_of([])]
    for group, seqs in found.proved.items():
        here = seqs.filter(pc.and_(pc.greater_equal(seqs, start), pc.less_equal(seqs, end)))
        if found.name is not None and len(here):
            tables += _tables_with(found.name, group, here)
    return pa.concat_tables(tables)


def _tables_with(name: SegmentName, group: int, seqs: pa.Array) -> Sequence[pa.Table]:
    """Return the rows of a row group with these numbers, all of which lie before the first page that can't be read."""
    tables: list[pa.Table] = []
    try:
        for table in segment.row_group(name.path, group, COLUMNS):
            tables.append(table.filter(pc.is_in(table["seq"], seqs)))
    except LogCorrupt:
        pass
    return tables
