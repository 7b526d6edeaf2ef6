"""When the recorder has small segments merged and old records expire; the children themselves are tested elsewhere."""

import asyncio
import sys
from pathlib import Path

import pytest
from homeiq.clock import ManualClock
from homeiq.recorder.upkeep import Upkeep
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal

from storage.disks import FastFiles, events


def sealed(log: EventLog, segments: int) -> None:
    for _ in range(segments):
        log.append(events(log.next_seq, 2))
        log.rotate()
        seal(log.data_dir, FastFiles())


def test_it_is_done_once_enough_has_gathered_and_once_a_day(tmp_path: Path) -> None:
    clock = ManualClock()
    said = tmp_path / "said"
    command = [sys.executable, "-c", f"open({str(said)!r}, 'a').write('x')"]

    def done(upkeep: Upkeep) -> int:
        asyncio.run(upkeep.do_if_due())
        return len(said.read_text()) if said.exists() else 0

    with EventLog(tmp_path / "data", files=FastFiles()) as log:
        upkeep = Upkeep(log, command, clock)
        sealed(log, 7)
        assert done(upkeep) == 0
        sealed(log, 1)
        assert done(upkeep) == 1
        assert done(upkeep) == 1, "these eight could not be merged, for whatever reason: that is no reason to try on"
        compact(log.data_dir, FastFiles())
        clock.advance(86_401)
        assert done(upkeep) == 2
        sealed(log, 8)
        assert done(upkeep) == 3
        assert done(Upkeep(log, (), clock)) == 3


def test_a_restarted_recorder_looks_after_it_soon(tmp_path: Path) -> None:
    clock = ManualClock()
    with EventLog(tmp_path / "data", files=FastFiles()) as log:
        upkeep = Upkeep(log, [sys.executable, "-c", f"open({str(tmp_path / 'said')!r}, 'w')"], clock)
        asyncio.run(upkeep.do_if_due())
        assert not (tmp_path / "said").exists()
        clock.advance(601)
        asyncio.run(upkeep.do_if_due())
        assert (tmp_path / "said").exists()


def test_what_goes_wrong_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    with EventLog(tmp_path / "data", files=FastFiles()) as log:
        upkeep = Upkeep(log, [sys.executable, "-c", "raise SystemExit('the disk is full')"], clock)
        for _ in range(2):
            clock.advance(90_000)
            asyncio.run(upkeep.do_if_due())
    assert [record.getMessage() for record in caplog.records] == [
        "segments could not be merged, or records not expire; the log stays as it is: the disk is full"
    ]
