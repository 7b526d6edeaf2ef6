"""The recorder's memory over an hour of a busy home: it must not grow with what was recorded."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path
from typing import Any

from recording import home, memory_mb

from servers.homeiq import Homeiq

__all__ = ["over_an_hour"]

_EVENTS = 360_000
"""An hour at 100 events/s."""

_RATE = 4_000
"""Events/s: forty times as fast as that hour, and slow enough that nothing piles up in the sockets."""

_SECONDS = 900
_SHIFT = 3_600_000_000
"""Microseconds: each time it is sent, the sample is so much later, so that no event comes twice."""


def over_an_hour(sample: list[bytes], folder: Path) -> dict[str, Any]:
    """Return the recorder's RSS in MB at each tenth of the events, the most that it was, and how fast they came.

    Raises AssertionError where not all of them are recorded in time.
    """
    folder.mkdir()
    here, there = multiprocessing.Pipe()
    spawned = multiprocessing.get_context("spawn")
    served = spawned.Process(target=home, args=(sample, there, _EVENTS, _SHIFT, _RATE), daemon=True)
    served.start()
    port = here.recv()
    found: list[float] = []
    try:
        with Homeiq(folder, HOME_ASSISTANT_URL=f"http://127.0.0.1:{port}", HOME_ASSISTANT_TOKEN="any") as homeiq:
            recorder = homeiq.start("record")
            began = here.recv()
            deadline = time.monotonic() + _SECONDS
            while len(found) < 10:
                assert time.monotonic() < deadline, f"not recorded within {_SECONDS} s"
                at = (homeiq.ask("position") or {"durable_seq": 0})["durable_seq"]
                if at >= (len(found) + 1) * _EVENTS // 10:
                    found.append(memory_mb(recorder.pid, "VmRSS"))
                time.sleep(0.1)
            seconds = time.time() - began
            peak = memory_mb(recorder.pid, "VmHWM")
            homeiq.stop(recorder)
    finally:
        served.kill()
        served.join()
    return {
        "hour_rss_mb": ", ".join(f"{value:.1f}" for value in found),
        "hour_rss_growth_from_first_fifth_mb": found[-1] - found[1],
        "hour_peak_memory_mb": peak,
        "hour_events_a_second": _EVENTS / seconds,
    }
