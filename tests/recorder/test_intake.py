"""The buffer between sources and log: grouped, bounded, and true about what it dropped."""

import asyncio
import errno
import json
import logging
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from homeiq.choice import Exclude, Include
from homeiq.clock import SystemClock
from homeiq.recorder import intake as module
from homeiq.recorder.intake import Busy, Intake, TooLarge
from homeiq.recorder.latest import Latest
from homeiq.settings import RecordingSettings
from homeiq.storage.files import Files
from homeiq.storage.log import EventLog
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Event, Record, housekeeping_event


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


def test_what_is_said_to_be_lost_is_recorded_anew_by_the_next_snapshot(tmp_path: Path) -> None:
    latest = Latest()
    config = Event(1, 1, "home_assistant", "snapshot", "config", None, None, '{"unit_system": {}}')

    async def act(intake: Intake, files: StuckFiles) -> None:
        intake.take(config)
        intake.take(config)
        await intake.take_group([housekeeping_event(2, "recorder", "lost", first=1, last=1, records=1, rows=[])])
        intake.take(config)

    with_intake(tmp_path, act, latest=latest)
    assert [record.event_type for record in records(tmp_path)] == ["config", "homeiq_lost", "config"]


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
        assert intake.problem.startswith("the log cannot be written: disk full")
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


def raws(events: list[Event]) -> list[str]:
    return [one.raw for one in events]


def test_a_caller_that_waits_is_told_where_its_events_are(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        intake.take(event(1))
        groups = [[event(10 * number + place) for place in range(number)] for number in (3, 1, 5)]
        waiting = [intake.take_group(group) for group in groups]
        intake.take(event(2))
        began = asyncio.get_running_loop().time()
        places = await asyncio.gather(*waiting)
        assert asyncio.get_running_loop().time() - began < 60, "not the hour that a stream's events may wait"
        found = records(tmp_path)
        for group, (first, last) in zip(groups, places, strict=True):
            assert [r.raw for r in found[first - 1 : last]] == raws(group)
        assert len(found) == 11

    with_intake(tmp_path, act, RecordingSettings(group_seconds=3600))


def test_on_a_full_disk_a_caller_is_refused_and_a_stream_is_kept(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        files.full = True
        intake.take(event(1))
        refused = intake.take_group([event(10), event(11)])
        intake.take(event(2))
        later = intake.take_group([event(12)])
        for future in (refused, later):
            with pytest.raises(Busy, match="disk full"):
                await future
        assert intake.unsynced == (2, 2 * (len(event(1).raw) + 250))
        assert intake.taken == 2
        with pytest.raises(Busy):
            intake.take_group([event(13)])
        files.full = False
        await until(lambda: not intake.problem)
        first, last = await intake.take_group([event(20)])
        assert (first, last) == (3, 3)

    with_intake(tmp_path, act)
    assert [r.raw for r in records(tmp_path)] == raws([event(1), event(2), event(20)])


def test_with_nothing_else_to_write_the_next_caller_finds_the_disk_well_again(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        files.full = True
        for _ in range(3):
            with pytest.raises(Busy):
                await intake.take_group([event(1)])
        assert intake.problem
        files.full = False
        assert await intake.take_group([event(2)]) == (1, 1)
        assert not intake.problem

    with_intake(tmp_path, act, RecordingSettings(group_seconds=3600))
    assert [r.raw for r in records(tmp_path)] == raws([event(2)])


def test_without_room_a_caller_is_refused_and_nothing_is_dropped(tmp_path: Path) -> None:
    settings = RecordingSettings(group_seconds=3600, buffer_bytes=100_000)

    async def act(intake: Intake, files: StuckFiles) -> None:
        intake.take(event(1, size=60_000))
        with pytest.raises(Busy, match="memory"):
            intake.take_group([event(2, size=60_000)])
        with pytest.raises(TooLarge):
            intake.take_group([event(number, size=1_000) for number in range(100)])

    intake = with_intake(tmp_path, act, settings)
    assert (intake.dropped, len(records(tmp_path))) == (0, 1)


def test_a_stop_writes_what_waits_and_takes_nothing_more(tmp_path: Path) -> None:
    async def act(intake: Intake, files: StuckFiles) -> None:
        waiting = intake.take_group([event(1)])
        intake.close()
        with pytest.raises(Busy, match="stopping"):
            intake.take_group([event(2)])
        assert await waiting == (1, 1)

    with_intake(tmp_path, act)
    assert [r.raw for r in records(tmp_path)] == raws([event(1)])


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


def test_a_disk_that_does_not_answer_is_said_and_loses_nothing_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.05)
    answers = threading.Event()
    relieved: list[str] = []

    async def act(intake: Intake, files: StuckFiles) -> None:
        sync = files.sync

        def stalled(descriptor: int) -> None:
            assert answers.wait(60)
            sync(descriptor)

        monkeypatch.setattr(files, "sync", stalled)
        intake.pressure_over = relieved.append
        intake.take(event(0))
        await until(lambda: "has not answered" in intake.problem)
        with pytest.raises(Busy, match="has not answered"):
            intake.take_group([event(1)])
        for number in range(2, 300):
            intake.take(event(number, size=10_000))
        assert intake.unsynced[1] <= 1_000_000
        assert intake.dropped > 0
        answers.set()
        await until(lambda: not intake.problem and bool(relieved))

    try:
        intake = with_intake(tmp_path, act, RecordingSettings(group_seconds=0.05, buffer_bytes=1_000_000))
    finally:
        answers.set()
    found = records(tmp_path)
    (dropped,) = [json.loads(record.raw) for record in found if record.event_type == "homeiq_dropped"]
    assert dropped["events"] == intake.dropped == 299 - len(found) + 1
    assert relieved == ["test"]
    assert len([record for record in caplog.records if "has not answered" in record.message]) == 1
