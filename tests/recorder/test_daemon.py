"""The recorder's own jobs: when the clock jumps, and at its end."""

import asyncio
import logging
import threading
from pathlib import Path

import orjson
import pytest
from homeiq.clock import SECOND, SystemClock
from homeiq.recorder.daemon import Recorder
from homeiq.recorder.disk import Disk
from homeiq.settings import RecordingSettings
from homeiq.storage.reader import LogReader


class Jumping(SystemClock):
    """The machine's clock, which can be put back."""

    def __init__(self) -> None:
        self.by = 0

    def now(self) -> int:
        return super().now() + self.by


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_a_clock_that_jumps_is_recorded_and_stops_nothing(
    tmp_path: Path, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apscheduler.schedulers.base as scheduling

    clock = Jumping()
    real = scheduling.datetime

    class Moment(real):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: object = None) -> object:
            return real.fromtimestamp(clock.now() / SECOND, tz)

    monkeypatch.setattr(scheduling, "datetime", Moment)

    async def session() -> None:
        recorder = Recorder(tmp_path, RecordingSettings(heartbeat_seconds=0.5), [], clock=clock)
        running = asyncio.create_task(recorder.run())
        async with asyncio.timeout(30):
            while recorder.intake.taken < 3:
                await asyncio.sleep(0.01)
            clock.by = seconds * SECOND
            taken = recorder.intake.taken
            while recorder.intake.taken < taken + 6:
                await asyncio.sleep(0.01)
        recorder.stop()
        await running

    asyncio.run(session())
    records = [record for records in LogReader(tmp_path).read() for record in records]
    (jump,) = [orjson.loads(record.raw) for record in records if record.event_type == "homeiq_clock_jumped"]
    assert jump["seconds"] == pytest.approx(seconds, abs=1)
    after = [record for record in records if record.event_type == "homeiq_heartbeat"]
    assert len(after) >= 5


def test_a_job_that_is_under_way_at_the_stop_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def measure(disk: Disk, durable_seq: int) -> None:
        begun.set()
        go_on.wait(30)

    monkeypatch.setattr(Disk, "_measure", measure)

    async def session() -> None:
        recorder = Recorder(tmp_path, RecordingSettings(), [], clock=SystemClock())
        running = asyncio.create_task(recorder.run())
        assert await asyncio.to_thread(begun.wait, 30)
        recorder.stop()
        await running
        go_on.set()

    with caplog.at_level(logging.WARNING):
        asyncio.run(session())
    assert [said.getMessage() for said in caplog.records] == []
