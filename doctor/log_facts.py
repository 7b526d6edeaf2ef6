"""What the newest part of the log says: who sent how much, when last, how late. Imports pyarrow.

A log of ten years is not read for it: from the newest segment backwards, by the statistics in the footers, until a row
group is older than is asked for, or enough rows are read; `since` says how far it came.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY, SECOND, window_of
from ..errors import LogCorrupt
from ..storage import segment
from ..storage.gaps import TOLD
from ..storage.log import log_folder
from ..storage.manifest import Slice
from ..storage.mark import mark_of
from ..storage.reader import LogFiles, list_files, records_of
from ..storage.record import BLANKS, COLUMNS, HOUSEKEEPING, STATE_TYPES, Record
from ..storage.tail import read_tail

__all__ = ["DAYS", "LogFacts", "look_at"]

DAYS: Final = 7
"""So many UTC days of arrival are counted, today's included."""

_MOST_ROWS: Final = 2_000_000
_NARROW: Final = ("seq", "time", "received_at", "source", "origin", "event_type", "entity_id")
_SAMPLE: Final = 1_000
_LATENCIES: Final = 5_000
_TRIES: Final = 5

_NUMBERS: Final = pa.schema(
    [(name, pa.int64() if name in ("seq", "time", "received_at") else pa.string()) for name in _NARROW]
)

_HOUR: Final = 3_600 * SECOND


