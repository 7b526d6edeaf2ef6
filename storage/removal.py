"""Records that go: what the settings let expire, and what a person wants forgotten. Imports pyarrow.

Such a record becomes a blank row, which keeps its place: seq, received_at, source and origin stay, its time is that of its
arrival, all else is gone. Rows stay in their order and row group, so that whoever reads by an older list reads right.

Expiring: the log says first what goes; then each segment is written anew with the next generation, read back, and the old
one set aside for an hour. Forgetting: nothing of the old is kept, the name of the old segment with `.old` then holds the
blank rows; the log says last what has gone. Whoever is killed in between does it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY
from ..errors import LogCorrupt
from ..retention import RetentionSettings
from . import segment
from .files import Files, locked
from .log import log_folder, log_id, segments_in
from .maintenance import Watch, is_trusted, retire, retire_superseded, seal_tails, unwatched, write_segment
from .manifest import SegmentName, parse_segment
from .reader import list_files
from .record import BLANKS, COLUMNS, GONE, HEARTBEAT, blank
from .vanished import Forgotten, Key, never_expires, runs_of

__all__ = [
    "Note",
    "Removed",
    "Rules",
    "blanked",
    "enter_days",
    "expire",
    "forget",
    "forgotten_in",
    "mask_of",
    "rules_of",
]

_log = logging.getLogger(__name__)

Note = Callable[[str, Mapping[str, Any]], None]
"""Makes the recorder's own word `what`, with its facts, durable in the log, before it returns. Raises HomeiqError."""

_DECIDING = ("seq", "entity_id", "time")
"""Columns that decide whether a record is forgotten."""

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
        speaking = _speaking(data_dir)
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
            _blank_segment(data_dir, name, cutoffs.mask, "expired", files)
            retire(name, files)
            done += _size_of(name)
            watch("rewritten", done, total)
        return Removed(sum(going.values()), len(rewritten), len(leading))


def forget(
    data_dir: Path,
    entity: Callable[[str], bool],
    since: int | None,
    until: int | None,
    files: Files | None = None,
    *,
    watch: Watch = unwatched,
    before: int | None = None,
    told: Callable[[int, bool], None] = lambda records, left: None,
) -> Removed:
    """Make blank rows of the sealed records of these entities with times in [since, until), microseconds UTC.

    With `before`, only of those that were recorded before that seq. Of the old segments nothing is left. In the end `told`
    is called with how many records went, and whether some may be left, and lets the log say so. Raises OSError; LogCorrupt
    for a damaged segment, when all others are done and told.
    """
    files = files or Files()

    def mask(table: pa.Table) -> pa.ChunkedArray:
        found = mask_of(table, entity, since, until)
        return found if before is None else pc.and_(found, pc.less(table["seq"], before))

    with locked(data_dir / "log" / "MAINTENANCE", "forgetting", wait=True):
        seal_tails(data_dir, files)
        retire_superseded(data_dir, files)
        records = segments = done = 0
        names = _speaking(data_dir)
        total = sum(map(_size_of, names))
        damaged: list[LogCorrupt] = []
        for name in names:
            done += _size_of(name)
            watch("looked through", done, total)
            try:
                count = pc.sum(mask(_columns(name, _DECIDING))).as_py() or 0
                if count:
                    segment.check_whole(name)
            except LogCorrupt as error:
                damaged.append(error)
                continue
            if count:
                new = _blank_segment(data_dir, name, mask, "forgotten", files)
                # Whoever reads by an older list finds the blank rows under the old name.
                files.write_whole(name.path.with_name(name.path.name + ".old"), new.path.read_bytes())
                files.remove(name.path)
                records, segments = records + count, segments + 1
        for path in sorted(log_folder(data_dir).glob("date=*/*.parquet.old")):
            _forget_superseded(path, mask, log_id(data_dir, files), files)
        for name in sorted(set(segments_in(log_folder(data_dir))).difference(_speaking(data_dir))):
            _forget_silent(name, mask, log_id(data_dir, files), files)
        told(records, bool(damaged))
        if damaged:
            raise LogCorrupt(
                f"{records} records are forgotten, but {damaged[0].message}",
                hint="homeiq mend, and run it again",
                place=damaged[0].place,
            )
        return Removed(records, segments)


def mask_of(table: pa.Table, entity: Callable[[str], bool], since: int | None, until: int | None) -> pa.ChunkedArray:
    """Return for each row of a table whether it is of these entities, with a time in [since, until) (microseconds UTC)."""
    names = [name for name in pc.unique(table["entity_id"]).to_pylist() if name is not None and entity(name)]
    found = pc.is_in(table["entity_id"], pa.array(names, pa.string()))
    if since is not None:
        found = pc.and_(found, pc.greater_equal(table["time"], pa.scalar(since, _STAMP)))
    if until is not None:
        found = pc.and_(found, pc.less(table["time"], pa.scalar(until, _STAMP)))
    return found


