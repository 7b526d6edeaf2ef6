"""Disks that fail, that are switched off, or that let a process be killed: file layers for the tests of storage."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from homeiq.storage import maintenance, segment
from homeiq.storage.files import Files
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.reader import read_everything
from homeiq.storage.record import Event, Record

__all__ = [
    "Halt",
    "FastFiles",
    "SteppedFiles",
    "FailingFiles",
    "ShadowedFiles",
    "event",
    "events",
    "operate",
    "contents",
    "small_segments",
]


class Halt(BaseException):
    """The process is gone: nothing in the code under test may catch this."""


class FastFiles(Files):
    """A disk that nobody switches off needs no sync."""

    def sync(self, descriptor: int) -> None:
        pass

    def sync_folder(self, folder: Path) -> None:
        pass


class SteppedFiles(FastFiles):
    """Calls `before` with each operation's number, name and path, before it is done; remembers them all."""

    def __init__(self, before: Callable[[int, str], None] = lambda number, name: None) -> None:
        self.done: list[tuple[str, str]] = []
        self._before = before
        self._numbers = count(1)

    def _step(self, name: str, path: object) -> None:
        self._before(next(self._numbers), name)
        self.done.append((name, str(path)))

    def create(self, path: Path) -> int:
        self._step("create", path)
        return super().create(path)

    def write(self, descriptor: int, content: bytes) -> None:
        self._step("write", path_of(descriptor))
        super().write(descriptor, content)

    def sync(self, descriptor: int) -> None:
        self._step("sync", path_of(descriptor))
        super().sync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        self._step("sync_folder", folder)
        super().sync_folder(folder)

    def replace(self, source: Path, destination: Path) -> None:
        self._step("replace", destination)
        super().replace(source, destination)

    def overwrite(self, path: Path, content: bytes) -> None:
        self._step("overwrite", path)
        super().overwrite(path, content)

    def truncate(self, path: Path, length: int) -> None:
        self._step("truncate", path)
        super().truncate(path, length)

    def remove(self, path: Path) -> None:
        self._step("remove", path)
        super().remove(path)


