"""The two things a replayer can be asked for: replay a range of point time, or follow the log for ever."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from ..clock import Clock, SystemClock
from ..errors import Stopped, TargetLocked, UsageError
from ..settings import Settings
from ..storage.files import LockHeld, lock_holder, locked
from ..storage.log import log_id
from ..storage.view import LogView
from .delivery import Ahead, Delivery
from .erasing import settle_frozen
from .follower import Follower
from .frozen import frozen_windows, is_frozen, mark_forgotten
from .home import Home
from .jobs import Maker, Workers, collecting_seldom, switching_often, usual_jobs
from .ledger import Ledger
from .marking import Marking, measurements_of, oldest_kept
from .normalizers.base import Normalizer, Reason
from .normalizers.registry import fingerprint, normalizers_of, problems_of, with_retired
from .scope import Scope
from .targets.base import Target
from .targets.line_protocol import AppendedLinesTarget, LineProtocolTarget
from .window_replay import WindowReplay
from .windows import Counts, Span, home_of, windows_between

__all__ = [
    "Progress",
    "Watch",
    "follow",
    "home_zone",
    "open_target",
    "replay",
    "replay_to_output",
    "target_is_followed",
    "target_lock",
]

_log = logging.getLogger(__name__)

_EVERYTHING = Scope()
_POLL_SECONDS = 0.2
_WAITING = 2
"""Batches that may wait for a target, 3 MB each: it works on while the next records are read. Measured into InfluxDB: 2 %
of a replay's time with two in place of one, no more with four."""
_VIEW_SECONDS = 900.0
"""A view is made anew after so long: superseded segments stay readable for an hour."""


@dataclass
class Progress:
    """How far a replay is; `windows` counts a day once for each normalizer, `events` are those that they hold.

    `frozen` windows stay as they are, since records of theirs have expired or are lost.
    `by_follower`: it is done by the process that follows the log into this target.
    """

    windows: int = 0
    days: int = 0
    events: int = 0
    windows_done: int = 0
    counts: Counts = field(default_factory=Counts)
    by_follower: bool = False
    problem: str = ""
    frozen: int = 0


Watch = Callable[[Progress], None]


def open_target(settings: Settings, name: str = "") -> Target:
    """Return a target by its name in the settings, by default the first: InfluxDB, or without one the embedded target.

    Raises UsageError for a name that is not there.
    """
    known = settings.all_targets()
    chosen = known.get(name or next(iter(known)))
    if chosen is None:
        raise UsageError(f"there is no target {name}", hint=f"known are {', '.join(known)}")
    if chosen.kind == "influxdb":
        from .targets.influxdb import InfluxDBTarget

        return InfluxDBTarget(chosen)
    if chosen.kind == "line_protocol":
        return AppendedLinesTarget(chosen.path or Path())
    from .targets.embedded import EmbeddedTarget

    return EmbeddedTarget(settings.data_dir)


def _normalizers(settings: Settings) -> Sequence[Normalizer]:
    """Return the normalizers; say what in the settings has no effect, and which of the user's own can't be used."""
    for event_type in settings.replay.choice().without_effect:
        _log.warning(
            "replay.exclude.event_types cannot leave out %s: exclude its domains, entities or entity_globs instead",
            event_type,
        )
    found = normalizers_of(settings)
    for problem in problems_of(found):
        _log.warning("%s; the rest goes on without it", problem)
    return found


def home_zone(data_dir: Path, *, lacking: bool = False) -> ZoneInfo:
    """Return the home's time zone as the log last knew it; UTC where it says nothing. `lacking`: see LogView."""
    return home_of(LogView(data_dir, lacking=lacking)).at(SystemClock().now()).zone


def _lock_of(data_dir: Path, target: Target) -> Path:
    words = re.sub(r"[^A-Za-z0-9]+", "-", target.name).strip("-")[:60]
    folder = f"{words}-{hashlib.blake2b(target.name.encode(), digest_size=4).hexdigest()}"
    return data_dir / "targets" / folder / "LOCK"


def target_is_followed(data_dir: Path, target: Target) -> bool:
    """Tell whether a process writes to a target now."""
    return bool(lock_holder(_lock_of(data_dir, target)))


@contextmanager
def target_lock(data_dir: Path, target: Target) -> Iterator[None]:
    """Be the one process that writes to a target; raises TargetLocked."""
    try:
        with locked(_lock_of(data_dir, target), "homeiq replay"):
            yield
    except LockHeld as error:
        raise TargetLocked(
            f"another process writes to {target.title}", hint=f"wait for it, or stop it ({error.holder})"
        ) from None


