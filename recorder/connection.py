"""Whether one source is listened to: each change is a record, and the one that ends a gap says which."""

from __future__ import annotations

from typing import Protocol

from ..clock import SECOND, Clock
from ..storage.gaps import Gap, GapReason, combined
from ..storage.record import Event, housekeeping_event

__all__ = ["Connection"]


class _Takes(Protocol):
    def take(self, event: Event) -> None:
        """Take an event for recording."""


class Connection:
    """Writes the records `homeiq_connected` and `homeiq_disconnected` of one source, and nothing else does.

    A stream is connected while it is heard. A source that is polled is connected from an answer on, until a poll fails.
    """

    def __init__(
        self, source: str, intake: _Takes, clock: Clock, before: Gap | None = None, *, word: str = "connected"
    ) -> None:
        """`before` is the gap that was open when this run began: Recorder.connection knows it.

        `word` is what a record of the source being listened to says; the recorder itself has `started`.
        """
        self.source = source
        self.up = False
        self.since = clock.now()
        self._word = word
        self._intake = intake
        self._clock = clock
        self._begun = clock.monotonic()
        self._before = before
        self._gap = before
        self._down_at = self._begun
        self._said: tuple[GapReason, str] | None = None

    @property
    def gap(self) -> Gap | None:
        """The gap that lasts now; None while the source is listened to, and before it ever was or failed."""
        return self._gap

    def connected(self, **facts: object) -> Gap | None:
        """From now on the source is listened to: record it with these facts, and return the gap that this ends."""
        if self.up:
            return None
        now = self._clock.now()
        gap, self._gap = self._gap, None
        self.up, self.since, self._said = True, now, None
        if gap is not None:
            gap = Gap(self.source, gap.start, now, self._seconds(gap, now), gap.reason)
            facts |= {"gap_since": gap.start, "gap_seconds": gap.seconds, "gap_reason": gap.reason.value}
        self._before = None
        self._intake.take(housekeeping_event(now, self.source, self._word, **facts))
        return gap

    def lost(self, reason: GapReason, sentence: str, silent_seconds: float = 0.0) -> bool:
        """The source is not listened to, for this reason; true if that is new, and so was recorded.

        `silent_seconds` is for how long nothing had been heard when that was found out: the gap began then.
        """
        if not self.up and self._said == (reason, sentence):
            return False
        now = self._clock.now()
        if self.up:
            self._down_at = self._clock.monotonic() - silent_seconds
            self._gap = Gap(self.source, now - round(silent_seconds * SECOND), None, None, reason)
            self.since = now
        elif self._gap is None:  # it was never heard of before this run
            self._gap = Gap(self.source, self.since, None, None, reason)
        else:
            self._gap.reason = combined(self._gap.reason, reason)
        self.up, self._said = False, (reason, sentence)
        facts = {"reason": sentence, "gap_reason": self._gap.reason.value, "gap_since": self._gap.start}
        self._intake.take(housekeeping_event(now, self.source, "disconnected", **facts))
        return True

    def _seconds(self, gap: Gap, now: int) -> float:
        """Return the length of a gap that ends now: what the wall clock says counts only across two runs."""
        here = self._clock.monotonic() - self._down_at
        return round(here if self._before is None else max(here, (now - gap.start) / SECOND), 6)
