"""What a person wants forgotten goes from the sealed log, and from what is superseded. Imports pyarrow.

Nothing of the old files is kept: the name of the old segment with `.old` then holds the blank rows. The log says first what
is to go, and last what has gone (vanished.py). Whoever is killed in between does it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import LogCorrupt
from . import segment
from .blanking import blank_segment, blanked, columns_of_segment, speaking_segments
from .files import Files, locked
from .log import log_folder, log_id, segments_in
from .maintenance import Watch, retire_superseded, seal_tails, unwatched
from .manifest import SegmentName, parse_segment
from .removal import Removed
from .vanished import Forgotten

__all__ = ["forget", "forgotten_in"]

_STAMP = pa.timestamp("us", tz="UTC")

_DECIDING = ("seq", "entity_id", "time")
"""Columns that decide whether a record is forgotten."""


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
        found = _mask(table, entity, since, until)
        return found if before is None else pc.and_(found, pc.less(table["seq"], before))

    with locked(data_dir / "log" / "MAINTENANCE", "forgetting", wait=True):
        seal_tails(data_dir, files)
        retire_superseded(data_dir, files)
        records = segments = done = 0
        names = speaking_segments(data_dir)
        total = sum(name.last - name.first + 1 for name in names)
        damaged: list[LogCorrupt] = []
        for name in names:
            done += name.last - name.first + 1
            watch("looked through", done, total)
            try:
                count = pc.sum(mask(columns_of_segment(name, _DECIDING))).as_py() or 0
                if count:
                    segment.check_whole(name)
            except LogCorrupt as error:
                damaged.append(error)
                continue
            if count:
                new = blank_segment(data_dir, name, mask, "forgotten", files)
                # Whoever reads by an older list finds the blank rows under the old name.
                files.write_whole(name.path.with_name(name.path.name + ".old"), new.path.read_bytes())
                files.remove(name.path)
                records, segments = records + count, segments + 1
        for path in sorted(log_folder(data_dir).glob("date=*/*.parquet.old")):
            _forget_superseded(path, mask, log_id(data_dir, files), files)
        for name in sorted(set(segments_in(log_folder(data_dir))).difference(speaking_segments(data_dir))):
            try:
                _forget_silent(name, mask, log_id(data_dir, files), files)
            except LogCorrupt as error:
                damaged.append(error)
        told(records, bool(damaged))
        if damaged:
            raise LogCorrupt(
                f"{records} records are forgotten, but {damaged[0].message}",
                hint="homeiq mend, and run it again",
                place=damaged[0].place,
            )
        return Removed(records, segments)


def _mask(table: pa.Table, entity: Callable[[str], bool], since: int | None, until: int | None) -> pa.ChunkedArray:
    """Return for each row of a table whether it is of these entities, with a time in [since, until)."""
    names = [name for name in pc.unique(table["entity_id"]).to_pylist() if name is not None and entity(name)]
    found = pc.is_in(table["entity_id"], pa.array(names, pa.string()))
    if since is not None:
        found = pc.and_(found, pc.greater_equal(table["time"], pa.scalar(since, _STAMP)))
    if until is not None:
        found = pc.and_(found, pc.less(table["time"], pa.scalar(until, _STAMP)))
    return found


def forgotten_in(table: pa.Table, forgotten: Iterable[Forgotten]) -> pa.ChunkedArray:
    """Return for each row of a table whether it was meant by what was forgotten since."""
    found = pc.equal(table["seq"], 0)
    for one in forgotten:
        mask = pc.fill_null(_mask(table, one.matches, one.since, one.until), False)
        found = pc.or_(found, pc.and_(mask, pc.less(table["seq"], one.before)))
    return found


def _forget_superseded(path: Path, mask: Callable[[pa.Table], pa.ChunkedArray], log: str, files: Files) -> None:
    """Blank the rows of a file that is kept only for those who read it still; one that can't be read goes."""
    name = parse_segment(path.with_suffix(""))
    if name is None or (name.path.exists() and segment.is_valid(name)):
        files.remove(path)
        return
    try:
        content = _blank_content(SegmentName(name.first, name.last, name.generation, path), mask, log)
    except Exception:  # whatever is wrong with it: it speaks for nothing, and may hold what is to be forgotten
        files.remove(path)
        return
    if content is not None:
        files.write_whole(path, content)


def _forget_silent(name: SegmentName, mask: Callable[[pa.Table], pa.ChunkedArray], log: str, files: Files) -> None:
    """Blank the rows of a segment for which others speak, and that stays since it says more than they do.

    Raises LogCorrupt for a damaged one, which may hold what is to be forgotten.
    """
    try:
        if segment.is_foreign(name):
            return
        segment.check_whole(name)
        content = _blank_content(name, mask, log)
    except FileNotFoundError:
        return
    if content is not None:
        files.write_whole(name.path, content)


def _blank_content(name: SegmentName, mask: Callable[[pa.Table], pa.ChunkedArray], log: str) -> bytearray | None:
    """Return a segment's bytes with the rows blank that the mask names; None where it names none."""
    if not pc.any(mask(columns_of_segment(name, _DECIDING))).as_py():
        return None
    rows = (blanked(table, mask(table), "forgotten") for table in segment.row_groups(name))
    return segment.write(rows, name.first, name.last, log)