def forgotten_in(table: pa.Table, forgotten: Iterable[Forgotten]) -> pa.ChunkedArray:
    """Return for each row of a table whether it was forgotten after it had been recorded."""
    found = pc.equal(table["seq"], 0)
    for one in forgotten:
        mask = pc.fill_null(mask_of(table, one.matches, one.since, one.until), False)
        found = pc.or_(found, pc.and_(mask, pc.less(table["seq"], one.seq)))
    return found


def _forget_superseded(path: Path, mask: Callable[[pa.Table], pa.ChunkedArray], log: str, files: Files) -> None:
    """Blank the rows of a file that is kept only for those who read it still; one that can't be read goes."""
    name = parse_segment(path.with_suffix(""))
    if name is None or name.path.exists():
        files.remove(path)
        return
    try:
        if not pc.any(mask(_columns(name, _DECIDING))).as_py():
            return
        rows = (blanked(table, mask(table), "forgotten") for table in segment.row_groups(name))
        content = segment.write(rows, name.first, name.last, log)
    except Exception:  # whatever is wrong with it: it speaks for nothing, and may hold what is to be forgotten
        files.remove(path)
        return
    files.write_whole(path, content)


def _forget_silent(name: SegmentName, mask: Callable[[pa.Table], pa.ChunkedArray], log: str, files: Files) -> None:
    """Blank the rows of a segment for which others speak, and that stays since it says more than they do."""
    try:
        if segment.is_foreign(name) or not pc.any(mask(_columns(name, _DECIDING))).as_py():
            return
        segment.check_whole(name)
    except (LogCorrupt, FileNotFoundError):
        return
    rows = (blanked(table, mask(table), "forgotten") for table in segment.row_groups(name))
    files.write_whole(name.path, segment.write(rows, name.first, name.last, log))


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
    table = _columns(name, ("time", "source", "event_type", "entity_id"))
    gone = table.filter(cutoffs.mask(table))
    enter_days(gone, days)
    return int(gone.num_rows)


def enter_days(gone: pa.Table, days: dict[Key, set[int]]) -> None:
    """Enter by kind on which days (microseconds UTC of their beginning) rows lay that go."""
    domain = pc.fill_null(
        pc.list_element(pc.split_pattern(pc.fill_null(gone["entity_id"], ""), ".", max_splits=1), 0), ""
    )
    day = pc.floor_temporal(gone["time"], unit="day").cast(pa.int64())
    kinds = pa.table({"source": gone["source"], "event_type": gone["event_type"], "domain": domain, "day": day})
    for row in kinds.group_by(["source", "event_type", "domain", "day"]).aggregate([]).to_pylist():
        days.setdefault((row["source"], row["event_type"], row["domain"]), set()).add(row["day"])


def _leading_blank(names: Sequence[SegmentName], cutoffs: _Cutoffs) -> list[SegmentName]:
    """Return the segments at the log's beginning of which no record would be left."""
    leading = []
    for name in names:
        table = _columns(name, ("time", "event_type"))
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
    times = _columns(names[-1], ("received_at",))["received_at"].cast(pa.int64())
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
        table = _columns(name, ("time", "event_type"))
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


def _blank_segment(
    data_dir: Path, name: SegmentName, mask: Callable[[pa.Table], pa.ChunkedArray], reason: str, files: Files
) -> SegmentName:
    """Write a segment's next generation, in which the rows that the mask names are blank."""

    def rows() -> Iterator[pa.Table]:
        return (blanked(table, mask(table), reason) for table in segment.row_groups(name))

    return write_segment(data_dir, rows, name.first, name.last, name.generation + 1, files)


def blanked(table: pa.Table, gone: pa.ChunkedArray, reason: str) -> pa.Table:
    """Return the rows in their order, those that go as blank rows."""
    text = pa.string()
    new = {
        "time": table["received_at"],
        "event_type": pa.scalar(GONE, text),
        "entity_id": pa.scalar(None, text),
        "state": pa.scalar(None, text),
        "raw": pa.scalar(blank(1, 0, "", reason).raw, text),
    }
    columns = [pc.if_else(gone, new[column], table[column]) if column in new else table[column] for column in COLUMNS]
    return pa.table(columns, schema=segment.SCHEMA)


def _size_of(name: SegmentName) -> int:
    return name.last - name.first + 1


def _is_readable(name: SegmentName) -> bool:
    """Tell whether what decides about its records can be read; says why not."""
    try:
        _columns(name, ("time", "received_at", "source", "event_type", "entity_id"))
    except LogCorrupt as error:
        _log.warning("%s: nothing of it expires; homeiq verify says which records are concerned", error)
        return False
    return True


def _columns(name: SegmentName, columns: Iterable[str]) -> pa.Table:
    return pa.concat_tables(list(segment.read_rows(name, name.first, name.last, list(columns))))


def _speaking(data_dir: Path) -> list[SegmentName]:
    """Return the segments that speak for records, in order."""
    return sorted({part.segment for part in list_files(data_dir).slices})
