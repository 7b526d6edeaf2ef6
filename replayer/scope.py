"""What a replay is asked for: which windows, and which points in them. Handed to a running follower as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

import orjson
import pyarrow.compute as pc

from ..clock import DAY
from ..storage.view import LogView
from .ledger import Ledger
from .normalizers.base import Normalizer
from .point import Point
from .targets.base import Stored
from .windows import Span, replayable, scan_for

__all__ = ["Scope", "PointFilter", "entity_of"]


def entity_of(tags: Mapping[str, str]) -> str | None:
    """Return the entity that a point's tags name; in Home Assistant's own layout domain and name stand apart."""
    entity = tags.get("entity_id")
    if entity is not None and "." not in entity and "domain" in tags:
        entity = f"{tags['domain']}.{entity}"
    return entity


@dataclass(frozen=True, slots=True)
class Scope:
    """Points with times in [since, until) (microseconds UTC, None: no bound), and of them what the filters name.

    `stale`: only the windows that the ledger holds for stale, or whose normalizer has changed. `entity` is a glob.
    """

    since: int | None = None
    until: int | None = None
    stale: bool = False
    entity: str = ""
    source: str = ""
    event_type: str = ""

    @property
    def filtered(self) -> bool:
        """Not all points of a window are meant."""
        return bool(self.entity or self.source or self.event_type)

    def concerns(self, normalizer: Normalizer) -> bool:
        """Tell whether a normalizer reads anything that is meant."""
        reads = normalizer.reads
        return (not self.source or not reads.sources or self.source in reads.sources) and (
            not self.event_type or self.event_type in reads.event_types
        )

    def overlaps(self, window: int) -> bool:
        """Tell whether times of a window (its start, microseconds UTC) are meant."""
        return (self.since is None or window + DAY > self.since) and (self.until is None or window < self.until)

    def spans(self, view: LogView, normalizer: Normalizer, ledger: Ledger, fingerprint: str) -> list[Span]:
        """Return the windows that are meant, oldest first."""
        if not self.concerns(normalizer):
            return []
        spans = replayable(view, normalizer, ledger, self.since, self.until)
        if not self.stale:
            return spans
        known = {window.start: window for window in ledger.windows(normalizer=normalizer.name)}
        return [
            span
            for span in spans
            if (window := known.get(span.window)) is None  # one that a changed normalizer now has points in, perhaps
            or window.state in ("stale", "writing")
            or (window.fingerprint and window.fingerprint != fingerprint)
        ]

    def to_json(self) -> str:
        """Return it as text."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> Scope:
        """Return what `to_json` wrote."""
        return cls(**orjson.loads(text))


class PointFilter:
    """Which points of a window are meant: by the record that they come from, and by their tag entity_id."""

    def __init__(self, scope: Scope, view: LogView, normalizer: Normalizer, start: int) -> None:
        """Read which records of the window are meant; removal stays within what only such records make."""
        reads = normalizer.reads
        self._entity = scope.entity
        self._seqs: set[int] | None = None
        self._removes = (not scope.source or reads.sources == (scope.source,)) and (
            not scope.event_type or reads.event_types == (scope.event_type,)
        )
        if scope.source or scope.event_type:
            self._seqs = set()
            reach = start - normalizer.ahead, start + DAY + normalizer.back
            for table in scan_for(view, normalizer, ["seq", "source", "event_type"], start=reach[0], end=reach[1]):
                for column, wanted in (("source", scope.source), ("event_type", scope.event_type)):
                    if wanted:
                        table = table.filter(pc.field(column) == wanted)
                self._seqs.update(table["seq"].to_pylist())

    def keep(self, points: Sequence[Point]) -> list[Point]:
        """Return the points that are meant."""
        return [
            point
            for point in points
            if (self._seqs is None or point.seq in self._seqs) and self._is_of(point.series.tags)
        ]

    def removes(self, stored: Stored) -> bool:
        """Tell whether a point of the target is to be removed if it is not wanted."""
        return self._removes and self._is_of(stored.tags)

    def _is_of(self, tags: Mapping[str, str]) -> bool:
        if not self._entity:
            return True
        entity = entity_of(tags)
        return entity is not None and fnmatchcase(entity, self._entity)
