"""The follower: writes what comes live at once, and works stale windows off, newest first, in between.

At once are written records of origin live, manual and simulated that are not older than their window's frontier (the
greatest time written into it so far) by more than 5 s, the best copy of a point among them. Anything else makes its window
stale. After a start, and after a window was replayed, nothing is remembered of what was written, so then only what is newer
than all its records before is written at once. Each window has its own frontier, so that one event from the future makes
no other late.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

from ..clock import SECOND, Clock, window_of
from ..errors import Stopped
from ..settings import ReplaySettings
from ..storage.reader import LogReader
from ..storage.record import Record
from ..storage.view import LogView
from .delivery import Delivery
from .home import HOME_TYPES, Home
from .ledger import Ledger, Request
from .normalizers.base import Normalizer
from .normalizers.registry import fingerprint
from .point import Point
from .targets.base import Target
from .window_replay import WindowReplay
from .windows import Counts, Rank, home_of, latest_in, normalized, rank_of, whole_windows

__all__ = ["Follower"]

_log = logging.getLogger(__name__)

_AT_ONCE = frozenset({"live", "manual", "simulated"})
_LATE = 5 * SECOND
_SLICE_SECONDS = 2.0
_DRAIN_SECONDS = 30.0
_HOME_SECONDS = 10.0
_VIEW_SECONDS = 900.0


class Follower:
    """Follows one log into one target, whose lock the caller holds."""

    def __init__(
        self,
        data_dir: Path,
        target: Target,
        ledger: Ledger,
        delivery: Delivery,
        normalizer: Normalizer,
        settings: ReplaySettings,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self.counts = Counts()
        self._data_dir = data_dir
        self._target = target
        self._ledger = ledger
        self._delivery = delivery
        self._normalizer = normalizer
        self._settings = settings
        self._clock = clock
        self._stop = stop
        self._fingerprint = delivery.fingerprint = fingerprint(normalizer)
        self._reader = LogReader(data_dir)
        self._batches: Iterator[list[Record]] = iter(())
        self._pending: list[Record] = []
        self._view: LogView | None = None
        self._home = Home()
        self._view_made_at = 0.0
        self._frontier: int | None = None
        self._recent: dict[tuple[str, int], Rank] = {}  # of the points written, those not below their window's floor
        self._floors: dict[int, int] = {}  # by window: what is older is late
        self._states: dict[int, tuple[str, int]] = {}  # by window: state, log end (stale: its last record so far)
        self._running: dict[int, tuple[Request, set[int], int]] = {}
        self._written_at = float("-inf")
        self._held_since: float | None = None

    def run(self) -> None:
        """Follow until `stop` is set, then drain the log for 30 s at most."""
        try:
            self._start()
            deadline: float | None = None
            while deadline is None or self._clock.monotonic() < deadline:
                if self._stop.is_set() and deadline is None:
                    deadline = self._clock.monotonic() + _DRAIN_SECONDS
                worked = self._flush()
                self._take_requests()
                worked = self._replay_newest_stale() or worked
                if not worked:
                    if deadline is not None:
                        return
                    self._stop.wait(self._settings.poll_seconds)
        except Stopped as reason:
            _log.warning("%s; it goes on there at the next start", reason)

    def _start(self) -> None:
        """Find out where to go on."""
        ledger = self._ledger
        position = ledger.position
        end = LogReader(self._data_dir).end()
        if position > end:
            lost = [w for w in ledger.windows() if w.log_end > end or w.state == "live"]
            reason = "the end of the log was lost"
            ledger.advance(end, ledger.frontier, [(w.start, w.normalizer, reason) for w in lost])
            position = end
        self._delivery.connect(position)
        ledger.interrupted()
        self._home = home_of(LogView(self._data_dir, position))
        self._reader = LogReader(self._data_dir, position + 1)
        self._frontier = ledger.frontier
        self._recent, self._floors, self._view = {}, {}, None
        live = [window for window in ledger.windows("live") if window.fingerprint != self._fingerprint]
        if live:
            ledger.mark_stale([(live[-1].start, live[-1].normalizer, "its normalizer has changed")])
        self._remember_states()
        _log.info("following the log into %s from record %d on", self._target.title, position + 1)

    def _remember_states(self) -> None:
        position = self._ledger.position
        self._states = {
            w.start: (w.state, position if w.state == "stale" else w.log_end) for w in self._ledger.windows()
        }

    # --- what comes live ---------------------------------------------------------------------------------------------

    def _flush(self, hold: int | None = None) -> bool:
        """Account for the records that have come; those of the window `hold` wait. Tell whether there were any."""
        if self._clock.monotonic() - self._written_at < self._target.live_seconds and not self._stop.is_set():
            return False
        records = self._next_records()
        if hold is not None:
            records = self._until_held(records, hold)
        if not records or self._waits_for_home(records):
            return False
        stale: dict[int, str] = {}
        for record in records:
            if record.event_type in HOME_TYPES:
                self._learn(record, stale)
        points = self._live_points(records, stale)
        if points:
            self._enter_live(points)
            self._delivery.write(points)
            self._written_at = self._clock.monotonic()
        self._ledger.advance(
            records[-1].seq,
            self._frontier,
            [(start, self._normalizer.name, reason) for start, reason in stale.items()],
        )
        for start in stale:
            self._set_stale(start, records[-1].seq)
        self._pending = self._pending[len(records) :]
        self._forget_old()
        return True

    def _set_stale(self, window: int, position: int) -> None:
        """Remember what the ledger says: a window must be replayed, with all records up to `position`."""
        self._states[window] = ("stale", position)
        self._floors.pop(window, None)

    def _next_records(self) -> list[Record]:
        """Return the next records that have not been accounted for."""
        if not self._pending:
            self._pending = self._read()
        return self._pending

    def _read(self) -> list[Record]:
        records = next(self._batches, [])
        if not records:
            self._batches = self._reader.read()
            records = next(self._batches, [])
        return records

    def _until_held(self, records: list[Record], hold: int) -> list[Record]:
        """Return the records before the first that has to do with a window that is being replayed."""
        for place, record in enumerate(records):
            if record.event_type in HOME_TYPES or (self._is_ours(record) and window_of(record.time) == hold):
                return records[:place]
        return records

    def _is_ours(self, record: Record) -> bool:
        return self._normalizer.takes(record)

    def _waits_for_home(self, records: list[Record]) -> bool:
        """Wait a moment for the first registries, which come a moment after the first events."""
        if self._home.known or not any(self._is_ours(record) for record in records):
            return False
        if any(record.event_type == "config" for record in records):
            return False
        now = self._clock.monotonic()
        self._held_since = now if self._held_since is None else self._held_since
        if now - self._held_since >= _HOME_SECONDS or self._stop.is_set():
            return False
        self._pending = self._pending + self._read()
        return True

    def _learn(self, record: Record, stale: dict[int, str]) -> None:
        """Learn about the home; windows that were projected with another view of it are stale."""
        changed = self._home.learn(record)
        if changed is not None:
            start, end = changed
            for window in self._states:
                if window + 86_400 * SECOND > start and window < end:
                    stale.setdefault(window, f"the {record.event_type.replace('_', ' ')} changed")

    def _live_points(self, records: list[Record], stale: dict[int, str]) -> list[Point]:
        """Return the points to be written at once; find the windows that the other records make stale."""
        at_once: list[Record] = []
        for record in records:
            if not self._is_ours(record):
                continue
            window = window_of(record.time)
            state, log_end = self._states.get(window, ("", 0))
            if state == "stale":
                self._states[window] = (state, record.seq)
                self.counts.events += 1
            elif window in stale or record.seq <= log_end:
                self.counts.events += 1
            elif record.origin in _AT_ONCE and record.time >= self._floor(window):
                at_once.append(record)
            else:
                self.counts.events += 1
                stale[window] = "a record came late" if record.origin in _AT_ONCE else f"a {record.origin} record came"
        best: dict[tuple[str, int], tuple[Rank, Point]] = {}
        for point, record in normalized(at_once, self._normalizer, self._home, self.counts):
            rank = rank_of(record)
            written = self._recent.get(point.key)
            other = best.get(point.key)
            if written is not None and rank > written:
                stale[window_of(record.time)] = "a better copy of a point came"
            elif written is None and (other is None or rank > other[0]):
                best[point.key] = rank, point
        points = [point for _, point in best.values() if window_of(point.time // 1000) not in stale]
        for key, (rank, point) in best.items():
            self._recent[key] = rank
            time = point.time // 1000
            self._frontier = time if self._frontier is None else max(self._frontier, time)
            self._floors[window_of(time)] = max(self._floors[window_of(time)], time - _LATE)
        self.counts.points += len(points)
        return points

    def _floor(self, window: int) -> int:
        """Return from which time on records of a window are written at once: what was written since is in `_recent`."""
        floor = self._floors.get(window)
        if floor is None:
            floor = window
            if window in self._states:
                state, log_end = self._states[window]
                view = self._view_with(log_end if state == "done" else max(self._ledger.position, log_end))
                latest = latest_in(view, self._normalizer, window)
                floor = window if latest is None else latest + 1
            self._floors[window] = floor
        return floor

    def _enter_live(self, points: list[Point]) -> None:
        """Enter, before the first byte, which windows are written to."""
        for window in sorted({window_of(point.time // 1000) for point in points}):
            if self._states.get(window, ("", 0))[0] != "live":
                log_end = self._states.get(window, ("", 0))[1]
                self._ledger.enter(window, self._normalizer.name, "live", self._fingerprint, log_end)
                self._states[window] = ("live", log_end)

    def _forget_old(self) -> None:
        """Remember of the written points only those that a late copy may still meet."""
        if len(self._recent) > 1_000:
            self._recent = {
                key: rank
                for key, rank in self._recent.items()
                if (time := key[1] // 1000) >= self._floors.get(window_of(time), time + 1)
            }

    # --- stale windows -----------------------------------------------------------------------------------------------

    def _take_requests(self) -> None:
        """Make stale what somebody asked to be replayed."""
        for request in self._ledger.requests("waiting", "running"):
            if request.id in self._running:
                continue
            view = self._view_with(self._ledger.position)
            spans = whole_windows(view, self._normalizer, request.since, request.until)
            wanted = {span.window for span in spans}
            self._ledger.mark_stale([(start, self._normalizer.name, "asked for") for start in wanted])
            for start in wanted:
                self._set_stale(start, view.last_seq)
            self._running[request.id] = (request, wanted, len(wanted))
            self._report(request.id, Counts())

    def _report(self, number: int, counts: Counts) -> None:
        """Tell who asked how far it is."""
        request, left, total = self._running[number]
        state = "running" if left else "done"
        known = self._ledger.request(number) or request
        self._ledger.report(
            number,
            state,
            windows=(total - len(left), total),
            events=known.events + counts.events,
            points=known.points + counts.points,
            message=self._delivery.problem,
        )
        if not left:
            del self._running[number]

    def _replay_newest_stale(self) -> bool:
        """Replay one stale window, with what comes live in between; tell whether there was one."""
        stale = [start for start, (state, _) in self._states.items() if state == "stale"]
        if not stale:
            return False
        start = max(stale)
        view = self._view_with(self._states[start][1])
        replay = WindowReplay(self._target, self._ledger, self._delivery, self._normalizer, self._fingerprint)
        began = self._clock.monotonic()
        counts = Counts()
        for ahead in replay.steps(view, self._home, start, counts):
            if self._clock.monotonic() - began > _SLICE_SECONDS:
                ahead.settle()
                self._flush(hold=start)
                began = self._clock.monotonic()
        self._states[start] = ("done", view.last_seq)
        self.counts.add(counts)
        for number, (_, left, _) in list(self._running.items()):
            if start in left:
                left.discard(start)
                self._report(number, counts)
        return True

    def _view_with(self, seq: int) -> LogView:
        """Return a view that holds the records up to `seq`; what lies behind the position is yet to come live.

        Hundreds of windows that became stale together are replayed from one view, whatever comes live meanwhile.
        """
        now = self._clock.monotonic()
        if self._view is None or self._view.last_seq < seq or now - self._view_made_at > _VIEW_SECONDS:
            self._view, self._view_made_at = LogView(self._data_dir, max(seq, self._ledger.position)), now
        return self._view
