"""The log up to one seq, read by time instead of by seq: what a window's replay reads. Imports pyarrow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..choice import Choice
from ..errors import LogCorrupt
from . import segment
from .manifest import Slice
from .reader import LogFiles, TailPart, list_files, missing_records, records_of
from .record import COLUMNS, EXPIRED, FORGETTING, FORGOTTEN, LOST
from .tail import read_tail
from .vanished import Vanished, vanished_of

__all__ = ["LogView", "chosen_rows"]

_NARROW = ("seq", "time", "source", "event_type", "entity_id")
"""The columns that decide what is wanted."""


_STATES = frozenset({"state_changed", "state"})


@dataclass(frozen=True, slots=True)
class _Held:
    """What a row group holds: event types, and the domains of entities."""

    event_types: frozenset[str]
    domains: frozenset[str]

    @classmethod
    def of(cls, table: pa.Table) -> _Held:
        entities = pc.unique(table["entity_id"]).to_pylist()
        domains = frozenset(entity.partition(".")[0] for entity in entities if entity is not None)
        return cls(frozenset(pc.unique(table["event_type"]).to_pylist()), domains)

    def may_have(self, event_types: Sequence[str] | None, domains: Sequence[str]) -> bool:
        wanted = self.event_types if event_types is None else self.event_types.intersection(event_types)
        return bool(wanted) and not (domains and wanted <= _STATES and self.domains.isdisjoint(domains))


class _Bounds(NamedTuple):
    """The least and the greatest in a row group: time (microseconds UTC), event type, entity; None where not known."""

    low: int
    high: int
    types: tuple[bytes, bytes] | None
    entities: tuple[bytes, bytes] | None

    def may_have(self, event_types: Sequence[str] | None, domains: Sequence[str]) -> bool:
        """Tell whether a record of one of these event types, if a state then of one of these domains, may be in it."""
        if self.types is None or event_types is None:
            return True
        first, last = self.types
        here = {name for name in event_types if first <= name.encode() <= last}
        if not here or not domains or not here <= _STATES or self.entities is None:
            return bool(here)
        first, last = self.entities
        return any(f"{name}.".encode() <= last and f"{name}/".encode() > first for name in domains)  # / comes after .


class LogView:
    """All records up to `upto` (None: all that are there now), as they were when the view was made.

    Tails are held in memory, segments are read when they are asked for: FileNotFoundError then says that one was
    superseded meanwhile, and that a new view is needed.
    """

    def __init__(self, data_dir: Path, upto: int | None = None, *, lacking: bool = False) -> None:
        """Raises LogCorrupt if a range of records is missing; `lacking`: it may be, and what is damaged is passed over."""
        files, tail = _consistent(data_dir, upto)
        if files.missing and not lacking:
            raise missing_records(files.missing, data_dir)
        self._data_dir = data_dir
        self._lacking = lacking
        self.tail = tail
        self.slices = [part for part in files.slices if upto is None or part.first <= upto]
        self._upto = upto
        self._bounds: dict[Path, list[_Bounds]] = {}
        self._held: dict[tuple[Slice, int], _Held] = {}  # of the row groups that were read

    @property
    def last_seq(self) -> int:
        """The last record of the view, 0 if it has none."""
        ends = [part.last for part in self.slices] + ([self.tail["seq"][-1].as_py()] if self.tail.num_rows else [])
        last = max(ends, default=0)
        return last if self._upto is None else min(last, self._upto)

    @cached_property
    def vanished(self) -> Vanished:
        """What the log says, now and not only up to `upto`, of records that it does not hold any more.

        A log says so before anything expires, and this is asked after the view was made: so nothing of what the view
        reads has expired without being named here.
        """
        tables = LogView(self._data_dir, lacking=self._lacking).scan(event_types=(EXPIRED, FORGETTING, FORGOTTEN, LOST))
        return vanished_of([record for table in tables for record in records_of(table)])

    def scan(
        self,
        columns: Sequence[str] = COLUMNS,
        *,
        start: int | None = None,
        end: int | None = None,
        event_types: Sequence[str] | None = None,
        entities: tuple[str | None, str | None] | None = None,
        domains: Sequence[str] = (),
        wanted: pc.Expression | None = None,
        without: Callable[[int, int], bool] = lambda low, high: False,
    ) -> Iterator[pa.Table]:
        """Yield tables of the records with time in [start, end) and one of these event types, in no particular order.

        `entities` are the first and the last entity_id wanted, by the order of their UTF-8 bytes; `wanted` is a condition
        on source, event_type and entity_id. Where `domains` are named, `wanted` names them too, for states at least: a row
        group with nothing but states, of none of these domains, is not read again. A row group can be left out by its least
        and greatest time: it is asked for when its turn comes.
        """
        condition = _condition(start, end, event_types, entities, wanted)

        def wants(bounds: _Bounds) -> bool:
            return (
                (end is None or bounds.low < end)
                and (start is None or bounds.high >= start)
                and bounds.may_have(event_types, domains)
            )

        for part in self.slices:
            last = part.last if self._upto is None else min(part.last, self._upto)
            for group, bounds in enumerate(self._bounds_of(part)):
                if not wants(bounds) or without(bounds.low, bounds.high):
                    continue
                held = self._held.get((part, group))
                if held is not None and not held.may_have(event_types, domains):
                    continue
                try:
                    yield from self._scan_group(part, last, group, columns, condition)
                except LogCorrupt:
                    if not self._lacking:
                        raise
        if self.tail.num_rows:
            yield _filtered(self.tail, condition).select(list(columns))

    def _scan_group(
        self, part: Slice, last: int, group: int, columns: Sequence[str], condition: pc.Expression | None
    ) -> Iterator[pa.Table]:
        """Yield what is wanted of a row group; the wide columns are read only where there is anything."""
        narrow = list(segment.read_rows(part.segment, part.first, last, _NARROW, [group]))
        tables: Iterable[pa.Table] = narrow
        whole = pa.concat_tables(narrow)
        if (part, group) not in self._held:
            self._held[part, group] = _Held.of(whole)
        rows = _filtered(whole.append_column("row", pa.arange(0, whole.num_rows, 1)), condition)["row"]
        if not len(rows):
            return
        if not set(columns) <= set(_NARROW):
            tables = segment.read_rows(part.segment, part.first, last, columns, [group])
        place = 0
        for table in tables:
            following = place + table.num_rows
            here = rows.filter(pc.and_(pc.greater_equal(rows, place), pc.less(rows, following)))
            if len(here):
                yield table.take(pc.subtract(here, place)).select(list(columns))
            place = following

    def _bounds_of(self, part: Slice) -> list[_Bounds]:
        """Return the bounds of each row group, from the footer."""
        bounds = self._bounds.get(part.segment.path)
        if bounds is None:
            try:
                with segment.check_footer(part.segment) as file:
                    bounds = [_bounds(file.metadata.row_group(group)) for group in range(file.num_row_groups)]
            except LogCorrupt:
                if not self._lacking:
                    raise
                bounds = []
            self._bounds[part.segment.path] = bounds
        return bounds


def chosen_rows(table: pa.Table, choice: Choice) -> pa.Table:
    """Return the rows of a table that are chosen; it has the columns event_type and entity_id.

    Each entity and each event type of the table is asked for once.
    """
    if choice.everything:
        return table
    for column, wants in (("event_type", choice.wants_type), ("entity_id", choice.wants_entity)):
        names = pc.unique(table[column]).to_pylist()
        unwanted = [name for name in names if name is not None and not wants(name)]
        if unwanted:
            table = table.filter(pc.invert(pc.is_in(table[column], pa.array(unwanted, pa.string()))))
    return table


def _bounds(group: pq.RowGroupMetaData) -> _Bounds:
    low, high = segment.times_of(group) or (-(2**63), 2**63 - 1)
    return _Bounds(low, high, _ends(group, "event_type"), _ends(group, "entity_id"))


def _ends(group: pq.RowGroupMetaData, column: str) -> tuple[bytes, bytes] | None:
    """Return the least and the greatest text of a column, in UTF-8: by that they are ordered in the file."""
    statistics = group.column(COLUMNS.index(column)).statistics
    try:
        if statistics is None or not statistics.has_min_max:
            return None
        return statistics.min.encode(), statistics.max.encode()
    except UnicodeDecodeError:  # it is damaged: then nothing is known
        return None


def _condition(
    start: int | None,
    end: int | None,
    event_types: Sequence[str] | None,
    entities: tuple[str | None, str | None] | None,
    wanted: pc.Expression | None,
) -> pc.Expression | None:
    conditions: list[pc.Expression] = [] if wanted is None else [wanted]
    stamp = pa.timestamp("us", tz="UTC")
    if start is not None:
        conditions.append(pc.field("time") >= pa.scalar(start, stamp))
    if end is not None:
        conditions.append(pc.field("time") < pa.scalar(end, stamp))
    if event_types is not None:
        conditions.append(pc.field("event_type").isin(pa.array(event_types, pa.string())))
    if entities is not None:
        first, last = entities
        if first is not None:
            conditions.append(pc.field("entity_id") >= first)
        if last is not None:
            conditions.append(pc.field("entity_id") <= last)
    whole: pc.Expression | None = None
    for condition in conditions:
        whole = condition if whole is None else whole & condition
    return whole


def _filtered(table: pa.Table, condition: pc.Expression | None) -> pa.Table:
    return table if condition is None else table.filter(condition)


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
    limits = [limit for limit in (part.limit(), None if upto is None else upto + 1) if limit is not None]
    records = read_tail(part.path, min(limits, default=None))
    following = records[-1].seq + 1 if records else part.first
    if part.before is not None and following < min(limits):
        raise LogCorrupt(
            f"{part.path.name} holds a damaged record {following}",
            hint="restart the recorder, which mends it",
            place=str(part.path),
        )
    return segment.table_of([record for record in records if record.seq >= part.first])
