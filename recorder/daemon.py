"""The recorder: starts, listens, and stops in order. Everything else in this package is wired here."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from ..clock import SECOND, Clock, SystemClock
from ..connectors.base import Connector
from ..settings import HttpSettings, RecordingSettings
from ..storage.log import EventLog
from ..storage.record import housekeeping_event
from .companion import Companion
from .control import ControlServer
from .disk import MEASURE_SECONDS
from .health import Health
from .intake import Intake
from .latest import Latest
from .sealing import Sealer
from .supervisor import Supervisor

__all__ = ["Recorder", "FOLLOWER_GRACE_SECONDS"]

_log = logging.getLogger(__name__)

FOLLOWER_GRACE_SECONDS = 35.0
"""The follower drains the log for 30 s at most; then it has 5 s to end."""

_CLOCK_JUMP = 5 * SECOND
_SEAL_CHECK_SECONDS = 1.0

Watcher = Callable[["Recorder"], Awaitable[None]]


class Recorder:
    """Records the given sources into the log of a data folder until it is told to stop."""

    def __init__(
        self,
        data_dir: Path,
        settings: RecordingSettings,
        connectors: Sequence[Connector],
        *,
        clock: Clock | None = None,
        companion: Companion | None = None,
        purpose: str = "homeiq record",
        http: HttpSettings | None = None,
    ) -> None:
        """Open the log; raises LogLocked, LogNotWritable, LogCorrupt. Without `http` it does not listen."""
        self._clock = clock or SystemClock()
        self._settings = settings
        self._companion = companion
        self.log = EventLog(data_dir, purpose=purpose, rotate_records=settings.seal_records)
        for finding in self.log.findings:
            _log.warning("set aside: %s", finding)
        self._latest = Latest.load(data_dir, self.log.next_seq)
        self._stop = asyncio.Event()
        self.intake = Intake(self.log, settings, self._clock, self._latest)
        self.supervisors = [Supervisor(connector, self.intake, self._clock) for connector in connectors]
        self.health = Health(self.log, self.intake, settings, self._clock)
        self.health.sources = [supervisor.state for supervisor in self.supervisors]
        self._http = http
        self._sealer = Sealer(self.log, self.intake, settings, self._clock)
        self._clock_offset = self._wall_minus_monotonic()

    def stop(self) -> None:
        """Ask for an orderly stop."""
        self._stop.set()

    async def run(self, watcher: Watcher | None = None) -> None:
        """Record until `stop`, SIGTERM or SIGINT; `watcher` runs beside it. Afterwards everything taken is durable."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        control = ControlServer(
            self.log.data_dir, {"position": self._position, "rotate": self._rotate, "status": self._status}
        )
        writing = asyncio.create_task(self.intake.run())
        await control.start()
        scheduler = self._schedule()
        self._record("started", process=os.getpid())
        self._record_choice()
        sources = [asyncio.create_task(supervisor.run()) for supervisor in self.supervisors]
        beside = [asyncio.create_task(self._companion.run())] if self._companion else []
        beside += [asyncio.ensure_future(watcher(self))] if watcher else []
        _log.info("recording into %s", self.log.data_dir)
        answering = self._answer()
        try:
            await self._stop.wait()
        finally:
            scheduler.shutdown(wait=False)
            await _cancel(sources)
            await control.stop()
            await _cancel(answering)
            await self._close(writing)
            if self._companion:
                await self._companion.end(FOLLOWER_GRACE_SECONDS)
            await _cancel(beside)

    def status(self) -> dict[str, Any]:
        """Return the recorder's live facts, as JSON may hold them."""
        return self.health.status()

    def _answer(self) -> list[asyncio.Task[None]]:
        """Begin to listen for HTTP, where it is wanted: only then aiohttp is loaded."""
        if self._http is None or not self._http.enabled:
            return []
        from .http import HttpServer

        server = HttpServer(self._http, self.health, self._latest.keys, self._clock)
        return [asyncio.create_task(server.run())]

    async def _close(self, writing: asyncio.Task[None]) -> None:
        self._record("stopped", process=os.getpid())
        self.intake.close()
        await writing
        if not self.intake.lost:  # else it knows of more than the log does
            self._latest.save(self.log.data_dir, self.intake.durable_seq)
        self.log.close()
        _log.info("stopped; %d records are in the log", self.intake.durable_seq)

    def _record_choice(self) -> None:
        """Record what of Home Assistant is recorded, where that is another choice than before: by default all."""
        choice = self._settings.choice()
        for event_type in choice.without_effect:
            _log.warning(
                "recording.exclude.event_types cannot leave out %s: exclude its domains, entities or entity_globs instead",
                event_type,
            )
        self._record("choice", **choice.facts())

    def _schedule(self) -> AsyncIOScheduler:
        scheduler = AsyncIOScheduler(timezone="UTC", job_defaults={"coalesce": True, "misfire_grace_time": None})
        scheduler.add_job(self._heartbeat, "interval", seconds=self._settings.heartbeat_seconds)
        scheduler.add_job(self._watch_clock, "interval", seconds=1)
        scheduler.add_job(
            self.health.measure_disk, "interval", seconds=MEASURE_SECONDS, next_run_time=datetime.now(UTC)
        )
        scheduler.add_job(self._sealer.seal_if_due, "interval", seconds=_SEAL_CHECK_SECONDS)
        scheduler.start()
        return scheduler

    async def _heartbeat(self) -> None:
        self._record("heartbeat")

    async def _watch_clock(self) -> None:
        """Record when the wall clock jumped against the monotonic one: a Pi without a clock boots in the past."""
        offset = self._wall_minus_monotonic()
        jump = offset - self._clock_offset
        if abs(jump) > _CLOCK_JUMP:
            _log.warning("the clock jumped by %+.1f s", jump / SECOND)
            self._record("clock_jumped", seconds=jump / SECOND)
            self._clock_offset = offset

    def _wall_minus_monotonic(self) -> int:
        return self._clock.now() - round(self._clock.monotonic() * SECOND)

    def _record(self, what: str, **facts: object) -> None:
        self.intake.take(housekeeping_event(self._clock.now(), "recorder", what, **facts))

    async def _position(self) -> Mapping[str, Any]:
        return {"durable_seq": self.intake.durable_seq}

    async def _rotate(self) -> Mapping[str, Any]:
        await self.intake.in_writer(self.log.rotate)
        return await self._position()

    async def _status(self) -> Mapping[str, Any]:
        return self.status()


async def _cancel(tasks: Sequence[asyncio.Task[None]] | Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            _log.error("an error beside recording", exc_info=result)
