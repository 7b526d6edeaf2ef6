"""What the recorder says of itself → the measurement `homeiq_coverage`: which source was listened to, and when not. Pure.

Each of these records gives a point at its own time, with the tag `source`:

    started, connected, dropped    connected 1, and what it says of the gap that it ends: gap_seconds, gap_reason
    heartbeat                      connected 1, of the recorder itself
    stopped, ended, disconnected   connected 0
"""

from __future__ import annotations

from typing import ClassVar, Final

from ...storage.gaps import Gap, Listening, facts_of
from ...storage.record import Record
from ..home import HomeView
from ..point import Field, Point, Series
from .base import Normalizer, Reads

__all__ = ["MEASUREMENT", "NORMALIZER", "CoverageNormalizer"]

MEASUREMENT: Final = "homeiq_coverage"

_CONNECTED: Final = {
    "homeiq_started": 1,
    "homeiq_connected": 1,
    "homeiq_dropped": 1,
    "homeiq_heartbeat": 1,
    "homeiq_stopped": 0,
    "homeiq_ended": 0,
    "homeiq_disconnected": 0,
}


class CoverageNormalizer(Normalizer):
    """See the module."""

    name: ClassVar[str] = "coverage"
    version: ClassVar[int] = 1
    measurements: ClassVar[tuple[str, ...]] = (MEASUREMENT,)
    reads = Reads(sources=(), event_types=tuple(_CONNECTED))

    def normalize(self, record: Record, home: HomeView) -> list[Point]:
        """Return the one point of a record; see Normalizer.normalize."""
        connected = _CONNECTED[record.event_type]
        fields: dict[str, Field] = {"connected": connected, "origin": record.origin}
        gap = _gap_of(record) if connected else None
        if gap is not None and gap.seconds is not None:
            fields["gap_seconds"] = gap.seconds
            fields["gap_reason"] = gap.reason.value
        return [Point(Series(MEASUREMENT, {"source": record.source}), fields, record.time * 1000, record.seq)]


def _gap_of(record: Record) -> Gap | None:
    """Return the gap that a record says it ends, which it must say all by itself."""
    return Listening().learn(record) if "gap_since" in facts_of(record.raw) else None


NORMALIZER: Final = CoverageNormalizer
