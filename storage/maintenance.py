"""Sealing and compaction: run in a short-lived child, since they load pyarrow and the recorder must stay small.

    python -m homeiq.storage.maintenance seal DATA_DIR        every tail but the one that is being appended to
    python -m homeiq.storage.maintenance position DATA_DIR    print the next seq after the valid segments

The order of steps is what makes them safe: the new file is complete, synced, renamed and read back before anything that
it replaces is taken away; readers who see both are told apart by seq.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import HomeiqError, LogCorrupt
from . import segment
from .files import Files, locked
from .log import log_folder, log_id, tails_in
from .manifest import SegmentName, Slice, parse_segment, segment_name
from .reader import list_files, read_slice
from .record import Record
from .tail import drop_sealed, read_tail

__all__ = [
    "MERGED_RECORDS",
    "OLD_KEPT_SECONDS",
    "Sealed",
    "Watch",
    "seal",
    "compact",
    "position",
    "main",
    "retire",
    "retire_superseded",
    "seal_tails",
    "unwatched",
    "write_segment",
]

MERGED_RECORDS = 100_000
"""Compaction merges up to so many records into one segment: what a reader holds in memory at once."""

OLD_KEPT_SECONDS = 3_600
"""A superseded segment is kept so long under its name with `.old`, for whoever is still reading it."""

Sealed = list[SegmentName]

Watch = Callable[[str, int, int], None]
"""Is told what is done, with how many records of how many."""


def unwatched(what: str, done: int, total: int) -> None:
    """Tell nobody."""


def seal(data_dir: Path, files: Files | None = None) -> Sealed:
    """Seal every tail but the newest; return the new segments. Waits for other maintenance. Raises LogCorrupt, OSError."""
    files = files or Files()
    with locked(data_dir / "log" / "MAINTENANCE", "sealing", wait=True):
        return seal_tails(data_dir, files)


def seal_tails(data_dir: Path, files: Files) -> Sealed:
    """Do it, under the lock."""
    listed = list_files(data_dir)
    sealed = listed.slices[-1].last if listed.slices else 0
    tails = tails_in(log_folder(data_dir))
    made: Sealed = []
    records: list[Record] = []
    done: list[tuple[Path, int]] = []
    for (first, path), (before, _) in pairwise(tails):
        found = [record for record in read_tail(path, before) if record.seq > sealed]
        expected = records[-1].seq + 1 if records else max(first, sealed + 1)
        if before - 1 > sealed and (not found or (found[0].seq, found[-1].seq) != (expected, before - 1)):
            raise LogCorrupt(
                f"{path.name} does not reach to the next tail",
                hint="restart the recorder, which mends it",
                place=str(path),
            )
        records += found
        done.append((path, before))
        if len(records) >= segment.ROW_GROUP:
            made.append(_replace_by_segment(data_dir, records, done, files))
            records, done = [], []
    if records:
        made.append(_replace_by_segment(data_dir, records, done, files))
    else:
        _drop_tails(data_dir, done, files)
    return made


def _replace_by_segment(
    data_dir: Path, records: list[Record], tails: Sequence[tuple[Path, int]], files: Files
) -> SegmentName:
    table = segment.table_of(records)
    name = write_segment(data_dir, table, records[0].seq, records[-1].seq, 0, files)
    _drop_tails(data_dir, tails, files)
    return name


def _drop_tails(data_dir: Path, tails: Sequence[tuple[Path, int]], files: Files) -> None:
    for path, before in tails:
        drop_sealed(data_dir, path, before, files)


def write_segment(data_dir: Path, table: pa.Table, first: int, last: int, generation: int, files: Files) -> SegmentName:
    """Write a segment, and prove by reading it back that it holds what it should."""
    day = datetime.fromtimestamp(table["received_at"][0].cast(pa.int64()).as_py() / 1e6, UTC).date()
    path = log_folder(data_dir) / f"date={day}" / segment_name(first, last, generation)
    files.write_whole(path, segment.write(table, first, last, log_id(data_dir, files)))
    name = parse_segment(path)
    if name is None:
        raise LogCorrupt(f"{path.name} is not the name of a segment", place=str(path))
    files.sync_folder(log_folder(data_dir))  # Whoever made the folder may have been killed before it was durable.
    try:
        segment.check_whole(name)
        if not pa.concat_tables(list(segment.read_rows(name, first, last))).equals(table):
            raise LogCorrupt(f"{path.name} was read back otherwise than it was written", place=str(path))
    except LogCorrupt as error:  # It must not speak for records that it does not hold.
        files.quarantine(data_dir, path.name, path.read_bytes(), str(error))
        files.remove(path)
        raise
    return name


def compact(
    data_dir: Path, files: Files | None = None, *, least: int = 2, watch: Watch = unwatched
) -> tuple[Sealed, Sealed]:
    """Seal all tails but the newest, merge small segments; return the sealed and the merged. Raises LogCorrupt, OSError.

    The rows of a merged segment are in order of day, event type, entity, time: so one entity's history and one day's
    events each read little (by event type first: 1.6 % smaller). Fewer than `least` segments are merged only if no more
    fit in.
    """
    files = files or Files()
    with locked(data_dir / "log" / "MAINTENANCE", "compacting", wait=True):
        sealed = seal_tails(data_dir, files)
        retire_superseded(data_dir, files)
        _remove_old(data_dir, files)
        groups = _groups(list_files(data_dir).slices)
        chosen = [
            group
            for place, group in enumerate(groups)
            if len(group) > 1 and (len(group) >= least or place < len(groups) - 1)
        ]
        merged: Sealed = []
        done, total = 0, sum(map(_size_of, chosen))
        for group in chosen:
            watch("merged", done, total)
            merged.append(_merge(data_dir, group, files))
            done += _size_of(group)
        watch("merged", done, total)
    return sealed, merged


def _size_of(group: Sequence[Slice]) -> int:
    """Return how many records a group holds."""
    return group[-1].last - group[0].first + 1


def _groups(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Return runs of adjacent segments that can be merged into one each."""
    groups: list[list[Slice]] = []
    size = 0
    for part in slices:
        count = part.last - part.first + 1
        adjacent = groups and groups[-1][-1].last + 1 == part.first
        if adjacent and size + count <= MERGED_RECORDS:
            groups[-1].append(part)
            size += count
        else:
            groups.append([part])
            size = count
    return groups