class FailingFiles(SteppedFiles):
    """Fails at the operations with these numbers; a write that fails leaves half of what it was given."""

    def __init__(self, failing: Iterable[int], code: int = errno.ENOSPC) -> None:
        super().__init__(self._fail)
        self.failing = set(failing)
        self.failed: list[str] = []
        self._code = code

    def _fail(self, number: int, name: str) -> None:
        if number in self.failing:
            raise OSError(self._code, os.strerror(self._code))

    def write(self, descriptor: int, content: bytes) -> None:
        try:
            super().write(descriptor, content)
        except OSError:
            self.failed.append(path_of(descriptor))
            self.done.append(("failed", path_of(descriptor)))
            os.write(descriptor, content[: len(content) // 2])
            raise

    def sync(self, descriptor: int) -> None:
        try:
            super().sync(descriptor)
        except OSError:
            self.failed.append(path_of(descriptor))
            self.done.append(("failed", path_of(descriptor)))
            raise


class ShadowedFiles(SteppedFiles):
    """Remembers what has reached the disk: a file's bytes at its last sync, a folder's names at its last sync.

    Before operation `killed` the process is gone, before operation `until` the power; `restart` then builds a folder of
    what is left.
    """

    def __init__(self, root: Path, until: int, killed: int = 0) -> None:
        super().__init__(self._halt_at(until, killed))
        self.root = root
        self._bytes: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}
        self._kept: dict[int, int] = {}

    @staticmethod
    def _halt_at(until: int, killed: int) -> Callable[[int, str], None]:
        def halt(number: int, name: str) -> None:
            if number >= until or number == killed:
                raise Halt

        return halt

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self._remember(Path(path_of(descriptor)), descriptor)

    def truncate(self, path: Path, length: int) -> None:
        super().truncate(path, length)
        self.sync_file(path)

    def sync_folder(self, folder: Path) -> None:
        super().sync_folder(folder)
        self._names[folder] = {entry.name: entry.inode() for entry in os.scandir(folder)}
        for entry in os.scandir(folder):  # Held open, so that its number is not given to another file.
            if entry.is_file() and entry.inode() not in self._kept:
                self._kept[entry.inode()] = os.open(entry.path, os.O_RDONLY)

    def _remember(self, path: Path, descriptor: int) -> None:
        number = os.fstat(descriptor).st_ino
        if number not in self._kept:
            self._kept[number] = os.dup(descriptor)
        self._bytes[number] = path.read_bytes()

    def close_all(self) -> None:
        for descriptor in self._kept.values():
            os.close(descriptor)

    def restart(self, new: Path, choose: Callable[[list[str]], str]) -> Path:
        """Build what is on the disk after the power came back; `choose` says what happened to what was not synced."""
        self._rebuild(self.root, new, choose)
        return new

    def _rebuild(self, folder: Path, new: Path, choose: Callable[[list[str]], str]) -> None:
        new.mkdir(parents=True)
        now = {entry.name: entry.inode() for entry in os.scandir(folder)}
        synced = self._names.get(folder, {})
        names = now if synced != now and choose(["synced", "unsynced"]) == "unsynced" else synced
        live = {entry.inode(): Path(entry.path) for entry in os.scandir(folder)}
        for name, number in names.items():
            if (folder / name).is_dir():
                self._rebuild(folder / name, new / name, choose)
            else:
                durable = self._bytes.get(number, b"")
                written = live[number].read_bytes() if number in live else durable
                (new / name).write_bytes(_after_power_loss(durable, written, choose))


def _after_power_loss(durable: bytes, written: bytes, choose: Callable[[list[str]], str]) -> bytes:
    if durable == written:
        return durable
    match choose(["synced", "unsynced", "half", "zeros"]):
        case "unsynced":
            return written
        case "half":
            return durable + written[len(durable) : (len(durable) + len(written)) // 2]
        case "zeros":
            return durable + b"\0" * max(0, len(written) - len(durable))
    return durable


def path_of(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def event(number: int, raw: str | None = None) -> Event:
    """Return an event whose raw text tells it from all others."""
    at = 1_800_000_000_000_000 + number * 1_000
    text = f'{{"number": {number}}}' if raw is None else raw
    return Event(
        at, at + 1, "home_assistant", "live", "state_changed", f"sensor.number_{number % 3}", str(number), text
    )


def events(first: int, how_many: int) -> list[Event]:
    """Return events that are numbered as their records will be, from `first` on."""
    return [event(number) for number in range(first, first + how_many)]


def operate(log: EventLog, operation: str, place: int) -> EventLog:
    """Do one thing with a log and its files, nothing for another word; return the log, or the one that took its place."""
    match operation:
        case "append":
            log.append(events(log.next_seq, place % 4 + 1))
        case "rotate":
            log.rotate()
        case "seal":
            seal(log.data_dir, FastFiles())
        case "compact":
            compact(log.data_dir, FastFiles())
        case "restart":
            log.close()
            return EventLog(log.data_dir, rotate_records=5, files=FastFiles())
    return log


@contextmanager
def small_segments(merged: int = 16, joined: int = 40) -> Iterator[None]:
    """Let compaction merge and join so few records, and a row group hold five rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maintenance, "MERGED_RECORDS", merged)
        patch.setattr(maintenance, "JOINED_RECORDS", joined)
        patch.setattr(segment, "ROW_GROUP", 5)
        yield


def contents(data_dir: Path, first: int = 1) -> list[Record]:
    """Return the whole log, which begins with the seq `first`; a hole or a record out of order fails."""
    records = [record for group in read_everything(data_dir) for record in group]
    assert [record.seq for record in records] == list(range(first, first + len(records)))
    return records


def fill(data_dir: Path, groups: int, size: int = 5, **options: object) -> int:
    """Record so many groups of numbered events, each in its own tail; return the last seq."""
    with EventLog(data_dir, rotate_records=size, files=FastFiles(), **options) as log:  # type: ignore[arg-type]
        for _ in range(groups):
            log.append(events(log.next_seq, size))
        return log.next_seq - 1
