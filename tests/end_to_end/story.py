"""A log that tells a story of five weeks: a home that was listened to, and gaps of every kind."""

import random
from collections.abc import Iterator
from pathlib import Path

from homeiq.clock import DAY, SECOND
from homeiq.storage.log import EventLog
from homeiq.storage.record import Event, housekeeping_event

from end_to_end.logs import state_changed

__all__ = ["HOME", "write_story"]

HOME = "home_assistant"
HOUR = 3_600 * SECOND

GAPS = (
    (HOME, 26 * DAY, 3.2 * 3600, "source_stopped", 1.0, ["events"]),
    (HOME, 9 * DAY, 17 * 3600, "unreachable", 0.6, ["events", "retention"]),
    (HOME, 4 * DAY, 2 * 3600, "source_stopped", 1.0, ["events"]),
    (HOME, 14 * HOUR, 34 * 60, "connection_lost", 1.0, ["events"]),
    ("weather", 19 * DAY, 30 * 3600, "source_error", 0.0, []),
    ("weather", 5 * HOUR, 72 * 60, "no_answer", 0.0, []),
)
"""Source, how long before now it began (microseconds), seconds, reason, which part was fetched later, what is missing."""


def write_story(data_dir: Path, now: int, *, per_hour: int = 12) -> None:
    """Write it into a new log: from 35 days before `now` (microseconds UTC) to a minute and a half before it."""
    events = sorted(_events(now, per_hour), key=lambda event: event.received_at)
    with EventLog(data_dir) as log:
        for first in range(0, len(events), 2_000):
            log.append(events[first : first + 2_000])


def _events(now: int, per_hour: int) -> Iterator[Event]:
    begin, end = now - 35 * DAY, now - 90 * SECOND
    yield housekeeping_event(begin, "recorder", "started", process=1)
    for source in (HOME, "weather"):
        yield housekeeping_event(begin + SECOND, source, "connected")
    for source, before, seconds, reason, part, missing in GAPS:
        yield from _gap(source, now - before, round(seconds * SECOND), reason, part, missing)
    killed = now - 2 * DAY - 5 * HOUR
    told = {"gap_since": killed, "gap_seconds": 5400.0, "gap_reason": "recorder_killed"}
    yield housekeeping_event(killed + 5400 * SECOND, "recorder", "started", process=2, **told)
    for source in (HOME, "weather"):
        yield housekeeping_event(killed + 5401 * SECOND, source, "connected", **told)
    chance = random.Random(7)
    silent = [(now - before, now - before + seconds * SECOND) for source, before, seconds, *_ in GAPS if source == HOME]
    silent.append((killed, killed + 5400 * SECOND))
    for number in range((end - begin) // HOUR * per_hour):
        time = begin + 2 * SECOND + number * HOUR // per_hour + chance.randrange(HOUR // per_hour)
        quiet = any(first <= time <= last for first, last in silent)
        if not quiet and time < end and chance.random() < 0.4 + 0.6 * abs((time % DAY) / DAY - 0.5):
            raw = state_changed("sensor.kitchen", f"{chance.randint(180, 240) / 10}", {}, time)
            yield Event(time, time, HOME, "live", "state_changed", "sensor.kitchen", "21", raw)
    for number in range((end - begin) // HOUR):
        time = begin + 3 * SECOND + number * HOUR
        yield Event(time, time, "weather", "live", "poll", None, None, "{}")
    yield housekeeping_event(end, "recorder", "stopped", process=2)


def _gap(source: str, start: int, length: int, reason: str, part: float, missing: list[str]) -> Iterator[Event]:
    end = start + length
    told = {"gap_since": start, "gap_seconds": length / SECOND, "gap_reason": reason}
    yield housekeeping_event(start, source, "disconnected", gap_since=start, gap_reason=reason, reason="away")
    yield housekeeping_event(end, source, "connected", **told)
    if part:
        facts = {"since": start, "until": end, "from": end - round(length * part), "upto": end, "rows": 120}
        after = end + 20 * SECOND
        yield housekeeping_event(after, source, "backfilled", **facts, done=part == 1.0, missing=missing)
