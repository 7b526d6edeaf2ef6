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
from typing import Any

from ha_database import HomeAssistantDatabase
from homeiq.clock import SystemClock
from homeiq.recorder.intake import Intake
from homeiq.recorder.latest import Latest
from homeiq.settings import RecordingSettings
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact
from homeiq.storage.record import Event, encode

__all__ = ["appends", "written"]

_ALONE = 1_000
_CALLERS = 100
_EACH = 50
_PER_SECOND = 5
_SECONDS = 600
_COMMIT_SECONDS = 5


def appends(events: list[Event], folder: Path) -> dict[str, Any]:
    """Return durable appends a second of one caller, and of 100 at once; medians of three rounds taken in turn."""
    ways: dict[str, Callable[[list[Event], Path], float]] = {
        "alone_plain": _plain_alone,
        "alone_homeiq": _homeiq_alone,
        "alone_sqlite": _sqlite_alone,
        "hundred_plain": _plain_hundred,
        "hundred_homeiq": _homeiq_hundred,
        "hundred_sqlite": _sqlite_hundred,
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(3):
        for name, way in ways.items():
            place = folder / f"{name}{number}"
            place.mkdir(parents=True)
            found[name].append(way(events, place))
    rates = {name: statistics.median(values) for name, values in found.items()}
    results: dict[str, Any] = {f"append_{name}_a_second": rate for name, rate in rates.items()}
    for how in ("alone", "hundred"):
        for other in ("sqlite", "plain"):
            pairs = zip(found[f"{how}_homeiq"], found[f"{how}_{other}"], strict=True)
            results[f"append_{how}_ratio_to_{other}"] = statistics.median(ours / theirs for ours, theirs in pairs)
    return results


def _rate(count: int, began: float) -> float:
    return count / (time.monotonic() - began)


def _homeiq_alone(events: list[Event], folder: Path) -> float:
    with EventLog(folder) as log:
        began = time.monotonic()
        for event in events[:_ALONE]:
            log.append([event])
        return _rate(_ALONE, began)


def _plain_alone(events: list[Event], folder: Path) -> float:
    return _plain([[event] for event in events[:_ALONE]], folder)


def _plain_hundred(events: list[Event], folder: Path) -> float:
    return _plain([events[start : start + _CALLERS] for start in range(0, _CALLERS * _EACH, _CALLERS)], folder)


def _plain(groups: list[list[Event]], folder: Path) -> float:
    """The lines that homeiq writes, made beforehand: write, fdatasync, and nothing else."""
    lines = [b"".join(encode(1, event) for event in group) for group in groups]
    descriptor = os.open(folder / "plain", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    began = time.monotonic()
    for line in lines:
        os.write(descriptor, line)
        os.fdatasync(descriptor)
    rate = _rate(sum(map(len, groups)), began)
    os.close(descriptor)
    return rate


def _sqlite(folder: Path) -> sqlite3.Connection:
    database = sqlite3.connect(folder / "log.sqlite", isolation_level=None, timeout=300)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, time INTEGER, entity_id TEXT, raw TEXT)")
    return database


_INSERT = "INSERT INTO log (time, entity_id, raw) VALUES (?, ?, ?)"


def _sqlite_alone(events: list[Event], folder: Path) -> float:
    database = _sqlite(folder)
    began = time.monotonic()
    for event in events[:_ALONE]:
        database.execute(_INSERT, (event.time, event.entity_id, event.raw))
    rate = _rate(_ALONE, began)
    database.close()
    return rate


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