def replay(
    settings: Settings,
    scope: Scope = _EVERYTHING,
    *,
    to: str = "",
    adopt: bool = False,
    clock: Clock | None = None,
    stop: threading.Event | None = None,
    watch: Watch = lambda progress: None,
) -> Progress:
    """Write anew every window that the scope overlaps, in the target of the name `to`.

    `adopt` takes over a target that another log has written to. Where another process follows the log into this target,
    that one is asked to do it, and its progress is shown. Raises TargetError, LogError; Stopped when `stop` is set.
    """
    clock = clock or SystemClock()
    stop = stop or threading.Event()
    target = open_target(settings, to)
    ledger = Ledger(settings.data_dir, target.name)
    try:
        with collecting_seldom(), switching_often():
            one = _Replay(settings, target, ledger, clock, stop, watch)
            return one.ask_or_run(scope, adopt)
    finally:
        target.close()
        ledger.close()


def _await_follower(ledger: Ledger, number: int, stop: threading.Event, watch: Watch) -> Progress | None:
    """Wait a while for the follower; None when it is worth looking whether it still runs."""
    for _ in range(10):
        request = ledger.request(number)
        if request is None:
            return None
        counts = Counts(events=request.events, points=request.points)
        progress = Progress(
            request.windows, request.days, 0, request.windows_done, counts, by_follower=True, problem=request.message
        )
        watch(progress)
        if request.state == "done":
            return progress
        if stop.wait(_POLL_SECONDS):
            raise Stopped("no longer waiting: the follower goes on with the replay")
    return None


@dataclass(slots=True)
class _Task:
    """Windows to be replayed, and what they are made of."""

    todo: list[tuple[Normalizer, Span]]
    view: LogView
    home: Home
    marking: Marking
    scope: Scope
    made_at: float = field(default_factory=time.monotonic)

    def current_view(self, data_dir: Path) -> LogView:
        """Return a view of the same records that still finds its files."""
        if time.monotonic() - self.made_at > _VIEW_SECONDS:
            self.view, self.made_at = LogView(data_dir, self.view.last_seq), time.monotonic()
        return self.view


