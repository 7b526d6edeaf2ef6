"""Room on the disk that is kept for the moment in which it is full: a file, which is then removed.

With that room the last records are written, what waits is sealed (a segment takes far less room than a tail), and what
had to be dropped is told. The file is made again as soon as there is room for it and as much again.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from .files import Files

__all__ = ["RESERVE_BYTES", "Reserve", "is_full"]

RESERVE_BYTES: Final = 4 << 20

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


def is_full(error: OSError) -> bool:
    """Tell whether an operation failed for want of room."""
    return error.errno in _FULL


class Reserve:
    """The file `reserve` of a data folder, `size` bytes that are really allocated. With size 0 none is ever made.

    `missing` says that there should be one, and is no room for it.
    """

    def __init__(self, data_dir: Path, size: int, files: Files) -> None:
        self.path = data_dir / "reserve"
        self.missing = False
        self._size = size
        self._files = files

    def free(self) -> bool:
        """Give the room to whoever needs it now; tell whether there was any."""
        try:
            if not self.path.exists():
                return False
            self._files.remove(self.path)
        except OSError:
            return False
        self.missing = self._size > 0
        return True

    def free_if_full(self) -> None:
        """Give the room where the disk has less left than that, before anything is tried on it."""
        with suppress(OSError):
            if self.path.exists() and self._room() < self.path.stat().st_size:
                self.free()

    def make(self) -> None:
        """Make the file where it should be, and is not, and the disk has twice its size left. Never raises OSError."""
        if self._size == 0 or (not self.missing and self.path.exists()):
            return
        try:
            if self._room() < 2 * self._size:
                self.missing = True
                return
            self._files.allocate(self.path, self._size)
            self.missing = False
        except OSError as error:
            self.missing = is_full(error)
            if (
                not self.missing
            ):  # a file system on which no room can be kept, or one that fails: that is said elsewhere
                self._size = 0

    def _room(self) -> int:
        system = os.statvfs(self.path.parent)
        return system.f_bavail * system.f_frsize
