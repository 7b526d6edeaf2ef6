"""One window, replayed: intent, comparison, points, confirmation, ghosts. The only way in which a whole window is written.

1. the intent is durable in the ledger
2. what the target holds in the window is read back, a slice of time after the other
3. what is new or changed is written, and the target has said so
4. what is left over is deleted; where a field vanished, the point is deleted and written again
5. done

A window that was never written, in a target that was empty, is not read back; a target that keeps whole windows replaces
it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from ..clock import DAY, SECOND
from ..storage.view import LogView
from .compare import STEP, Comparison, Removal
from .delivery import Ahead, Delivery
from .home import Home
from .jobs import Maker
from .ledger import Ledger, WindowState
from .normalizers.base import Normalizer
from .point import Point
from .scope import PointFilter, Scope
from .targets.base import Stored, Target, WindowWriter
from .windows import Counts, scan_for

__all__ = ["WindowReplay", "slices_of"]

SLICE = 100_000
"""So many records a slice has, about: what the target holds there is kept in memory to be compared."""

_HOUR = 3_600 * SECOND
_WHOLE = Scope()


def slices_of(view: LogView, normalizer: Normalizer, start: int) -> list[tuple[int, int]]:
    """Return parts [from, to) of a window's time (microseconds UTC) that hold SLICE records each, about, or an hour."""
    hours = [0] * 24
    for table in scan_for(view, normalizer, ["time"], start=start, end=start + DAY):
        of = pc.divide(pc.subtract(table["time"].cast(pa.int64()), start), _HOUR)
        for entry in pc.value_counts(of).to_pylist():
            hours[entry["values"]] += entry["counts"]
    slices = []
    begun, size = start, 0
    for hour, count in enumerate(hours):
        if size and size + count > SLICE:
            slices.append((begun, start + hour * _HOUR))
            begun, size = start + hour * _HOUR, 0
        size += count
    return [*slices, (begun, start + DAY)]


@dataclass
class _Window:
    """What a replay of a window is made of."""

    view: LogView
    home: Home
    start: int
    counts: Counts
    only: PointFilter | None


def _anything(stored: Stored) -> bool:
    return True