class _Replay:
    """A replay by this process, which holds the target's lock."""

    def __init__(
        self, settings: Settings, target: Target, ledger: Ledger, clock: Clock, stop: threading.Event, watch: Watch
    ) -> None:
        self._settings = settings
        self._data_dir = settings.data_dir
        self._normalizers = _normalizers(settings)
        self._target = target
        self._ledger = ledger
        self._clock = clock
        self._stop = stop
        self._watch = watch
        self._progress = Progress()
        self._delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        return Delivery(self._target, self._ledger, self._clock, forever=False, stop=self._stop, waiting=self._waiting)

    def ask_or_run(self, scope: Scope, adopt: bool) -> Progress:
        """Let the follower do it where one holds the target's lock, else do it."""
        number: int | None = None
        while True:
            try:
                with target_lock(self._data_dir, self._target):
                    if number is not None:
                        self._ledger.report(number, "done", message="done by the process that asked")
                    return self._run(scope, adopt)
            except TargetLocked:
                if adopt:
                    raise
                number = self._ledger.ask(scope.to_json()) if number is None else number
                done = _await_follower(self._ledger, number, self._stop, self._watch)
                if done is not None:
                    done.counts.set_aside(
                        Reason.FAILED, sum(one.count for one in self._ledger.failing(scope.since, scope.until))
                    )
                    return done

    def _run(self, scope: Scope, adopt: bool) -> Progress:
        self._delivery.connect(self._ledger.position)
        self._ledger.interrupted()
        view = LogView(self._data_dir)
        with Workers(self._jobs(view.last_seq), self._settings, self._normalizers, view.last_seq) as workers:
            return self._replayed(view, workers, scope, adopt)

    def _replayed(self, view: LogView, workers: Workers, scope: Scope, adopt: bool) -> Progress:
        progress = self._progress
        marking = Marking(self._target, self._ledger, self._delivery, log_id(self._data_dir), self._clock)
        marking.check(measurements_of(self._normalizers, self._ledger), view.last_seq, adopt=adopt)
        home = home_of(view, self._normalizers)
        known = with_retired(self._normalizers, self._ledger)
        mark_forgotten(view, known, self._ledger)
        self._settle_frozen(view, known, scope)
        todo = [
            (normalizer, span)
            for normalizer in known
            for span in scope.spans(view, normalizer, self._ledger, fingerprint(normalizer))
        ]
        todo.sort(key=lambda one: one[1].window)
        progress.windows = len(todo)
        progress.days = len({span.window for _, span in todo})
        progress.events = sum(span.events for _, span in todo)
        self._side_by_side(_Task(todo, view, home, marking, scope), workers.makers)
        return progress

    def _settle_frozen(self, view: LogView, known: Sequence[Normalizer], scope: Scope) -> None:
        """Count the windows that can't be replayed; of those that are stale, take away what was forgotten."""
        for normalizer in known:
            for window in frozen_windows(view, normalizer, self._ledger):
                if scope.overlaps(window) and scope.concerns(normalizer):
                    self._progress.frozen += 1
                    state = self._ledger.window(window, normalizer.name)
                    if state is not None and state.state == "stale":
                        self._delivery.of(normalizer.name, fingerprint(normalizer))
                        one = (view, self._target, self._ledger, self._delivery, normalizer)
                        settle_frozen(*one, window, fingerprint(normalizer))

    def _jobs(self, events: int) -> int:
        jobs = self._settings.replay.jobs
        jobs = usual_jobs(events) if jobs is None else jobs
        return min(jobs, 1) if self._target.one_at_a_time else jobs

    def _side_by_side(self, task: _Task, makers: Sequence[Maker]) -> None:
        """Replay windows, so many at a time as there are makers: a batch of each in turn."""
        progress = self._progress
        idle = deque((maker, self._new_delivery()) for maker in makers)
        deliveries = [delivery for _, delivery in idle]
        under_way: deque[tuple[Generator[Ahead], tuple[Maker, Delivery]]] = deque()
        todo = deque(task.todo)
        try:
            while todo or under_way:
                while todo and idle:
                    by = idle.popleft()
                    under_way.append((self._begin(task, *todo.popleft(), *by), by))
                steps, by = under_way.popleft()
                if next(steps, None) is not None:
                    under_way.append((steps, by))
                else:
                    idle.append(by)
                    progress.windows_done += 1
                progress.counts.refused = sum(delivery.refused for delivery in deliveries)
                self._watch(progress)
                if self._stop.is_set():
                    raise Stopped("stopped; the windows under way are replayed at the next start")
        finally:
            for steps, _ in under_way:
                steps.close()

    def _begin(
        self, task: _Task, normalizer: Normalizer, span: Span, maker: Maker, delivery: Delivery
    ) -> Generator[Ahead]:
        view = task.current_view(self._data_dir)
        if is_frozen(view, normalizer, span.window):  # meanwhile
            return (_ for _ in ())
        task.marking.touch([(span.window, normalizer.name)])
        oldest = oldest_kept(self._target, self._clock)
        of = fingerprint(normalizer)
        one = WindowReplay(self._target, self._ledger, delivery, normalizer, of, oldest, maker, _WAITING)
        return one.steps(view, task.home, span.window, self._progress.counts, task.scope)

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
    known = _normalizers(settings)
    home = home_of(view, known)
    todo = [(normalizer, window) for normalizer in known for window in windows_between(view, normalizer, since, until)]
    todo.sort(key=lambda one: one[1].window)
    progress.windows = len(todo)
    progress.days = len({span.window for _, span in todo})
    to = target or LineProtocolTarget(output)
    to.connect(0)
    try:
        jobs = usual_jobs(progress.events) if settings.replay.jobs is None else settings.replay.jobs
        with collecting_seldom(), Workers(min(jobs, 1), settings, known, view.last_seq) as workers:
            (maker,) = workers.makers
            for normalizer, span in todo:
                writer = to.live(normalizer.name)
                times = span.start, span.end
                for points in maker.points(view, normalizer, home, times, progress.counts, lines=to.takes_lines):
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


def follow(
    settings: Settings,
    stop: threading.Event,
    *,
    to: str = "",
    clock: Clock | None = None,
    begun: Callable[[Target, Delivery], None] = lambda target, delivery: None,
) -> None:
    """Follow the log into the target until `stop` is set, then drain it. Raises TargetLocked, LogError.

    `begun` is called once, with what is written to and what brings points there: its counters and its problem.
    """
    clock = clock or SystemClock()
    target = open_target(settings, to)
    ledger = Ledger(settings.data_dir, target.name)
    try:
        with target_lock(settings.data_dir, target), collecting_seldom(), switching_often():
            delivery = Delivery(target, ledger, clock, forever=True, stop=stop)
            begun(target, delivery)
            Follower(
                *(settings.data_dir, target, ledger, delivery, _normalizers(settings)),
                *(settings.replay, clock, stop),
            ).run()
    finally:
        target.close()
        ledger.close()
