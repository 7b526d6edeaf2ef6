"""What can still be read of a damaged segment, and proved; and the rows that take its place. Imports pyarrow.

A record is proved by the checksums of Parquet's pages, and by its columns being what `raw` says. Of the others the narrow
columns may be readable: then it is known what kind of record is lost, and of which day.
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
from .manifest import SegmentName
from .reader import LogFiles, lists_of, read_slice
from .record import COLUMNS, Record, blank
from .removal import enter_days
from .tail import read_tail
from .vanished import ANY, Key, runs_of

__all__ = ["Around", "Salvage", "around", "filled", "kinds_lost", "salvage"]

_NARROW: Final = ("seq", "time", "received_at", "source", "event_type", "entity_id")
_NEIGHBOURS: Final = 1_000
"""So many records before and after say when came what is lost."""

_LATE: Final = pa.array(["import", "backfill"])
"""Origins of records that speak of an earlier time than that of their arrival."""

_NO_ROWS: Final = segment.table_of([]).select(list(_NARROW))


@dataclass(frozen=True, slots=True)
class Salvage:
    """The records `first` … `last` of a damaged segment (None: it is gone): `proved`, the seqs that can be read, by row
    group; `known`, the narrow columns of others, as far as they can be read.
    """

    name: SegmentName | None
    first: int
    last: int
    proved: dict[int, pa.Array] = field(default_factory=dict)
    known: pa.Table = field(default_factory=lambda: _NO_ROWS)

    @property
    def readable(self) -> int:
        """How many records are proved."""
        return sum(map(len, self.proved.values()))

    @property
    def lost(self) -> int:
        """How many are not."""
        return self.last - self.first + 1 - self.readable


def salvage(name: SegmentName, first: int, last: int) -> Salvage:
    """Read what can be read of a damaged segment. Raises LogTooNew."""
    there = bytearray(last - first + 1)
    proved: dict[int, pa.Array] = {}
    known: list[pa.Table] = []
    for group in range(_groups_of(name)):
        seqs: list[int] = []
        for record in _records(name, first, last, group):
            if first <= record.seq <= last and not there[record.seq - first] and _is_proved(record):
                there[record.seq - first] = 1
                seqs.append(record.seq)
        if seqs:
            proved[group] = pa.array(seqs, pa.int64())
        known += _narrow(name, first, last, group)
    rest = pa.concat_tables(known) if known else _NO_ROWS
    lost = pa.array([seq for seq in set(rest["seq"].to_pylist()) if first <= seq <= last and not there[seq - first]])
    return Salvage(name, first, last, proved, rest.filter(pc.is_in(rest["seq"], lost.cast(pa.int64()))))


def _groups_of(name: SegmentName) -> int:
    try:
        with segment.check_footer(name) as file:
            return int(file.num_row_groups)
    except (LogCorrupt, FileNotFoundError):
        return 0


def _records(name: SegmentName, first: int, last: int, group: int) -> Iterator[Record]:
    """Yield the records of a row group up to the first page that can't be read."""
    try:
        for table in segment.read_rows(name, first, last, COLUMNS, [group]):
            for records in lists_of(table):
                yield from records
    except (LogCorrupt, ValueError):  # a text that is not UTF-8 is the latter
        return


def _is_proved(record: Record) -> bool:
    try:
        return not disagreement(record)
    except (AttributeError, TypeError, ValueError):  # a column without its value
        return False


def _narrow(name: SegmentName, first: int, last: int, group: int) -> list[pa.Table]:
    try:
        tables = list(segment.read_rows(name, first, last, _NARROW, [group]))
        return [table.filter(pc.is_valid(table["time"])) for table in tables]
    except LogCorrupt:
        return []


@dataclass(frozen=True, slots=True)
class Around:
    """What was recorded just before and after what is lost: narrow columns, in order of seq."""

    before: pa.Table
    after: pa.Table

    @property
    def received_at(self) -> int:
        """When what is lost came, about (microseconds UTC): when the record before it had come."""
        rows = self.before if self.before.num_rows else self.after
        place = -1 if self.before.num_rows else 0
        return _integers(rows, "received_at")[place] if rows.num_rows else 0

    def times(self, now: int) -> tuple[int, int]:
        """Return between which times (microseconds UTC) those of the lost records lie, as far as can be told.

        Live records lie between the arrival of their neighbours. What was imported or backfilled has earlier times: those
        of the rows around say between which; where only what comes after was imported, any earlier time may be.
        """
        nearest = pa.concat_tables([self.before.slice(max(0, self.before.num_rows - 1)), self.after.slice(0, 1)])
        late = [rows.filter(pc.is_in(rows["origin"], _LATE)) for rows in (self.before, self.after)]
        rows = pa.concat_tables([nearest, *late])
        stamps = _integers(rows, "time") + _integers(rows, "received_at")
        began_here = _has_imported(self.after) and not _has_imported(self.before)
        low = min(stamps) if self.before.num_rows and not began_here else 0
        return low, max(stamps) if self.after.num_rows else now


def around(listed: LogFiles, first: int, last: int) -> Around:
    """Return what there is around the records `first` … `last`."""
    return Around(_near(listed, first - _NEIGHBOURS, first - 1), _near(listed, last + 1, last + _NEIGHBOURS))


def _near(listed: LogFiles, low: int, high: int) -> pa.Table:
    tables = [_NO_ROWS.append_column("origin", pa.array([], pa.string()))]
    columns = [*_NARROW, "origin"]
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


def _has_imported(rows: pa.Table) -> bool:
    return bool(pc.any(pc.equal(rows["origin"], "import")).as_py())


def _integers(rows: pa.Table, column: str) -> list[int]:
    return [stamp for stamp in rows[column].cast(pa.int64()).to_pylist() if stamp is not None]


def kinds_lost(found: Salvage, near: Around, now: int) -> list[list[str | int]]:
    """Return what is known of the records that are lost, as `rows` of the log's own word: see vanished.py."""
    days: dict[Key, set[int]] = {}
    enter_days(found.known, days)
    rows: list[list[str | int]] = [
        [*key, first, last] for key, of in sorted(days.items()) for first, last in runs_of(of)
    ]
    if found.known.num_rows < found.lost:
        low, high = near.times(now)
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
        for table in segment.read_rows(name, name.first, name.last, COLUMNS, [group]):
            tables.append(table.filter(pc.is_in(table["seq"], seqs)))
    except LogCorrupt:
        pass
    return tables
