"""The log up to one seq, read by time instead of by seq: what a window's replay reads. Imports pyarrow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import LogCorrupt
from . import segment
from .manifest import Slice
from .reader import LogFiles, TailPart, list_files
from .record import COLUMNS
from .tail import read_tail

__all__ = ["LogView"]

_NARROW = ("seq", "time", "event_type", "entity_id")
"""The columns that decide what is wanted."""


class LogView:
    """All records up to `upto` (None: all that are there now), as they were when the view was made.

    Tails are held in memory, segments are read when they are asked for: FileNotFoundError then says that one was
    superseded meanwhile, and that a new view is needed.
    """

    def __init__(self, data_dir: Path, upto: int | None = None) -> None:
        """Raises LogCorrupt if a range of records is missing."""
        files, tail = _consistent(data_dir, upto)
        if files.missing:
            ranges = ", ".join(f"{first} to {last}" for first, last in files.missing)
            raise LogCorrupt(f"the records {ranges} are missing from the log", place=str(data_dir))
        self.tail = tail
        self.slices = [part for part in files.slices if upto is None or part.first <= upto]
        self._upto = upto
        self._bounds: dict[Path, list[tuple[int, int]]] = {}

    @property
    def last_seq(self) -> int:
        """The last record of the view, 0 if it has none."""
        ends = [part.last for part in self.slices] + ([self.tail["seq"][-1].as_py()] if self.tail.num_rows else [])
        last = max(ends, default=0)
        return last if self._upto is None else min(last, self._upto)

    def scan(
        self,
        columns: Sequence[str] = COLUMNS,
        *,
        start: int | None = None,
        end: int | None = None,
        event_types: Sequence[str] | None = None,
        entities: tuple[str | None, str | None] | None = None,
    ) -> Iterator[pa.Table]:
        """Yield tables of the records with time in [start, end) and one of these event types, in no particular order.

        `entities` are the first and the last entity_id wanted, by the order of their UTF-8 bytes.
        """
        wanted = _Wanted(start, end, event_types, entities)
        for part in self.slices:
            groups = [
                group
                for group, (low, high) in enumerate(self._times(part))
                if (end is None or low < end) and (start is None or high >= start)
            ]
            last = part.last if self._upto is None else min(part.last, self._upto)
            for group in groups:
                yield from self._scan_group(part, last, group, columns, wanted)
        if self.tail.num_rows:
            yield self.tail.take(pc.indices_nonzero(wanted.mask(self.tail))).select(list(columns))

    def _scan_group(
        self, part: Slice, last: int, group: int, columns: Sequence[str], wanted: _Wanted
    ) -> Iterator[pa.Table]:
        """Yield what is wanted of a row group; the wide columns are read only where there is anything."""
        narrow = list(segment.read_rows(part.segment, part.first, last, _NARROW, [group]))
        mask = pa.chunked_array([wanted.mask(table) for table in narrow], pa.bool_())
        if not pc.any(mask).as_py():
            return
        tables: Iterable[pa.Table] = narrow
        if not set(columns) <= set(_NARROW):
            tables = segment.read_rows(part.segment, part.first, last, columns, [group])
        place = 0
        for table in tables:
            rows = pc.indices_nonzero(mask.slice(place, table.num_rows))
            place += table.num_rows
            if len(rows):
                yield table.take(rows).select(list(columns))

    def _times(self, part: Slice) -> list[tuple[int, int]]:
        """Return the least and the greatest time of each row group, from the footer."""
        bounds = self._bounds.get(part.segment.path)
        if bounds is None:
            with segment.check_footer(part.segment) as file:
                bounds = [_bounds(file.metadata.row_group(group)) for group in range(file.num_row_groups)]
            self._bounds[part.segment.path] = bounds
        return bounds


def _bounds(group: pq.RowGroupMetaData) -> tuple[int, int]:
    statistics = group.column(COLUMNS.index("time")).statistics
    if statistics is None or not statistics.has_min_max:
        return -(2**63), 2**63 - 1
    low, high = (pa.scalar(value, pa.timestamp("us", tz="UTC")) for value in (statistics.min, statistics.max))
    return low.value, high.value


class _Wanted(NamedTuple):
    """Which records a scan wants; see LogView.scan."""

    start: int | None
    end: int | None
    event_types: Sequence[str] | None
    entities: tuple[str | None, str | None] | None

    def mask(self, table: pa.Table) -> pa.Array:
        """Return for each row whether it is wanted."""
        stamp = pa.timestamp("us", tz="UTC")
        first, last = self.entities or (None, None)
        masks = [pa.chunked_array([pa.repeat(True, table.num_rows)])]
        if self.start is not None:
            masks.append(pc.greater_equal(table["time"], pa.scalar(self.start, stamp)))
        if self.end is not None:
            masks.append(pc.less(table["time"], pa.scalar(self.end, stamp)))
        if self.event_types is not None:
            masks.append(pc.is_in(table["event_type"], value_set=pa.array(self.event_types, pa.string())))
        if first is not None:
            masks.append(pc.greater_equal(table["entity_id"], first))
        if last is not None:
            masks.append(pc.less_equal(table["entity_id"], last))
        return reduce(pc.and_, masks).combine_chunks()


def _consistent(data_dir: Path, upto: int | None) -> tuple[LogFiles, pa.Table]:
    """List the files and read the tails of that list; again when one was sealed in between."""
    while True:
        files = list_files(data_dir)
        try:
            tables = [_tail_table(part, upto) for part in files.tails]
        except FileNotFoundError:
            continue
        return files, pa.concat_tables(tables or [segment.table_of([])])


def _tail_table(part: TailPart, upto: int | None) -> pa.Table:
    limits = [limit for limit in (part.before, None if upto is None else upto + 1) if limit is not None]
    records = read_tail(part.path, min(limits, default=None))
    following = records[-1].seq + 1 if records else part.first
    if part.before is not None and following < min(limits):
        raise LogCorrupt(
            f"{part.path.name} holds a damaged record {following}",
            hint="restart the recorder, which mends it",
            place=str(part.path),
        )
    return segment.table_of([record for record in records if record.seq >= part.first])
