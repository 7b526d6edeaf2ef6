"""The recorder is killed again and again under load: nothing that was durable is lost, and little that was not."""

import asyncio
import collections
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from end_to_end.busy import Subscriber, hear
from servers.homeiq import Homeiq, wait_for
from servers.simulated import SimulatedServer

KILLS = 20
GROUP_SECONDS = 0.3
SLACK_SECONDS = 0.5


class TimedSubscriber(Subscriber):
    """Notes when each text was received."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []
        self.texts = _Timed(self.times)


class _Timed(list[str]):
    def __init__(self, times: list[float]) -> None:
        super().__init__()
        self._times = times

    def append(self, text: str) -> None:
        self._times.append(time.time())
        super().append(text)


@pytest.mark.timeout(240)
def test_twenty_kills_under_load(tmp_path: Path) -> None:
    chance = random.Random(20)
    subscriber = TimedSubscriber()
    with (
        SimulatedServer(speed=4_000) as home,
        Homeiq(
            tmp_path,
            HOME_ASSISTANT_URL=home.url,
            HOME_ASSISTANT_TOKEN=home.token,
            HOMEIQ_RECORDING__GROUP_SECONDS=str(GROUP_SECONDS),
            HOMEIQ_RECORDING__SEAL_RECORDS="2000",
        ) as homeiq,
    ):
        end_hearing = _in_thread(home, subscriber)
        reported = 0
        held: list[dict[str, Any]] = []
        kills: list[float] = []
        for _ in range(KILLS):
            process = homeiq.start("record")
            wait_for("the recorder to be connected", homeiq.connected)
            until = time.monotonic() + chance.uniform(1.2, 2.2)
            while time.monotonic() < until:
                reported = max(reported, (homeiq.ask("position") or {"durable_seq": 0})["durable_seq"])
            kills.append(time.time())
            process.kill()
            process.wait()
            before, held = held, homeiq.sql("SELECT seq, raw FROM events ORDER BY seq")
            assert [row["seq"] for row in held] == list(range(1, len(held) + 1)), "seq has no hole"
            assert len(held) >= reported, "a record that was reported durable is missing"
            assert held[: len(before)] == before, "what was there before is as it was"
        end_hearing()
        process = homeiq.start("record")
        wait_for("the log to be opened without help", lambda: homeiq.ask("position"))
        assert homeiq.stop(process) == 0
        rows = homeiq.sql("SELECT raw FROM events WHERE event_type NOT LIKE 'homeiq_%' AND event_type <> 'state'")
        connected = homeiq.sql(
            "SELECT epoch(received_at) AS at FROM events WHERE event_type = 'homeiq_connected' ORDER BY seq"
        )
    assert "Traceback" not in homeiq.said()
    recorded = collections.Counter(row["raw"] for row in rows)
    starts = [row["at"] for row in connected][:KILLS]
    assert len(starts) == KILLS
    checked: list[int] = []
    for start, kill in zip(starts, kills, strict=True):
        checked.append(0)
        for text, at in zip(subscriber.texts, subscriber.times, strict=True):
            if start + SLACK_SECONDS / 2 < at < kill - GROUP_SECONDS - SLACK_SECONDS:
                assert recorded[text] == 1
                checked[-1] += 1
    assert min(checked) > 0, "each kill came in the middle of events"
    assert sum(checked) > 1_000, "there was a load"
    assert max(recorded[text] for text in subscriber.texts) == 1, "no event is in the log twice"
    assert list((tmp_path / "data" / "log").glob("date=*/*.parquet")), "tails were sealed in between"


def _in_thread(home: SimulatedServer, subscriber: Subscriber) -> Callable[[], None]:
    """Hear the home from a thread; return what ends that."""
    ended = threading.Event()
    ready = threading.Event()

    async def session() -> None:
        started = asyncio.Event()
        hearing = asyncio.create_task(hear(home, subscriber, started))
        await started.wait()
        ready.set()
        while not ended.is_set():
            await asyncio.sleep(0.1)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(session()), daemon=True)
    thread.start()
    assert ready.wait(10)

    def end() -> None:
        ended.set()
        thread.join(20)

    return end
