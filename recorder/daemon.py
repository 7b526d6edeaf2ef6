"""The recorder: starts, listens, and stops in order. Everything else in this package is wired here."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from ..clock import SECOND, Clock, SystemClock
from ..connectors.base import Connector, Poller
from ..connectors.historian import Historian
from ..settings import HttpSettings, RecordingSettings
from ..storage.gaps import RECORDER, Gap
from ..storage.log import EventLog
from ..storage.record import housekeeping_event
from .backfill import Backfill, Pace
from .backfills import Backfills
from .companion import Companion
from .connection import Connection
from .control import ControlServer
from .disk import MEASURE_SECONDS
from .health import Health
from .imports import Imports
from .intake import Intake
from .latest import Latest
from .notify import ServiceManager
from .schedule import Polling, Schedule
from .sealing import Sealer
from .supervisor import SourceState, Supervisor
from .upkeep import Upkeep

__all__ = ["Recorder", "FOLLOWER_GRACE_SECONDS"]

_log = logging.getLogger(__name__)

FOLLOWER_GRACE_SECONDS = 35.0
"""The follower drains the log for 30 s at most; then it has 5 s to end."""

_CLOCK_JUMP = 5 * SECOND
_SEAL_CHECK_SECONDS = 1.0
_UPKEEP_CHECK_SECONDS = 60.0

_SILENT_SECONDS = 45.0
"""A source that is asked each 30 s for a sign of life, and has given none for so long, may not be heard any more."""

Watcher = Callable[["Recorder"], Awaitable[None]]
HomeConfig = Callable[[], Mapping[str, Any]]


class Recorder:
    """Records the given sources into the log of a data folder until it is told to stop."""

    def __init__(
        self,
        data_dir: Path,
        settings: RecordingSettings,
        connectors: Sequence[Connector],
        *,
        clock: Clock | None = None,
        companions: Sequence[Companion] = (),
        pace: Pace | None = None,
        purpose: str = "homeiq record",
        upkeep: Sequence[str] = (),
        pollers: Callable[[HomeConfig], Sequence[Poller[Any]]] = lambda home_config: (),
    ) -> None:
        """Open the log; raises LogLocked, LogNotWritable, LogCorrupt.

        `pollers` makes those that are configured, given what tells them of Home Assistant's configuration. `pace` is how
        slowly gaps are closed. `upkeep` is the command that merges segments and lets records expire.
        """
        self._clock = clock or SystemClock()
        self._settings = settings
        self._companions = companions
        self.log = EventLog(
            data_dir, purpose=purpose, rotate_records=settings.seal_records, reserve_bytes=settings.reserve_bytes
        )
        for finding in self.log.findings:
            _log.warning("set aside: %s", finding)
        self._latest = Latest.load(data_dir, self.log.next_seq)
        self._stop = asyncio.Event()
        self.intake = Intake(self.log, settings, self._clock, self._latest)
        self._latest.listened.begin()
        before = self._latest.listened.open(RECORDER)
        self._started = Connection(RECORDER, self.intake, self._clock, before, word="started")
        self.supervisors = [
            Supervisor(connector, self.intake, self._clock, self.connection(connector.name)) for connector in connectors
        ]
        self._backfills = Backfills(
            [
                Backfill(connector.name, connector, self.intake, self._latest, self._clock, pace)
                for connector in connectors
                if isinstance(connector, Historian)
            ],
            data_dir,
        )
        pollings = [
            Polling(poller, self.intake, self._clock, self.connection(poller.name))
            for poller in pollers(self._latest.home_config)
        ]
        self.polls = Schedule(pollings, self._clock)
        self.health = Health(self.log, self.intake, settings, self._clock)
        self.health.sources = self.source_states
        self.intake.pressure_over = self._pressure_over
        self._sealer = Sealer(self.log, self.intake, settings, self._clock)
        self._upkeep = Upkeep(self.log, upkeep, self._clock)
        self._clock_offset = self._wall_minus_monotonic()

    def stop(self) -> None:
        """Ask for an orderly stop."""
        self._stop.set()

    def connection(self, source: str) -> Connection:
        """Return what records whether a source is listened to: one for each source, made before `run`."""
        return Connection(source, self.intake, self._clock, self._latest.listened.open(source))

    async def run(self, watcher: Watcher | None = None, http: HttpSettings | None = None) -> None:
        """Record until `stop`, SIGTERM or SIGINT, and listen as `http` says; `watcher` runs beside it.

        Afterwards everything taken is durable.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        control = ControlServer(
            self.log.data_dir,
            {
                "position": self._position,
                "rotate": self._rotate,
                "status": self._status,
                **self._backfills.answers(),
                **Imports(self.intake, self._clock).answers(),
            },
        )
        writing = asyncio.create_task(self.intake.run())
        await control.start()
        scheduler = self._schedule()
        self._started.connected(process=os.getpid())
        self._record_choice()
        sources = [asyncio.create_task(supervisor.run()) for supervisor in self.supervisors]
        sources += [asyncio.create_task(self._backfills.run())]
        beside = [asyncio.create_task(companion.run()) for companion in self._companions]
        beside += [asyncio.ensure_future(watcher(self))] if watcher else []
        beside.append(asyncio.create_task(self._watch_clock(scheduler)))
        self.polls.start(scheduler)
        _log.info("recording into %s", self.log.data_dir)
        manager = ServiceManager.of(os.environ, os.getpid())
        manager.tell("READY=1", f"STATUS=recording into {self.log.data_dir}")
        beside.append(asyncio.create_task(manager.keep_telling(lambda: self._lives(writing), self._sentence)))
        answering = self._answer(http)
        try:
            await self._stop.wait()
        finally:
            manager.tell("STOPPING=1")
            await self.polls.stop()
            scheduler.shutdown(wait=False)
            await _cancel(sources)
            await control.stop()
            await _cancel(answering)
            await self._close(writing)
            await asyncio.gather(*(companion.end(FOLLOWER_GRACE_SECONDS) for companion in self._companions))
            await _cancel(beside)

    @property
    def entities(self) -> Mapping[str, int]:
        """All entities that were ever heard of, and the time of each one's latest state (microseconds UTC)."""
        return self._latest.entities

    def waiting(self, source: str) -> list[Gap]:
        """Return the gaps of a source that have ended and are not closed yet, oldest first."""
        return self._latest.listened.waiting(source)

    def status(self) -> dict[str, Any]:
        """Return the recorder's live facts, as JSON may hold them."""
        return self.health.status()

    def _answer(self, http: HttpSettings | None) -> list[asyncio.Task[None]]:
        """Begin to listen for HTTP, where it is wanted: only then aiohttp is loaded."""
        if http is None or not http.enabled:
            return []
        from .http import HttpServer

        server = HttpServer(http, self.health, self._latest.keys, self._clock)
        return [asyncio.create_task(server.run())]

    def _lives(self, writing: asyncio.Task[None]) -> bool:
        """Tell what the watchdog is told; an orderly stop has its own time limit."""
        return self._stop.is_set() or (not writing.done() and self.health.lives())

    def _sentence(self) -> str:
        return "stopping: what is taken becomes durable" if self._stop.is_set() else self.health.sentence()

    @property
    def source_states(self) -> list[SourceState]:
        """What is known of each source, streams first."""
        return [*(supervisor.state for supervisor in self.supervisors), *self.polls.states]

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
        logging.getLogger("apscheduler.executors.default").addFilter(_is_an_error)
        scheduler.add_job(self._heartbeat, "interval", seconds=self._settings.heartbeat_seconds)
        scheduler.add_job(
            self.health.measure_disk, "interval", seconds=MEASURE_SECONDS, next_run_time=datetime.now(UTC)
        )
        scheduler.add_job(self._sealer.seal_if_due, "interval", seconds=_SEAL_CHECK_SECONDS)
        scheduler.add_job(self._upkeep.do_if_due, "interval", seconds=_UPKEEP_CHECK_SECONDS)
        scheduler.start()
        return scheduler

    async def _heartbeat(self) -> None:
        """Say that the recorder lives, and which sources are not known to: their gap may have begun already."""
        silent = {supervisor.state.name: round(supervisor.silent_seconds(), 3) for supervisor in self.supervisors}
        silent = {name: seconds for name, seconds in silent.items() if seconds > _SILENT_SECONDS}
        self._record("heartbeat", **({"silent": silent} if silent else {}))

    async def _watch_clock(self, scheduler: AsyncIOScheduler) -> None:
        """Record when the wall clock jumped against the monotonic one: a Pi without a clock boots in the past.

        No job of the scheduler, which itself waits for the wall clock: were that put back by a day, it would sit idle for
        a day, so that its jobs are moved back with it. Put forward, it has them all run at once, which does no harm.
        """
        while True:
            await asyncio.sleep(1)
            offset = self._wall_minus_monotonic()
            jump = offset - self._clock_offset
            if abs(jump) > _CLOCK_JUMP:
                self._clock_offset = offset
                _log.warning("the clock jumped by %+.1f s", jump / SECOND)
                self._record("clock_jumped", seconds=jump / SECOND)
                for job in scheduler.get_jobs() if jump < 0 else ():
                    job.modify(next_run_time=job.next_run_time + timedelta(microseconds=jump))

    def _pressure_over(self, source: str) -> None:
        """Ask a source anew of which something had to be dropped: a registry would come only with its next connection."""
        for supervisor in self.supervisors:
            if supervisor.state.name == source:
                supervisor.ask_again()

    def _wall_minus_monotonic(self) -> int:
        return self._clock.now() - round(self._clock.monotonic() * SECOND)

    def _record(self, what: str, **facts: object) -> None:
        self.intake.take(housekeeping_event(self._clock.now(), RECORDER, what, **facts))

    async def _position(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"durable_seq": self.intake.durable_seq}

    async def _rotate(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        await self.intake.in_writer(self.log.rotate)
        return await self._position(request)

    async def _status(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.status()


def _is_an_error(said: logging.LogRecord) -> bool:
    """Tell whether what the scheduler says is one; it says so too of a job that is cancelled at an orderly stop."""
    return not (said.exc_info and isinstance(said.exc_info[1], asyncio.CancelledError))


async def _cancel(tasks: Sequence[asyncio.Task[None]] | Sequence[asyncio.Future[None]]) -> None:
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            _log.error("an error beside recording", exc_info=result)
