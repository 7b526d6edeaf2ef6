"""Reading the log, while another process appends to it and seals it.

`list_files` is the one function that gives every reader (replay, SQL, notebooks) its consistent list of files.
Imports pyarrow only when a segment is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import LogCorrupt
from .log import log_folder, refuse_newer, segments_in, tails_in
from .manifest import SegmentName, Slice, holes, resolve
from .mark import readable_before
from .record import COLUMNS, Record
from .tail import TailCursor

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "LogFiles",
    "TailPart",
    "LogReader",
    "columns_of",
    "missing_records",
    "list_files",
    "lists_of",
    "read_everything",
    "read_slice",
    "records_of",
    "times_of",
]

_TRIES = 20
_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class TailPart:
    """The records of a tail that count: `first` and above, below `before` (None: all)."""

    path: Path
    first: int
    before: int | None

    def limit(self) -> int | None:
        """Return the number below which its records count now; None: all. To be asked before the tail is read."""
        return readable_before(self.path) if self.before is None else self.before


@dataclass(frozen=True, slots=True)
class LogFiles:
    """A consistent list: who speaks for which records. `missing` are the ranges of seq that no file holds."""

    slices: list[Slice]
    tails: list[TailPart]
    missing: list[tuple[int, int]]

    @property
    def first_seq(self) -> int:
        """The log's first seq; 1 unless older segments have expired."""
        if self.slices:
            return self.slices[0].first
        return self.tails[0].first if self.tails else 1


def list_files(data_dir: Path) -> LogFiles:
    """Return who speaks for each record of the log.

    Tails are listed before segments: what is sealed in between is then seen twice, which is told apart by seq, and never
    not at all. A listing made while files are being merged may miss both the old and the new ones; what is missing is
    believed when a second listing says the same. Raises LogTooNew.
    """
    refuse_newer(log_folder(data_dir), every=True)
    found = _list_once(log_folder(data_dir))
    for _ in range(_TRIES):
        if not found.missing and found.first_seq == 1:
            break
        before, found = found, _list_once(log_folder(data_dir))
        if found == before:
            break
    return found


def _list_once(folder: Path) -> LogFiles:
    tails = tails_in(folder)
    names = segments_in(folder)
    slices = _without_invalid(resolve(names, _is_valid), tails[0][0]) if tails else resolve(names, _is_valid)
    start = slices[0].first if slices else 1
    sealed = slices[-1].last if slices else 0
    parts = []
    for place, (first, path) in enumerate(tails):
        before = tails[place + 1][0] if place + 1 < len(tails) else None
        if before is None or before - 1 > sealed:
            parts.append(TailPart(path, max(first, sealed + 1), before))
    end = parts[0].first - 1 if parts else sealed
    return LogFiles(slices, parts, holes(slices, start, end) if slices else [])


def _without_invalid(slices: list[Slice], tails_from: int) -> list[Slice]:
    """Take away from an invalid segment, and from what follows it, the records that tails hold too."""
    kept: list[Slice] = []
    for part in slices:
        if part.last >= tails_from and not _is_valid(part.segment):
            return [*kept, Slice(part.segment, part.first, tails_from - 1)] if part.first < tails_from else kept
        kept.append(part)
    return kept


def _is_valid(name: SegmentName) -> bool:
    try:
        status = name.path.stat()
    except FileNotFoundError:
        return False
    return _is_valid_file(name, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=1_000)
def _is_valid_file(name: SegmentName, *_version: int) -> bool:
    """Read a segment in full, once: files that overlap may stay for long."""
    from .segment import is_valid

    return is_valid(name)


