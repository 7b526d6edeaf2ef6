"""The only module that creates, writes, syncs, renames, truncates or removes a file of the data folder.

All of it goes through one object, `Files`, so that a test can put another in its place: one that fails, that kills the
process before the n-th operation, or that forgets what was not synced.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["Files", "LockHeld", "locked", "lock_holder"]


class LockHeld(Exception):
    """Another process holds the lock; `holder` is what it wrote into the file."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


class Files:
    """File operations that survive power loss once they return. All raise OSError."""

    def create(self, path: Path) -> int:
        """Create a file that must not exist yet, for appending; its name is durable. Returns the descriptor."""
        self.make_folder(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            self.sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def write(self, descriptor: int, content: bytes | bytearray) -> None:
        """Write all of `content`; not durable before `sync`."""
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Make durable what was written."""
        os.fdatasync(descriptor)

    def close(self, descriptor: int) -> None:
        """Close a descriptor."""
        os.close(descriptor)

    def sync_file(self, path: Path) -> None:
        """Make durable what some process wrote to this file."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Make durable which names a folder holds."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_folder(self, folder: Path) -> None:
        """Create a folder and those above it, durably; only its owner may look in: a home's log is personal."""
        if folder.is_dir():
            return
        self.make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        self.sync_folder(folder.parent)

    def replace(self, source: Path, destination: Path) -> None:
        """Give a written and synced file its final name, durably."""
        os.rename(source, destination)
        self.sync_folder(destination.parent)

    def write_whole(self, path: Path, content: bytes | bytearray) -> None:
        """Write a file atomically: a reader sees the old content or the new, also after power loss."""
        beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        self._write_beside(path, beside, content, durable=True)
        self.replace(beside, path)

    def publish(self, path: Path, content: bytes) -> None:
        """Replace a file that is made anew all the time: a reader sees the old content or the new.

        Not durable, so that nothing waits for the disk, nor wears it: after power loss it may be old, or empty.
        """
        beside = path.with_name(f"{path.name}.tmp")  # one process publishes it: what a killed one left is overwritten
        self._write_beside(path, beside, content, durable=False)
        os.rename(beside, path)

    def _write_beside(self, path: Path, beside: Path, content: bytes | bytearray, *, durable: bool) -> None:
        """Write what a file is to hold under another name; where that fails, nothing is left."""
        self.make_folder(path.parent)
        descriptor = os.open(beside, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            self.write(descriptor, content)
            if durable:
                self.sync(descriptor)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise
        finally:
            os.close(descriptor)

    def overwrite(self, path: Path, content: bytes) -> None:
        """Put bytes in the place of the first ones of a file, in one write; not durable, and needs no room."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, content, 0)
        finally:
            os.close(descriptor)

    def allocate(self, path: Path, size: int) -> None:
        """Make a file of so many bytes, each with its place on the disk; where there is no room, none is left."""
        self.make_folder(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            self.sync(descriptor)
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(descriptor)
        self.sync_folder(path.parent)

    def truncate(self, path: Path, length: int) -> None:
        """Cut a file, durably."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, length)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        """Remove a file, durably; one that is gone already is fine."""
        path.unlink(missing_ok=True)
        self.sync_folder(path.parent)

    def quarantine(self, data_dir: Path, name: str, content: bytes, note: str) -> Path:
        """Keep bytes that can't stay where they were, with a note on why; returns where they are now.

        Other bytes that were put there under the same name stay.
        """
        place = data_dir / "quarantine" / name
        number = 0
        while place.exists() and place.read_bytes() != content:
            number += 1
            place = place.with_name(f"{name}.{number}")
        self.write_whole(place.with_name(place.name + ".note"), note.encode() + b"\n")
        self.write_whole(place, content)
        return place

    def set_aside(self, data_dir: Path, path: Path, note: str) -> Path:
        """Move a whole file to the quarantine, which needs no room on the disk; returns where it is now.

        Where there is no room for the note, the file goes without.
        """
        place = data_dir / "quarantine" / path.name
        number = 0
        while place.exists():
            number += 1
            place = place.with_name(f"{path.name}.{number}")
        self.make_folder(place.parent)
        with suppress(OSError):
            self.write_whole(place.with_name(place.name + ".note"), note.encode() + b"\n")
        self.replace(path, place)
        self.sync_folder(path.parent)
        return place


def lock_holder(path: Path) -> str:
    """Return what the present holder of a lock says of itself, or an empty text if nobody holds it."""
    try:
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().decode("utf-8", "replace").strip() or "an unknown process"
            return ""
    except FileNotFoundError:
        return ""


@contextmanager
def locked(path: Path, purpose: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the lock at `path`, which dies with the process; raises LockHeld unless it is free or `wait` is true."""
    Files().make_folder(path.parent)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.read(descriptor, 500).decode("utf-8", "replace").strip()
            raise LockHeld(holder or "an unknown process") from None
        since = time.strftime("%Y-%m-%d %H:%M:%S %z")
        with suppress(OSError):  # A full disk has no room for the words; the lock itself needs none.
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{purpose}, process {os.getpid()}, since {since}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
