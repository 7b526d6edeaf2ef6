"""What did not fit into memory while the disk did not take it: counted by source, said, and recorded afterwards as gaps."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from ..clock import Clock
from ..errors import LogNotWritable
from ..storage.gaps import SENTENCES, GapReason
from ..storage.record import Event, housekeeping_event

__all__ = ["Drops", "reason_of"]

_log = logging.getLogger(__name__)

_WORST = (GapReason.BACKPRESSURE, GapReason.DISK_FAILED, GapReason.DISK_FULL)


def reason_of(error: LogNotWritable) -> GapReason:
    """Return the word for what keeps the log from being written."""
    cause = error.__cause__
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return GapReason.DISK_FULL if full else GapReason.DISK_FAILED


@dataclass(slots=True)
class _Dropped:
    since: int
    monotonic: float
    events: int = 0
    why: GapReason = GapReason.BACKPRESSURE


class Drops:
    """The events of each source that were dropped since the disk took what it was given."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._dropped: dict[str, _Dropped] = {}

    @property
    def any(self) -> bool:
        """Something was dropped since."""
        return bool(self._dropped)

    def add(self, source: str, why: GapReason) -> None:
        """Count an event that is dropped now, for this reason."""
        if not self._dropped:
            _log.error(
                "the disk does not keep up and the memory for waiting events is full: events are dropped from now on"
            )
        dropped = self._dropped.get(source)
        if dropped is None:
            dropped = self._dropped[source] = _Dropped(self._clock.now(), self._clock.monotonic())
        dropped.events += 1
        dropped.why = max(dropped.why, why, key=_WORST.index)

    def told(self) -> Iterator[Event]:
        """Yield a record for each source that lost something, and begin anew."""
        if not self._dropped:
            return
        every, self._dropped = self._dropped, {}
        now = self._clock.now()
        for source, dropped in every.items():
            _log.error("%d events of %s were dropped: %s", dropped.events, source, SENTENCES[dropped.why])
            yield housekeeping_event(
                now,
                source,
                "dropped",
                events=dropped.events,
                gap_since=dropped.since,
                gap_seconds=round(self._clock.monotonic() - dropped.monotonic, 6),
                gap_reason=dropped.why.value,
            )