def columns_of(table: pa.Table) -> list[list[Any]]:
    """Return the log's columns of a table as lists, times as microseconds UTC."""
    import pyarrow as pa

    columns = []
    for name in COLUMNS:
        column = table[name]
        columns.append((column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist())
    return columns


def times_of(table: pa.Table) -> Iterator[tuple[str, int]]:
    """Yield entity and time (microseconds UTC) of the rows of a table that have an entity."""
    import pyarrow as pa

    times = table["time"].cast(pa.int64()).to_pylist()
    for name, time in zip(table["entity_id"].to_pylist(), times, strict=True):
        if name is not None:
            yield name, time


def records_of(table: pa.Table) -> list[Record]:
    """Return the rows of a table of the log's columns as records."""
    return list(map(Record, *columns_of(table)))


def lists_of(table: pa.Table) -> Iterator[list[Record]]:
    """Yield the rows of a table as records, in lists of up to 10,000: as objects they take more room than in the table."""
    for start in range(0, table.num_rows, _ROWS):
        yield records_of(table.slice(start, _ROWS))


class LogReader:
    """Reads a log in order of seq, from a given position on; can be asked again and again as the log grows."""

    def __init__(self, data_dir: Path, next_seq: int = 1) -> None:
        self.data_dir = data_dir
        self.next_seq = next_seq
        self.missing: list[tuple[int, int]] = []
        self._cursor: TailCursor | None = None

    def end(self) -> int:
        """Return the seq of the last whole record in the log now, 0 if it is empty."""
        files = list_files(self.data_dir)
        last = files.slices[-1].last if files.slices else files.first_seq - 1
        for part in reversed(files.tails):
            try:
                cursor = TailCursor(part.path)
                cursor.read(part.limit())
            except FileNotFoundError:
                return self.end()
            return max(last, cursor.next_seq - 1)
        return last

    def read(self, upto: int | None = None) -> Iterator[list[Record]]:
        """Yield the records from `next_seq` to `upto`, or to the present end, in lists of up to 10,000.

        `next_seq` moves when a list is taken up again, so that it says what was handled. Raises LogCorrupt.
        """
        while upto is None or self.next_seq <= upto:
            progressed = False
            for records in self._some(upto):
                yield records
                self.next_seq = records[-1].seq + 1
                progressed = True
            if not progressed:
                return

    def _some(self, upto: int | None) -> Iterator[list[Record]]:
        """Yield lists from the tail that is open, or else from the first file that holds `next_seq`."""
        before = None if upto is None else upto + 1
        if self._cursor is not None and self._cursor.next_seq == self.next_seq:
            try:
                records = self._cursor.read(_least(before, readable_before(self._cursor.path)))
            except FileNotFoundError:
                records = []
            else:
                newest = tails_in(log_folder(self.data_dir))[-1:]
                if not records and not self._cursor.changed and newest == [(self._cursor.first, self._cursor.path)]:
                    return
            if records:
                yield from _in_lists(records)
                return
        self._cursor = None
        for _ in range(_TRIES):
            try:
                yield from self._from_files(before)
            except FileNotFoundError:  # Sealed or superseded between being listed and being opened.
                continue
            return
        raise LogCorrupt("files of the log vanish while they are read", hint="run it again", place=str(self.data_dir))

    def _from_files(self, before: int | None) -> Iterator[list[Record]]:
        files = list_files(self.data_dir)
        self._skip_missing(files)
        for part in files.slices:
            if part.first <= self.next_seq <= part.last:
                last = part.last if before is None else min(part.last, before - 1)
                for table in read_slice(part, self.next_seq, last):
                    yield from lists_of(table)
                return
        for tail in files.tails:
            if tail.first <= self.next_seq and (tail.before is None or self.next_seq < tail.before):
                cursor = TailCursor(tail.path)
                records = cursor.read(_least(before, tail.limit()))
                records = [record for record in records if record.seq >= self.next_seq]
                if tail.before is None:
                    self._cursor = cursor
                elif not records:
                    raise LogCorrupt(
                        f"{tail.path.name} holds a damaged record {self.next_seq}",
                        hint="restart the recorder, which mends it",
                        place=str(tail.path),
                    )
                yield from _in_lists(records)
                return

    def _skip_missing(self, files: LogFiles) -> None:
        """Go on behind a range that no file holds, and remember that it is missing."""
        self.next_seq = max(self.next_seq, files.first_seq)
        for first, last in files.missing:
            if first <= self.next_seq <= last:
                self.missing.append((self.next_seq, last))
                self.next_seq = last + 1


def read_slice(part: Slice, first: int, last: int, columns: Sequence[str] = COLUMNS) -> Iterator[pa.Table]:
    """Yield rows `first` … `last` of a slice in order of seq, as tables."""
    import pyarrow as pa

    from . import segment

    wanted = max(first, part.first), min(last, part.last)
    if part.segment.generation == 0:
        yield from (table for table in segment.read_rows(part.segment, *wanted, columns) if table.num_rows)
        return
    for groups in segment.blocks(part.segment, *wanted):
        tables = list(segment.read_rows(part.segment, *wanted, columns, groups))
        block = pa.concat_tables(tables).sort_by("seq")
        del tables  # they would double what is held
        if block.num_rows:
            yield block


def read_everything(data_dir: Path) -> Iterator[list[Record]]:
    """Yield the whole log in order of seq; raises LogCorrupt where a range is missing."""
    reader = LogReader(data_dir, 1)
    yield from reader.read()
    if reader.missing:
        raise missing_records(reader.missing, data_dir)


def missing_records(missing: Sequence[tuple[int, int]], data_dir: Path) -> LogCorrupt:
    """Return the error that says which ranges of seq no file holds."""
    ranges = ", ".join(f"{first} to {last}" for first, last in missing)
    return LogCorrupt(
        f"the records {ranges} are missing from the log",
        hint="homeiq verify says why, and homeiq mend makes it whole",
        place=str(data_dir),
    )


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _in_lists(records: list[Record]) -> Iterator[list[Record]]:
    for start in range(0, len(records), _ROWS):
        yield records[start : start + _ROWS]