@dataclass(slots=True)
class LogFacts:
    """What was found. Times are microseconds UTC; a day is that of arrival. The recorder's own records are not events."""

    first_seq: int = 1
    end: int = 0
    since: int = 0
    whole: bool = True
    looked_at: int = 0
    missing: list[tuple[int, int]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    by_day: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    last_day: int = 0
    began: int | None = None
    last_hour: int = 0
    last_event: dict[str, int] = field(default_factory=dict)
    last_hour_by_source: Counter[str] = field(default_factory=Counter)
    delays: dict[str, list[float]] = field(default_factory=dict)
    entities: int = 0
    attributes: float | None = None
    sensors: dict[str, Record] = field(default_factory=dict)  # what each said last, of those in the tails
    own: list[Record] = field(default_factory=list)
    files: LogFiles | None = None
    durable: int = 0

    def per_second(self, now: int, number: int, within: int) -> float:
        """Return the rate of `number` events that came within the last microseconds; a young log has fewer of these."""
        began = now - within if self.began is None else max(self.began, now - within)
        return number / max(1.0, (now - began) / SECOND)

    def delay(self, source: str) -> float | None:
        """Return the usual seconds between an event's own time and its arrival, of what came live in the last hour."""
        found = self.delays.get(source)
        return statistics.median(found) if found else None

    def least_delay(self, source: str) -> float | None:
        """Return the least of these seconds: below zero, the source's clock is ahead of ours."""
        found = self.delays.get(source)
        return min(found) if found else None


def look_at(data_dir: Path, now: int) -> LogFacts:
    """Return what the newest part of the log says at `now`. Raises LogError."""
    for attempt in range(_TRIES):
        try:
            return _look_at(data_dir, now)
        except FileNotFoundError:  # sealed or merged between being listed and being read
            if attempt == _TRIES - 1:
                raise LogCorrupt("files of the log vanish while they are read", hint="try again") from None
    raise AssertionError


def _look_at(data_dir: Path, now: int) -> LogFacts:
    mark = mark_of(log_folder(data_dir))  # asked before anything is read: all that it covers must be there
    files = list_files(data_dir)
    facts = LogFacts(first_seq=files.first_seq, missing=list(files.missing), files=files)
    facts.end = files.slices[-1].last if files.slices else files.first_seq - 1
    since = facts.since = window_of(now) - (DAYS - 1) * DAY
    tables, records = _tails(files, facts)
    rows = sum(table.num_rows for table in tables)
    for part in reversed(files.slices):
        if rows >= _MOST_ROWS:
            facts.since, facts.whole = _least(tables), False
            break
        try:
            found, own = _recent(part, since)
        except LogCorrupt as error:
            facts.damaged.append(error.message)
            continue
        if not found and part is not files.slices[-1]:
            break
        tables += found
        facts.own = own + facts.own
        rows += sum(table.num_rows for table in found)
    whole = pa.concat_tables(tables) if tables else segment.table_of([]).select(list(_NARROW))
    facts.looked_at = whole.num_rows
    _count(facts, whole, now)
    facts.own += _sign_of_life(whole, facts.own)
    facts.durable = mark.last if mark is not None else 0
    facts.attributes = _attributes(records or _newest(files))
    return facts


def _tails(files: LogFiles, facts: LogFacts) -> tuple[list[pa.Table], list[Record]]:
    """Return the tails' rows, and their newest records."""
    tables: list[pa.Table] = []
    newest: list[Record] = []
    for part in files.tails:
        records = [record for record in read_tail(part.path, part.limit()) if record.seq >= part.first]
        following = records[-1].seq + 1 if records else part.first
        if part.before is not None and following < part.before:
            facts.damaged.append(f"{part.path.name} holds a damaged record {following}")
        facts.end = max(facts.end, following - 1)
        tables.append(segment.table_of(records).select(list(_NARROW)))
        facts.own += [record for record in records if record.event_type.startswith(HOUSEKEEPING)]
        facts.sensors |= {record.entity_id or "": record for record in records if _says_a_number(record)}
        newest = (newest + records)[-_SAMPLE:]
    return tables, newest


def _says_a_number(record: Record) -> bool:
    """Tell whether a record is the state of something that measures, or that is set to a number."""
    return record.event_type in STATE_TYPES and (record.entity_id or "").startswith(("sensor.", "number."))


def _recent(part: Slice, since: int) -> tuple[list[pa.Table], list[Record]]:
    """Return the rows of the row groups of a segment that hold anything which arrived at `since` or later.

    And in order of seq what the recorder said in them of gaps.
    """
    place = COLUMNS.index("received_at")
    with segment.check_footer(part.segment) as file:
        groups = [
            group
            for group in range(file.num_row_groups)
            if _greatest(file.metadata.row_group(group).column(place).statistics) >= since
        ]
    tables: list[pa.Table] = []
    own: list[Record] = []
    for group in groups:
        found = list(segment.read_rows(part.segment, part.first, part.last, _NARROW, [group]))
        tables += found
        if any(_tells(table).num_rows for table in found):
            whole = segment.read_rows(part.segment, part.first, part.last, COLUMNS, [group])
            own += [record for table in whole for record in records_of(_tells(table))]
    return tables, sorted(own, key=lambda record: record.seq)


def _tells(table: pa.Table) -> pa.Table:
    return table.filter(pc.is_in(table["event_type"], pa.array(TOLD, pa.string())))


def _sign_of_life(rows: pa.Table, own: list[Record]) -> list[Record]:
    """Return the last record of all, without its text: whoever wrote it was alive then."""
    if not rows.num_rows:
        return []
    (last,) = rows.sort_by([("seq", "descending")]).slice(0, 1).cast(_NUMBERS).to_pylist()
    if own and own[-1].seq >= last["seq"]:
        return []
    return [Record(**last, state=None, raw="")]


def _greatest(found: object) -> int:
    if not getattr(found, "has_min_max", False):
        return 2**62
    return int(pa.scalar(found.max, pa.timestamp("us", tz="UTC")).value)  # type: ignore[attr-defined]


def _least(tables: list[pa.Table]) -> int:
    return min(int(pc.min(table["received_at"]).value) for table in tables if table.num_rows)


def _newest(files: LogFiles) -> list[Record]:
    """Return some of the last segment's records."""
    for part in reversed(files.slices):
        try:
            for table in segment.read_rows(part.segment, part.first, part.last):
                return records_of(table.slice(0, _SAMPLE))
        except LogCorrupt:
            continue
    return []


def _count(facts: LogFacts, rows: pa.Table, now: int) -> None:
    types = rows["event_type"]
    own = pc.starts_with(types, HOUSEKEEPING)
    events = rows.filter(pc.invert(pc.or_(own, pc.is_in(types, pa.array(sorted(BLANKS), pa.string())))))
    stamps = events["received_at"].cast(pa.int64())
    events = events.append_column("day", pc.subtract(stamps, _modulo(stamps)))
    events = events.append_column("at", stamps)
    recent = events.filter(pc.greater_equal(events["at"], facts.since))
    groups = recent.group_by(["source", "origin", "day"]).aggregate([("at", "count")])
    for row in groups.to_pylist():
        facts.by_day[row["source"], row["origin"] or "", row["day"]] = row["at_count"]
    facts.last_day = pc.sum(pc.greater_equal(events["at"], now - DAY)).as_py() or 0
    for row in events.group_by("source").aggregate([("at", "max")]).to_pylist():
        facts.last_event[row["source"]] = row["at_max"]
    facts.began = pc.min(events["at"]).as_py()
    facts.entities = pc.count_distinct(events["entity_id"]).as_py()
    hour = events.filter(pc.greater_equal(events["at"], now - _HOUR))
    facts.last_hour = hour.num_rows
    for row in hour.group_by("source").aggregate([("at", "count")]).to_pylist():
        facts.last_hour_by_source[row["source"]] = row["at_count"]
    _delays(facts, hour)


def _modulo(stamps: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.subtract(stamps, pc.multiply(pc.divide(stamps, DAY), DAY))


def _delays(facts: LogFacts, hour: pa.Table) -> None:
    live = pc.is_in(hour["origin"], pa.array(["live", "simulated"], pa.string()))
    live = hour.filter(pc.and_(live, pc.not_equal(hour["event_type"], "state")))  # those of a snapshot are older
    live = live.sort_by("seq").slice(max(0, live.num_rows - _LATENCIES))
    late = pc.subtract(live["at"], live["time"].cast(pa.int64())).to_pylist()
    for source, microseconds in zip(live["source"].to_pylist(), late, strict=True):
        facts.delays.setdefault(source, []).append(microseconds / SECOND)


def _attributes(records: list[Record]) -> float | None:
    """Return how many attributes a state has on average; None where there is none."""
    numbers: list[int] = []
    for record in reversed(records):
        if (
            record.event_type in STATE_TYPES
            and len(numbers) < _SAMPLE
            and (number := _attributes_of(record.raw)) is not None
        ):
            numbers.append(number)
    return statistics.fmean(numbers) if numbers else None


def _attributes_of(raw: str) -> int | None:
    try:
        said = orjson.loads(raw)
        data = said.get("data", said)
        state = data.get("new_state", data)
        return len(state["attributes"])
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
