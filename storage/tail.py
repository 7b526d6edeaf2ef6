"""The file that is being appended to: written and read line by line, and recovered where its end is torn."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import LogCorrupt, LogNotWritable
from .files import Files
from .manifest import parse_tail, tail_name
from .record import HOUSEKEEPING, LOST, Event, Record, blank, decode, encode, encode_group, housekeeping_event
from .reserve import is_full

__all__ = ["Tail", "TailCursor", "Recovery", "read_tail", "recover", "drop_sealed", "not_writable"]


_MOST_BLANKS = 1_000_000
"""A tail that ends so far before the next one says that a foreign file lies there, not that records were lost."""


class Tail:
    """An open tail. After one failed write or sync it is never appended to again: the caller opens the next one.

    (Linux reports a failed write-back once and then forgets the pages: a later sync that succeeds proves nothing.)
    """

    def __init__(self, folder: Path, first: int, files: Files) -> None:
        """Create the tail whose first record will be number `first`; raises LogNotWritable."""
        self.path = folder / tail_name(first)
        self.first = first
        self.next_seq = first
        self.bytes = 0
        self._files = files
        try:
            self._descriptor: int | None = files.create(self.path)
        except OSError as error:
            raise not_writable(self.path, self.path.parent, error) from error

    def append(self, events: Sequence[Event]) -> tuple[int, int]:
        """Make a group durable, with one write and one fdatasync; return its first and last seq.

        Raises LogNotWritable: then the group is not durable, and this tail is closed.
        """
        if self._descriptor is None:
            raise LogNotWritable(f"{self.path.name} failed before and is not appended to", place=str(self.path))
        first = self.next_seq
        lines = encode_group(first, events)
        try:
            self._files.write(self._descriptor, lines)
            self._files.sync(self._descriptor)
        except OSError as error:
            self.close()
            if is_full(error):  # What is there of the group only takes room away: its caller has it.
                with suppress(OSError):
                    self._files.truncate(self.path, self.bytes)
            raise not_writable(self.path, self.path.parent, error) from error
        except BaseException:  # Interrupted: how much of the group is there is not known, so nothing may follow it.
            self.close()
            raise
        self.next_seq += len(events)
        self.bytes += len(lines)
        return first, self.next_seq - 1

    @property
    def failed(self) -> bool:
        """It was closed, by a failure or in order."""
        return self._descriptor is None

    def close(self) -> None:
        """Close the file; what was appended is durable already."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            try:
                self._files.close(descriptor)
            except OSError as error:
                raise not_writable(self.path, self.path.parent, error) from error


def not_writable(path: Path, folder: Path, error: OSError) -> LogNotWritable:
    """Return what is said of a disk that does not take `path`; a person looks after `folder`."""
    return LogNotWritable(
        f"the log cannot be written: {'disk full' if is_full(error) else error.strerror or error}",
        hint=f"make room or give write permission in {folder}, or name another folder with --data-dir",
        place=str(path),
    )


