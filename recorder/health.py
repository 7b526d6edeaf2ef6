"""Live facts, and whether the recorder is ready: connected, able to write, and not silent for too long.

They come from what has become durable, not from what somebody meant to do.
"""

from __future__ import annotations

import bisect
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from ..clock import Clock, to_iso
from ..connectors.home_assistant.protocol import SOURCE as HOME_ASSISTANT
from ..settings import RecordingSettings
from ..storage.log import EventLog, tails_in
from ..storage.record import HOUSEKEEPING, Event
from .disk import Disk
from .intake import Intake
from .supervisor import SourceState

__all__ = ["COMMIT_BUCKETS", "Gaps", "Health", "Heard"]

COMMIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: the upper bounds of the histogram of group commits."""

_TIMES: Final = frozenset({"since", "last_event", "last_poll", "next_poll"})
"""What of a source's state is a time."""

_HEARTBEATS_MISSED: Final = 2
_SLOW_SECONDS: Final = 30.0
"""So many heartbeats, and seconds on a slow machine, may pass before nothing has become durable for too long."""

_CONNECTED: Final = HOUSEKEEPING + "connected"
_DISCONNECTED: Final = HOUSEKEEPING + "disconnected"


_LATEST: Final = 12
_LONGEST_STATE: Final = 80
_LONGEST_NAME: Final = 120


class Heard(NamedTuple):
    """What a person is shown of an event: `received_at` in microseconds UTC, `state` cut where it is long."""

    received_at: int
    source: str
    event_type: str
    entity_id: str | None
    state: str | None


class Gaps:
    """The intervals since the recorder's start in which a source that had been connected was not."""

    def __init__(self, clock: Clock) -> None:
        self.count = 0
        self._clock = clock
        self._connected = False
        self._since: float | None = None
        self._seconds = 0.0

    @property
    def seconds(self) -> float:
        """How long they lasted, all together, with the present one."""
        return self._seconds + (0.0 if self._since is None else self._clock.monotonic() - self._since)

    def note(self, connected: bool) -> None:
        """The source is connected now, or not any more."""
        if self._connected and not connected:
            self.count += 1
            self._since = self._clock.monotonic()
        elif connected:
            self._seconds, self._since = self.seconds, None
        self._connected = connected


