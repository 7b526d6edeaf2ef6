"""The two things a replayer can be asked for: replay a range of point time, or follow the log for ever."""

from __future__ import annotations

import gc
import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from ..clock import Clock, SystemClock
from ..errors import Stopped, TargetLocked
from ..settings import Settings
from ..storage.files import LockHeld, locked
from ..storage.view import LogView
from .delivery import Delivery
from .follower import Follower
from .ledger import Ledger
from .normalizers.registry import fingerprint, normalizers
from .projection import window_points
from .targets.base import Target
from .targets.line_protocol import LineProtocolTarget
from .window_replay import WindowReplay
from .windows import Counts, home_of, whole_windows, windows_between

__all__ = ["Progress", "Watch", "follow", "home_zone", "open_target", "replay", "replay_to_output", "target_lock"]

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_VIEW_SECONDS = 900.0
"""A view is made anew after so long: superseded segments stay readable for an hour."""


@dataclass
class Progress:
    """How far a replay is; `events` are those that its windows hold.

    `by_follower`: it is done by the process that follows the log into this target.
    """

    windows: int = 0
    events: int = 0
    windows_done: int = 0
    counts: Counts = field(default_factory=Counts)
    by_follower: bool = False
    problem: str = ""


Watch = Callable[[Progress], None]


def open_target(settings: Settings) -> Target:
    """Return the target that the settings name: InfluxDB, or without one the embedded target."""
    if settings.influxdb.url:
        from .targets.influxdb import InfluxDBTarget

        return InfluxDBTarget(settings.influxdb)
    from .targets.embedded import EmbeddedTarget

    return EmbeddedTarget(settings.data_dir)


def home_zone(data_dir: Path) -> ZoneInfo:
    """Return the home's time zone as the log last knew it; UTC where it says nothing."""
    return home_of(LogView(data_dir)).at(SystemClock().now()).zone


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let Python look for cycles of garbage seldom: records and points come and go by the ten thousand, none in a cycle.

    Measured: 6 % of a replay's time. What was there before is left out altogether.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def target_lock(data_dir: Path, target: Target) -> Iterator[None]:
    """Be the one process that writes to a target; raises TargetLocked."""
    words = re.sub(r"[^A-Za-z0-9]+", "-", target.name).strip("-")[:60]
    folder = f"{words}-{hashlib.blake2b(target.name.encode(), digest_size=4).hexdigest()}"
    try:
        with locked(data_dir / "targets" / folder / "LOCK", "homeiq replay"):
            yield
    except LockHeld as error:
        raise TargetLocked(f"another process writes to {target.title}", hint=error.holder) from None


def replay(
    settings: Settings,
    since: int | None = None,
    until: int | None = None,
    *,
    clock: Clock | None = None,
    stop: threading.Event | None = None,
    watch: Watch = lambda progress: None,
) -> Progress:
    """Write anew every window that overlaps [since, until) (microseconds UTC, None: no bound).

    Where another process follows the log into this target, that one is asked to do it, and its progress is shown.
    Raises TargetError, LogError; Stopped when `stop` is set.
    """
    clock = clock or SystemClock()
    stop = stop or threading.Event()
    target = open_target(settings)
    ledger = Ledger(settings.data_dir, target.name)
    try:
        with collecting_seldom():
            return _ask_or_replay(settings, since, until, target, ledger, clock, stop, watch)
    finally:
        target.close()
        ledger.close()


def _ask_or_replay(
    settings: Settings,
    since: int | None,
    until: int | None,
    target: Target,
    ledger: Ledger,
    clock: Clock,
    stop: threading.Event,
    watch: Watch,
) -> Progress:
    number: int | None = None
    while True:
        try:
            with target_lock(settings.data_dir, target):
                if number is not None:
                    ledger.report(number, "done", message="done by the process that asked")
                return _Replay(settings, target, ledger, clock, stop, watch).run(since, until)
        except TargetLocked:
            number = ledger.ask(since, until) if number is None else number
            done = _await_follower(ledger, number, stop, watch)
            if done is not None:
                return done


