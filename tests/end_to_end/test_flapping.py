"""A simulated day of a connection that drops again and again: memory flat, nothing left behind, every second explained."""

import asyncio
import gc
import os
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from homeiq.clock import SECOND
from homeiq.recorder import supervisor as module
from homeiq.recorder.backfill import Pace
from homeiq.recorder.daemon import Recorder

from end_to_end.recorders import gaps, recording, rows, until
from servers.simulated import SimulatedServer

SECONDS = float(os.environ.get("HOMEIQ_TEST_FLAPPING_SECONDS", "20"))
SPEED = 86_400 / SECONDS
QUICK = Pace(after=0.02, look=0.01, rest=0.0, pause=0.0, again=0.05)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try to connect again at once, however often that has failed."""
    monkeypatch.setattr(module, "_CAP_SECONDS", 0.02)


@pytest.fixture
def home() -> Iterator[SimulatedServer]:
    with SimulatedServer(speed=SPEED) as server:
        yield server


def left_open() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.timeout(int(SECONDS * 4) + 240)
def test_a_day_of_flapping(home: SimulatedServer, tmp_path: Path) -> None:
    """The simulated day is as long as the test; the connection drops about 1,400 times a day, as once a minute would."""
    figures: list[tuple[int, int, int]] = []

    async def flap(recorder: Recorder) -> None:
        state = recorder.supervisors[0].state
        loop = asyncio.get_running_loop()
        end = loop.time() + SECONDS
        measured = loop.time() + SECONDS / 6
        while loop.time() < end:
            await until("the connection", lambda: state.connected)
            await asyncio.sleep(SECONDS / 1_400)
            home.call_in_loop(home.server.drop_connections)
            if loop.time() >= measured:
                measured += SECONDS / 6
                await until("the connection", lambda: state.connected)
                gc.collect()
                figures.append((tracemalloc.get_traced_memory()[0], len(asyncio.all_tasks()), left_open()))
        await until("the connection", lambda: state.connected)
        await asyncio.sleep(0.1)

    async def session() -> None:
        async with recording(tmp_path, home.url, home.token, pace=QUICK, snapshot_seconds=0.05) as recorder:
            await flap(recorder)

    before = left_open()
    tracemalloc.start()
    try:
        asyncio.run(session())
    finally:
        tracemalloc.stop()
    assert left_open() <= before + 1

    warm, late = figures[1], figures[-1]
    assert late[0] < warm[0] + 8_000_000, f"memory grows: {figures}"
    assert max(tasks for _, tasks, _ in figures) <= warm[1] + 4, f"tasks are left behind: {figures}"
    assert max(files for _, _, files in figures) <= warm[2] + 4, f"files are left open: {figures}"

    found = gaps(tmp_path)
    assert len(found) > 100
    assert found[-1]["end"] is None
    assert all(gap["seconds"] >= 0 for gap in found[:-1])
    sql = (
        "SELECT epoch_us(received_at) AS at, event_type FROM events WHERE source = 'home_assistant'"
        " AND event_type IN ('homeiq_connected', 'homeiq_disconnected') ORDER BY seq"
    )
    changes = rows(tmp_path, sql)
    heard = [(one["at"], other["at"]) for one, other in pairwise(changes) if one["event_type"] == "homeiq_connected"]
    for (_, end), gap, (begin, _) in zip(heard, found, heard[1:], strict=False):
        assert gap["end"].timestamp() * SECOND == pytest.approx(begin, abs=2)
        assert gap["start"].timestamp() * SECOND <= end, "the gap begins no later than the connection ended"
    recorded = rows(tmp_path, "SELECT count(*) AS n FROM events WHERE event_type = 'state_changed'")[0]["n"]
    assert recorded > 1_000
