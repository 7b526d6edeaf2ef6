"""How soon a recorder that was killed with -9 records again: on a log of millions of sealed events, and on one of none."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from homeiq.storage.log import EventLog, log_folder, tails_in
from homeiq.storage.record import Event, encode
from homeiq.storage.tail import read_tail
from queries import make_log

from servers.homeiq import Homeiq

__all__ = ["starting"]

_ROUNDS: Final = 10
_EACH: Final = 500
"""Events that each start records before it is killed. Both logs have as many in their tails: 10,000 after ten rounds."""

_LOOK: Final = 0.002
_MOST: Final = 120.0
"""Seconds between two looks whether it records, and until it is given up."""


_WHAT: Final = ("records_again", "open_torn")


@dataclass(slots=True)
class _Log:
    """A log whose recorder is killed again and again, and the seconds that were measured on it."""

    homeiq: Homeiq
    url: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: {what: [] for what in _WHAT})
    acknowledged: int = 0


def starting(events: list[Event], folder: Path, count: int) -> dict[str, Any]:
    """Return medians of ten rounds in turn, in seconds, on a log of `count` events and on one of none; and pairs' ratios.

    `records_again` is from the start of a process until it answers that an event which was sent to it by HTTP is durable.
    `open_torn` is EventLog alone, in this process, where the newest tail ends with half a line. There is no Home Assistant.
    What was recorded last (recorder.sqlite) is made beforehand; that has its own seconds.
    """
    large, small = folder / "large", folder / "small"
    began = time.monotonic()
    make_log(large / "data", count)
    results: dict[str, Any] = {"starting_events": count, "starting_making_seconds": time.monotonic() - began}
    results["starting_log_bytes"] = sum(path.stat().st_size for path in log_folder(large / "data").rglob("*.parquet"))
    small.mkdir()
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "homeiq.recorder.latest", str(large / "data")], check=True)
    results["starting_cache_made_seconds"] = time.monotonic() - began
    lines = b"\n".join(event.raw.encode() for event in events[:_EACH])
    with _homeiq(large) as one, _homeiq(small) as other:
        logs = {"large": _Log(one, _url(one)), "none": _Log(other, _url(other))}
        for number in range(_ROUNDS):
            for log in list(logs.values())[:: 1 if number % 2 else -1]:
                _round(log, lines, events[0])
    for what in _WHAT:
        for name, log in logs.items():
            results[f"starting_{name}_{what}_seconds"] = statistics.median(log.seconds[what])
            results[f"starting_{name}_{what}_all"] = ", ".join(f"{value:.3f}" for value in log.seconds[what])
        pairs = zip(logs["large"].seconds[what], logs["none"].seconds[what], strict=True)
        results[f"starting_{what}_ratio"] = statistics.median(large / none for large, none in pairs)
    results["starting_events_in_tails"] = logs["none"].acknowledged
    results["starting_load_at_the_end"] = os.getloadavg()[0]
    return results


def _homeiq(folder: Path) -> Homeiq:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Homeiq(folder, HOMEIQ_HTTP__PORT=str(free.getsockname()[1]))


def _url(homeiq: Homeiq) -> str:
    return f"http://127.0.0.1:{homeiq.environment['HOMEIQ_HTTP__PORT']}/events"


def _round(log: _Log, lines: bytes, event: Event) -> None:
    """Record and kill; start, measured, record and kill; open what a torn end was added to, measured."""
    _started_and_killed(log, lines)
    log.seconds["records_again"].append(_started_and_killed(log, lines))
    data_dir = log.homeiq.data_dir
    end = _end(data_dir)
    with tails_in(log_folder(data_dir))[-1][1].open("ab") as tail:
        tail.write(encode(end + 1, event)[:200])
        os.fsync(tail.fileno())
    began = time.monotonic()
    opened = EventLog(data_dir)
    log.seconds["open_torn"].append(time.monotonic() - began)
    opened.close()
    assert len(opened.findings) == 1, opened.findings
    assert opened.next_seq == end + 1, f"{opened.next_seq} after {end}"


def _started_and_killed(log: _Log, lines: bytes) -> float:
    """Return the seconds until the first event that was sent to it was durable; nothing acknowledged may be missing."""
    before = _end(log.homeiq.data_dir)
    assert before >= log.acknowledged, f"{log.acknowledged} was acknowledged, and the log ends with {before}"
    first, _ = lines.split(b"\n", 1)
    began = time.monotonic()
    process = log.homeiq.start("record")
    while not _post(log, first):
        assert time.monotonic() - began < _MOST, f"it did not record within {_MOST} s"
        time.sleep(_LOOK)
    seconds = time.monotonic() - began
    assert log.acknowledged > before, f"{log.acknowledged} was given anew: the log ended with {before}"
    _post(log, lines)
    process.kill()
    process.wait()
    return seconds


def _end(data_dir: Path) -> int:
    """Return the last seq of a log."""
    tails = tails_in(log_folder(data_dir)) if log_folder(data_dir).is_dir() else []
    if not tails:
        return 0
    first, path = tails[-1]
    records = read_tail(path)
    return records[-1].seq if records else first - 1


def _post(log: _Log, lines: bytes) -> bool:
    """Tell whether events were taken, which is answered once they are durable; False where nobody listens yet."""
    try:
        with urllib.request.urlopen(urllib.request.Request(log.url, lines), timeout=30) as answer:
            log.acknowledged = orjson.loads(answer.read())["last_seq"]
            return True
    except urllib.error.URLError as error:
        if isinstance(error.reason, ConnectionRefusedError):
            return False
        raise
