"""Durable appends a second, and bytes written to disk for an event in normal life: homeiq, SQLite, and the plain limit."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ha_database import HomeAssistantDatabase
from homeiq.clock import SystemClock
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.settings import RecordingSettings
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact
from homeiq.storage.record import Event, encode

__all__ = ["appends", "written"]

_ALONE: Final = 20
_ALONE_ROUNDS: Final = 300
"""One caller appends so many in each round: the disk's time for a sync changes from one moment to the next."""

_GROWING: Final = 30
"""Rounds in which SQLite's WAL still grows, as it does for a checkpoint's 1,000 pages; then it is overwritten in place."""

_CALLERS = 100
_EACH = 50
_HUNDRED_ROUNDS: Final = 7
_PER_SECOND = 5
_SECONDS = 600
_COMMIT_SECONDS = 5

_Append = Callable[[Event], object]


def appends(events: list[Event], folder: Path) -> dict[str, Any]:
    """Return durable appends a second of one caller, and of 100 at once: medians of rounds in turn, and of pairs' ratios.

    The middle half of the pairs' ratios is given too.
    """
    found = _alone(events, folder / "alone") | _hundred(events, folder)
    results: dict[str, Any] = {f"append_{name}_a_second": statistics.median(rates) for name, rates in found.items()}
    for how in ("alone", "hundred"):
        for other in ("sqlite", "plain"):
            pairs = zip(found[f"{how}_homeiq"], found[f"{how}_{other}"], strict=True)
            low, middle, high = statistics.quantiles((ours / theirs for ours, theirs in pairs), n=4, method="inclusive")
            results[f"append_{how}_ratio_to_{other}"] = middle
            results[f"append_{how}_ratio_to_{other}_middle_half"] = f"{low:.2f} to {high:.2f}"
    growing = zip(found["alone_homeiq"][:_GROWING], found["alone_sqlite"], strict=False)
    results["append_alone_ratio_to_sqlite_growing"] = statistics.median(ours / theirs for ours, theirs in growing)
    results["append_load_at_the_end"] = os.getloadavg()[0]
    return results


def _alone(events: list[Event], folder: Path) -> dict[str, list[float]]:
    """Return the rates of one caller that waits for each append; files stay open from round to round."""
    folder.mkdir(parents=True)
    database = _sqlite(folder)
    plain = os.open(folder / "plain", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    with EventLog(folder / "log") as log:

        def write(event: Event) -> None:
            os.write(plain, lines[id(event)])
            os.fdatasync(plain)

        ways: list[tuple[str, _Append]] = [
            ("alone_plain", write),
            ("alone_homeiq", lambda event: log.append([event])),
            ("alone_sqlite", lambda event: database.execute(_INSERT, (event.time, event.entity_id, event.raw))),
        ]
        found: dict[str, list[float]] = {name: [] for name, _ in ways}
        for number in range(_ALONE_ROUNDS):
            some = events[number * _ALONE :][:_ALONE]
            lines = {id(event): encode(1, event) for event in some}  # made beforehand
            for place in range(len(ways)):  # each comes first, second and last equally often
                name, append = ways[(number + place) % len(ways)]
                began = time.monotonic()
                for event in some:
                    append(event)
                found[name].append(_rate(_ALONE, began))
    os.close(plain)
    database.close()
    return found


def _hundred(events: list[Event], folder: Path) -> dict[str, list[float]]:
    """Return the rates of 100 callers; each round begins with new files."""
    ways: dict[str, Callable[[list[Event], Path], float]] = {
        "hundred_plain": _plain_hundred,
        "hundred_homeiq": _homeiq_hundred,
        "hundred_sqlite": _sqlite_hundred,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(_HUNDRED_ROUNDS):
        for name, way in ways.items():
            place = folder / f"{name}{number}"
            place.mkdir(parents=True)
            found[name].append(way(events, place))
    return found


def _rate(count: int, began: float) -> float:
    return count / (time.monotonic() - began)


def _plain_hundred(events: list[Event], folder: Path) -> float:
    """The lines that homeiq writes, made beforehand, 100 at once: write, fdatasync, and nothing else."""
    groups = [events[start : start + _CALLERS] for start in range(0, _CALLERS * _EACH, _CALLERS)]
    lines = [b"".join(encode(1, event) for event in group) for group in groups]
    descriptor = os.open(folder / "plain", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    began = time.monotonic()
    for line in lines:
        os.write(descriptor, line)
        os.fdatasync(descriptor)
    rate = _rate(_CALLERS * _EACH, began)
    os.close(descriptor)
    return rate


def _sqlite(folder: Path) -> sqlite3.Connection:
    database = sqlite3.connect(folder / "log.sqlite", isolation_level=None, timeout=300)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, time INTEGER, entity_id TEXT, raw TEXT)")
    return database


_INSERT = "INSERT INTO log (time, entity_id, raw) VALUES (?, ?, ?)"


def _sqlite_hundred(events: list[Event], folder: Path) -> float:
    """A connection for each caller: SQLite knows no commit of a group."""
    _sqlite(folder).close()

    def call(own: list[Event]) -> None:
        database = _sqlite(folder)
        for event in own:
            database.execute(_INSERT, (event.time, event.entity_id, event.raw))
        database.close()

    threads = [threading.Thread(target=call, args=(events[n * _EACH :][:_EACH],)) for n in range(_CALLERS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _rate(_CALLERS * _EACH, began)


def _homeiq_hundred(events: list[Event], folder: Path) -> float:
    async def run(log: EventLog) -> float:
        intake = Intake(log, RecordingSettings(), SystemClock(), Latest())
        writing = asyncio.create_task(intake.run())

        async def call(own: list[Event]) -> None:
            for event in own:
                await intake.take_group([event])

        began = time.monotonic()
        await asyncio.gather(*(call(events[n * _EACH :][:_EACH]) for n in range(_CALLERS)))
        rate = _rate(_CALLERS * _EACH, began)
        intake.close()
        await writing
        return rate

    with EventLog(folder) as log:
        return asyncio.run(run(log))


def written(events: list[Event], folder: Path) -> dict[str, Any]:
    """Return the bytes that reach the disk for an event: 5 events/s for ten minutes, grouped by time as in normal life.

    Pages are counted as the kernel does (write_bytes of /proc/self/io), so a page that is written again counts again; a
    file system's own journal is not in it.
    """
    events = events[: _PER_SECOND * _SECONDS]
    appended, sealed = folder / "appended", folder / "recorder.db"
    folder.mkdir(parents=True)
    before = _written_bytes()
    with EventLog(appended) as log:
        for start in range(0, len(events), _PER_SECOND):
            log.append(events[start : start + _PER_SECOND])
        tail = _written_bytes() - before
        log.rotate()
    before = _written_bytes()
    compact(appended)
    segment = _written_bytes() - before
    before = _written_bytes()
    recorder = HomeAssistantDatabase(sealed)
    group = _PER_SECOND * _COMMIT_SECONDS
    for start in range(0, len(events), group):
        recorder.write(events[start : start + group])
    recorder.database.close()
    os.sync()
    theirs = _written_bytes() - before
    count = len(events)
    return {
        "written_bytes_an_event_to_the_tail": tail / count,
        "written_bytes_an_event_sealing": segment / count,
        "written_bytes_an_event_by_ha_recorder": theirs / count,
        "written_ratio_ha_recorder_to_homeiq": theirs / (tail + segment),
        "received_bytes_an_event": sum(len(event.raw.encode()) for event in events) / count,
    }


def _written_bytes() -> int:
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise RuntimeError("/proc/self/io does not say what was written")
