"""Closes gaps: what a source's own history still knows of the time in which nobody listened is fetched and recorded.

It asks slowly, in questions of a size that follows the answers, and waits while the disk is behind. How far it came is a
record (`homeiq_backfilled`), once a minute and at the end, so that it goes on there after a break or a kill.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..clock import SECOND, Clock
from ..connectors.historian import Historian
from ..connectors.home_assistant.history import Chunk, Plan
from ..errors import CommandRefused, SourceUnreachable
from ..storage.gaps import Gap
from ..storage.record import Event, housekeeping_event
from .intake import Intake
from .known import Known
from .latest import Latest

__all__ = ["BEFORE", "AFTER", "Backfill", "Pace", "Progress", "Range", "ranges_of"]

_log = logging.getLogger(__name__)

BEFORE = 60 * SECOND
AFTER = 15 * SECOND
"""So much more is asked for on both sides of a gap: what was under way when the connection broke, and when it came."""

_HOUR = 3_600 * SECOND
_PROBES = 10
_AT_ONCE = 50
_ROWS_AT_ONCE = 200
_MOST_HOURS = 240
_SLOWEST = 6


@dataclass(frozen=True, slots=True)
class Pace:
    """How slowly it goes; all in seconds.

    `after` is the wait after reconnecting: Home Assistant's recorder commits each 5 s, and before that rows are missing.
    A pause is `rest` times as long as the answer before took, within `pause` and `longest_pause`.
    """

    after: float = 15.0
    look: float = 1.0
    rest: float = 2.0
    pause: float = 0.1
    longest_pause: float = 5.0
    progress: float = 60.0
    again: float = 30.0
    tries: int = 5
    pressure: float = 0.25


@dataclass(frozen=True, slots=True)
class Range:
    """What is asked for, in microseconds UTC: with its margins [since, until), and without them start … end."""

    since: int
    until: int
    start: int
    end: int

    @classmethod
    def of(cls, gap: Gap) -> Range:
        """Return what is asked for to close a gap, without the part that is closed already."""
        low, high = gap.bounds
        if gap.closed_from == low and gap.closed_upto is not None and gap.closed_upto < high:
            return cls(gap.closed_upto, high + AFTER, gap.closed_upto, high)
        return cls(low - BEFORE, high + AFTER, low, high)


def ranges_of(gaps: list[Gap]) -> list[Range]:
    """Return what is to be asked for: one range for gaps that lie so near that it would be asked twice. Oldest first."""
    ranges: list[Range] = []
    for one in sorted(map(Range.of, gaps), key=lambda one: one.since):
        if ranges and one.since <= ranges[-1].until:
            last = ranges.pop()
            one = Range(last.since, max(last.until, one.until), last.start, max(last.end, one.end))
        ranges.append(one)
    return ranges


@dataclass(slots=True)
class Progress:
    """How far a range has been fetched. Times are microseconds UTC.

    `since` and `until` are what is asked for, `reached` the first moment that the history is known to hold, `upto` how far
    all was answered, `rows` the new records, `known` the rows that had been recorded before; `missing` what can't be had.
    """

    since: int
    until: int
    upto: int
    reached: int
    rows: int = 0
    known: int = 0
    questions: int = 0
    failures: int = 0
    done: bool = False
    missing: list[str] = field(default_factory=lambda: ["events"])
    problem: str = ""

    def facts(self) -> dict[str, Any]:
        """Return what the record says."""
        facts = asdict(self)
        for name in ("reached", "problem", "upto", "failures"):
            del facts[name]
        if self.upto > self.reached and "no_history" not in self.missing:
            facts |= {"from": self.reached, "upto": self.upto}
        return facts


class Backfill:
    """Fetches ranges of one source's history: by itself those of its gaps, and others when it is asked to."""

    def __init__(
        self, source: str, historian: Historian, intake: Intake, latest: Latest, clock: Clock, pace: Pace | None = None
    ) -> None:
        self.source = source
        self.progress: Progress | None = None
        self._historian = historian
        self._intake = intake
        self._latest = latest
        self._clock = clock
        self._pace = pace or Pace()
        self._one_at_a_time = asyncio.Lock()

    async def fetch_for(self, one: Range, data_dir: Path) -> bool:
        """Fetch any range, of which the log in this data folder may hold much already; see fetch."""
        async with Known(data_dir) as known:
            return await self.fetch(one, known=known)

    @property
    def connected(self) -> bool:
        """Whether the source can be asked now."""
        return self._historian.settled_at() is not None

    async def run(self) -> None:
        """Close gaps as they end; goes on until it is cancelled. A history that does not answer ends nothing."""
        tries = 0
        while True:
            waiting = self._latest.listened.waiting(self.source)
            if not waiting:
                tries = 0
                await asyncio.sleep(self._pace.look)
                continue
            await self._until_due(waiting)
            try:
                for one in ranges_of(waiting):
                    await self.fetch(one, final=tries >= self._pace.tries)
            except Exception:
                _log.exception("an error in homeiq itself while gaps are closed; it is tried again")
            if self._latest.listened.waiting(self.source):
                await self._before_next_try(self._pace.again * 2 ** min(tries, _SLOWEST))
                tries += 1

    async def fetch(self, one: Range, *, final: bool = True, known: Known | None = None) -> bool:
        """Fetch a range, and record how far that went; true if there is nothing left to do.

        With `final` a history that refuses to answer is not asked again: nothing of it can be had. `known` is asked what
        the log holds already: within a gap that is nothing, and what lies around it was recorded lately.
        """
        async with self._one_at_a_time:
            # Nothing is known of what comes yet: it could be missed by another gap.
            one = replace(one, until=max(one.end, min(one.until, self._clock.now())))
            progress = self.progress = Progress(one.since, one.until, one.since, one.since)
            try:
                await self._fetch(one, progress, known)
            except CommandRefused as error:
                progress.problem = str(error)
                if final:
                    progress.missing = ["events", "no_history"]
                    progress.done = True
            except SourceUnreachable as error:
                progress.problem = str(error)
                if self._historian.settled_at() is None:
                    return False  # who listens says that the connection is gone, and a gap tells
            finally:
                if progress.done or progress.upto > progress.since:
                    self._record(progress)
            self._say(progress)
            return progress.done

    async def _fetch(self, one: Range, progress: Progress, known: Known | None) -> None:
        entity_ids = await self._entities(one)
        begins = await self._begins(entity_ids, one)
        progress.upto = progress.reached = one.since if begins is None else begins
        plan = Plan(entity_ids, progress.upto, one.until)
        answered: set[str] = set()
        oldest = one.until
        recorded_at = self._clock.monotonic()
        while (chunk := plan.next()) is not None:
            began = self._clock.monotonic()
            events = await self._ask(plan, chunk, progress)
            if events is None:
                continue
            took = self._clock.monotonic() - began
            if known is not None:
                await known.look_up(chunk.start, chunk.end)
            rows = 0
            async for event in self._slowly(events):
                rows += 1
                if event.entity_id is not None:
                    answered.add(event.entity_id)
                    oldest = min(oldest, event.time)
                self._take(event, progress, known)
            plan.answered(rows)
            progress.upto = plan.upto
            if begins is not None:
                progress.reached = min(oldest, plan.upto)
            if progress.upto < one.until and self._clock.monotonic() - recorded_at >= self._pace.progress:
                recorded_at = self._clock.monotonic()
                self._record(progress)
            await asyncio.sleep(min(max(took * self._pace.rest, self._pace.pause), self._pace.longest_pause))
        if begins is not None:
            progress.missing.append("retention")
        if self._not_recorded(entity_ids, answered, one):
            progress.missing.append("not_recorded")
        progress.done = True

    async def _ask(self, plan: Plan, chunk: Chunk, progress: Progress) -> Iterator[Event] | None:
        """Return the answer to a question; None if it was too much, so that less is to be asked for."""
        try:
            events = await self._historian.history(chunk.entity_ids, chunk.start, chunk.end)
        except SourceUnreachable:
            progress.failures += 1
            if self._historian.settled_at() is None or progress.failures > self._pace.tries:
                raise
            plan.failed()
            return None
        progress.questions += 1
        return events

    async def _entities(self, one: Range) -> list[str]:
        """Return whom to ask for: all that were ever heard of, and those that came and went in between."""
        found = set(self._latest.entities) | await self._historian.entities()
        start = max(one.since, one.until - _MOST_HOURS * _HOUR)
        while start < one.until:
            found |= await self._historian.mentioned(start, min(start + _HOUR, one.until))
            start += _HOUR
            await asyncio.sleep(self._pace.pause)
        return sorted(found)

    async def _begins(self, entity_ids: list[str], one: Range) -> int | None:
        """Return None if the history goes back to the start of the gap, else a time at most an hour before it begins."""
        if await self._reaches(entity_ids, one.start):
            return None
        before, after = one.start, one.until
        while after - before > _HOUR:
            middle = (before + after) // 2
            if await self._reaches(entity_ids, middle):
                after = middle
            else:
                before = middle
        return before

    async def _reaches(self, entity_ids: list[str], time: int) -> bool:
        """Tell whether the history knows the state of anything at this time."""
        for place in range(0, min(len(entity_ids), _PROBES * _AT_ONCE), _AT_ONCE):
            if await self._historian.reaches(entity_ids[place : place + _AT_ONCE], time):
                return True
            await asyncio.sleep(self._pace.pause)
        return False

    def _not_recorded(self, entity_ids: list[str], answered: set[str], one: Range) -> bool:
        """Tell whether there are entities whose state we know to be from that time, and the history does not."""
        latest = self._latest.entities
        late = one.end  # what is newer may not have been written yet when it was asked for
        return any(one.since <= latest.get(name, 0) < late for name in set(entity_ids) - answered)

    async def _slowly(self, events: Iterator[Event]) -> AsyncIterator[Event]:
        """Yield events, and let others do their work in between; wait while the disk is behind."""
        for number, event in enumerate(events, 1):
            yield event
            if number % _ROWS_AT_ONCE == 0:
                await asyncio.sleep(0)
                while self._intake.pressure > self._pace.pressure:  # noqa: ASYNC110 (nobody says when it is over)
                    await asyncio.sleep(self._pace.pause)

    def _take(self, event: Event, progress: Progress, known: Known | None) -> None:
        if event.entity_id is not None:
            # A row told again under another name is that of an entity which was renamed since: its history went along.
            whose = self._latest.recent.whose(event.time) or (known.whose(event.time) if known is not None else None)
            if whose is not None:
                progress.known += 1
                return
        progress.rows += 1
        self._intake.take(event, always=True)

    async def _until_due(self, waiting: list[Gap]) -> None:
        """Wait until the source has been heard for long enough, its snapshot was taken, and its history is written."""
        while True:
            since = self._historian.settled_at()
            if since is not None and self._clock.monotonic() - since >= self._pace.after:
                break
            await asyncio.sleep(self._pace.look)
        left = max(gap.bounds[1] for gap in waiting) / SECOND + self._pace.after - self._clock.now() / SECOND
        if 0 < left <= self._pace.after:  # no more than that: the clock may have been set back meanwhile
            await asyncio.sleep(left)

    async def _before_next_try(self, seconds: float) -> None:
        """Wait, but no longer once the source was connected anew."""
        until, since = self._clock.monotonic() + seconds, self._historian.settled_at()
        while self._clock.monotonic() < until:
            await asyncio.sleep(self._pace.look)
            if self._historian.settled_at() not in (None, since):
                return

    def _record(self, progress: Progress) -> None:
        self._intake.take(housekeeping_event(self._clock.now(), self.source, "backfilled", **progress.facts()))

    def _say(self, progress: Progress) -> None:
        if progress.done and progress.rows:
            _log.info("%d states were missed, and fetched from the history", progress.rows)
        elif progress.problem:
            _log.warning("the history was fetched in part only: %s", progress.problem)
