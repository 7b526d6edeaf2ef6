"""The target's marker, by which one that was emptied, restored or exchanged is noticed. Read at every connect.

A point of the measurement `homeiq_target`: whose log and ledger it is, a counter, and the last seq that was projected.

    there is none              nothing that was written there counts: everything is stale
    its counter is smaller     it comes from an older copy: what was written since is stale
    another ledger's           of the same log: the ledger was lost, so everything is stale, and read back
    another log's              refused; so is one that has seen more of this log than there is. Where it is taken over, what
                               this log does not make stays in all windows that the other may have written to
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ..clock import DAY, Clock, window_of
from ..errors import TargetRefused
from .delivery import Delivery
from .ledger import Ledger
from .normalizers.base import Normalizer
from .point import Field, Point, Series
from .targets.base import Stored, Target

__all__ = ["MEASUREMENT", "Marking", "measurements_of", "oldest_kept"]

_log = logging.getLogger(__name__)

MEASUREMENT = "homeiq_target"

_EVERY_SECONDS = 60.0

_FORETOLD = 4 * DAY
"""Another log's forecasts lie no further ahead of the day on which its target is taken over."""


class Marking:
    """Sets and reads the marker of one target. Only the holder of the target's lock may."""

    def __init__(self, target: Target, ledger: Ledger, delivery: Delivery, log_id: str, clock: Clock) -> None:
        self._target = target
        self._ledger = ledger
        self._delivery = delivery
        self._log_id = log_id
        self._clock = clock
        self._marked_at = float("-inf")
        self._touched: set[tuple[int, str]] = set()
        self._time = 0
        self._held: bool | None = None

    def check(self, measurements: Sequence[str], log_end: int, *, adopt: bool = False) -> bool:
        """Find out what became of the target since it was last written to; tell whether windows have become stale.

        `adopt` takes over another log's target. Raises TargetRefused, and what Delivery.ask raises.
        """
        target, ledger = self._target, self._ledger
        if not target.reads:
            return False
        written = any(window.fingerprint for window in ledger.windows())
        if target.keeps_windows:
            held = self._delivery.ask(lambda: target.holds(measurements))
            lost = written and not held and self._held is not False  # a log may make no points at all
            self._held, self._marked_at = held, self._clock.monotonic()
            if lost:
                self._begin_anew("the target was emptied", empty=True)
            return lost
        found = self._delivery.ask(lambda: target.latest(MEASUREMENT))
        changed = self._judge(found, measurements, log_end, written, adopt)
        self._set(found, min(log_end, ledger.position))
        return changed

    def _judge(
        self, found: Stored | None, measurements: Sequence[str], log_end: int, written: bool, adopt: bool
    ) -> bool:
        ledger = self._ledger
        if found is None:
            empty = not self._delivery.ask(lambda: self._target.holds(measurements))
            self._begin_anew("the target was emptied, or exchanged", empty=empty, say=written)
            return written
        fields = found.fields
        ours = fields.get("log_id") == self._log_id
        mine = fields.get("ledger_id") == ledger.id
        if not ours or (not mine and _number(fields.get("last_seq")) > log_end):
            if not adopt:
                raise self._refusal(ours)
            self._begin_anew("the target was taken over", empty=False)
            ledger.adopt(window_of(self._clock.now()) + _FORETOLD)
            return True
        if not mine:
            self._begin_anew("the ledger was lost", empty=False)
            if "adopted_until" in fields:
                ledger.adopt(_number(fields["adopted_until"]))
            return True
        counter = _number(fields.get("counter"))
        behind = ledger.written_since(counter) if counter < ledger.counter else []
        if behind:
            reason = "the target came back from an older copy"
            ledger.mark_stale([(window.start, window.normalizer, reason) for window in behind])
            _log.warning("%s comes from an older copy: %d windows are redone", self._target.title, len(behind))
        return bool(behind)

    def _refusal(self, ours: bool) -> TargetRefused:
        words = "has seen more of this log than there is" if ours else "is written to by another log"
        return TargetRefused(
            f"{self._target.title} {words}",
            hint="name another bucket, or take it over with homeiq replay --adopt",
            place=self._target.title,
        )

    def _begin_anew(self, reason: str, *, empty: bool, say: bool = True) -> None:
        self._ledger.begin_anew(empty=empty, reason=reason)
        if say:
            _log.warning("%s: %s; all its windows are redone", self._target.title, reason)

    def due(self) -> bool:
        """Tell whether the marker was set so long ago that it is time to look at it again."""
        return self._target.reads and self._clock.monotonic() - self._marked_at >= _EVERY_SECONDS

    def touch(self, windows: Sequence[tuple[int, str]]) -> None:
        """Enter, before the first byte, that windows are written to under the present counter."""
        new = [window for window in windows if window not in self._touched]
        if new:
            self._ledger.touched(new)
            self._touched.update(new)

    def _set(self, found: Stored | None, last_seq: int) -> None:
        """Set the marker with the next counter, which the ledger knows before the target does."""
        ledger = self._ledger
        ledger.count(ledger.counter + 1)
        self._touched.clear()
        # Never before the one that is there, else that one would be read again where the clock has gone back.
        self._time = max(self._clock.now() * 1000, self._time, found.time if found else 0)
        fields: dict[str, Field] = {
            "log_id": self._log_id,
            "ledger_id": ledger.id,
            "counter": float(ledger.counter),
            "last_seq": float(last_seq),
        }
        if ledger.adopted_until is not None:
            fields["adopted_until"] = float(ledger.adopted_until)
        self._delivery.write([Point(Series(MEASUREMENT, {}), fields, self._time, 0)], self._target.live("homeiq"))
        self._marked_at = self._clock.monotonic()


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def measurements_of(normalizers: Sequence[Normalizer], ledger: Ledger) -> list[str]:
    """Return all measurements that may hold points of ours."""
    names = {name for normalizer in normalizers for name in normalizer.measurements}
    return sorted(names.union(*(ledger.measurements(normalizer) for normalizer in ledger.normalizers())))


def oldest_kept(target: Target, clock: Clock) -> int | None:
    """Return the time (microseconds UTC) before which the target keeps nothing; None if it keeps all."""
    return None if target.retention is None else clock.now() - target.retention
