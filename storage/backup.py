"""Copies a log to a folder or an object store, and from there back. Imports pyarrow.

A copy has the log's own layout and format, so that it can be read where it lies, or put back by copying. It holds

    log/ID                        whose log it is: another log's copy is refused
    log/date=…/….parquet          sealed segments, generations included, byte for byte
    log/tail-….ndjson             what is not sealed yet: each run adds the lines that have come since, as a tail of its own

Nothing there is changed: files are added, read back, and taken away once a file that covers them has been read in full.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc

from ..errors import BackupRefused, LogCorrupt
from . import segment
from .blanking import blanked
from .forgetting import forgotten_in
from .log import log_id, require_log
from .manifest import SegmentName, parse_segment, parse_tail, segment_name, tail_name
from .places import FolderPlace, Place
from .reader import LogFiles, list_files
from .record import BLANKS, Record, decode, encode
from .tail import lines_of, read_tail
from .vanished import Forgotten
from .view import LogView

__all__ = ["BackupReport", "Watch", "back_up", "segments_of", "tails_of"]

ID = "log/ID"
_PIECE_RECORDS = 50_000
_TRIES = 5

Watch = Callable[[int, int], None]
"""Is told how many bytes are done, of how many."""


@dataclass(slots=True)
class BackupReport:
    """What one run did; `findings` are damages there or here, each a sentence, `kept` what is there though superseded."""

    last_seq: int = 0
    copied: int = 0
    copied_bytes: int = 0
    removed: int = 0
    files: int = 0
    findings: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def segments_of(sizes: dict[str, int]) -> dict[SegmentName, str]:
    """Return the segments among names of files."""
    found = {parse_segment(Path(name)): name for name in sizes}
    return {name: text for name, text in found.items() if name is not None}


def tails_of(sizes: dict[str, int]) -> list[tuple[int, str]]:
    """Return the tails among names of files as (first seq, name), in order."""
    found = ((parse_tail(Path(name)), name) for name in sizes)
    return sorted((first, name) for first, name in found if first is not None)


def back_up(
    data_dir: Path,
    place: Place,
    *,
    check: bool = False,
    watch: Watch = lambda done, total: None,
) -> BackupReport:
    """Bring the copy at `place` up to the log's present end.

    What is copied of the tail is durable (mark.py), so that its numbers are never given to other records. With `check`,
    each file there is read in full, else its size is compared. Raises BackupRefused for a place that holds another log,
    BackupUnreachable, LogError.
    """
    require_log(data_dir)
    if isinstance(place, FolderPlace) and place.folder.resolve() == data_dir.resolve():
        raise BackupRefused(f"{place.shown} is the data folder itself", hint="name another folder for the backup")
    for attempt in range(_TRIES):
        run = _Run(data_dir, place, BackupReport(), watch)
        try:
            run.begin()
            run.copy_segments(check)
            run.copy_tails(check)
            run.remove_superseded()
        except FileNotFoundError:  # merged or sealed between being listed and being read: what is there already stays
            if attempt == _TRIES - 1:
                raise LogCorrupt(
                    "files of the log vanish while they are copied", hint="run it again", place=str(data_dir)
                ) from None
            continue
        break
    run.report.files = len(run.there)
    return run.report


class _Run:
    """One run: what is here, what is there, and which files there were read in full by it."""

    def __init__(self, data_dir: Path, place: Place, report: BackupReport, watch: Watch) -> None:
        self.data_dir = data_dir
        self.place = place
        self.report = report
        self.here: LogFiles = list_files(data_dir)
        self.there = place.sizes()
        self.proved: set[SegmentName] = set()
        self._watch = watch
        self._pieces: dict[str, bytes] = {}
        self._lost: dict[SegmentName, frozenset[int]] = {}
        self._settled = False

    def begin(self) -> None:
        """Make sure that this place is this log's, and not ahead of it; raises BackupRefused."""
        own = log_id(self.data_dir)
        if ID in self.there:
            if (found := self.place.read(ID).decode("ascii", "replace").strip()) != own:
                raise BackupRefused(
                    f"{self.place.shown} holds the backup of another log ({found[:8]}…, this one is {own[:8]}…)",
                    hint="give each log a place of its own",
                )
        elif segments_of(self.there) or tails_of(self.there):
            raise BackupRefused(
                f"{self.place.shown} holds a log without {ID}, which says whose it is", hint="name an empty place"
            )
        else:
            self._put(ID, own.encode() + b"\n")
        self._refuse_apart()

    def unsealed(self) -> list[Record]:
        """Return the records of our own tails that are durable; raises FileNotFoundError when one was sealed meanwhile."""
        return [record for part in self.here.tails for record in read_tail(part.path, part.limit())]

    def _refuse_apart(self) -> None:
        """Compare the newest unsealed records there with our own of the same seq."""
        newest = tails_of(self.there)[-1:]
        sealed = max((name.last for name in segments_of(self.there)), default=0)
        own = self.here.slices[-1].last if self.here.slices else 0
        tails = self.unsealed()
        end = max(own, tails[-1].seq if tails else 0)
        theirs: list[Record] = []
        for _, name in newest:
            with suppress(LogCorrupt):  # a damaged one is found by its size or by reading it, and written anew
                theirs = [decode(line) for line in lines_of(self._piece(name)) if line.endswith(b"\n")]
        reach = max(sealed, theirs[-1].seq if theirs else 0)
        if reach > end:
            raise BackupRefused(
                f"{self.place.shown} reaches to record {reach}, this log to {end} only",
                hint="this data folder is older than its backup: restore from there, or name another place",
            )
        mine = {record.seq: record for record in tails if record.event_type not in BLANKS}
        for record in theirs:
            if mine.get(record.seq, record) != record:
                raise BackupRefused(
                    f"{self.place.shown} holds another record {record.seq} than this log",
                    hint="two copies of this log have gone on by themselves: give each a place of its own",
                )

    def copy_segments(self, check: bool) -> None:
        """Copy the segments that speak for a record, and that are missing or damaged there."""
        names = sorted({part.segment for part in self.here.slices})
        sizes = {name: name.path.stat().st_size for name in names}
        done, total = 0, sum(sizes.values())
        for name in names:
            text = f"log/{name.path.parent.name}/{name.path.name}"
            problem = self._problem(name, text, sizes[name], check)
            if problem:
                content = name.path.read_bytes()
                try:
                    segment.check_content(name, content)
                except LogCorrupt as error:  # a good copy there must not be replaced by a bad one
                    self.report.findings.append(f"{error} here, and was not copied")
                    continue
                if text in self.there:
                    self.report.findings.append(f"{text} {problem} at {self.place.shown}, and was copied again")
                self._put(text, content)
                self.proved.add(name)
            self.report.last_seq = max(self.report.last_seq, name.last)
            done += sizes[name]
            self._watch(done, total)

    def _problem(self, name: SegmentName, text: str, size: int, check: bool) -> str:
        """Return what is wrong with the copy of a segment, or an empty text."""
        if text not in self.there:
            return "is missing"
        if self.there[text] != size:
            return f"has {self.there[text]:,} bytes instead of {size:,}"
        if not check:
            return ""
        try:
            segment.check_content(name, self.place.read(text))
        except LogCorrupt:
            return "is damaged"
        self.proved.add(name)
        return ""

    def copy_tails(self, check: bool) -> None:
        """Add the lines that are durable here and missing there, as a tail of their own.

        What a piece there holds is known by its size; with `check`, or where that fits to no line, by reading it.
        """
        sealed = self.here.slices[-1].last if self.here.slices else 0
        pieces = tails_of(self.there)
        records = [record for record in self.unsealed() if record.seq > sealed]
        held: set[int] = set()
        for place, (first, name) in enumerate(pieces):
            if place + 1 < len(pieces) and pieces[place + 1][0] <= sealed + 1:
                continue  # all of it is sealed here
            found = None if check else _held_by_size(first, self.there[name], records)
            found = self._held(first, name) if found is None else found
            if found is not None:
                held |= found
            elif any(record.seq >= first for record in records):
                self.report.findings.append(f"{name} is damaged at {self.place.shown}, and was copied again")
        missing = [record for record in records if record.seq not in held]
        for run in _runs(missing, [first for first, _ in pieces]):
            self._put(f"log/{tail_name(run[0].seq)}", b"".join(encode(record.seq, record) for record in run))
        if records:
            self.report.last_seq = max(self.report.last_seq, records[-1].seq)

    def _held(self, first: int, name: str) -> set[int] | None:
        """Return the records of a tail there, None if a line is damaged."""
        try:
            found = [decode(line).seq for line in lines_of(self._piece(name))]
        except LogCorrupt:
            return None
        whole = self._piece(name).endswith(b"\n")
        return set(found) if whole and found == list(range(first, first + len(found))) else None

    def remove_superseded(self) -> None:
        """Take away what a segment there covers that has now been read in full."""
        present = segments_of(self.there)
        speaking = {part.segment for part in self.here.slices}
        wanted = {PurePosixPath(name.path.parent.name, name.path.name): name for name in speaking}
        winners = {name: text for name, text in present.items() if PurePosixPath(text).relative_to("log") in wanted}
        for loser, text in present.items():
            if loser not in winners:
                self._remove_covered(text, loser.first, loser.last, winners, loser.generation)
        reach = max((name.last for name in winners), default=0)
        tails = tails_of(self.there)
        for place, (first, text) in enumerate(tails):
            if first > reach:
                break
            last = tails[place + 1][0] - 1 if place + 1 < len(tails) else first + max(0, self._lines(text) - 1)
            self._remove_covered(text, first, last, winners, -1)

    def _lines(self, text: str) -> int:
        return self._piece(text).count(b"\n")

    def _piece(self, name: str) -> bytes:
        """Return a tail that lies there; each is read once in a run."""
        if name not in self._pieces:
            self._pieces[name] = self.place.read(name)
        return self._pieces[name]

    def _remove_covered(
        self, text: str, first: int, last: int, winners: dict[SegmentName, str], generation: int
    ) -> None:
        expected = first
        for name in sorted(winners):
            if name.first <= expected <= name.last and name.generation > generation and self._proved(name, winners):
                expected = name.last + 1
        if expected > last and not self._has_more(text, first, last, winners):
            if not self._settled:
                self.place.settle()
                self._settled = True
            self.place.remove(text)
            del self.there[text]
            self.report.removed += 1

    def _has_more(self, text: str, first: int, last: int, winners: dict[SegmentName, str]) -> bool:
        """Tell whether a file there holds records of which what covers it only says that they were lost here.

        It stays then, without what was forgotten since.
        """
        lost: set[int] = set()
        for winner, where in winners.items():
            if winner.first <= last and first <= winner.last:
                if winner not in self._lost:
                    self._lost[winner] = self._lost_in(winner, where)
                lost |= {seq for seq in self._lost[winner] if first <= seq <= last}
        if not lost:
            return False
        name = parse_segment(Path(text))
        try:
            held = self._kept_rows(name, text) if name else self._keep_as_segment(text, lost)
        except LogCorrupt as error:
            self.report.findings.append(
                f"{text}, damaged at {self.place.shown}, had what is lost here: delete it ({error})"
            )
            return True
        if not lost & held:
            return False
        self.report.kept.append(f"{text} stays at {self.place.shown}: it has records that are lost here")
        return True

    @cached_property
    def _forgotten(self) -> Sequence[Forgotten]:
        return LogView(self.data_dir, lacking=True).vanished.forgotten

    def _lost_in(self, name: SegmentName, text: str) -> frozenset[int]:
        own = next((part.segment for part in self.here.slices if part.segment.path.name == name.path.name), None)
        return frozenset(segment.lost_in(own.path.read_bytes() if own else self.place.read(text)))

    def _keep_as_segment(self, text: str, lost: set[int]) -> set[int]:
        """Put the records of a tail there that are lost here into a segment of the lowest generation; the tail may go."""
        records = [record for record in map(decode, lines_of(self._piece(text))) if record.event_type not in BLANKS]
        if lost.intersection(record.seq for record in records):
            for run in _runs(records, ()):
                first, last = run[0].seq, run[-1].seq
                day = datetime.fromtimestamp(run[0].received_at / 1e6, UTC).date()
                name = f"log/date={day}/{segment_name(first, last, 0)}"
                if name not in self.there:
                    table = segment.table_of(run)
                    forgotten = forgotten_in(table, self._forgotten)
                    content = segment.write(
                        [blanked(table, forgotten, "forgotten")], first, last, log_id(self.data_dir)
                    )
                    self._put(name, bytes(content))
                self.report.kept.append(f"{name} stays at {self.place.shown}: it has records that are lost here")
        return set()

    def _kept_rows(self, name: SegmentName, text: str) -> set[int]:
        """Return which records a segment there has, once what was forgotten is blank in it."""
        content = self.place.read(text)
        segment.check_content(name, content)
        tables = list(segment.tables_in(content))
        masks = [forgotten_in(table, self._forgotten) for table in tables]
        if any(pc.any(mask).as_py() for mask in masks):
            rows = (blanked(table, mask, "forgotten") for table, mask in zip(tables, masks, strict=True))
            self._put(text, bytes(segment.write(rows, name.first, name.last, log_id(self.data_dir))))
        held: set[int] = set()
        for table, mask in zip(tables, masks, strict=True):
            gone = pc.or_(mask, pc.is_in(table["event_type"], pa.array(sorted(BLANKS))))
            held.update(table["seq"].filter(pc.invert(gone)).to_pylist())
        return held

    def _proved(self, name: SegmentName, winners: dict[SegmentName, str]) -> bool:
        own = {(known.first, known.last, known.generation) for known in self.proved}
        if (name.first, name.last, name.generation) in own:
            return True
        try:
            segment.check_content(name, self.place.read(winners[name]))
        except LogCorrupt as error:
            self.report.findings.append(f"{error} at {self.place.shown}: what it replaces stays")
            return False
        self.proved.add(name)
        return True

    def _put(self, name: str, content: bytes) -> None:
        """Write a file and read it back; raises LogCorrupt if it is another one then."""
        self.place.write(name, content)
        if self.place.read(name) != content:
            raise LogCorrupt(f"{name} was read back from {self.place.shown} otherwise than it was written")
        self.there[name] = len(content)
        self._pieces.pop(name, None)
        self.report.copied += 1
        self.report.copied_bytes += len(content)


def _held_by_size(first: int, size: int, records: Sequence[Record]) -> set[int] | None:
    """Return the records that a tail of so many bytes holds if it holds our own, from `first` on; None if that can't be."""
    for record in records[max(0, first - records[0].seq) :] if records and records[0].seq <= first else ():
        size -= len(encode(record.seq, record))
        if size <= 0:
            return set(range(first, record.seq + 1)) if size == 0 else None
    return None


def _runs(records: Sequence[Record], starts: Sequence[int]) -> list[list[Record]]:
    """Split into runs of consecutive records, none beyond the beginning of a tail that is there already."""
    runs: list[list[Record]] = []
    for record in records:
        new = not runs or runs[-1][-1].seq + 1 != record.seq or len(runs[-1]) >= _PIECE_RECORDS
        if new or record.seq in starts:
            runs.append([])
        runs[-1].append(record)
    return runs
