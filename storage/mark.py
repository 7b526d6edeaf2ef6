"""The mark: up to which record the newest tail is durable. Readers read up to it and no further.

A group is in the file, for whoever reads it, some milliseconds before its fdatasync returns; power loss in between takes
it, and its numbers are given to other records. So the appender says in `log/DURABLE` which record was made durable last,
each time after the fdatasync, by overwriting one line in place:

    <first seq of the tail> <last durable seq> <boot id> <CRC-32 of what is before it>

It is not synced: whatever of it reaches the disk was true when it was written, and stays true. After the machine was
started anew (another boot id) all that can be read comes from the disk: then, and where there is no mark, every whole line
counts. What a mark says was durable is missed when the log is opened, and its numbers are never given again.
"""

from __future__ import annotations

import logging
import os
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .files import Files
from .manifest import parse_tail

__all__ = ["MARK", "Mark", "MarkWriter", "boot_id", "mark_of", "readable_before"]

_log = logging.getLogger(__name__)

MARK = "DURABLE"
"""The file's name, in the folder of the log."""

_LENGTH = 20 + 1 + 20 + 1 + 36 + 1 + 8 + 1
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Mark:
    """The tail that begins with record `tail` is appended to, and is durable up to record `last`."""

    tail: int
    last: int
    boot: str

    def line(self) -> bytes:
        """Return the one line of the file."""
        said = b"%020d %020d %-36b " % (self.tail, self.last, self.boot.encode("ascii"))
        return b"%b%08x\n" % (said, zlib.crc32(said))

    @classmethod
    def of(cls, line: bytes) -> Mark | None:
        """Return what a line says; None where it is not one."""
        said, crc = line[:-9], line[-9:]
        if len(line) != _LENGTH or crc != b"%08x\n" % zlib.crc32(said):
            return None
        tail, last, *boot = said.decode("ascii", "replace").split()
        return cls(int(tail), int(last), "".join(boot))

    def limit(self, first: int) -> int:
        """Return the first record that does not count, or not yet, in the newest tail known, which begins with `first`."""
        if first == self.tail:
            return self.last + 1
        return self.tail if first < self.tail else first


@cache
def boot_id() -> str:
    """Return what tells this start of the machine from every other; an empty text where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:36]
    except OSError:
        return ""


def mark_of(folder: Path) -> Mark | None:
    """Return the mark of a log's folder; None where there is none that can be read."""
    for _ in range(_TRIES):  # It may be overwritten while it is read.
        try:
            line = (folder / MARK).read_bytes()
        except OSError:
            return None
        mark = Mark.of(line)
        if mark is not None:
            return mark
    return None


def readable_before(tail: Path) -> int | None:
    """Return the number below which records of the newest tail count; None: all of them. To be asked before it is read."""
    mark = mark_of(tail.parent)
    return None if mark is None or mark.boot != boot_id() else mark.limit(parse_tail(tail) or 1)


class MarkWriter:
    """Moves the mark of a log that this process appends to."""

    def __init__(self, folder: Path, files: Files) -> None:
        self._path = folder / MARK
        self._files = files
        self.problem = ""

    def move(self, tail: int, last: int) -> None:
        """Say that the tail that begins with `tail` is durable up to `last`.

        Raises nothing: the records are durable whether or not it can be said. Readers then see them with the next group;
        `problem` says why.
        """
        line = Mark(tail, last, boot_id()).line()
        if self._overwritten(line):
            self.problem = ""
            return
        try:
            self._files.write_whole(self._path, line)
            self.problem = ""
        except OSError as error:
            problem = (
                f"{self._path} cannot be written ({error.strerror or error}): readers do not see the newest records"
            )
            if problem != self.problem:
                _log.warning("%s", problem)
            self.problem = problem

    def _overwritten(self, line: bytes) -> bool:
        try:
            if os.stat(self._path).st_size != _LENGTH:
                return False
            self._files.overwrite(self._path, line)
        except OSError:  # Not there yet, or a bad place on the disk: then another file.
            return False
        return True
