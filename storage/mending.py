"""A log made whole again where sealed files are damaged or gone: from a copy, else by accepting what is lost.

What is damaged goes to the quarantine, whole. In its place comes

- the same records from a copy: a superseded file that is kept still, or a backup's segments and tails. What was forgotten
  since is made blank before it is here
- else the next generation: what can be read and proved (salvage.py), and a blank row for each other record. The log says
  first, in a record `homeiq_lost`, which records that were, and what is known of what they held (vanished.py): so no replay
  takes away the points that were made of them

Whoever is killed in between does it again. Imports pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY
from ..errors import BackupRefused, LogCorrupt
from . import segment
from .backup import ID
from .blanking import blank_segment, blanked
from .copies import Backup, Copy, Superseded
from .files import Files, locked
from .forgetting import forgotten_in
from .log import log_folder, log_id, segments_in
from .maintenance import write_segment
from .manifest import SegmentName, Slice
from .places import FolderPlace, Place
from .reader import LogFiles, list_files
from .record import BLANKS, EXPIRED, LOST, Record, decode
from .removal import Note
from .salvage import Around, Salvage, around, filled, kinds_lost, salvage
from .tail import lines_of
from .vanished import ANY, Forgotten
from .verify import Finding, verify
from .view import LogView

__all__ = ["MOST_BLANKS", "Loss", "Mended", "losses_of", "mend"]

MOST_BLANKS: Final = 50_000_000
"""A hole of more records than this is not filled: a file with a wrong number lies in the log then."""

_DAMAGED: Final = "the segment was damaged on disk; what there is of it is in the quarantine"
_GONE: Final = "the file that held it is gone"

Watch = Callable[[int, int], None]
"""Is told how many records are done, of about how many."""


@dataclass(frozen=True, slots=True)
class Loss:
    """The records `first` … `last` can't be read as the log is: `file` is damaged, or where it is empty, gone.

    `readable`: so many of them can be read all the same, and proved.
    """

    first: int
    last: int
    file: str = ""
    reason: str = ""
    readable: int = 0

    @property
    def records(self) -> int:
        """How many records it is about."""
        return self.last - self.first + 1


@dataclass(slots=True)
class Mended:
    """How many records came back from a copy, were saved out of damaged files, and are lost, and in which ranges of seq
    (`lost_in`). `quarantined`: where damaged files are now. `left`: what is as it was, each a sentence.
    """

    fetched: int = 0
    saved: int = 0
    lost: int = 0
    lost_in: list[tuple[int, int]] = field(default_factory=list)
    quarantined: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def losses_of(data_dir: Path, watch: Watch = lambda done, total: None) -> tuple[list[Loss], list[Finding]]:
    """Read the whole log; return what of the sealed part can't be read, and what else is found. Raises LogError."""
    proof = verify(data_dir, lambda far: watch(far.records, far.total))
    sealed = {name.path.name: name for name in segments_in(log_folder(data_dir))}
    losses: list[Loss] = []
    others: list[Finding] = []
    for finding in proof.findings:
        if finding.kind == "missing":
            losses.append(Loss(finding.first, finding.last, "", finding.message))
        elif finding.kind == "damaged" and finding.file in sealed:
            readable = salvage(sealed[finding.file], finding.first, finding.last).readable
            losses.append(Loss(finding.first, finding.last, finding.file, finding.message, readable))
        else:
            others.append(finding)
    return losses, others


def mend(
    data_dir: Path,
    losses: Sequence[Loss],
    note: Note,
    now: int,
    *,
    place: Place | None = None,
    accept: bool = False,
    since: int | None = None,
    files: Files | None = None,
    watch: Watch = lambda done, total: None,
) -> Mended:
    """Bring these records back from the backup at `place`; where that has not all, save what can be proved.

    What is lost for good is given up only if `accept`. Where nothing is known of what it held, it is of `since` or later
    (microseconds UTC, as `now`), or of any time before. Waits for other maintenance. Raises BackupRefused for another log's
    backup, BackupUnreachable, HomeiqError, OSError.
    """
    if place is not None:
        _require_same_log(data_dir, place)
    with locked(data_dir / "log" / "MAINTENANCE", "mending", wait=True):
        run = _Run(data_dir, note, now, files or Files(), since)
        copies: list[Copy] = [Superseded(data_dir)]
        if place is not None:
            copies.append(Backup(place, data_dir))
        done, total = 0, sum(loss.records for loss in losses)
        for loss in losses:
            for copy in copies:
                run.fetch(loss, copy)
            done += loss.records
            watch(done, 2 * total)
        for loss in losses:
            run.save(loss, accept, place.shown if place else "")
            done += loss.records
            watch(done, 2 * total)
        run.forget_again()
        run.set_strays_aside()
        return run.mended