def _await_follower(ledger: Ledger, number: int, stop: threading.Event, watch: Watch) -> Progress | None:
    """Wait a while for the follower; None when it is worth looking whether it still runs."""
    for _ in range(10):
        request = ledger.request(number)
        if request is None:
            return None
        counts = Counts(events=request.events, points=request.points)
        progress = Progress(request.windows, 0, request.windows_done, counts, by_follower=True, problem=request.message)
        watch(progress)
        if request.state == "done":
            return progress
        if stop.wait(_POLL_SECONDS):
            raise Stopped("no longer waiting: the follower goes on with the replay")
    return None


class _Replay:
    """A replay by this process, which holds the target's lock."""

    def __init__(
        self, settings: Settings, target: Target, ledger: Ledger, clock: Clock, stop: threading.Event, watch: Watch
    ) -> None:
        self._data_dir = settings.data_dir
        self._normalizers = normalizers(choice=settings.replay.choice())
        self._target = target
        self._ledger = ledger
        self._stop = stop
        self._watch = watch
        self._progress = Progress()
        self._delivery = Delivery(target, ledger, clock, forever=False, stop=stop, waiting=self._waiting)

    def run(self, since: int | None, until: int | None) -> Progress:
        progress = self._progress
        self._delivery.connect(self._ledger.position)
        self._ledger.interrupted()
        view = LogView(self._data_dir)
        made_at = time.monotonic()
        home = home_of(view)
        todo = [
            (normalizer, span)
            for normalizer in self._normalizers
            for span in whole_windows(view, normalizer, since, until)
        ]
        todo.sort(key=lambda one: one[1].window)
        progress.windows = len(todo)
        progress.events = sum(span.events for _, span in todo)
        for normalizer, span in todo:
            if time.monotonic() - made_at > _VIEW_SECONDS:
                view, made_at = LogView(self._data_dir, view.last_seq), time.monotonic()
            self._delivery.fingerprint = fingerprint(normalizer)
            one = WindowReplay(self._target, self._ledger, self._delivery, normalizer, self._delivery.fingerprint)
            for _ in one.steps(view, home, span.window, progress.counts):
                self._watch(progress)
                if self._stop.is_set():
                    raise Stopped("stopped; the window under way is replayed at the next start")
            progress.windows_done += 1
            self._watch(progress)
        progress.counts.refused = self._delivery.refused
        return progress

    def _waiting(self, problem: str) -> None:
        self._progress.problem = problem
        self._watch(self._progress)


def replay_to_output(
    settings: Settings,
    output: str,
    since: int | None = None,
    until: int | None = None,
    *,
    watch: Watch = lambda progress: None,
    target: Target | None = None,
) -> Progress:
    """Write the points with times in [since, until) as line protocol: no ledger, no lock. Raises TargetError, LogError."""
    progress = Progress()
    view = LogView(settings.data_dir)
    home = home_of(view)
    todo = [
        (normalizer, window)
        for normalizer in normalizers(choice=settings.replay.choice())
        for window in windows_between(view, normalizer, since, until)
    ]
    todo.sort(key=lambda one: one[1].window)
    progress.windows = len(todo)
    to = target or LineProtocolTarget(output)
    to.connect(0)
    try:
        with collecting_seldom():
            for normalizer, span in todo:
                writer = to.live(normalizer.name)
                for points in window_points(view, normalizer, home, span.start, span.end, progress.counts):
                    writer.write(points)
                    watch(progress)
                progress.windows_done += 1
                watch(progress)
    except BaseException:
        if isinstance(to, LineProtocolTarget):
            to.abandon()
        raise
    to.close()
    return progress


def follow(settings: Settings, stop: threading.Event, *, clock: Clock | None = None) -> None:
    """Follow the log into the target until `stop` is set, then drain it. Raises TargetLocked, LogError."""
    clock = clock or SystemClock()
    target = open_target(settings)
    ledger = Ledger(settings.data_dir, target.name)
    try:
        with target_lock(settings.data_dir, target), collecting_seldom():
            delivery = Delivery(target, ledger, clock, forever=True, stop=stop)
            Follower(
                *(settings.data_dir, target, ledger, delivery, normalizers(choice=settings.replay.choice())),
                *(settings.replay, clock, stop),
            ).run()
    finally:
        target.close()
        ledger.close()
