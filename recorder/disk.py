"""How much room the disk has left, and how long it lasts at the rate at which the log grows now."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..clock import Clock
from ..storage.log import log_folder, segments_in

__all__ = ["Disk", "LogSize", "MEASURE_SECONDS", "bytes_per_record", "log_size"]

MEASURE_SECONDS: Final = 60.0

_DAY_SECONDS: Final = 86_400.0
_LEAST_SECONDS: Final = 600.0
"""A rate is told after so long: before, the first snapshot would count as the usual."""

_SIZES_EACH: Final = 10
"""The sizes of all files are looked up at each so many measurements only."""


class Disk:
    """What was measured last. All are None until it is known; sizes in bytes."""

    def __init__(self, data_dir: Path, clock: Clock) -> None:
        self.free: int | None = None
        self.log_bytes: int | None = None
        self.bytes_per_day: float | None = None
        self._data_dir = data_dir
        self._clock = clock
        self._count = 0
        self._bytes_per_record = 0.0
        self._seen: deque[tuple[float, int]] = deque(maxlen=round(_DAY_SECONDS / MEASURE_SECONDS))

    @property
    def days_left(self) -> float | None:
        """Days until the disk is full at the rate of the last 24 hours; None while it is not known, or nothing grows."""
        if self.free is None or not self.bytes_per_day:
            return None
        return self.free / self.bytes_per_day

    async def measure(self, durable_seq: int) -> None:
        """Look at the disk, now that the log reaches to `durable_seq`; a disk that can't be looked at is not known."""
        try:
            await asyncio.to_thread(self._measure, durable_seq)
        except OSError:
            self.free = self.log_bytes = self.bytes_per_day = None
        self._count += 1

    def _measure(self, durable_seq: int) -> None:
        system = os.statvfs(self._data_dir)
        self.free = system.f_bavail * system.f_frsize
        if self._count % _SIZES_EACH == 0:
            self._look_up_sizes(durable_seq)
        now = self._clock.monotonic()
        self._seen.append((now, durable_seq))
        began, first = self._seen[0]
        if now - began >= _LEAST_SECONDS:
            self.bytes_per_day = (durable_seq - first) / (now - began) * _DAY_SECONDS * self._bytes_per_record

    def _look_up_sizes(self, durable_seq: int) -> None:
        sizes = log_size(self._data_dir)
        self.log_bytes = sizes.total
        self._bytes_per_record = bytes_per_record(self._data_dir, sizes, durable_seq)


class LogSize(NamedTuple):
    """What the log's files hold: sealed records and their bytes, and the bytes of the tails."""

    sealed_records: int
    sealed_bytes: int
    tail_bytes: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.sealed_bytes + self.tail_bytes


def log_size(data_dir: Path) -> LogSize:
    """Look up the sizes of the log's files. Raises OSError."""
    folder = log_folder(data_dir)
    sealed_records = sealed_bytes = 0
    for name in segments_in(folder):
        sealed_records += name.last - name.first + 1
        sealed_bytes += _size(name.path)
    return LogSize(sealed_records, sealed_bytes, sum(_size(path) for path in folder.glob("tail-*.ndjson")))


def bytes_per_record(data_dir: Path, sizes: LogSize, records: int) -> float:
    """Return the bytes of a record once it is sealed and projected; before anything is, those it has in the tail."""
    if sizes.sealed_records:
        points = sum(_size(path) for path in _files(data_dir / "points"))
        return (sizes.sealed_bytes + points) / sizes.sealed_records
    return sizes.tail_bytes / records if records else 0.0


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # merged or sealed meanwhile
        return 0
