"""What a service manager hears: over a real socket, by path and by abstract name; nothing blocks, nothing raises."""

import asyncio
import logging
import os
import threading
from pathlib import Path

import pytest
from homeiq.clock import ManualClock, SystemClock
from homeiq.recorder.daemon import Recorder
from homeiq.recorder.health import Health
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.recorder.notify import TICK_SECONDS, ServiceManager
from homeiq.settings import RecordingSettings
from homeiq.storage.log import EventLog
from homeiq.storage.record import housekeeping_event

from servers.service_manager import NotifySocket

ABSTRACT = f"@homeiq-test-{os.getpid()}"


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> NotifySocket:
    address = tmp_path / "notify" if request.param == "path" else ABSTRACT
    with NotifySocket(address) as listening:
        yield listening  # type: ignore[misc]


def test_facts_arrive_in_one_message(heard: NotifySocket) -> None:
    manager = ServiceManager.of({"NOTIFY_SOCKET": heard.address}, 7)
    assert manager.listens
    manager.tell("READY=1", "STATUS=recording")
    assert heard.next() == ["READY=1", "STATUS=recording"]


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_manager_nothing_is_done(environ: dict[str, str]) -> None:
    manager = ServiceManager.of(environ | {"WATCHDOG_USEC": "1000"}, 7)
    assert not manager.listens
    manager.tell("READY=1")
    asyncio.run(asyncio.wait_for(manager.keep_telling(lambda: True, str), 5))


def test_a_manager_that_is_gone_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    manager = ServiceManager.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}, 7)
    manager.tell("READY=1")
    manager.tell("READY=1")
    assert [said.getMessage() for said in caplog.records] == [
        "the service manager cannot be told how it is (No such file or directory)"
    ]


def test_a_manager_that_does_not_read_blocks_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with NotifySocket(tmp_path / "notify") as listening:
        manager = ServiceManager.of({"NOTIFY_SOCKET": listening.address}, 7)
        for _ in range(2_000):
            manager.tell("STATUS=" + "x" * 400)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("environ", "tick"),
    [
        ({}, TICK_SECONDS),
        ({"WATCHDOG_USEC": "4000000"}, 2.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "7"}, 2.0),
        ({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "8"}, TICK_SECONDS),
        ({"WATCHDOG_USEC": "120000000"}, TICK_SECONDS),
        ({"WATCHDOG_USEC": "0"}, TICK_SECONDS),
        ({"WATCHDOG_USEC": "soon"}, TICK_SECONDS),
    ],
)
def test_the_watchdog_hears_twice_as_often_as_it_must(environ: dict[str, str], tick: float) -> None:
    assert ServiceManager.of({"NOTIFY_SOCKET": "/nowhere", **environ}, 7).tick_seconds == tick


def test_the_watchdog_hears_nothing_while_nothing_lives(heard: NotifySocket) -> None:
    lives = True

    async def session() -> list[list[str]]:
        nonlocal lives
        manager = ServiceManager(heard.address, watchdog_seconds=0.02)
        telling = asyncio.create_task(manager.keep_telling(lambda: lives, lambda: "one\nline"))
        await asyncio.to_thread(heard.until, "WATCHDOG=1")
        lives = False
        await asyncio.sleep(0)  # from here on no message says that it lives
        heard.drain()
        silent = [await asyncio.to_thread(heard.next) for _ in range(3)]
        lives = True
        await asyncio.to_thread(heard.until, "WATCHDOG=1")
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        return silent

    assert asyncio.run(session()) == [["STATUS=one line"]] * 3


def test_life_is_what_becomes_durable_or_a_disk_that_is_known_not_to_answer(tmp_path: Path) -> None:
    clock = ManualClock()
    settings = RecordingSettings()

    async def session() -> None:
        with EventLog(tmp_path) as log:
            intake = Intake(log, settings, clock, Latest.load(tmp_path, log.next_seq))
            health = Health(log, intake, settings, clock)
            assert health.lives()
            clock.advance(149)
            assert health.lives(), "one heartbeat may be missed on a slow machine"
            clock.advance(2)
            assert not health.lives(), "a heartbeat each minute, and none became durable"
            intake.problem = "the log cannot be written: the disk has not answered for more than 10 s"
            assert health.lives(), "a new start mends no disk, and loses what is kept in memory"
            assert "not ready" in health.sentence()
            intake.problem = ""
            assert not health.lives()
            health.committed([housekeeping_event(clock.now(), "recorder", "heartbeat")], 0.001)
            assert health.lives()

    asyncio.run(session())


def test_a_recorder_whose_intake_ended_by_an_error_is_not_said_to_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fail = threading.Event()

    async def broken(intake: Intake) -> None:
        while not fail.is_set():
            await asyncio.sleep(0.01)
        raise RuntimeError("a bug")

    monkeypatch.setattr(Intake, "run", broken)

    async def session(heard: NotifySocket) -> None:
        recorder = Recorder(tmp_path / "data", RecordingSettings(), [], clock=SystemClock())
        running = asyncio.create_task(recorder.run())
        await asyncio.to_thread(heard.until, "READY=1")
        await asyncio.to_thread(heard.until, "WATCHDOG=1")
        fail.set()
        while any("WATCHDOG=1" in facts for facts in [await asyncio.to_thread(heard.next) for _ in range(3)]):
            pass
        recorder.stop()
        with pytest.raises(RuntimeError):
            await running
        recorder.log.close()

    with NotifySocket(tmp_path / "notify") as heard, caplog.at_level(logging.CRITICAL):
        monkeypatch.setenv("NOTIFY_SOCKET", heard.address)
        monkeypatch.setenv("WATCHDOG_USEC", "100000")
        asyncio.run(session(heard))
