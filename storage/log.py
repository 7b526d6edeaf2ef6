"""EventLog: the only door to the log. Opened for appending by one process; read by any number, at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path

from ..errors import LogClosed, LogError, LogLocked, LogNotWritable
from .digest import format_of
from .files import Files, LockHeld, locked
from .manifest import SegmentName, parse_segment, parse_tail
from .mark import MarkWriter, mark_of
from .record import FORMAT_VERSION, Event, refuse_newer_line, too_new
from .reserve import Reserve, is_full
from .tail import Tail, not_writable, recover

__all__ = ["EventLog", "log_folder", "log_id", "refuse_newer", "require_log", "segments_in", "tails_in"]

_FOOTER_BYTES = 8_192


def log_folder(data_dir: Path) -> Path:
    """Return the folder of a data folder that holds tails and segments."""
    return data_dir / "log"


def require_log(data_dir: Path) -> None:
    """Raise LogError unless there is a log in this data folder."""
    if not log_folder(data_dir).is_dir():
        raise LogError(f"there is no log in {data_dir}", hint="name another folder with --data-dir, or record first")


def log_id(data_dir: Path, files: Files | None = None) -> str:
    """Return what tells this log from every other: a random text in `log/ID`, made where there is none.

    Raises LogNotWritable.
    """
    path = log_folder(data_dir) / "ID"
    try:
        if not path.exists():
            (files or Files()).write_whole(path, uuid.uuid4().hex.encode() + b"\n")
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise not_writable(data_dir, path, error) from error


def tails_in(folder: Path) -> list[tuple[int, Path]]:
    """Return the tails in a folder as (first seq, path), in order."""
    found = ((parse_tail(path), path) for path in folder.glob("tail-*.ndjson"))
    return sorted((first, path) for first, path in found if first is not None)


def segments_in(folder: Path) -> list[SegmentName]:
    """Return the segments in a folder, in no order; without pathlib's globbing, which takes seconds after ten years."""
    found = []
    with suppress(FileNotFoundError), os.scandir(folder) as days:
        for day in days:
            if day.name.startswith("date="):
                with suppress(FileNotFoundError, NotADirectoryError), os.scandir(day.path) as files:
                    names = [parse_segment(Path(file.path)) for file in files if file.name.endswith(".parquet")]
                found += [name for name in names if name is not None]
    return found


def refuse_newer(folder: Path, *, every: bool = False) -> None:
    """Raise LogTooNew where a newer homeiq wrote: its tails say so in each line, its segments in their footers.

    Looks at the last segment, or at `every` one, once each: a file's name never gets another content of another format.
    """
    for _, path in tails_in(folder):
        with suppress(FileNotFoundError), path.open("rb") as file:  # sealed meanwhile
            refuse_newer_line(file.readline())
    names = sorted(segments_in(folder), key=lambda name: (name.last, name.generation))
    for name in names if every else names[-1:]:
        with suppress(FileNotFoundError):
            if (version := _format_of(name.path)) > FORMAT_VERSION:
                raise too_new(version, str(name.path))


