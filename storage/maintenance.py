"""Sealing and compaction: run in a short-lived child, since they load pyarrow and the recorder must stay small.

    python -m homeiq.storage.maintenance seal DATA_DIR        every tail but the one that is being appended to
    python -m homeiq.storage.maintenance position DATA_DIR    print the next seq after the valid segments

The order of steps is what makes them safe: the new file is complete, synced, renamed and read back before anything that
it replaces is taken away; readers who see both are told apart by seq.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import HomeiqError, LogCorrupt
from . import segment
from .files import Files, locked
from .log import log_folder, log_id, segments_in, tails_in
from .manifest import SegmentName, Slice, parse_segment, segment_name
from .reader import list_files, read_slice
from .record import COLUMNS, GONE, Record
from .tail import drop_sealed, read_tail

__all__ = [
    "JOINED_RECORDS",
    "MERGED_RECORDS",
    "OLD_KEPT_SECONDS",
    "Sealed",
    "Watch",
    "seal",
    "compact",
    "in_order",
    "is_trusted",
    "position",
    "main",
    "retire",
    "retire_superseded",
    "seal_tails",
    "unwatched",
    "write_segment",
]

_log = logging.getLogger(__name__)

MERGED_RECORDS = 110_000
"""Compaction merges up to so many records, two full tails, into one segment: what a reader holds in memory at once."""

JOINED_RECORDS = 1_000_000
"""And joins what was merged, as blocks, into segments of so many: fewer footers for a question about years."""

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
    _settle([part.segment for part in listed.slices if tails and part.last >= tails[0][0]], files)
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
    name = write_segment(data_dir, lambda: iter([table]), records[0].seq, records[-1].seq, 0, files)
    _drop_tails(data_dir, tails, files)
    return name


def _drop_tails(data_dir: Path, tails: Sequence[tuple[Path, int]], files: Files) -> None:
    for path, before in tails:
        drop_sealed(data_dir, path, before, files)


def write_segment(
    data_dir: Path, tables: Callable[[], Iterator[pa.Table]], first: int, last: int, generation: int, files: Files
) -> SegmentName:
    """Write a segment of tables, and prove by reading it back that it holds what it should.

    `tables` is called twice, so that not all of them need to be held.
    """
    rows = tables()
    head = next(rows)
    day = datetime.fromtimestamp(head["received_at"][0].cast(pa.int64()).as_py() / 1e6, UTC).date()
    path = log_folder(data_dir) / f"date={day}" / segment_name(first, last, generation)
    files.write_whole(path, segment.write(chain([head], rows), first, last, log_id(data_dir, files)))
    name = parse_segment(path)
    if name is None:
        raise LogCorrupt(f"{path.name} is not the name of a segment", place=str(path))
    files.sync_folder(log_folder(data_dir))  # Whoever made the folder may have been killed before it was durable.
    try:
        segment.check_whole(name)
        if not _holds(name, tables()):
            raise LogCorrupt(f"{path.name} was read back otherwise than it was written", place=str(path))
    except LogCorrupt as error:  # It must not speak for records that it does not hold.
        files.quarantine(data_dir, path.name, path.read_bytes(), str(error))
        files.remove(path)
        raise
    return name


def _holds(name: SegmentName, tables: Iterator[pa.Table]) -> bool:
    """Tell whether a segment holds these rows in this order."""
    group = 0
    for table in tables:
        following = group + segment.groups_of(table)
        written = segment.read_rows(name, name.first, name.last, COLUMNS, range(group, following))
        if not pa.concat_tables(list(written)).equals(table):
            return False
        group = following
    return True


def compact(
    data_dir: Path, files: Files | None = None, *, least: int = 2, watch: Watch = unwatched
) -> tuple[Sealed, Sealed]:
    """Seal all tails but the newest, merge small segments; return the sealed and the merged. Raises LogCorrupt, OSError.

    The rows of a merged segment are in order of month, event type, entity, time: so one entity's history and one day's
    events each read little (by event type first: 1.6 % smaller). What was merged is then joined: a joined segment has the
    rows of several as blocks, one after the other, so that ten years have few footers to read, and whoever reads in order
    of seq holds one block. Fewer than `least` segments are merged or joined only if no more fit in. A damaged segment stays
    as it is, and so do those that would be merged with it.
    """
    files = files or Files()
    with locked(data_dir / "log" / "MAINTENANCE", "compacting", wait=True):
        sealed = seal_tails(data_dir, files)
        retire_superseded(data_dir, files)
        _remove_old(data_dir, files)
        merged = _replace_each(
            data_dir,
            "merged",
            _ready(_groups(list_files(data_dir).slices, MERGED_RECORDS), least),
            _merged,
            files,
            watch,
        )
        slices = list_files(data_dir).slices
        growing = _groups(slices, MERGED_RECORDS)[-1:]  # more may be merged into it
        whole = slices[: len(slices) - sum(map(len, growing))]
        joined = _replace_each(data_dir, "joined", _ready(_groups(whole, JOINED_RECORDS), least), _joined, files, watch)
    return sealed, [name for name in merged if not any(_covers(one, name) for one in joined)] + joined


def _ready(groups: list[list[Slice]], least: int) -> list[list[Slice]]:
    """Return the groups that are to become one: no more fit into them, or they have as many as wanted."""
    last = len(groups) - 1
    return [group for place, group in enumerate(groups) if len(group) > 1 and (len(group) >= least or place < last)]


def _replace_each(
    data_dir: Path,
    word: str,
    groups: list[list[Slice]],
    tables: Callable[[Sequence[Slice]], Iterator[pa.Table]],
    files: Files,
    watch: Watch,
) -> Sealed:
    """Let one segment, with what `tables` makes of a group, take the place of each."""
    made: Sealed = []
    done, total = 0, sum(map(_size_of, groups))
    for group in groups:
        watch(word, done, total)
        done += _size_of(group)
        if not all(map(is_trusted, sorted({part.segment for part in group}))):
            continue
        generation = 1 + max(part.segment.generation for part in group)
        name = write_segment(data_dir, partial(tables, group), group[0].first, group[-1].last, generation, files)
        whole = {part.segment for part in group if (part.first, part.last) == (part.segment.first, part.segment.last)}
        for loser in {part.segment for part in group}:
            if _covers(name, loser) and (loser in whole or _says_all_of(name, loser)):
                retire(loser, files)
        made.append(name)
    watch(word, done, total)
    return made


def is_trusted(name: SegmentName) -> bool:
    """Tell whether a segment may be written anew; says why not. What is damaged must not get a digest that is right."""
    try:
        segment.check_whole(name)
        if segment.is_foreign(name):
            raise LogCorrupt(f"{name.path.name} was written for another log")
    except LogCorrupt as error:
        _log.warning("%s: it stays as it is; homeiq verify says which records are concerned", error)
        return False
    return True


def _covers(name: SegmentName, other: SegmentName) -> bool:
    return name.first <= other.first and other.last <= name.last


def _size_of(group: Sequence[Slice]) -> int:
    """Return how many records a group holds."""
    return group[-1].last - group[0].first + 1


def _groups(slices: Sequence[Slice], most: int) -> list[list[Slice]]:
    """Return runs of adjacent segments that have so many records at most."""
    groups: list[list[Slice]] = []
    size = 0
    for part in slices:
        count = part.last - part.first + 1
        adjacent = groups and groups[-1][-1].last + 1 == part.first
        if adjacent and size + count <= most:
            groups[-1].append(part)
            size += count
        else:
            groups.append([part])
            size = count
    return groups


def _merged(group: Sequence[Slice]) -> Iterator[pa.Table]:
    """Yield the rows of segments in one order."""
    yield in_order(pa.concat_tables([table for part in group for table in read_slice(part, part.first, part.last)]))


def _joined(group: Sequence[Slice]) -> Iterator[pa.Table]:
    """Yield the rows of segments block by block, each as it is."""
    for part in group:
        if part.segment.generation == 0:
            yield from _merged([part])
            continue
        for groups in segment.blocks(part.segment, part.first, part.last):
            yield pa.concat_tables(list(segment.read_rows(part.segment, part.first, part.last, COLUMNS, groups)))


def in_order(rows: pa.Table) -> pa.Table:
    """Return rows in the order of questions."""
    month = pc.floor_temporal(rows["time"], unit="month")
    keys = [(name, "ascending") for name in ("month", "event_type", "entity_id", "time", "seq")]
    return rows.append_column("month", month).sort_by(keys).drop_columns(["month"])


def retire(loser: SegmentName, files: Files) -> None:
    """Set a segment aside for those who read it still: it speaks for nothing any more."""
    files.replace(loser.path, loser.path.with_name(loser.path.name + ".old"))


def retire_superseded(data_dir: Path, files: Files) -> None:
    """Set aside what a compaction had merged already when it was interrupted.

    What says anything that the winner does not say stays: `homeiq verify` calls it a conflict.
    """
    speaking = {part.segment for part in list_files(data_dir).slices}
    for loser in segments_in(log_folder(data_dir)):
        if loser in speaking or not segment.is_valid(loser):
            continue
        for name in speaking:
            if _covers(name, loser) and segment.is_valid(name) and _says_all_of(name, loser):
                _settle([name], files)
                retire(loser, files)
                break


def _settle(names: Iterable[SegmentName], files: Files) -> None:
    """Make the names of segments durable, since what they replace goes: whoever wrote them may have been killed before."""
    folders = {name.path.parent for name in names}
    for folder in sorted({*folders, *(folder.parent for folder in folders)}):
        files.sync_folder(folder)


def _says_all_of(winner: SegmentName, loser: SegmentName) -> bool:
    """Tell whether a segment holds each row of another that it covers, as it is or blank."""
    for rows in read_slice(Slice(loser, loser.first, loser.last), loser.first, loser.last):
        first, last = rows["seq"][0].as_py(), rows["seq"][-1].as_py()
        said = pa.concat_tables(list(read_slice(Slice(winner, first, last), first, last)))
        kept = pc.not_equal(said["event_type"], GONE)  # what a disk has lost is not said
        if not said.filter(kept).equals(rows.filter(kept)):
            return False
    return True


def _remove_old(data_dir: Path, files: Files) -> None:
    """Remove what nobody reads any more, and what a process that was killed had only begun to write."""
    for pattern in ("date=*/*.parquet.old", "date=*/*.tmp"):
        for path in log_folder(data_dir).glob(pattern):
            if time.time() - path.stat().st_ctime > OLD_KEPT_SECONDS:
                files.remove(path)


def position(data_dir: Path) -> int:
    """Return the next seq after the valid segments, and after damaged ones that follow them without a hole.

    Their numbers were given: they must not be given again. A file that is not valid and stands alone says nothing.
    """
    names = sorted(segments_in(log_folder(data_dir)))
    valid = (name.last for name in sorted(names, key=lambda name: name.last, reverse=True) if segment.is_valid(name))
    following = next(valid, 0) + 1
    for name in names:
        if name.first == following and _has_as_many_rows(name):
            following = name.last + 1
    return following


def _has_as_many_rows(name: SegmentName) -> bool:
    """Tell whether a file has a footer, and in it as many rows as its name says."""
    try:
        with segment.open_segment(name.path) as file:
            return bool(file.metadata.num_rows == name.last - name.first + 1)
    except (LogCorrupt, FileNotFoundError):
        return False


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
