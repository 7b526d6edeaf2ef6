"""APScheduler jobs for Pollers: each in its own turn, spread over time, later after a failure, never two at once.

A job is booked for one moment and, when its poll has ended, books the next. So a machine that slept polls once when it
wakes, and a poll that takes long delays its own next one and nobody else's.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apscheduler.schedulers.base import BaseScheduler

from ..clock import SECOND, Clock, full_jitter
from ..connectors.base import Asking, Missing, Poller
from ..connectors.http_client import HttpClient
from ..errors import HomeiqError, Kind, SourceBusy, SourceError, SourceIncomplete
from ..storage.gaps import GapReason
from ..storage.record import Event
from .connection import Connection
from .intake import Intake
from .supervisor import SourceState

__all__ = ["PollState", "Polling", "Schedule", "delay_after", "first_delay", "next_delay"]

_log = logging.getLogger(__name__)

_FIRST_SECONDS: Final = 10.0
"""Within so many seconds after the start each poller has its first turn, by when Home Assistant has said where it is."""

_LOOK_SECONDS: Final = 15.0
"""So often it is looked whether what is awaited has come; nobody is asked anything."""

_AWAITED_SECONDS: Final = 60.0
"""For so long what is awaited is not worth a word."""

_RETRY_SECONDS: Final = (30.0, 60.0)
"""The first retry comes within the lower, and later ones within the interval, but at least within the higher."""

_LEAST_SECONDS: Final = 1.0
_SLOWLY_SECONDS: Final = 900.0
_MOST_SECONDS: Final = 6 * 3_600.0
"""However long a service wants to be left alone, it is asked again after six hours: it may have meant something else."""

_LONGEST_POLL_SECONDS: Final = 300.0
_JITTER: Final = 0.05


def first_delay(name: str) -> float:
    """Return the seconds from the start to the first poll: another for each name, always the same."""
    return 1.0 + _share(name) * (_FIRST_SECONDS - 1.0)


def next_delay(name: str, interval: float, now: float, chance: float) -> float:
    """Return the seconds to the next poll in good order, `now` being in seconds since 1970, `chance` within 0 … 1.

    Each name has its own place within the interval, so that neither the utilities of a home nor the homes of the world
    ask all at the full minute; a little is left to chance. Never less than half an interval.
    """
    place = _share(name) * interval
    delay = interval - (now - place) % interval
    if delay < interval / 2:
        delay += interval
    return delay + chance * min(_JITTER * interval, 30.0)


def delay_after(error: HomeiqError | None, attempt: int, interval: float, chance: Callable[[], float]) -> float:
    """Return the seconds to the next poll after failure number `attempt` (0, 1, …); None: an error of our own.

    Time mends it: full jitter, up to the interval, and not before the service wants. A person must: slowly.
    """
    if error is not None and error.kind is not Kind.RETRY:
        return min(max(4 * interval, _SLOWLY_SECONDS), _MOST_SECONDS) * (1 + _JITTER * chance())
    base, least = min(_RETRY_SECONDS[0], interval), _RETRY_SECONDS[1]
    delay = _LEAST_SECONDS + full_jitter(attempt, base=base, cap=max(interval, least), chance=chance)
    wanted = error.retry_after if isinstance(error, SourceBusy) else None
    return delay + min(wanted or 0.0, _MOST_SECONDS)


def _share(name: str) -> float:
    """Return a number from 0 to 1 that belongs to a name."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest()) / 2**32


@dataclass
class PollState(SourceState):
    """What is known of a poller now. `next_poll` is in microseconds UTC; `failures` counts those in a row."""

    polled: bool = True
    configured: bool = True
    last_poll: int | None = None
    next_poll: int | None = None
    failures: int = 0


