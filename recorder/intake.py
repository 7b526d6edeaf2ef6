"""Between the sources and the log: a bounded buffer, written in groups by one thread.

A source's `take` only appends to a list. A group is written at the latest `group_seconds` after its first event came, or
as soon as it has `group_records`. While the disk does not answer, the buffer grows to `buffer_bytes`; what comes then is
dropped, counted, said, and recorded as soon as the disk is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..clock import Clock
from ..connectors.home_assistant.protocol import SOURCE
from ..errors import LogNotWritable
from ..settings import RecordingSettings
from ..storage.gaps import GapReason
from ..storage.log import EventLog
from ..storage.record import HOUSEKEEPING, Event
from .drops import Drops, reason_of
from .latest import Latest

__all__ = ["Intake"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_ENVELOPE_BYTES = 250
"""What a buffered event takes besides its raw text, about."""

_RESERVE = 1.1
"""Up to so many times the buffer's size the recorder's own words are still taken."""

_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0)


class Intake:
    """Takes events from all sources of a recorder, and makes them durable in the order in which they came."""

    def __init__(self, log: EventLog, settings: RecordingSettings, clock: Clock, latest: Latest) -> None:
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
        self._bytes = 0
        self._flushing_bytes = 0
        self._drops = Drops(clock)
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._writer = ThreadPoolExecutor(1, "log-writer")

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

    async def run(self) -> None:
        """Write groups until `close`; then write what is left. Never raises for a disk that does not answer."""
        while self._events or not self._closing.is_set():
            await self._until_due()
            if self._events:
                events, self._events = self._events, []
                self._flushing_bytes, self._bytes = self._bytes, 0
                await self._write(events)
                self._flushing_bytes = 0
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
        deadline = self._clock.monotonic() + self._settings.group_seconds
        while len(self._events) < self._settings.group_records and not self._closing.is_set():
            self._wake.clear()
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                return

    async def _write(self, events: Sequence[Event]) -> None:
        """Write a group, as often as it takes; at closing time only once more."""
        attempt = 0
        while True:
            try:
                _, self.durable_seq = await self.in_writer(lambda: self._log.append(events))
            except LogNotWritable as error:
                self._why = reason_of(error)
                self._say(str(error))
                if self._closing.is_set():
                    self.lost += len(events)
                    _log.error("%d events are lost: the log could not be written before the end", len(events))
                    return
                self._wake.clear()
                delay = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)]
                attempt += 1
                await self._sleep_unless_closing(delay)
            else:
                self._why = GapReason.BACKPRESSURE
                self._say("")
                return

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

    def _has_reserve(self, event: Event) -> bool:
        """The recorder's own words explain what is dropped: some room is kept for them."""
        room = self._settings.buffer_bytes * _RESERVE
        return event.event_type.startswith(HOUSEKEEPING) and self._bytes + self._flushing_bytes < room

    def _report_drops(self) -> None:
        """Record what had to be dropped, now that the disk answers again."""
        if not self.problem:
            for event in self._drops.told():
                self.take(event)