class Health:
    """What is known of a recorder now. `sources` are all that it listens to or polls; Home Assistant must be connected.

    `unconfigured` is one sentence on what is not set and must be, or an empty text.
    """

    def __init__(self, log: EventLog, intake: Intake, settings: RecordingSettings, clock: Clock) -> None:
        self.version = version("homeiq")
        self.clock = clock
        self.intake = intake
        self.started_at = clock.now()
        self.events: Counter[tuple[str, str]] = Counter()
        self.last_event: dict[str, tuple[int, float]] = {}
        self.gaps: dict[str, Gaps] = {}
        self.commits = [0] * (len(COMMIT_BUCKETS) + 1)
        self.commit_seconds = 0.0
        self.requests: Counter[tuple[str, int]] = Counter()
        self.unconfigured = ""
        self.sources: Sequence[SourceState] = ()
        self.http: dict[str, Any] = {"url": "", "problem": ""}
        self.disk = Disk(log.data_dir, clock)
        self.data_dir = log.data_dir
        self.latest: deque[Heard] = deque(maxlen=_LATEST)
        self._log = log
        self._settings = settings
        self._heard_at = self._began = self._committed_at = clock.monotonic()
        intake.committed = self.committed

    def committed(self, events: Sequence[Event], seconds: float) -> None:
        """Note a group that has become durable; see intake.Committed."""
        self.commits[bisect.bisect_left(COMMIT_BUCKETS, seconds)] += 1
        self.commit_seconds += seconds
        now = self._committed_at = self.clock.monotonic()
        for event in events:
            if event.event_type.startswith(HOUSEKEEPING):
                if event.event_type in (_CONNECTED, _DISCONNECTED):
                    self.gaps.setdefault(event.source, Gaps(self.clock)).note(event.event_type == _CONNECTED)
                continue
            self.events[event.source, event.origin] += 1
            self.last_event[event.source] = (event.received_at, now)
            self._heard_at = now
        self.latest.extend(
            _heard(event) for event in events[-_LATEST:] if not event.event_type.startswith(HOUSEKEEPING)
        )

    async def measure_disk(self) -> None:
        """Look at the disk, from time to time."""
        await self.disk.measure(self.intake.durable_seq)

    def not_ready(self) -> list[str]:
        """Return all reasons, in words, for which the recorder is not ready; none if it is."""
        reasons = [self.unconfigured] if self.unconfigured else []
        reasons += [
            f"Home Assistant is not connected: {source.reason}"
            for source in self.sources
            if source.name == HOME_ASSISTANT and not source.connected
        ]
        if self.intake.problem:
            reasons.append(self.intake.problem)
        if self.intake.dropping:
            reasons.append("events are being dropped: the disk does not keep up, and the memory for them is full")
        if not tails_in(self._log.folder):
            reasons.append(
                f"the log's tail is gone from {self._log.folder}: what is recorded now is lost; start it again"
            )
        if self._log.reserve.missing:
            reasons.append(
                f"the disk of {self._log.data_dir} is full, and what was kept for this is in use: make room there"
            )
        elif self.disk.free == 0:
            reasons.append(f"the disk of {self._log.data_dir} is full: make room there")
        silent = self.clock.monotonic() - self._heard_at
        if silent > self._settings.silence_after_minutes * 60:
            reasons.append(
                f"no event came for {silent / 60:.0f} minutes"
                f" (recording.silence_after_minutes is {self._settings.silence_after_minutes:g})"
            )
        if self.http["problem"]:
            reasons.append(self.http["problem"])
        return reasons

    def lives(self) -> bool:
        """Tell whether what is taken becomes durable, or the disk is known not to let it.

        A heartbeat has to become durable each minute, so that the whole way is looked at. A new start mends a loop that
        stands still; it mends no disk, and would lose what is kept in memory until the disk is back.
        """
        late = self.clock.monotonic() - self._committed_at
        return bool(self.intake.problem) or late < _HEARTBEATS_MISSED * self._settings.heartbeat_seconds + _SLOW_SECONDS

    def sentence(self) -> str:
        """Return in one line what the recorder does, or why it is not ready."""
        reasons = self.not_ready()
        said = f"recording, {self.intake.durable_seq:,} records are durable"
        return f"{said}; not ready: {'; '.join(reasons)}" if reasons else said

    def uptime(self) -> float:
        """Return the seconds since the start."""
        return self.clock.monotonic() - self._began

    def seconds_since(self, source: str) -> float | None:
        """Return the seconds since the last event of a source, None if none came since the start."""
        last = self.last_event.get(source)
        return None if last is None else self.clock.monotonic() - last[1]

    def status(self) -> dict[str, Any]:
        """Return all facts as JSON may hold them; times are ISO 8601 in UTC."""
        reasons = self.not_ready()
        intake = self.intake
        return {
            "version": self.version,
            "started_at": to_iso(self.started_at),
            "uptime_seconds": round(self.uptime(), 3),
            "ready": not reasons,
            "reasons": reasons,
            "durable_seq": intake.durable_seq,
            "taken": intake.taken,
            "unsynced_records": intake.unsynced[0],
            "unsynced_bytes": intake.unsynced[1],
            "dropped": intake.dropped,
            "left_out": intake.left_out,
            "problem": intake.problem,
            "sources": [self._source(source) for source in self.sources],
            "events": [{"source": s, "origin": o, "count": n} for (s, o), n in sorted(self.events.items())],
            "last_event": {
                source: {"at": to_iso(at), "seconds_since": round(self.clock.monotonic() - moment, 3)}
                for source, (at, moment) in sorted(self.last_event.items())
            },
            "disk": {
                "free_bytes": self.disk.free,
                "log_bytes": self.disk.log_bytes,
                "bytes_per_day": self.disk.bytes_per_day,
                "days_left": self.disk.days_left,
            },
            "http": dict(self.http),
        }

    def _source(self, source: SourceState) -> dict[str, Any]:
        gaps = self.gaps.get(source.name)
        facts = asdict(source)
        for name in _TIMES & facts.keys():
            facts[name] = None if facts[name] is None else to_iso(facts[name])
        facts["gaps"] = gaps.count if gaps else 0
        facts["gap_seconds"] = round(gaps.seconds, 3) if gaps else 0.0
        return facts


def _heard(event: Event) -> Heard:
    state = event.state if event.state is None else event.state[:_LONGEST_STATE]
    entity = event.entity_id if event.entity_id is None else event.entity_id[:_LONGEST_NAME]
    return Heard(event.received_at, event.source, event.event_type[:_LONGEST_NAME], entity, state)
