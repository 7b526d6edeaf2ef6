"""The newest records of a log, and those that come: for whoever looks on. Beside an appender, and without one.

Imports pyarrow only where a segment is read: where the tails hold enough, none is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from .manifest import Slice
from .reader import LogFiles, LogReader, list_files, read_slice, records_of
from .record import BLANKS, HEARTBEAT, Record

__all__ = ["LOOKED_BACK", "Following", "Wanted"]

LOOKED_BACK: Final = 1_000_000
"""So many records at most are looked through for the last ones that are wanted: a rare entity may have none."""

_NARROW: Final = ("seq", "source", "event_type", "entity_id")
_TRIES: Final = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are shown: those that match all that is given. Heartbeats and blank rows only by their type."""

    entity: str = ""
    source: str = ""
    event_type: str = ""

    def __call__(self, source: str, event_type: str, entity_id: str | None) -> bool:
        """Tell whether a record with these columns is wanted."""
        if self.event_type:
            if event_type != self.event_type:
                return False
        elif event_type == HEARTBEAT or event_type in BLANKS:
            return False
        if self.source and source != self.source:
            return False
        return not self.entity or (entity_id is not None and fnmatchcase(entity_id, self.entity))

    def of(self, records: list[Record]) -> list[Record]:
        """Return those of the records that are wanted."""
        return [one for one in records if self(one.source, one.event_type, one.entity_id)]


class Following:
    """Gives first the last records that are wanted, then those that come: in order of seq, none twice, none left out.

    `missing` are ranges of seq that no file of the log holds.
    """

    def __init__(self, data_dir: Path, wanted: Wanted) -> None:
        self._data_dir = data_dir
        self._wanted = wanted
        self._reader = LogReader(data_dir)

    @property
    def missing(self) -> list[tuple[int, int]]:
        """The ranges that were passed over, since no file holds them."""
        return self._reader.missing

    def last(self, count: int) -> list[Record]:
        """Return the last `count` that there are, fewer where LOOKED_BACK records hold no more. Raises LogCorrupt.

        To be called once, before `new`.
        """
        files = list_files(self._data_dir)
        first = _first_in_tails(files)
        self._reader = LogReader(self._data_dir, first)
        found: deque[Record] = deque(maxlen=count)
        for records in self._reader.read():
            found.extend(self._wanted.of(records))
        if len(found) < count:
            found.extendleft(reversed(self._before(first, count - len(found))))
        return list(found)

    def new(self) -> Iterator[list[Record]]:
        """Yield what has come since, up to the present end. Raises LogCorrupt."""
        for records in self._reader.read():
            if found := self._wanted.of(records):
                yield found

    def _before(self, seq: int, count: int) -> list[Record]:
        """Return the last `count` that are wanted of the records before `seq`."""
        for _ in range(_TRIES):
            try:
                return self._in_segments(list_files(self._data_dir).slices, seq, count)
            except FileNotFoundError:  # superseded between being listed and being read
                continue
        return []

    def _in_segments(self, slices: list[Slice], seq: int, count: int) -> list[Record]:
        found: list[Record] = []
        for part in reversed(slices):
            if part.first >= seq:
                continue
            if part.last < seq - LOOKED_BACK or len(found) >= count:
                break
            found = self._in_segment(part, min(part.last, seq - 1), count - len(found)) + found
        return found

    def _in_segment(self, part: Slice, last: int, count: int) -> list[Record]:
        """Return the last `count` of a segment; only where there is one are its texts read."""
        numbers: list[int] = []
        for table in read_slice(part, part.first, last, _NARROW):
            seqs, *columns = (table[name].to_pylist() for name in _NARROW)
            numbers += [seq for seq, *names in zip(seqs, *columns, strict=True) if self._wanted(*names)]
        if not numbers:
            return []
        chosen = set(sorted(numbers)[-count:])
        return [
            record
            for table in read_slice(part, min(chosen), last)
            for record in records_of(table)
            if record.seq in chosen
        ]


def _first_in_tails(files: LogFiles) -> int:
    """Return the first record that the tails speak for."""
    if files.tails:
        return files.tails[0].first
    return files.slices[-1].last + 1 if files.slices else 1
