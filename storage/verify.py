"""Proves a log whole: every number there once, every byte as it was written, every column as `raw` says.

Reads everything, changes nothing, and takes no lock, so that it works while a recorder records. Imports pyarrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LogCorrupt, LogError
from . import segment
from .agreement import disagreement, is_blank
from .log import log_folder, require_log
from .manifest import SegmentName, Slice, parse_segment, parse_tail
from .mark import mark_of
from .reader import LogFiles, TailPart, list_files, lists_of, read_slice, records_of
from .record import EXPIRED, Record, decode
from .tail import lines_of
from .vanished import vanished_of

__all__ = ["Finding", "Verification", "verify"]

_TRIES = 20
_OURS = re.compile(r"[A-Z_]+|.*\.tmp|.*\.parquet\.old")
"""Besides segments and tails: locks and marks, what is being written, what is superseded."""

_MOST_EXAMPLES = 20
"""So many findings at most of the columns of one file, and then how many more there are."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `first` and `last` are the records it is about, 0 where it is about none.

    `kind`: missing (no file holds them), damaged (they can't be read or are not what was written), disagrees (a column is
    not what raw says), conflict (two valid files say different things), foreign (a file that is none of the log's).
    """

    kind: str
    first: int
    last: int
    file: str
    message: str


@dataclass(slots=True)
class Verification:
    """What was read so far, and what was found; `total` is about how many records there are to read."""

    first_seq: int = 0
    last_seq: int = 0
    total: int = 0
    records: int = 0
    blanks: int = 0
    segments: int = 0
    tails: int = 0
    bytes: int = 0
    findings: list[Finding] = field(default_factory=list)


Watch = Callable[[Verification], None]


def verify(data_dir: Path, watch: Watch = lambda found: None) -> Verification:
    """Read the whole log; return what was found. `watch` is told of progress. Raises LogError where there is no log."""
    require_log(data_dir)
    proof = _Proof(data_dir, watch)
    tries = 0
    while tries < _TRIES:
        files = list_files(data_dir)
        reached = proof.found.records
        try:
            proof.go_on(files)
        except FileNotFoundError:  # Sealed or superseded meanwhile: from there on with another list.
            tries = tries + 1 if proof.found.records == reached else 0
            continue
        proof.look_at_the_rest(files)
        return proof.found
    raise LogError("files of the log vanish while they are read", hint="try again", place=str(data_dir))


class _Proof:
    """One pass through a log, in order of seq."""

    def __init__(self, data_dir: Path, watch: Watch) -> None:
        self.found = Verification()
        self._folder = log_folder(data_dir)
        self._watch = watch
        self._next = 1
        self._begins = 1  # The first record may be a later one, where the log says that those before it have expired.
        self._mark = mark_of(self._folder)  # Asked before anything is read: all that it covers must be there.

    def go_on(self, files: LogFiles) -> None:
        """Read what was not read yet. Raises FileNotFoundError where a file is gone meanwhile."""
        found = self.found
        if not found.first_seq:
            found.first_seq = self._next = files.first_seq
        found.total = files.slices[-1].last if files.slices else 0
        for part in files.slices:
            if part.last >= self._next:
                self._expect(part.first)
                self._read_segment(part)
                self._next = part.last + 1
        for tail in files.tails:
            if tail.before is None or tail.before > self._next:
                self._expect(tail.first)
                self._read_tail(tail)
        if self._mark and self._mark.last >= self._next:
            self._find("missing", self._next, self._mark.last, "", "were durable, and no file holds them")
        found.last_seq = self._next - 1

    def look_at_the_rest(self, files: LogFiles) -> None:
        """Look at the files that speak for no record."""
        if self.found.first_seq > self._begins:
            self._find("missing", self._begins, self.found.first_seq - 1, "", "are missing: no file holds them")
        speaking = {part.segment: part for part in files.slices}
        for path in sorted([*self._folder.glob("*"), *self._folder.glob("date=*/*")]):
            name = parse_segment(path) if path.parent != self._folder else None
            try:
                if name is not None and name not in speaking:
                    self._compare(name, files.slices)
                elif name is None and not path.is_dir() and not self._is_ours(path):
                    self._find("foreign", 0, 0, path.name, "is no file of the log, which leaves it alone")
            except FileNotFoundError:
                continue

    def _is_ours(self, path: Path) -> bool:
        if path.parent == self._folder and parse_tail(path) is not None:
            return True
        return _OURS.fullmatch(path.name) is not None

    def _find(self, kind: str, first: int, last: int, file: str, message: str) -> None:
        if first == last and first:
            message = message.replace("are ", "is ", 1).replace("were ", "was ", 1)
        if first:
            message = f"{f'the records {first}-{last}' if last > first else f'the record {first}'} {message}"
        self.found.findings.append(Finding(kind, first, last, file, message))

    def _expect(self, first: int) -> None:
        if first > self._next:
            self._find("missing", self._next, first - 1, "", "are missing: no file holds them")
            self._next = first

    def _read_segment(self, part: Slice) -> None:
        path = part.segment.path
        size = path.stat().st_size
        first = max(part.first, self._next)
        try:
            segment.check_whole(part.segment)
            if segment.is_foreign(part.segment):
                self._find("foreign", first, part.last, path.name, _OF_ANOTHER)
            disagreeing: list[tuple[int, str]] = []
            for table in read_slice(part, first, part.last):
                for records in lists_of(table):
                    self._take(records, disagreeing)
        except LogCorrupt as error:
            self._find("damaged", first, part.last, path.name, f"are not to be trusted: {error}")
        else:
            self._say_disagreeing(path.name, disagreeing)
        self.found.segments += 1
        self.found.bytes += size

    def _read_tail(self, part: TailPart) -> None:
        limit = part.limit()
        content = part.path.read_bytes()
        first = max(part.first, self._next)
        expected = parse_tail(part.path) or 1
        records: list[Record] = []
        bad: int | None = None
        for line in lines_of(content):
            if limit is not None and expected >= limit:
                break
            record = _record_of(line)
            if record is None or record.seq < expected or (limit is not None and record.seq >= limit):
                bad = expected if bad is None else bad
                continue
            if record.seq > expected:
                self._find("damaged", max(expected, first), record.seq - 1, part.path.name, "cannot be read any more")
            expected, bad = record.seq + 1, None
            records += [record] if record.seq >= first else []
        if limit is not None and part.before is not None and expected < limit:
            self._find("damaged", max(expected, first), limit - 1, part.path.name, "cannot be read any more")
            expected = limit
        disagreeing: list[tuple[int, str]] = []
        self._take(records, disagreeing)
        self._say_disagreeing(part.path.name, disagreeing)
        self._next = max(self._next, expected)
        self.found.tails += 1
        self.found.bytes += len(content)

    def _take(self, records: list[Record], disagreeing: list[tuple[int, str]]) -> None:
        found = self.found
        for record in records:
            problem = disagreement(record)
            if problem:
                disagreeing.append((record.seq, problem))
            found.blanks += is_blank(record)
            if record.event_type == EXPIRED:
                self._begins = max(self._begins, vanished_of([record]).first_seq)
        found.records += len(records)
        found.total = max(found.total, records[-1].seq if records else 0)
        self._watch(found)

    def _say_disagreeing(self, file: str, disagreeing: list[tuple[int, str]]) -> None:
        for seq, problem in disagreeing[:_MOST_EXAMPLES]:
            self._find("disagrees", seq, seq, file, problem)
        more = len(disagreeing) - _MOST_EXAMPLES
        if more > 0:
            self._find("disagrees", 0, 0, file, f"{more} more records of it disagree with their raw text")

    def _compare(self, name: SegmentName, slices: list[Slice]) -> None:
        """Look at a segment for which others speak: what it holds must be what they hold, or nothing any more."""
        try:
            segment.check_whole(name)
            if segment.is_foreign(name):
                self._find("foreign", 0, 0, name.path.name, "speaks for no record: it was written for another log")
                return
            for mine in read_slice(Slice(name, name.first, name.last), name.first, name.last, ("seq", "raw")):
                texts = dict(zip(mine["seq"].to_pylist(), mine["raw"].to_pylist(), strict=True))
                if self._differs(name, texts, slices):
                    return
        except LogCorrupt as error:
            self._find("foreign", 0, 0, name.path.name, f"speaks for no record: {error}")

    def _differs(self, name: SegmentName, texts: dict[int, str], slices: list[Slice]) -> bool:
        """Say which of these texts is another one in the segment that speaks for it, if there is one."""
        first, last = min(texts), max(texts)
        for part in slices:
            if part.first > last or first > part.last:
                continue
            for table in read_slice(part, first, last):
                for record in records_of(table):
                    if not is_blank(record) and texts.get(record.seq) != record.raw:
                        message = f"has another text in {part.segment.path.name}, which speaks for it"
                        self._find("conflict", record.seq, record.seq, name.path.name, message)
                        return True
        return False


_OF_ANOTHER = "were written for another log; if this folder is a copy of that one, copy its log/ID too"


def _record_of(line: bytes) -> Record | None:
    try:
        return decode(line) if line.endswith(b"\n") else None
    except LogCorrupt:
        return None
