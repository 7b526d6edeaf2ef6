"""A simulated day of a connection that drops again and again: memory flat, nothing left behind, every second explained."""

import asyncio
import gc
import logging
import os
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from homeiq.clock import SECOND
from homeiq.connectors.simulated import DEFAULT_TOKEN
from homeiq.recorder import supervisor as module
from homeiq.recorder.backfill import Pace
from homeiq.recorder.daemon import Recorder

from end_to_end.recorders import gaps, recording, rows
from servers.homeiq import Homeiq, wait_for
from servers.ports import free_port
from servers.proxy import Proxy
from servers.web import request

SECONDS = float(os.environ.get("HOMEIQ_TEST_FLAPPING_SECONDS", "20"))
SPEED = 86_400 / SECONDS
QUICK = Pace(after=0.02, look=0.01, rest=0.0, pause=0.0, again=0.05)
MEASURED = 6


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try to connect again at once, however often that has failed; pytest would keep all that is said meanwhile."""
    monkeypatch.setattr(module, "_CAP_SECONDS", 0.02)
    monkeypatch.setattr(logging.getLogger("homeiq"), "disabled", True)
    for name in ("supervisor", "backfill", "daemon"):
        monkeypatch.setattr(logging.getLogger(f"homeiq.recorder.{name}"), "disabled", True)


def left_open() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.timeout(int(SECONDS * 4) + 240)
def test_a_day_of_flapping(tmp_path: Path) -> None:
    """The simulated day is as long as the test, and the connection drops as often as it can be made again.

    With HOMEIQ_TEST_FLAPPING_SECONDS=240 that is more than 1,440 times, as once a minute would be.
    """
    figures: list[tuple[int, int, int]] = []

    async def flap(recorder: Recorder, proxy: Proxy) -> None:
        state = recorder.supervisors[0].state
        loop = asyncio.get_running_loop()
        end = loop.time() + SECONDS
        measured = loop.time() + SECONDS / MEASURED
        while loop.time() < end:
            while not state.connected:
                await asyncio.sleep(0.002)
            if loop.time() >= measured:
                measured += SECONDS / MEASURED
                gc.collect()
                figures.append((tracemalloc.get_traced_memory()[0], len(asyncio.all_tasks()), left_open()))
            await asyncio.sleep(0.02)
            await proxy.set("reset")
            while state.connected:
                await asyncio.sleep(0.002)
            await proxy.set("pass")

    async def session(port: int) -> None:
        async with (
            Proxy(port) as proxy,
            recording(tmp_path / "log", proxy.url, DEFAULT_TOKEN, pace=QUICK, snapshot_seconds=0.05) as recorder,
        ):
            await flap(recorder, proxy)

    before = left_open()
    port = free_port()
    with Homeiq(tmp_path) as home:  # a process of its own: its memory is not the recorder's
        home.start("simulate", "--port", str(port), "--speed", str(SPEED))
        wait_for("the simulated home", lambda: request("GET", f"http://127.0.0.1:{port}/api/", timeout=5).status)
        tracemalloc.start()
        try:
            asyncio.run(session(port))
        finally:
            tracemalloc.stop()
    assert left_open() <= before + 1
    tmp_path = tmp_path / "log"

    # What grows is bounded: the last 20,000 states are remembered, and 500 gaps that wait for being closed.
    warm, late = figures[1], figures[-1]
    assert late[0] < warm[0] + 3_000_000, f"memory grows: {figures}"
    assert max(tasks for _, tasks, _ in figures) <= warm[1] + 4, f"tasks are left behind: {figures}"
    assert max(files for _, _, files in figures) <= warm[2] + 4, f"files are left open: {figures}"

    found = gaps(tmp_path)
    assert len(found) > 30
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
