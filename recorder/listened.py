"""What the log says about who is listened to, and which gaps are still to be closed: what a recorder remembers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..storage.gaps import RECORDER, Gap, GapReason, Listening, facts_of
from ..storage.record import Event, Record, housekeeping_event

__all__ = ["Listened"]

_MOST_WAITING: Final = 500
"""Beyond so many gaps of a source that wait for being closed, the two oldest are taken for one."""


class Listened:
    """Takes all that is recorded, in order. What it holds is bounded, however often a connection flaps."""

    def __init__(self) -> None:
        self._listening = Listening()
        self._waiting: dict[str, list[Gap]] = {}

    def learn(self, record: Event | Record) -> None:
        """Take the next record."""
        gap = self._listening.learn(record)
        if gap is not None:
            if gap.source != RECORDER:
                self._wait(gap)
        elif record.event_type == "homeiq_backfilled":
            self._backfilled(record.source, facts_of(record.raw))

    def begin(self) -> None:
        """A run begins: the one before has ended, whether it said so or not."""
        self._listening.end()

    def ended(self, now: int) -> Event | None:
        """Return what is to be recorded first by whoever writes while no recorder runs; None if the last one stopped.

        Without it, what is written then would look like a sign of life of the recorder that was killed before.
        """
        before = self._listening.alive_at
        if not self._listening.running or before is None:
            return None
        facts = {"gap_since": before, "gap_reason": GapReason.RECORDER_KILLED.value}
        return housekeeping_event(now, RECORDER, "ended", **facts)

    def open(self, source: str) -> Gap | None:
        """Return the gap of a source that lasts still."""
        return self._listening.open(source)

    def waiting(self, source: str) -> list[Gap]:
        """Return the gaps of a source that have ended and are not closed yet, oldest first."""
        return list(self._waiting.get(source, ()))

    def dump(self) -> dict[str, Any]:
        """Return all that it knows, as JSON may hold it."""
        waiting = {
            source: [
                [gap.start, gap.end, gap.seconds, gap.reason.value, gap.closed_from, gap.closed_upto] for gap in gaps
            ]
            for source, gaps in self._waiting.items()
        }
        return {"listening": self._listening.dump(), "waiting": waiting}

    @classmethod
    def restored(cls, known: Mapping[str, Any]) -> Listened:
        """Return what `dump` gave; raises KeyError, TypeError, ValueError for anything else."""
        listened = cls()
        listened._listening = Listening.restored(known["listening"])
        for source, gaps in known["waiting"].items():
            listened._waiting[source] = [
                Gap(source, start, end, seconds, GapReason(reason), since, upto)
                for start, end, seconds, reason, since, upto in gaps
            ]
        return listened

    def _wait(self, gap: Gap) -> None:
        waiting = self._waiting.setdefault(gap.source, [])
        waiting.append(gap)
        if len(waiting) > _MOST_WAITING:
            first, second = waiting[0], waiting[1]
            seconds = (first.seconds or 0.0) + (second.seconds or 0.0)
            waiting[:2] = [Gap(gap.source, first.start, second.end, seconds, first.reason)]

    def _backfilled(self, source: str, facts: Mapping[str, Any]) -> None:
        """Strike out what is closed, and what was found not to be closed any further."""
        self._waiting[source] = [gap for gap in self._waiting.get(source, ()) if not gap.fill(facts)]