@lru_cache(maxsize=10_000)
def _format_of(path: Path) -> int:
    """Return the format that a segment's footer names; 0 if it names none."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _FOOTER_BYTES))
        version = format_of(file.read())
    return format_of(path.read_bytes()) if version > FORMAT_VERSION else version


class EventLog:
    """The log of a data folder, open for appending.

    `append` returns when the group is durable, and only then. Everything it has ever returned survives kill -9 and power
    loss. Not safe for use by two threads at once.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        purpose: str = "homeiq",
        rotate_records: int = 50_000,
        files: Files | None = None,
        reserve_bytes: int = 0,
    ) -> None:
        """Take the lock, recover what a crash left, and open a new tail.

        `purpose` is what a second writer is told about the first; a tail of `rotate_records` is followed by a new one.
        `reserve_bytes` are kept for a full disk, see reserve.py.
        Raises LogLocked, LogNotWritable, LogCorrupt.
        """
        self.data_dir = data_dir
        self.folder = log_folder(data_dir)
        self.findings: list[str] = []
        self._files = files or Files()
        self._rotate_records = rotate_records
        self.reserve = Reserve(data_dir, reserve_bytes, self._files)
        self._closing = ExitStack()
        self._closed = False
        try:
            self._files.make_folder(self.folder)
            self._closing.enter_context(locked(data_dir / "LOCK", purpose))
            self.reserve.free_if_full()
            self._files.sync_folder(data_dir)  # Whoever made `log` may have been killed before it was durable.
            refuse_newer(self.folder)
            self.id = log_id(data_dir, self._files)
            with suppress(OSError):  # Made while there is room: to move a file there then needs none.
                self._files.make_folder(data_dir / "quarantine")
            self._mark = MarkWriter(self.folder, self._files)
            self.next_seq = self._recover()
            self._tail = self._new_tail()
            self._mark.move(self._tail.first, self.next_seq - 1)
            self.reserve.make()
        except LockHeld as error:
            raise LogLocked(
                f"another process records into {data_dir}",
                hint=f"stop it first ({error.holder}), or choose another folder with --data-dir",
                place=str(data_dir),
            ) from None
        except OSError as error:
            self._closing.close()
            raise not_writable(self.data_dir, self.data_dir, error) from error
        except BaseException:
            self._closing.close()
            raise

    def append(self, events: Sequence[Event]) -> tuple[int, int]:
        """Number the events and make them durable; return the first and the last seq.

        Raises LogNotWritable: nothing of the group counts as recorded, and the caller may try the same group again, which
        then goes into a new tail. Raises LogClosed after `close`.
        """
        if self._closed:
            raise LogClosed("the log is closed")
        try:
            first, last = self._append(events)
        except LogNotWritable as error:
            cause = error.__cause__
            if not isinstance(cause, OSError) or not is_full(cause) or not self.reserve.free():
                raise
            first, last = self._append(events)
        self.reserve.make()
        return first, last

    def _append(self, events: Sequence[Event]) -> tuple[int, int]:
        if self._tail.failed or self.tail_records >= self._rotate_records:
            self._start_tail()
        first, last = self._tail.append(events)
        self.next_seq = last + 1
        self._mark.move(self._tail.first, last)
        return first, last

    @property
    def tail_records(self) -> int:
        """How many records the present tail holds."""
        return self._tail.next_seq - self._tail.first

    def rotate(self) -> None:
        """Go on in a new tail, so that the one before can be sealed; raises LogNotWritable, LogClosed."""
        if self._closed:
            raise LogClosed("the log is closed")
        if self._tail.failed or self.tail_records:
            self._start_tail()

    def close(self) -> None:
        """Close the tail and give the lock back. What was appended is durable already."""
        if not self._closed:
            self._closed = True
            try:
                self._tail.close()
            finally:
                self._closing.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _start_tail(self) -> None:
        self._tail.close()
        try:
            self._tail = self._new_tail()
        except OSError as error:
            raise not_writable(self.data_dir, self.data_dir, error) from error
        self._mark.move(self._tail.first, self.next_seq - 1)

    def _new_tail(self) -> Tail:
        """Open the tail for the next seq; one of that name holds only what was never acknowledged, or nothing."""
        for first, path in tails_in(self.folder):
            if first < self.next_seq:
                continue
            size = path.stat().st_size
            if size:
                note = f"{size} bytes of {path.name}, written by a group that failed and was written again"
                kept = self._files.set_aside(self.data_dir, path, note)
                self.findings.append(f"{path.name}: a group that failed, moved to {kept}")
            else:
                self._files.remove(path)
        return Tail(self.folder, self.next_seq, self._files)

    def _recover(self) -> int:
        """Make every tail good; return the next seq."""
        next_seq = 1
        tails = tails_in(self.folder)
        mark = mark_of(self.folder)
        durable = mark.last if mark else 0
        for place, (_, path) in enumerate(tails):
            before = tails[place + 1][0] if place + 1 < len(tails) else None
            try:
                recovery = recover(self.data_dir, path, before, self._files, durable)
            except FileNotFoundError:
                if before is None:
                    raise
                continue  # Sealed meanwhile by a child of the process before this one.
            self.findings += recovery.findings
            next_seq = recovery.next_seq
        sealed = max((name.last for name in segments_in(self.folder)), default=0)
        if not tails or sealed >= next_seq:
            next_seq = max(next_seq, self._sealed_position() if sealed else 1)
        if durable >= next_seq:
            self.findings.append(f"the records {next_seq}-{durable} were durable, and no file holds them")
        return max(next_seq, durable + 1)

    def _sealed_position(self) -> int:
        """Ask a child, which may load pyarrow, what the valid segments reach to: there is no tail that would say it."""
        command = [sys.executable, "-m", "homeiq.storage.maintenance", "position", str(self.data_dir)]
        child = subprocess.run(command, capture_output=True, text=True, check=False)
        if child.returncode:
            reason = child.stderr.strip().splitlines() or [f"exit code {child.returncode}"]
            raise LogError("the end of the log cannot be found", hint=reason[-1])
        return int(child.stdout)
