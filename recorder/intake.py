"""Between the sources and the log: a bounded buffer, written in groups by one thread.

A source's `take` only appends to a list. A group is written at the latest `group_seconds` after its first event came, or
as soon as it has `group_records`. While the disk does not answer, the buffer grows to `buffer_bytes`; what comes then is
dropped, counted, said, and recorded as soon as the disk is back.

A caller that waits, such as a POST, hands in events by `take_group`, which are written 10 ms later at the latest. It can do
what a stream cannot: try again. So it is refused rather than kept in memory while the log cannot be written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from ..clock import Clock
from ..connectors.home_assistant.protocol import SOURCE
from ..errors import LogError, LogNotWritable
from ..settings import RecordingSettings
from ..storage.gaps import GapReason
from ..storage.log import EventLog
from ..storage.record import HOUSEKEEPING, LOST, Event
from .drops import Drops, reason_of
from .latest import Latest

__all__ = ["Busy", "Committed", "Intake", "STALLED_SECONDS", "TooLarge", "WAITING_SECONDS"]

T = TypeVar("T")

Committed = Callable[[Sequence[Event], float], None]
"""Told of each group that has become durable, and how many seconds its write and fdatasync took. Must not raise."""

WAITING_SECONDS: Final = 0.01
"""Events of a caller that waits are written so soon."""

STALLED_SECONDS: Final = 10.0
"""A write that takes longer is said: the disk does not answer."""

_log = logging.getLogger(__name__)

_ENVELOPE_BYTES = 250
"""What a buffered event takes besides its raw text, about."""

_RESERVE = 1.1
"""Up to so many times the buffer's size the recorder's own words are still taken."""

_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)


class TooLarge(Exception):
    """So many events at once never have room in the buffer."""


class Busy(Exception):
    """Nothing can be taken from a caller that waits: try again after `retry_after` seconds."""

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(slots=True)
class _Group:
    """Events of one caller, side by side in the buffer from `start` on."""

    start: int
    count: int
    size: int
    done: asyncio.Future[tuple[int, int]]


class Intake:
    """Takes events from all sources of a recorder, and makes them durable in the order in which they came."""

    def __init__(self, log: EventLog, settings: RecordingSettings, clock: Clock, latest: Latest) -> None:
        self.committed: Committed = lambda events, seconds: None
        self.pressure_over: Callable[[str], None] = lambda source: None
        """Told of each source of which something was dropped, once the disk takes events again. Must not raise."""
        self.durable_seq = log.next_seq - 1
        self.taken = 0
        self.dropped = 0
        self.left_out = 0
        self.lost = 0
        self.problem = ""
        self._log = log
        self._settings = settings
        self._clock = clock
        self._latest = latest
        self._choice = settings.choice()
        self._chooses = not self._choice.everything
        self._why = GapReason.BACKPRESSURE
        self._events: list[Event] = []
        self._groups: list[_Group] = []
        self._due: float | None = None
        self._retrying = False
        self._stalled = False
        self._reserve_missing = False
        self._flushing = 0
        self._bytes = 0
        self._flushing_bytes = 0
        self._drops = Drops(clock)
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._writer = ThreadPoolExecutor(1, "log-writer")

    @property
    def unsynced(self) -> tuple[int, int]:
        """How many records, and about how many bytes, have been taken and are not durable yet."""
        return len(self._events) + self._flushing, self._bytes + self._flushing_bytes

    @property
    def dropping(self) -> bool:
        """Events are being dropped since the last group that could be written."""
        return self._drops.any

    @property
    def pressure(self) -> float:
        """How full the memory for waiting events is: 0 … 1."""
        return (self._bytes + self._flushing_bytes) / self._settings.buffer_bytes

    def take(self, event: Event, *, always: bool = False) -> None:
        """Take an event for recording; it is durable a group interval later at the latest. Never blocks.

        What the settings leave out is counted and gone; what says nothing new is not recorded again, but with `always`.
        Only what is kept here counts as known: a state of a snapshot that had to be dropped is new again in the next one.
        """
        if self._chooses and event.source == SOURCE and not self._choice.chosen(event):
            self.left_out += 1
            return
        if not always and not self._latest.is_new(event):
            return
        size = len(event.raw) + _ENVELOPE_BYTES
        if self._bytes + self._flushing_bytes + size > self._settings.buffer_bytes and not self._has_reserve(event):
            self.dropped += 1
            self._drops.add(event.source, self._why)
            return
        self._latest.remember(event)
        self._events.append(event)
        self._bytes += size
        self.taken += 1
        waiting = len(self._events)
        if waiting == 1 or waiting == self._settings.group_records:
            self._wake.set()

    def take_group(self, events: Sequence[Event]) -> asyncio.Future[tuple[int, int]]:
        """Take all of these events or none; the future gives their first and last seq once all are durable.

        Their seqs are consecutive. Raises Busy when there is no room or the log cannot be written, and so does the future
        when that turns out while they wait: then none of them was recorded. Raises TooLarge.
        """
        if self._closing.is_set():
            raise Busy("the recorder is stopping", 5)
        if self._retrying or self._stalled:
            raise Busy(self.problem, 5)
        size = sum(len(event.raw) for event in events) + _ENVELOPE_BYTES * len(events)
        if size > self._settings.buffer_bytes:
            raise TooLarge("these events are larger than recording.buffer_bytes")
        if self._bytes + self._flushing_bytes + size > self._settings.buffer_bytes:
            raise Busy("the disk does not keep up, and the memory for waiting events is full", 1)
        done: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._groups.append(_Group(len(self._events), len(events), size, done))
        self._events += events
        self._bytes += size
        self.taken += len(events)
        for event in events:
            if event.event_type == LOST:  # somebody mends the log beside us
                self._latest.remember(event)
        due = self._clock.monotonic() + WAITING_SECONDS
        self._due = due if self._due is None else min(self._due, due)
        self._wake.set()
        return done

    async def run(self) -> None:
        """Write groups until `close`; then write what is left. Never raises for a disk that does not answer."""
        while self._events or not self._closing.is_set():
            await self._until_due()
            if self._events:
                events, self._events = self._events, []
                groups, self._groups = self._groups, []
                self._flushing_bytes, self._bytes = self._bytes, 0
                self._flushing, self._due = len(events), None
                await self._write(events, groups)
                self._flushing_bytes = self._flushing = 0
            self._report_drops()

    def close(self) -> None:
        """Let `run` end once everything taken is durable, or was tried once more."""
        self._closing.set()
        self._wake.set()

    async def in_writer(self, function: Callable[[], T]) -> T:
        """Do something with the log in the one thread that may."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, function)

    async def _until_due(self) -> None:
        """Wait for a first event, then until its group is full or its interval is over."""
        while not self._events and not self._closing.is_set():
            self._wake.clear()
            await self._wake.wait()
        by_itself = self._clock.monotonic() + self._settings.group_seconds
        while len(self._events) < self._settings.group_records and not self._closing.is_set():
            self._wake.clear()
            due = by_itself if self._due is None else min(by_itself, self._due)
            left = due - self._clock.monotonic()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _write(self, events: list[Event], groups: list[_Group]) -> None:
        """Write a group, as often as it takes; at closing time only once more."""
        attempt = 0
        while events:
            began = self._clock.monotonic()
            try:
                first, self.durable_seq = await self._append(events)
            except LogNotWritable as error:
                self._why = reason_of(error)
                self._say(str(error))
                events = self._give_up_waiting(events, groups, error)
                if events and self._closing.is_set():
                    self.lost += len(events)
                    _log.error("%d events are lost: the log could not be written before the end", len(events))
                    return
                delay = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)]
                attempt += 1
                self._retrying = bool(events)  # else the next caller finds out whether the log can be written again
                if events:
                    await self._sleep_unless_closing(delay)
                self._retrying = False
            else:
                self._why = GapReason.BACKPRESSURE
                self._say("")
                self._say_reserve()
                for group in groups:
                    if not group.done.done():
                        group.done.set_result((first + group.start, first + group.start + group.count - 1))
                self.committed(events, self._clock.monotonic() - began)
                return

    async def _append(self, events: list[Event]) -> tuple[int, int]:
        """Append a group, however long it takes. While the disk does not answer, that is said, and callers are refused."""
        writing = asyncio.ensure_future(self.in_writer(partial(self._log.append, events)))
        await asyncio.wait({writing}, timeout=STALLED_SECONDS)
        if not writing.done():
            self._stalled = True
            self._say(f"the log cannot be written: the disk has not answered for more than {STALLED_SECONDS:g} s")
        try:
            return await writing
        finally:
            self._stalled = False

    def _give_up_waiting(self, events: list[Event], groups: list[_Group], error: LogError) -> list[Event]:
        """Tell all callers that wait that nothing of theirs is recorded; return the others' events of the group."""
        kept, size = self._withdraw(events, groups, error)
        self._flushing_bytes -= size
        self._flushing = len(kept)
        self._events, size = self._withdraw(self._events, self._groups, error)
        self._bytes -= size
        return kept

    def _withdraw(self, events: list[Event], groups: list[_Group], error: LogError) -> tuple[list[Event], int]:
        kept: list[Event] = []
        end = size = 0
        for group in groups:
            kept += events[end : group.start]
            end = group.start + group.count
            size += group.size
            self.taken -= group.count
            if not group.done.done():
                group.done.set_exception(Busy(str(error), 5))
        groups.clear()
        return kept + events[end:], size

    async def _sleep_unless_closing(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return

    def _say(self, problem: str) -> None:
        if problem and not self.problem:
            _log.error("%s; events are kept in memory until then", problem)
        elif self.problem and not problem:
            _log.warning("the log can be written again, nothing of what was kept in memory is lost")
        self.problem = problem

    def _say_reserve(self) -> None:
        """Say when the room that is kept for a full disk is taken, and when it is there again."""
        missing = self._log.reserve.missing
        if missing and not self._reserve_missing:
            _log.error(
                "the disk is full: recording goes on in what was kept for this; make room in %s", self._log.data_dir
            )
        elif self._reserve_missing and not missing:
            _log.warning("the disk has room again")
        self._reserve_missing = missing

    def _has_reserve(self, event: Event) -> bool:
        """The recorder's own words explain what is dropped: some room is kept for them."""
        room = self._settings.buffer_bytes * _RESERVE
        return event.event_type.startswith(HOUSEKEEPING) and self._bytes + self._flushing_bytes < room

    def _report_drops(self) -> None:
        """Record what had to be dropped, now that the disk answers again."""
        if not self.problem:
            for event in self._drops.told():
                self.take(event)
                self.pressure_over(event.source)
