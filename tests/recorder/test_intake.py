"""The buffer between sources and log: grouped, bounded, and true about what it dropped."""

import asyncio
import errno
import json
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from homeiq.choice import Exclude, Include
from homeiq.clock import SystemClock
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.settings import RecordingSettings
from homeiq.storage.files import Files
from homeiq.storage.log import EventLog
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Event, Record


class StuckFiles(Files):
    """A disk that can be full, and counts its syncs."""

    def __init__(self) -> None:
        self.full = False
        self.syncs = 0

    def write(self, descriptor: int, content: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, content)

    def sync(self, descriptor: int) -> None:
        self.syncs += 1
        super().sync(descriptor)


def event(number: int, size: int = 10) -> Event:
    return Event(number, number, "test", "live", "test", None, None, f"{number}{'x' * size}")


def records(data_dir: Path) -> list[Record]:
    return [record for some in LogReader(data_dir).read() for record in some]


def with_intake(
    data_dir: Path,
    act: Callable[[Intake, StuckFiles], Coroutine[Any, Any, None]],
    settings: RecordingSettings | None = None,
    latest: Latest | None = None,
) -> Intake:
    """Run an intake, act on it, and close it in order."""

    async def session() -> Intake:
        files = StuckFiles()
        with EventLog(data_dir, files=files) as log:
            intake = Intake(log, settings or RecordingSettings(group_seconds=0.05), SystemClock(), latest or Latest())
            running = asyncio.create_task(intake.run())
            await act(intake, files)
            intake.close()
            await running
        return intake

    return asyncio.run(session())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_group_is_one_sync(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        before = files.syncs
        for number in range(900):
            intake.take(event(number))
        await until(lambda: intake.durable_seq == 900)
        assert files.syncs == before + 1

    with_intake(tmp_path, act)
    assert [record.raw for record in records(tmp_path)] == [event(number).raw for number in range(900)]


def test_a_full_group_does_not_wait(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        for number in range(10):
            intake.take(event(number))
        await until(lambda: intake.durable_seq == 10)

    with_intake(tmp_path, act, RecordingSettings(group_seconds=3600, group_records=10))


def test_everything_taken_is_durable_after_an_orderly_stop(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        for number in range(2_500):
            intake.take(event(number))

    intake = with_intake(tmp_path, act, RecordingSettings(group_seconds=3600))
    assert intake.durable_seq == 2_500 == len(records(tmp_path))


def test_a_full_disk_loses_nothing_while_there_is_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        intake.take(event(1))
        await until(lambda: intake.durable_seq == 1)
        files.full = True
        for number in range(2, 100):
            intake.take(event(number))
        await until(lambda: bool(intake.problem))
        assert "No space left" in intake.problem
        assert intake.durable_seq == 1
        files.full = False
        await until(lambda: intake.durable_seq == 99)

    intake = with_intake(tmp_path, act)
    assert intake.problem == ""
    assert [record.raw for record in records(tmp_path)] == [event(number).raw for number in range(1, 100)]
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING], (
        "said once, and when it is over"
    )


def test_what_had_to_be_dropped_is_counted_and_recorded(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        files.full = True
        intake.take(event(0, size=10_000))
        await until(lambda: bool(intake.problem))
        for number in range(1, 200):
            intake.take(event(number, size=10_000))
        assert intake.dropped > 0
        files.full = False
        await until(lambda: not intake.problem and intake.durable_seq > 200 - intake.dropped)

    intake = with_intake(tmp_path, act, RecordingSettings(group_seconds=0.05, buffer_bytes=1_000_000))
    found = records(tmp_path)
    (dropped,) = [json.loads(record.raw) for record in found if record.event_type == "homeiq_dropped"]
    assert dropped["events"] == intake.dropped
    assert dropped["gap_reason"] == "disk_full"
    assert 0 < dropped["gap_seconds"] < 60
    assert len(found) == 200 - intake.dropped + 1
    assert 50 < len(found) < 150, "memory was bounded, and used"


def snapshot_state(number: int, size: int = 10) -> Event:
    raw = f"{number}{'x' * size}"
    return Event(number, number, "home_assistant", "snapshot", "state", f"sensor.s{number}", "1", raw)


def test_a_dropped_state_of_a_snapshot_is_recorded_from_the_next_one(tmp_path: Path) -> None:
    events = [snapshot_state(number, size=10_000) for number in range(200)]

    async def act(intake: Intake, files: StuckFiles) -> None:
        files.full = True
        for event in events:
            intake.take(event)
        assert intake.dropped > 0
        dropped, taken = intake.dropped, intake.taken
        for event in events[:10]:
            intake.take(event)
        assert (intake.dropped, intake.taken) == (dropped, taken), "what says nothing new needs no room"
        files.full = False
        for _ in range(3):  # snapshots, each of which may find the buffer full again
            await until(lambda: not intake.problem and intake.durable_seq >= intake.taken)
            for event in events:
                intake.take(event)

    settings = RecordingSettings(group_seconds=0.05, buffer_bytes=1_000_000)
    with_intake(tmp_path, act, settings)
    states = [record.entity_id for record in records(tmp_path) if record.event_type == "state"]
    assert sorted(states) == sorted(event.entity_id for event in events), "each, once"


def test_what_is_lost_at_the_end_is_counted(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        files.full = True
        intake.take(snapshot_state(1))
        intake.take(snapshot_state(2))

    assert with_intake(tmp_path, act).lost == 2


def test_what_is_left_out_by_choice_is_counted(tmp_path: Path) -> None:
    def said(source: str, event_type: str, entity_id: str | None) -> Event:
        return Event(1, 1, source, "live", event_type, entity_id, None, "{}")

    left_out = [
        said("home_assistant", "state_changed", "camera.a"),
        said("home_assistant", "state", "camera.a"),
        said("home_assistant", "call_service", None),
        said("home_assistant", "timer.finished", "timer.a"),
    ]
    kept = [
        said("home_assistant", "state_changed", "light.a"),
        said("home_assistant", "entity_registry", None),
        said("home_assistant", "config", None),
        said("home_assistant", "homeiq_connected", None),
        said("home_assistant", "unparsed", None),
        said("pushed", "state_changed", "camera.a"),
        said("recorder", "homeiq_heartbeat", None),
    ]

    async def act(intake: Intake, files: StuckFiles) -> None:
        for event in left_out + kept:
            intake.take(event)

    settings = RecordingSettings(include=Include(domains=["light"]), exclude=Exclude(event_types=["call_service"]))
    intake = with_intake(tmp_path, act, settings)
    found = [(record.source, record.event_type, record.entity_id) for record in records(tmp_path)]
    assert found == [(event.source, event.event_type, event.entity_id) for event in kept]
    assert intake.left_out == len(left_out)
    assert intake.taken == len(kept)