class Polling:
    """One poller: its turns, what became of them, and when the next one is."""

    def __init__(
        self,
        poller: Poller[Any],
        intake: Intake,
        clock: Clock,
        connection: Connection,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.poller = poller
        self.state = PollState(poller.name, reason="not asked yet")
        self._intake = intake
        self._clock = clock
        self._connection = connection
        self._chance = chance
        self._began = clock.monotonic()
        self._said = ""

    async def turn(self, http: HttpClient) -> float:
        """Poll once if that is possible; return the seconds until the next turn. Raises nothing but cancellation."""
        state = self.state
        try:
            missing = self.poller.missing()
            if missing is not None:
                return self._wait(missing)
            state.configured = True
            state.last_poll = self._clock.now()
            async with asyncio.timeout(_LONGEST_POLL_SECONDS):
                await self.poller.poll(Asking(self.poller, http.send, self._take))
        except HomeiqError as error:
            self._failed(_gap_reason(error), str(error))
            return self._next() if isinstance(error, SourceIncomplete) else self._after(error)
        except TimeoutError:
            self._failed(GapReason.NO_ANSWER, f"{self.poller.title} took longer than {_LONGEST_POLL_SECONDS:g} s")
            return self._after(None)
        except Exception as error:
            said = f"an error in its connector: {type(error).__name__}"
            if said != self._said:  # its text may hold a key; the traceback's own lines do not
                _log.error("%s: %s; it is asked again", self.poller.title, said, exc_info=_without_text(error))
            self._said = said
            self._failed(GapReason.HOMEIQ_ERROR, said)
            return self._after(None)
        self._answered()
        return self._next()

    def stopped(self) -> None:
        """Record that nobody asks any more."""
        if self.state.connected:
            self.state.connected, self.state.reason = False, "the recorder stops"
            self._connection.lost(GapReason.RECORDER_STOPPED, "the recorder stops")

    def _take(self, event: Event) -> None:
        self.state.events += 1
        self.state.last_event = event.received_at
        self._intake.take(event)

    def _wait(self, missing: Missing) -> float:
        """Say what is missing, once; look again soon, which costs nothing."""
        self.state.configured = missing.awaited
        self.state.reason = missing.sentence
        long = self._clock.monotonic() - self._began >= _AWAITED_SECONDS
        if missing.sentence != self._said and (long or not missing.awaited):
            self._said = missing.sentence
            _log.warning("%s", missing.sentence)
        return _LOOK_SECONDS

    def _answered(self) -> None:
        state = self.state
        state.failures, state.reason = 0, ""
        self._said = ""
        if not state.connected:
            state.connected, state.since = True, self._clock.now()
            _log.info("%s answers, and is asked each %s", self.poller.title, _length(self.poller.interval))
        self._connection.connected(provider=self.poller.provider)

    def _failed(self, reason: GapReason, sentence: str) -> None:
        """Say and record a failure, where the last poll went well or failed for another reason."""
        state = self.state
        state.failures += 1
        state.reason = sentence
        if state.connected:
            state.connected, state.since = False, self._clock.now()
        if self._connection.lost(reason, sentence) and not sentence.startswith("an error in its connector"):
            _log.warning("%s: %s", self.poller.title, sentence)

    def _next(self) -> float:
        return next_delay(self.poller.name, self.poller.interval, self._clock.now() / SECOND, self._chance())

    def _after(self, error: HomeiqError | None) -> float:
        return delay_after(error, self.state.failures - 1, self.poller.interval, self._chance)


class Schedule:
    """All pollers of a recorder. None of them can end it, or delay another."""

    def __init__(self, pollings: Sequence[Polling], clock: Clock) -> None:
        self._pollings = list(pollings)
        self._clock = clock
        self._http = HttpClient(clock)
        self._scheduler: BaseScheduler | None = None
        self._turns: set[asyncio.Task[None]] = set()

    @property
    def states(self) -> list[PollState]:
        """What is known of each poller."""
        return [polling.state for polling in self._pollings]

    def start(self, scheduler: BaseScheduler) -> None:
        """Book the first turn of each poller."""
        self._scheduler = scheduler
        for polling in self._pollings:
            self._book(polling, first_delay(polling.poller.name))

    async def stop(self) -> None:
        """Let nobody ask any more, and end what is under way."""
        self._scheduler = None
        for task in self._turns:
            task.cancel()
        await asyncio.gather(*self._turns, return_exceptions=True)
        for polling in self._pollings:
            polling.stopped()
        await self._http.close()

    def _book(self, polling: Polling, seconds: float) -> None:
        if self._scheduler is None:
            return
        polling.state.next_poll = self._clock.now() + round(seconds * SECOND)
        self._scheduler.add_job(
            self._begin,
            "date",
            run_date=datetime.now(UTC) + timedelta(seconds=seconds),
            args=[polling],
            id=f"poll {polling.poller.name}",
            replace_existing=True,
            misfire_grace_time=None,
        )

    async def _begin(self, polling: Polling) -> None:
        """Begin a turn in a task of our own: APScheduler would speak of an error where one is merely cancelled."""
        if self._scheduler is None:
            return
        task = asyncio.create_task(self._turn(polling))
        self._turns.add(task)
        task.add_done_callback(self._turns.discard)

    async def _turn(self, polling: Polling) -> None:
        seconds = _SLOWLY_SECONDS
        try:
            seconds = await polling.turn(self._http)
        except Exception:
            _log.exception("an error in the turns of %s; it is asked again", polling.poller.name)
        finally:
            self._book(polling, seconds)


def _gap_reason(error: HomeiqError) -> GapReason:
    """Return the word for an error in the log; a plug-in may have one that is not known."""
    try:
        return GapReason(error.gap_reason) if isinstance(error, SourceError) else GapReason.HOMEIQ_ERROR
    except ValueError:
        return GapReason.SOURCE_ERROR


def _without_text(error: Exception) -> tuple[type[Exception], Exception, Any]:
    """Return an error for the log with its place but without its words, and without what it was caused by."""
    return type(error), type(error).__new__(type(error)), error.__traceback__


def _length(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"