def _merge(data_dir: Path, group: Sequence[Slice], files: Files) -> SegmentName:
    rows = pa.concat_tables([table for part in group for table in read_slice(part, part.first, part.last)])
    day = pc.floor_temporal(rows["time"], unit="day")
    rows = rows.append_column("day", day).sort_by(
        [(name, "ascending") for name in ("day", "event_type", "entity_id", "time", "seq")]
    )
    generation = 1 + max(part.segment.generation for part in group)
    name = write_segment(data_dir, rows.drop_columns(["day"]), group[0].first, group[-1].last, generation, files)
    for loser in {part.segment for part in group}:
        if name.first <= loser.first and loser.last <= name.last:
            retire(loser, files)
    return name


def retire(loser: SegmentName, files: Files) -> None:
    """Set a segment aside for those who read it still: it speaks for nothing any more."""
    files.replace(loser.path, loser.path.with_name(loser.path.name + ".old"))


def retire_superseded(data_dir: Path, files: Files) -> None:
    """Set aside what a compaction had merged already when it was interrupted."""
    speaking = {part.segment for part in list_files(data_dir).slices}
    for loser in _segments(data_dir):
        covering = [name for name in speaking if name.first <= loser.first and loser.last <= name.last]
        if loser not in speaking and any(segment.is_valid(name) for name in covering) and segment.is_valid(loser):
            retire(loser, files)


def _remove_old(data_dir: Path, files: Files) -> None:
    """Remove what nobody reads any more, and what a process that was killed had only begun to write."""
    for pattern in ("date=*/*.parquet.old", "date=*/*.tmp"):
        for path in log_folder(data_dir).glob(pattern):
            if time.time() - path.stat().st_ctime > OLD_KEPT_SECONDS:
                files.remove(path)


def position(data_dir: Path) -> int:
    """Return the next seq after the valid segments."""
    for name in sorted(_segments(data_dir), key=lambda name: name.last, reverse=True):
        if segment.is_valid(name):
            return name.last + 1
    return 1


def _segments(data_dir: Path) -> list[SegmentName]:
    return [name for path in log_folder(data_dir).glob("date=*/*.parquet") if (name := parse_segment(path))]


def main(arguments: Sequence[str]) -> int:
    """Do what the child was started for; return its exit code."""
    match arguments:
        case ["seal", data_dir]:
            os.nice(10)  # never in the way of whoever appends
            for name in seal(Path(data_dir)):
                sys.stdout.write(f"{name.path}\n")
        case ["position", data_dir]:
            sys.stdout.write(f"{position(Path(data_dir))}\n")
        case _:
            sys.stderr.write("usage: python -m homeiq.storage.maintenance seal|position DATA_DIR\n")
            return 2
    return 0


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1:]))
    except (HomeiqError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        raise SystemExit(1) from None