class WindowReplay:
    """Brings what a window's records make to a target whose lock the caller holds."""

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        delivery: Delivery,
        normalizer: Normalizer,
        fingerprint: str,
        oldest: int | None = None,
        maker: Maker | None = None,
        waiting: int = 1,
    ) -> None:
        """`oldest`: the target keeps nothing that is older (microseconds UTC); `maker` makes the points.

        So many batches may be `waiting` for the target: see Ahead.
        """
        self._target = target
        self._ledger = ledger
        self._delivery = delivery
        self._normalizer = normalizer
        self._fingerprint = fingerprint
        self._maker = maker or Maker()
        self._oldest = -(2**63) if oldest is None else oldest
        self._waiting = waiting

    def steps(self, view: LogView, home: Home, start: int, counts: Counts, scope: Scope = _WHOLE) -> Generator[Ahead]:
        """Replay the window that begins at `start` from the records in `view`; yields after each batch of points.

        What is yielded must be settled before anything else is written to the target. With a `scope` that filters, the
        state in the ledger stays as it is, but a window that was not known is stale then: a part of it is there. A target
        that keeps whole windows gets the whole window all the same.
        """
        name, upto = self._normalizer.name, view.last_seq
        filtered = scope.filtered and not self._target.keeps_windows
        known = self._ledger.window(start, name)
        window = _Window(
            view, home, start, counts, PointFilter(scope, view, self._normalizer, start) if filtered else None
        )
        self._ledger.introduce(name, self._normalizer.measurements)
        if filtered:
            self._ledger.mark_stale([(start, name, "a replay of a part of it was interrupted")])
            self._ledger.add_writer(start, name, self._fingerprint)
        else:
            self._ledger.enter(start, name, "writing", self._fingerprint, upto)
            self._ledger.forget_letters(name, start, start + DAY)
        self._delivery.of(name, self._fingerprint)
        with (
            self._target.window(start, upto, name) as writer,
            Ahead(self._delivery, self._target, writer, self._waiting) as ahead,
        ):
            yield from self._written(window, self._is_compared(known), ahead, writer)
        if not filtered:
            self._ledger.settle_failure(name, start, counts.failures.pop((name, start), None))
            self._ledger.enter(start, name, "done", self._fingerprint, upto)
        elif known is not None:
            self._ledger.restore(known)

    def _written(self, window: _Window, compared: bool, ahead: Ahead, writer: WindowWriter) -> Generator[Ahead]:
        """Write the window's points that the target keeps, comparing or not; yields after each batch."""
        oldest = max(window.start, self._oldest)
        if compared:
            for begin, end in slices_of(window.view, self._normalizer, window.start):
                if end > oldest:
                    yield from self._compared(window, max(begin, oldest), end, ahead, writer)
        elif oldest < window.start + DAY:
            lines = self._target.takes_lines and window.only is None
            for points in self._points(window, oldest, window.start + DAY, window.counts, lines=lines):
                self._meet(points)
                ahead.write(points)
                yield ahead

    def _points(
        self, window: _Window, start: int, end: int, counts: Counts, *, lines: bool = False
    ) -> Iterator[list[Point]]:
        """Yield the wanted points with times in [start, end); `lines`: nobody asks for their fields."""
        made = self._maker.points(window.view, self._normalizer, window.home, (start, end), counts, lines=lines)
        for points in made:
            yield points if window.only is None else window.only.keep(points)

    def _meet(self, points: Sequence[Point]) -> bool:
        """Enter the measurements of points before they are written; tell whether one was not known."""
        return self._ledger.meet(self._normalizer.name, {point.series.measurement for point in points})

    def _is_compared(self, known: WindowState | None) -> bool:
        target = self._target
        if not (target.reads and target.deletes) or target.keeps_windows:
            return False
        return not self._ledger.was_empty or bool(known and known.fingerprint)

    def _compared(self, window: _Window, start: int, end: int, ahead: Ahead, writer: WindowWriter) -> Generator[Ahead]:
        """Bring a slice of the window to what is wanted; yields after each batch."""
        ahead.settle()
        measurements = self._ledger.measurements(self._normalizer.name)
        removes = window.only.removes if window.only else _anything
        comparison = self._delivery.ask(lambda: Comparison(self._target.read(measurements, start, end), removes))
        replaced: list[Point] = []
        counts = window.counts
        unread = False
        for points in self._points(window, start, end, counts):
            unread = self._meet(points) or unread
            judged = comparison.judge(points)
            counts.unchanged += judged.unchanged
            replaced += judged.replaced
            ahead.write(judged.to_write)
            yield ahead
        ahead.settle()
        if unread:  # some measurements were met on the way: what is left over in them is seen only now
            again = Counts()
            yield from self._compared(replace(window, counts=again), start, end, ahead, writer)
            counts.removed, counts.stuck = counts.removed + again.removed, counts.stuck + again.stuck
            return
        if self._ledger.spares(window.start):
            comparison.spare_the_rest()
        removals, stuck = comparison.removals(self._target.deletes_exactly)
        counts.removed += comparison.left - len(stuck)
        counts.stuck += len(stuck)
        self._remove(removals, self._again(window, start, end, removals, replaced), writer)
        yield ahead

    def _again(
        self, window: _Window, start: int, end: int, removals: Sequence[Removal], known: Sequence[Point]
    ) -> dict[tuple[str, int], Point]:
        """Return the points that the removals take with them, by key; most often they are known already."""
        wanted = {key for removal in removals for key in removal.again}
        again = {point.key: point for point in known}
        if wanted - again.keys():
            for points in self._points(window, start, end, Counts()):
                again |= {point.key: point for point in points if point.key in wanted}
        return again

    def _remove(self, removals: Sequence[Removal], again: dict[tuple[str, int], Point], writer: WindowWriter) -> None:
        """Delete, then write again what must be, in steps of STEP points at most: a moment later all is there."""
        step: list[Removal] = []
        for removal in [*removals, None]:
            if removal is None or sum(one.points for one in step) + removal.points > STEP:
                if step:
                    self._delivery.delete([one.ghost for one in step])
                    keys = sorted({key for one in step for key in one.again})
                    self._delivery.write([again[key] for key in keys], writer)
                step = []
            if removal is not None:
                step.append(removal)
