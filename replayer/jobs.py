"""Who makes the points of a window: this process, or one of several others beside it.

Whoever makes them, they are the same points in the same order: a worker reads the same log up to the same seq with the same
normalizers. Windows are compared, written and entered in the ledger by the one process that holds the target's lock.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import TracebackType

from ..clock import window_of
from ..errors import HomeiqError, Stopped
from ..settings import Settings
from ..storage.view import LogView
from .failures import traceback_text
from .frozen import is_frozen
from .handed_over import Received, packed
from .home import Home
from .normalizers.base import Normalizer
from .normalizers.registry import normalizers_of
from .point import Point
from .projection import window_points
from .windows import Counts, home_of

__all__ = ["Maker", "Worker", "Workers", "collecting_seldom", "switching_often", "usual_jobs", "work"]

_FEW = 20_000
"""So many records are read more quickly than a worker starts (about a second)."""

_MEMORY = 1 << 30
"""Bytes of free memory for each worker: it needs half of that at most."""

_MOST = 4
_VIEW_SECONDS = 900.0
_ENDING_SECONDS = 5.0


def usual_jobs(events: int) -> int:
    """Return how many workers suit a replay of so many records on this machine.

    A core is kept for this process, and one for the target. With two cores workers do not pay: measured, 0.39 and 0.40 of a
    plain client's speed with one, 0.43 without.
    """
    if events < _FEW:
        return 0
    return max(0, min(_MOST, len(os.sched_getaffinity(0)) - 2, _available_memory() // _MEMORY))


def _available_memory() -> int:
    with suppress(OSError, ValueError, IndexError):
        for text in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if text.startswith("MemAvailable:"):
                return int(text.split()[1]) * 1024
    return 0


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
def switching_often() -> Iterator[None]:
    """Let a thread that delivers have its turn within a millisecond: by default one that computes keeps it for five.

    Measured into InfluxDB: 4 % of a replay's time.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.001)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Maker:
    """Makes the points of windows, in this process."""

    def points(
        self, view: LogView, normalizer: Normalizer, home: Home, times: tuple[int, int], counts: Counts, *, lines: bool
    ) -> Iterator[list[Point]]:
        """Yield the points with times in [start, end) (microseconds UTC), in batches; see projection.window_points.

        `lines`: nobody will ask for their fields, only for their lines.
        """
        del lines
        return window_points(view, normalizer, home, *times, counts)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker is asked for."""

    normalizer: str
    start: int
    end: int
    upto: int
    lines: bool


@dataclass(frozen=True, slots=True)
class _Answer:
    """A batch of points, and what was counted since the one before; the last one has no points, or an error."""

    points: bytes | None
    counts: Counts
    error: BaseException | None = None


class Worker(Maker):
    """Has points made by another process, which works on while they are delivered. One window at a time."""

    def __init__(self, settings: Settings, normalizers: Sequence[Normalizer], upto: int) -> None:
        """Start it, and let it open the log up to this seq; `normalizers` of this process must be those of the other."""
        ours, theirs = Pipe()
        self._received = Received()
        self._connection = ours
        self._known = {one.name for one in normalizers}
        with theirs:
            command = f"from homeiq.replayer.jobs import work; work({theirs.fileno()})"
            self._process = subprocess.Popen(
                [sys.executable, "-c", command], stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )
        # Not as arguments, which others may see.
        ours.send((settings, {one.name: one.source for one in normalizers}, upto))

    @property
    def pid(self) -> int:
        """The number of the other process."""
        return self._process.pid

    def points(
        self, view: LogView, normalizer: Normalizer, home: Home, times: tuple[int, int], counts: Counts, *, lines: bool
    ) -> Iterator[list[Point]]:
        """Yield points as the other process makes them; see Maker.points. Raises what was raised there."""
        if normalizer.name not in self._known:  # one that is no more
            yield from super().points(view, normalizer, home, times, counts, lines=lines)
            return
        try:
            self._connection.send(_Task(normalizer.name, *times, view.last_seq, lines))
            while True:
                answer: _Answer = self._connection.recv()
                counts.add(answer.counts)
                if answer.error is not None:
                    raise answer.error
                if answer.points is None:
                    return
                yield self._received.points(answer.points)
        except (EOFError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise Stopped("a process that made points ended", hint="run it again, with --jobs 0 if need be") from None

    def end(self) -> None:
        """End the process, whatever it does."""
        self._connection.close()
        self._process.terminate()
        try:
            self._process.wait(_ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Workers:
    """So many workers, for as long as the context lasts; with 0 of them this process makes the points."""

    def __init__(self, jobs: int, settings: Settings, normalizers: Sequence[Normalizer], upto: int) -> None:
        self._workers = [Worker(settings, normalizers, upto) for _ in range(jobs)]
        self.makers: list[Maker] = list(self._workers) or [Maker()]

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()


def work(descriptor: int) -> None:
    """Be a worker of the process at the other end of a pipe, until that one is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks is interrupted too, and ends this
    connection = Connection(descriptor)
    with collecting_seldom(), suppress(EOFError, BrokenPipeError, ConnectionResetError):
        settings, texts, upto = connection.recv()
        worker = _Work(settings, texts)
        with suppress(HomeiqError, OSError):  # it is said when somebody asks
            worker.open(upto)
        while True:
            worker.do(connection.recv(), connection)


class _Work:
    """What a worker keeps from one window to the next."""

    def __init__(self, settings: Settings, texts: dict[str, str]) -> None:
        self._settings = settings
        self._texts = texts
        self._normalizers: dict[str, Normalizer] = {}
        self._view: LogView | None = None
        self._home = Home()
        self._made_at = 0.0

    def do(self, task: _Task, connection: Connection) -> None:
        counts = Counts()
        try:
            view = self.open(task.upto)
            normalizer = self._normalizers[task.normalizer]
            if is_frozen(view, normalizer, window_of(task.start)):
                raise Stopped("records of a window expired while it was replayed", hint="run it again")
            for points in window_points(view, normalizer, self._home, task.start, task.end, counts):
                connection.send(_Answer(packed(points, lines=task.lines), counts.take()))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except (HomeiqError, OSError) as error:
            connection.send(_Answer(None, counts, error))
        except Exception:
            connection.send(_Answer(None, counts, RuntimeError(traceback_text())))
        else:
            connection.send(_Answer(None, counts))

    def open(self, upto: int) -> LogView:
        """Return the log up to a seq; superseded segments stay readable for an hour."""
        if not self._normalizers:
            normalizers = {one.name: one for one in normalizers_of(self._settings)}
            if {name: one.source for name, one in normalizers.items()} != self._texts:
                raise HomeiqError("a normalizer was changed while a replay began", hint="run it again")
            self._normalizers = normalizers
        view = self._view
        if view is None or view.last_seq != upto or time.monotonic() - self._made_at > _VIEW_SECONDS:
            view, self._made_at = LogView(self._settings.data_dir, upto), time.monotonic()
            self._view, self._home = view, home_of(view, list(self._normalizers.values()))
        return view
