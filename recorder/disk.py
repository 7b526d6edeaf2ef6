"""How much room the disk has left, and how long it lasts at the rate at which the log grows now."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..storage.log import log_folder
from ..storage.manifest import parse_segment

__all__ = ["Disk", "MEASURE_SECONDS"]

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
        """A record costs what it does once it is sealed and projected; before there is such, what it does in the tail."""
        folder = log_folder(self._data_dir)
        sealed_records = sealed_bytes = 0
        for path in folder.glob("date=*/*.parquet"):
            name = parse_segment(path)
            if name is not None:
                sealed_records += name.last - name.first + 1
                sealed_bytes += _size(path)
        tail_bytes = sum(_size(path) for path in folder.glob("tail-*.ndjson"))
        self.log_bytes = sealed_bytes + tail_bytes
        if sealed_records:
            points = sum(_size(path) for path in _files(self._data_dir / "points"))
            self._bytes_per_record = (sealed_bytes + points) / sealed_records
        elif durable_seq:
            self._bytes_per_record = tail_bytes / durable_seq


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            yield Path(parent, name)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # merged or sealed meanwhile
        return 0
