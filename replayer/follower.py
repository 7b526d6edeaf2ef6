"""The follower: writes what comes live at once, and works stale windows off, newest first, in between.

What is written at once, and what makes a window stale, each normalizer's track tells (`tracks.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..clock import Clock, window_of
from ..errors import Stopped
from ..settings import ReplaySettings
from ..storage.log import log_id
from ..storage.reader import LogReader, records_of
from ..storage.record import FORGOTTEN, LOST, Record
from ..storage.view import LogView
from .conditions import KINDS
from .delivery import Delivery
from .doubt import doubt_forgotten, doubt_home, doubt_lost
from .erasing import settle_frozen
from .frozen import is_frozen
from .home import HOME_TYPES
from .ledger import Ledger
from .marking import Marking, measurements_of, oldest_kept
from .normalizers.base import Normalizer
from .normalizers.registry import with_retired
from .point import Point
from .presence import find_changed, note_away
from .repeat_track import track_of
from .requested import Requested
from .scope import Scope
from .targets.base import Target
from .tracks import Surroundings, Taken, Track
from .window_replay import WindowReplay
from .windows import Counts, home_of, windows_behind

__all__ = ["Follower"]

_log = logging.getLogger(__name__)

_SLICE_SECONDS = 2.0
_DRAIN_SECONDS = 30.0
_HOME_SECONDS = 10.0
_VIEW_SECONDS = 900.0
_BACKLOG = 20_000
_SEEN_AT_ONCE = 1_000

Held = tuple[Track, int]
"""A window that is being replayed: its track and its start."""


class Follower:
    """Follows one log into one target, whose lock the caller holds."""

    def __init__(
        self,
        data_dir: Path,
        target: Target,
        ledger: Ledger,
        delivery: Delivery,
        normalizers: Sequence[Normalizer],
        settings: ReplaySettings,
        clock: Clock,
        stop: threading.Event,
    ) -> None:
        self._data_dir = data_dir
        self._target = target
        self._ledger = ledger
        self._delivery = delivery
        self._normalizers = normalizers
        self._settings = settings
        self._clock = clock
        self._stop = stop
        self._reader = LogReader(data_dir)
        self._batches: Iterator[list[Record]] = iter(())
        self._pending: list[Record] = []
        self._view: LogView | None = None
        self._view_made_at = 0.0
        self._tracks: list[Track] = []
        self._requested = Requested(ledger, delivery)
        self._written_at = float("-inf")
        self._held_since: float | None = None
        self._left_behind = False
        self._marking = Marking(target, ledger, delivery, log_id(data_dir), clock)

    def run(self) -> None:
        """Follow until `stop` is set, then drain the log for 30 s at most."""
        try:
            self._start()
            deadline: float | None = None
            while deadline is None or self._clock.monotonic() < deadline:
                if self._stop.is_set() and deadline is None:
                    deadline = self._clock.monotonic() + _DRAIN_SECONDS
                self._look_at_target()
                worked = self._flush_all()
                if self._delivery.away:  # first of all it is looked at, and what is newest is written
                    continue
                self._requested.take(self._tracks, lambda: self._view_with(self._ledger.position))
                worked = self._replay_next() or worked
                if not worked and not self._delivery.away:
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
            ledger.advance(end, [(w.start, w.normalizer, reason) for w in lost])
            position = end
        self._delivery.connect(position)
        ledger.interrupted()
        self._marking.check(measurements_of(self._normalizers, ledger), end)
        self._view = None
        self._home = home_of(self._view_with(position), self._normalizers, lambda: self._view_with(ledger.position))
        self._around = around = Surroundings(self._home, self._view_with, self._target.replaces, position)
        self._tracks = [track_of(normalizer, around) for normalizer in with_retired(self._normalizers, ledger)]
        for track in self._tracks:
            find_changed(
                track, ledger, self._view_with, position, all_of_it=self._settings.rewrite_changed == "at_once"
            )
        note_away(self._tracks, ledger, position)
        self._remember_states()
        self._read_from(position)
        self._delivery.was_away()
        self._skip_backlog()
        _log.info("following the log into %s from record %d on", self._target.title, ledger.position + 1)

    def _remember_states(self) -> None:
        """Take over what the ledger says of the windows."""
        position = self._ledger.position
        for track in self._tracks:
            for window in self._ledger.windows(normalizer=track.name):
                if window.fingerprint != track.fingerprint:
                    track.of_another.add(window.start)
                if window.state == "stale":
                    track.set_stale(window.start, position)
                else:
                    track.states[window.start] = (window.state, window.log_end)

    def _read_from(self, position: int) -> None:
        """Go on behind a position."""
        self._reader = LogReader(self._data_dir, position + 1)
        self._batches, self._pending = iter(()), []

    # --- the target comes back ---------------------------------------------------------------------------------------

    def _look_at_target(self) -> None:
        """Look at the marker when the target was away, and now and then: it may have come back as another."""
        away = self._delivery.was_away()
        if away or self._marking.due():
            measurements = measurements_of(self._normalizers, self._ledger)
            if self._marking.check(measurements, LogReader(self._data_dir).end()):
                self._remember_states()
        if away:
            self._skip_backlog()

    def _skip_backlog(self) -> None:
        """Leave a long backlog to the replay of its windows, newest first, so that what comes live is seen at once."""
        ledger, position = self._ledger, self._ledger.position
        end = LogReader(self._data_dir).end()
        unknown = position == 0 and self._target.reads and not ledger.was_empty
        if not _is_long(position, end) and not (unknown and end):
            return
        upto = max(position, end - _SEEN_AT_ONCE)
        view = self._view_with(end)
        taken = {track: Taken() for track in self._tracks}
        for table in view.scan(event_types=(*HOME_TYPES, FORGOTTEN)):
            for record in records_of(table):
                if position < record.seq <= upto or (record.event_type in HOME_TYPES and record.seq <= upto):
                    self._learn(record, taken)
        for track in self._tracks:
            for window in windows_behind(view, track.normalizer, position, upto):
                taken[track].stale.setdefault(window, "the target was behind")
        self._account(upto, taken)
        self._read_from(upto)

    # --- what comes live ---------------------------------------------------------------------------------------------

    def _flush_all(self) -> bool:
        """Account for all records that have come, for a while: those of a window that is replayed next will wait for it."""
        began = self._clock.monotonic()
        worked = False
        while self._flush():
            worked = True
            if self._delivery.away or self._clock.monotonic() - began > _SLICE_SECONDS:
                break
        return worked

    def _flush(self, hold: Held | None = None) -> bool:
        """Account for the records that have come; those of the window `hold` wait. Tell whether there were any."""
        if self._clock.monotonic() - self._written_at < self._target.live_seconds and not self._stop.is_set():
            return False
        records = self._next_records()
        if hold is not None:
            records = self._until_held(records, hold)
        if not records or self._waits_for_home(records):
            return False
        position = self._ledger.position
        taken = {track: Taken() for track in self._tracks}
        for record in records:
            self._learn(record, taken)
        for track in self._tracks:
            track.take([record for record in records if track.normalizer.wants(record)], position, taken[track])
            self._write(track, taken[track].points)
        self._account(records[-1].seq, taken)
        self._pending = self._pending[len(records) :]
        return True

    def _write(self, track: Track, points: Sequence[Point]) -> None:
        """Write points that came live; which windows are written to is entered before the first byte."""
        oldest = oldest_kept(self._target, self._clock)
        if oldest is not None:
            points = [point for point in points if point.time >= oldest * 1000]
        if not points:
            return
        for window in sorted({window_of(point.time // 1000) for point in points}):
            self._marking.touch([(window, track.name)])
            state, log_end = track.states.get(window, ("", 0))
            if state == "stale":
                self._ledger.add_writer(window, track.name, track.fingerprint)
            elif state != "live" or window in track.of_another:
                self._ledger.enter(window, track.name, "live", track.fingerprint, log_end)
                track.states[window] = ("live", log_end)
                track.of_another.discard(window)
        self._ledger.meet(track.name, {point.series.measurement for point in points})
        self._delivery.of(track.name, track.fingerprint)
        self._delivery.write(points, self._target.live(track.name))
        self._written_at = self._clock.monotonic()

    def _account(self, position: int, taken: dict[Track, Taken]) -> None:
        """Move the position, and mark what became stale on the way."""
        if position > self._around.began and not self._left_behind:
            self._left_behind = True
            for track in self._tracks:  # what others made of these records, or would have doubted by them, nobody knows
                self._ledger.leave_behind(track.name, track.fingerprint)
        stale = [(start, track.name, reason) for track in taken for start, reason in taken[track].stale.items()]
        self._ledger.advance(position, stale, self._around.counts.take_failures())
        for track, found in taken.items():
            for start in found.stale:
                track.set_stale(start, position)
            track.settled()

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

    def _until_held(self, records: list[Record], hold: Held) -> list[Record]:
        """Return the records before the first that has to do with a window that is being replayed."""
        track, window = hold
        for place, record in enumerate(records):
            ours = track.normalizer.wants(record) and track.touches(record, window)
            if ours or record.event_type in (*HOME_TYPES, FORGOTTEN) or self._is_condition(record):
                return records[:place]
        return records

    def _is_condition(self, record: Record) -> bool:
        return any(one.name in KINDS and one.is_condition and one.wants(record) for one in self._normalizers)

    def _waits_for_home(self, records: list[Record]) -> bool:
        """Wait a moment for the first registries, which come a moment after the first events."""
        if self._home.known or not any(self._needs_home(record) for record in records):
            return False
        if any(record.event_type == "config" for record in records):
            return False
        now = self._clock.monotonic()
        self._held_since = now if self._held_since is None else self._held_since
        if now - self._held_since >= _HOME_SECONDS or self._stop.is_set():
            return False
        self._pending = self._pending + self._read()
        return True

    def _needs_home(self, record: Record) -> bool:
        return any(track.normalizer.of_home and track.normalizer.wants(record) for track in self._tracks)

    def _learn(self, record: Record, taken: dict[Track, Taken]) -> None:
        """Learn about the home; windows that were projected with another view of it are stale."""
        if record.event_type == FORGOTTEN:
            self._view = None  # it may hold what was in a tail then
            doubt_forgotten(record, self._tracks, taken)
        if record.event_type == LOST:
            doubt_lost(record, self._tracks, taken)
        if record.event_type in HOME_TYPES:
            changed = self._home.learn(record)
            if changed is not None:
                doubt_home(record.event_type, changed, self._ledger.position, taken)
        elif self._home.conditions is not None:
            condition = self._home.conditions.learn(record)
            if condition is not None:
                doubt_home(condition[0], condition[1:], self._ledger.position, taken)

    # --- stale windows -----------------------------------------------------------------------------------------------

    def _replay_next(self) -> bool:
        """Replay the newest stale window, or else one that is asked for in part; tell whether there was one."""
        stale = [
            (start, track) for track in self._tracks for start, (state, _) in track.states.items() if state == "stale"
        ]
        if stale:
            start, track = max(stale, key=lambda found: found[0])
            counts = self._replay(track, start, Scope(), track.states[start][1])
            if counts is None:
                return True
            self._requested.replayed(start, track.name, counts)
            return True
        part = self._requested.next_part()
        if part is None:
            return False
        track = next(track for track in self._tracks if track.name == part.normalizer)
        counts = self._replay(track, part.start, part.scope, self._ledger.position) or Counts()
        self._requested.part_replayed(part, counts)
        return True

    def _replay(self, track: Track, start: int, scope: Scope, upto: int) -> Counts | None:
        """Replay one window, with what comes live in between.

        None: it was left in the middle, since so much came while the target was away that what is newest would wait.
        """
        view = self._view_with(upto)
        if is_frozen(view, track.normalizer, start):
            if not scope.filtered:
                self._delivery.of(track.name, track.fingerprint)
                one = (view, self._target, self._ledger, self._delivery, track.normalizer)
                settle_frozen(*one, start, track.fingerprint)
                track.replayed(start, view.last_seq)
            return Counts()
        self._marking.touch([(start, track.name)])
        replay = WindowReplay(
            *(self._target, self._ledger, self._delivery, track.normalizer, track.fingerprint),
            oldest_kept(self._target, self._clock),
        )
        began = self._clock.monotonic()
        counts = Counts()
        steps = replay.steps(view, self._home, start, counts, scope)
        for ahead in steps:
            if self._clock.monotonic() - began > _SLICE_SECONDS:
                ahead.settle()
                if self._delivery.away and not scope.filtered and self._is_far_behind():
                    steps.close()
                    counts.take_failures()  # they are counted again
                    self._ledger.mark_stale([(start, track.name, "a replay of it was interrupted")])
                    return None
                self._flush(hold=(track, start))
                self._delivery.of(track.name, track.fingerprint)
                began = self._clock.monotonic()
        if not scope.filtered or self._target.keeps_windows:
            track.replayed(start, view.last_seq)
        elif start not in track.states:  # a part of it stands there now, and the rest is missing
            track.set_stale(start, view.last_seq)
        return counts

    def _is_far_behind(self) -> bool:
        return _is_long(self._ledger.position, LogReader(self._data_dir).end())

    def _view_with(self, seq: int) -> LogView:
        """Return a view that holds the records up to `seq`; what lies behind the position is yet to come live.

        Hundreds of windows that became stale together are replayed from one view, whatever comes live meanwhile.
        """
        now = self._clock.monotonic()
        if self._view is None or self._view.last_seq < seq or now - self._view_made_at > _VIEW_SECONDS:
            self._view, self._view_made_at = LogView(self._data_dir, max(seq, self._ledger.position)), now
        return self._view


def _is_long(position: int, end: int) -> bool:
    """Tell whether what lies behind the position is better left to replays, newest first."""
    return end - position > _BACKLOG
