"""How long the disk lasts, at the rate of the log."""

import asyncio
from pathlib import Path

import pytest
from homeiq.clock import ManualClock
from homeiq.recorder.disk import Disk
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import seal

from storage.disks import event


def measure(disk: Disk, seq: int) -> None:
    asyncio.run(disk.measure(seq))


def test_the_rate_is_told_after_ten_minutes(tmp_path: Path) -> None:
    clock = ManualClock()
    disk = Disk(tmp_path, clock)
    with EventLog(tmp_path) as log:
        log.append([event(number) for number in range(1_000)])
        size = sum(path.stat().st_size for path in (tmp_path / "log").glob("tail-*"))
        measure(disk, 1_000)
        assert disk.free is not None
        assert disk.free > 0
        assert (disk.log_bytes, disk.bytes_per_day, disk.days_left) == (size, None, None)
        clock.advance(300)
        measure(disk, 2_000)
        assert disk.bytes_per_day is None
        clock.advance(300)
        measure(disk, 2_000)
    assert disk.bytes_per_day == pytest.approx(144 * size)
    assert disk.days_left == pytest.approx(disk.free / (144 * size))


def test_a_record_costs_what_it_does_once_it_is_sealed_and_projected(tmp_path: Path) -> None:
    clock = ManualClock()
    disk = Disk(tmp_path, clock)
    with EventLog(tmp_path) as log:
        log.append([event(number) for number in range(1_000)])
        log.rotate()
        seal(tmp_path)
    (tmp_path / "points" / "day").mkdir(parents=True)
    (tmp_path / "points" / "day" / "x.parquet").write_bytes(b"x" * 5_000)
    (segment,) = (tmp_path / "log").glob("date=*/*.parquet")
    for seq in (1_000, 2_000):
        measure(disk, seq)
        clock.advance(86_400)
    assert disk.bytes_per_day == pytest.approx(segment.stat().st_size + 5_000)


def test_a_log_that_does_not_grow_lasts_for_ever(tmp_path: Path) -> None:
    clock = ManualClock()
    disk = Disk(tmp_path, clock)
    (tmp_path / "log").mkdir()
    for _ in range(2):
        measure(disk, 0)
        clock.advance(1_000)
    assert (disk.bytes_per_day, disk.days_left) == (0.0, None)


def test_a_disk_that_is_gone_is_not_known(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "missing", ManualClock())
    measure(disk, 1)
    assert (disk.free, disk.log_bytes, disk.days_left) == (None, None, None)
