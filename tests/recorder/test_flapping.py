"""A Wi-Fi that drops once a minute: what a day of it costs in a home of 2,000 entities."""

import asyncio
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from homeiq.clock import ManualClock, to_iso
from homeiq.connectors.home_assistant.client import HomeAssistantConnector
from homeiq.recorder import supervisor as supervising
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.recorder.supervisor import Supervisor
from homeiq.settings import HomeAssistantSettings, RecordingSettings
from homeiq.storage.log import EventLog
from homeiq.storage.reader import LogReader
from homeiq.storage.record import Record
from pydantic import SecretStr

from servers.fake_home import FakeHome, large_home

ENTITIES = 2_000
MINUTES_A_DAY = 1_440
MEGABYTE = 1_000_000


class Session:
    """A home, and what listens to it and records, on a clock that a test moves."""

    def __init__(self, data_dir: Path, home: FakeHome, log: EventLog) -> None:
        self.home = home
        self.clock = ManualClock()
        self.log_folder = data_dir / "log"
        settings = HomeAssistantSettings(url=home.url, token=SecretStr("secret"))
        connector = HomeAssistantConnector(settings, self.clock)
        self.intake = Intake(log, RecordingSettings(group_seconds=0.02), self.clock, Latest())
        self.supervisor = Supervisor(connector, self.intake, self.clock)
        self.connections = 0

    async def connected(self, *, snapshot: bool) -> None:
        """Wait until a connection stands, and all that it brings is durable."""
        self.connections += 1
        await self.until(lambda: self.home.asked["subscribe_events"] == self.connections)
        await self.until(lambda: self.supervisor.state.connected)
        if snapshot:
            await self.until(lambda: "entities" in self.supervisor.state.description)
        await self.until(lambda: self.intake.durable_seq == self.intake.taken)

    def drop(self) -> None:
        self.supervisor.state.description = ""
        self.home.drop()

    def size(self) -> int:
        return sum(path.stat().st_size for path in self.log_folder.glob("tail-*"))

    @staticmethod
    async def until(condition: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.002)


def run(data_dir: Path, act: Callable[[Session], Any]) -> list[Record]:
    """Act on a session; return what is in the log then."""

    async def session() -> None:
        async with large_home(ENTITIES) as home:
            with EventLog(data_dir) as log:
                one = Session(data_dir, home, log)
                writing = asyncio.create_task(one.intake.run())
                listening = asyncio.create_task(one.supervisor.run())
                await one.connected(snapshot=True)
                await act(one)
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
                one.intake.close()
                await writing

    asyncio.run(session())
    return [record for some in LogReader(data_dir).read() for record in some]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "_delay", lambda *arguments: 0.0)


def test_a_day_of_drops_costs_a_few_megabytes(
    tmp_path: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    drops, changed = 8, 5

    async def act(session: Session) -> None:
        home = session.home
        assert session.size() > ENTITIES * 1_000, "the first snapshot has the states and the registries"
        size, sent, began = session.size(), home.sent_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_utime
        for _ in range(drops):
            session.clock.advance(60)
            session.drop()
            await session.connected(snapshot=True)
        day = MINUTES_A_DAY / drops
        cost = (session.size() - size) * day
        seconds = (resource.getrusage(resource.RUSAGE_SELF).ru_utime - began) * day
        record_testsuite_property("megabytes of log a day", cost / MEGABYTE)
        record_testsuite_property("megabytes on the wire a day", (home.sent_bytes - sent) * day / MEGABYTE)
        record_testsuite_property("seconds of computing a day, the home's own among them", seconds)
        assert cost < 5 * MEGABYTE
        for number in range(changed):
            home.states[number]["last_updated"] = to_iso(session.clock.now())
        session.clock.advance(60)
        session.drop()
        await session.connected(snapshot=True)

    found = run(tmp_path, act)
    kinds = [record.event_type for record in found]
    assert kinds.count("state") == ENTITIES + changed, "each state once, and what changed while nobody listened"
    for registry in (
        "area_registry",
        "floor_registry",
        "label_registry",
        "device_registry",
        "entity_registry",
        "config",
    ):
        assert kinds.count(registry) == 1


def test_a_snapshot_at_most_once_a_minute(tmp_path: Path) -> None:
    async def act(session: Session) -> None:
        session.clock.advance(10)
        for _ in range(5):
            session.drop()
            await session.connected(snapshot=False)
        assert session.home.asked["get_states"] == 1
        session.clock.advance(50)
        session.drop()
        await session.connected(snapshot=True)
        assert session.home.asked["get_states"] == 2

    run(tmp_path, act)