def _require_same_log(data_dir: Path, place: Place) -> None:
    if isinstance(place, FolderPlace) and place.folder.resolve() == data_dir.resolve():
        raise BackupRefused(f"{place.shown} is the data folder itself", hint="name the place given to homeiq backup")
    own = log_id(data_dir)
    theirs = place.read(ID).decode("ascii", "replace").strip() if ID in place.sizes() else ""
    if theirs != own:
        what = f"the backup of another log ({theirs[:8]}…, this one is {own[:8]}…)" if theirs else "no backup of a log"
        raise BackupRefused(f"{place.shown} holds {what}", hint="name the place that was given to homeiq backup")


class _Run:
    """One run, under the lock."""

    def __init__(self, data_dir: Path, note: Note, now: int, files: Files, since: int | None) -> None:
        self.mended = Mended()
        self._data_dir = data_dir
        self._note = note
        self._now = now
        self._files = files
        self._since = since
        self._forgotten: Sequence[Forgotten] | None = None
        self._fetched: list[SegmentName] = []
        self._good: dict[tuple[object, ...], bool] = {}

    def fetch(self, loss: Loss, copy: Copy) -> None:
        """Bring back what a copy holds of what is still lost: whole segments, then single records of its tails."""
        lost = self._lost(loss)
        for here in sorted(copy.segments, key=lambda name: (name.generation, name.last - name.first), reverse=True):
            if _overlap(here.first, here.last, lost):
                self._fetch_segment(here, copy)
                lost = self._lost(loss)
        for first, text in copy.tails:
            if any(last >= first for _, last in lost):
                self._fetch_lines(copy.read(text), lost)
                lost = self._lost(loss)

    def save(self, loss: Loss, accept: bool, asked: str) -> None:
        """Keep what can be proved of what is still lost; let blank rows stand for the rest, if that is accepted."""
        for first, last in self._lost(loss):
            listed = list_files(self._data_dir)
            damaged = next((part for part in listed.slices if part.first <= first and last <= part.last), None)
            found = salvage(damaged.segment, first, last) if damaged else Salvage(None, first, last)
            which = f"the records {first:,} to {last:,}" if last > first else f"the record {first:,}"
            if found.lost > MOST_BLANKS:
                self.mended.left.append(f"{which} are more than can be given up: is a file's number wrong?")
            elif found.lost and not accept:
                whence = f"are lost: {asked} does not hold them" if asked else "are lost, if no backup holds them"
                self.mended.left.append(f"{found.lost:,} of {which} {whence}")
            else:
                self._replace(found, damaged, listed)

    def forget_again(self) -> None:
        """Make blank in what was fetched what words have forgotten that came back later than it."""
        self._forgotten = None
        for name in self._fetched:
            if any(pc.any(self._is_forgotten(table)).as_py() for table in segment.row_groups(name)):
                blank_segment(self._data_dir, name, self._is_forgotten, "forgotten", self._files)
                self._files.remove(name.path)

    def set_strays_aside(self) -> None:
        """Take damaged files out of the way that speak for no record any more."""
        speaking = {part.segment for part in list_files(self._data_dir).slices}
        for name in segments_in(log_folder(self._data_dir)):
            if name not in speaking:
                try:
                    segment.check_whole(name)
                except LogCorrupt as error:
                    self._set_aside(name, str(error))

    def _fetch_segment(self, here: SegmentName, copy: Copy) -> None:
        """Put a segment of a copy where it was, or is, here."""
        if here.path.exists() and self._is_good(here):  # a damaged one that covers it was made of it, and wins still
            return
        content = copy.read(copy.segments[here])
        try:
            segment.check_content(here, content, self._data_dir)
        except LogCorrupt as error:
            self.mended.left.append(f"{error} at {copy.shown}, and was not fetched")
            return
        before = self._count_lost(here)
        if here.path.exists():
            self._set_aside(here, "damaged; a copy had it whole")
        self._forgotten = None  # what was fetched or saved before may have words of it
        if any(pc.any(self._is_forgotten(table)).as_py() for table in segment.tables_in(content)):
            generation = self._generation(here.first, here.last)
            self._write(partial(self._without_forgotten, content), here.first, here.last, generation)
        else:
            self._files.write_whole(here.path, content)
            self._files.sync_folder(log_folder(self._data_dir))
            segment.check_whole(here)
            self._fetched.append(here)
        self.mended.fetched += before - self._count_lost(here)

    def _fetch_lines(self, content: bytes, lost: Sequence[tuple[int, int]]) -> None:
        """Write as segments what single records of a backup fill of these ranges."""
        for run in _runs(content, lost):
            table = segment.table_of(run)
            table = blanked(table, self._is_forgotten(table), "forgotten")
            first, last = run[0].seq, run[-1].seq
            self._write(partial(_one, table), first, last, self._generation(first, last))
            self.mended.fetched += len(run)

    def _without_forgotten(self, content: bytes) -> Iterator[pa.Table]:
        return (blanked(table, self._is_forgotten(table), "forgotten") for table in segment.tables_in(content))

    def _is_forgotten(self, table: pa.Table) -> pa.ChunkedArray:
        """Return for each row whether it was forgotten after it had been recorded."""
        if self._forgotten is None:
            self._forgotten = LogView(self._data_dir, lacking=True).vanished.forgotten
        return forgotten_in(table, self._forgotten)

    def _replace(self, found: Salvage, damaged: Slice | None, listed: LogFiles) -> None:
        first, last = found.first, found.last
        near = around(listed, first, last)
        if found.lost:
            rows = kinds_lost(found, near, self._now, self._since) + self._words_lost(found, listed, near)
            self._note("lost", {"first": first, "last": last, "records": found.lost, "rows": rows})
            self.mended.lost_in.append((first, last))
        self._forgotten = None
        reason = _DAMAGED if damaged else _GONE

        def tables() -> Iterator[pa.Table]:
            for table in filled(found, near.received_at(self._now), reason):
                yield blanked(table, self._is_forgotten(table), "forgotten")

        self._write(tables, first, last, self._generation(first, last))
        if damaged is not None:
            self._set_aside_if_silent(damaged.segment)
        self.mended.saved += found.readable
        self.mended.lost += found.lost

    def _words_lost(self, found: Salvage, listed: LogFiles, near: Around) -> list[list[str | int]]:
        """Return what is to be frozen since the log's own words of it may be among what is lost.

        That it held such words is known, or may be; and only where rows are blank has there been anything to say.
        """
        types = set(found.known["event_type"].to_pylist())
        if types.isdisjoint({EXPIRED, LOST}):
            unknown = found.known.num_rows < found.lost
            begins_later = listed.first_seq > 1 and found.first >= listed.first_seq
            if not unknown or not (begins_later or not types.isdisjoint(BLANKS) or self._has_blanks()):
                return []
        return [[ANY, ANY, ANY, 0, near.latest(self._now) // DAY * DAY]]

    def _has_blanks(self) -> bool:
        """Tell whether the log has rows that are blank since they have expired, or are lost."""
        view = LogView(self._data_dir, lacking=True)
        return bool(view.vanished.expired) or any(
            table.num_rows for table in view.scan(["seq"], event_types=sorted(BLANKS))
        )

    def _set_aside_if_silent(self, name: SegmentName) -> None:
        if name not in {part.segment for part in list_files(self._data_dir).slices}:
            self._set_aside(name, "damaged; what could be read of it is in the log still")

    def _lost(self, loss: Loss) -> list[tuple[int, int]]:
        """Return what of a loss no valid file holds now: damaged files one by one, and holes."""
        listed = list_files(self._data_dir)
        near = [part for part in listed.slices if part.first <= loss.last and loss.first <= part.last]
        spans = [(part.first, part.last) for part in near if not self._is_good(part.segment)]
        spans += [*listed.missing, (1, listed.first_seq - 1)]
        clipped = [(max(first, loss.first), min(last, loss.last)) for first, last in spans]
        return sorted((first, last) for first, last in clipped if first <= last)

    def _count_lost(self, name: SegmentName) -> int:
        return sum(last - first + 1 for first, last in self._lost(Loss(name.first, name.last)))

    def _generation(self, first: int, last: int) -> int:
        """Return a generation that wins over all files that say anything of these records."""
        names = segments_in(log_folder(self._data_dir))
        return 1 + max((one.generation for one in names if one.first <= last and first <= one.last), default=0)

    def _is_good(self, name: SegmentName) -> bool:
        """Tell whether a segment is whole; each is read once, unless it changes."""
        try:
            status = name.path.stat()
            version = (name, status.st_ino, status.st_size, status.st_mtime_ns)
            if version not in self._good:
                self._good[version] = _is_whole(name)
            return self._good[version]
        except FileNotFoundError:
            return False

    def _write(self, tables: Callable[[], Iterator[pa.Table]], first: int, last: int, generation: int) -> None:
        write_segment(self._data_dir, tables, first, last, generation, self._files)

    def _set_aside(self, name: SegmentName, why: str) -> None:
        kept = self._files.set_aside(self._data_dir, name.path, f"{name.path.name}: {why}")
        self.mended.quarantined.append(str(kept))


def _is_whole(name: SegmentName) -> bool:
    try:
        segment.check_whole(name)
    except LogCorrupt:
        return False
    return True


def _overlap(first: int, last: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(first <= end and start <= last for start, end in spans)


def _one(table: pa.Table) -> Iterator[pa.Table]:
    return iter([table])


def _runs(content: bytes, spans: Sequence[tuple[int, int]]) -> list[list[Record]]:
    """Return the good records of a tail's bytes that lie in these ranges, as runs of consecutive ones of one range."""
    runs: list[list[Record]] = []
    for line in lines_of(content):
        try:
            record = decode(line)
        except LogCorrupt:
            continue
        span = next((span for span in spans if span[0] <= record.seq <= span[1]), None)
        if span is None:
            continue
        if runs and runs[-1][-1].seq + 1 == record.seq and record.seq != span[0]:
            runs[-1].append(record)
        else:
            runs.append([record])
    return runs