class TailCursor:
    """Reads a tail while it is being appended to: each call gives the whole good lines that came since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.first = parse_tail(path) or 1
        self.next_seq = self.first
        self.changed = True
        self._offset = 0
        self._size = -1

    def read(self, before: int | None = None) -> list[Record]:
        """Return the next records, those numbered below `before` only.

        Stops before a line that is not whole yet, or is not the expected record. `changed` then tells whether the tail
        has another size than at the call before. Raises FileNotFoundError once the tail has been sealed and dropped.
        """
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            self.changed, self._size = size != self._size, size
            file.seek(self._offset)
            content = file.read()
        records: list[Record] = []
        for line in lines_of(content):
            if before is not None and self.next_seq >= before:
                break
            try:
                record = decode(line) if line.endswith(b"\n") else None
            except LogCorrupt:
                break
            if record is None or record.seq != self.next_seq:
                break
            records.append(record)
            self.next_seq += 1
            self._offset += len(line)
        return records


def read_tail(path: Path, before: int | None = None) -> list[Record]:
    """Return the good records of a tail from its start, those numbered below `before` only."""
    return TailCursor(path).read(before)


@dataclass(slots=True)
class Recovery:
    """What was found in a tail at opening: its records, and what had to be set aside."""

    next_seq: int
    findings: list[str] = field(default_factory=list)


def recover(data_dir: Path, path: Path, before: int | None, files: Files, durable: int = 0) -> Recovery:
    """Make a tail that a crash or a failing disk left behind good again, and durable.

    A torn or corrupt end, and what is numbered `before` or above, goes to the quarantine. A bad line among good ones goes
    there too; a blank row keeps its place, so that seq stays without holes, up to `before`, or to the record `durable`,
    which readers may have seen; then a record says so. Where there is no room for all that, the file stays as it is, to be
    mended at another start: the log goes on in the next tail. Raises OSError if the tail cannot be read or synced.
    """
    first = parse_tail(path) or 1
    content = path.read_bytes()
    good, bad = _sort_lines(content, first, before)
    recovery = Recovery(first + len(good))
    lost = (durable + 1 if before is None else before) - recovery.next_seq
    if lost > _MOST_BLANKS:
        recovery.findings.append(
            f"{path.name} ends {lost} records before the next tail: one of them is not of this log"
        )
    elif lost > 0:  # The next tail was begun, or the mark was moved, after all these had been durable.
        start, end = recovery.next_seq, recovery.next_seq + lost - 1
        recovery.findings.append(f"{path.name}: the records {start}-{end} are lost; blank rows keep their places")
        received_at = decode(good[-1]).received_at if good else 0
        good += [_blank_line(seq, received_at) for seq in range(recovery.next_seq, recovery.next_seq + lost)]
        recovery.next_seq += lost
        if before is None:  # Whoever has seen them is told, by a record that comes after all that it has seen.
            said = housekeeping_event(received_at, "recorder", LOST.removeprefix(HOUSEKEEPING), first=start, last=end)
            good.append(encode(recovery.next_seq, said))
            recovery.next_seq += 1
    whole = b"".join(good)
    if whole != content:
        try:
            _mend(data_dir, path, content, whole, bad, files, recovery)
        except OSError as error:
            reason = error.strerror or error
            recovery.findings.append(f"{path.name}: what is damaged stays in it until the next start ({reason})")
    files.sync_file(path)
    return recovery


def _mend(
    data_dir: Path,
    path: Path,
    content: bytes,
    whole: bytes,
    bad: list[tuple[int, bytes]],
    files: Files,
    recovery: Recovery,
) -> None:
    """Put `whole` in the place of `content`, and what is bad of it into the quarantine first."""
    for offset, line in bad:
        name = f"{path.name}.{offset}-{offset + len(line)}"
        torn = offset + len(line) == len(content)
        reason = "a torn end" if torn else "a line whose checksum or number is wrong"
        kept = files.quarantine(data_dir, name, line, f"{reason} of {path.name}, {len(line)} bytes at byte {offset}")
        recovery.findings.append(f"{path.name}: {reason}, {len(line)} bytes, moved to {kept}")
    if content.startswith(whole):
        files.truncate(path, len(whole))
    else:
        files.write_whole(path, whole)


def drop_sealed(data_dir: Path, path: Path, before: int, files: Files) -> None:
    """Remove a tail whose records below `before` a segment holds; what else is in it goes to the quarantine first."""
    content = path.read_bytes()
    _, bad = _sort_lines(content, parse_tail(path) or 1, before)
    for offset, line in bad:
        name = f"{path.name}.{offset}-{offset + len(line)}"
        files.quarantine(data_dir, name, line, f"{len(line)} bytes at byte {offset} of {path.name}, which was sealed")
    files.remove(path)


def _sort_lines(content: bytes, first: int, before: int | None) -> tuple[list[bytes], list[tuple[int, bytes]]]:
    """Return the lines of records `first`, `first` + 1, … (blank rows where one is lost), and the others with offsets."""
    good: list[bytes] = []
    bad: list[tuple[int, bytes]] = []
    offset = 0
    received_at = 0
    for line in lines_of(content):
        expected = first + len(good)
        try:
            record = decode(line) if line.endswith(b"\n") else None
        except LogCorrupt:
            record = None
        if record is None or not expected <= record.seq < (before or expected + len(content)):
            bad.append((offset, line))
        else:
            for lost in range(expected, record.seq):
                good.append(_blank_line(lost, received_at or record.received_at))
            received_at = record.received_at
            good.append(line)
        offset += len(line)
    return good, _joined(bad)


def lines_of(content: bytes) -> Iterator[bytes]:
    """Split at line feeds only, which a record's JSON never holds."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start) + 1 or len(content)
        yield content[start:end]
        start = end


def _blank_line(seq: int, received_at: int) -> bytes:
    reason = "the line was damaged on disk; what there is of it is in the quarantine"
    return encode(seq, blank(seq, received_at, "homeiq", reason))


def _joined(bad: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Join bad lines that lie side by side, so that one torn end is one file in the quarantine."""
    joined: list[tuple[int, bytes]] = []
    for offset, line in bad:
        if joined and joined[-1][0] + len(joined[-1][1]) == offset:
            joined[-1] = (joined[-1][0], joined[-1][1] + line)
        else:
            joined.append((offset, line))
    return joined
