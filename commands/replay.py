"""`homeiq replay` and `homeiq compact`."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from ..clock import SystemClock
from ..recorder.control import ask
from ..replayer.replay import Progress as ReplayProgress
from ..replayer.replay import follow as follow_log
from ..replayer.replay import home_zone, replay_to_output
from ..replayer.replay import replay as replay_range
from ..settings import Settings
from ..storage.log import EventLog, require_log
from .terminal import print_json, print_line, say
from .times import parse_time

__all__ = ["compact", "follow", "replay"]

_LINE_SECONDS = 10.0
_PARENT_SECONDS = 1.0


def replay(settings: Settings, since: str | None, until: str | None, output: str | None, as_json: bool) -> None:
    """Replay a range, and say how it goes. Raises HomeiqError."""
    require_log(settings.data_dir)
    zone, now = home_zone(settings.data_dir), SystemClock().now()
    start, end = parse_time(since, zone, now, "--since"), parse_time(until, zone, now, "--until")
    stop = _stop_on_signals()
    began = time.monotonic()
    with _Display(sys.stderr.isatty()) as display:
        if output is not None:
            done = replay_to_output(settings, output, start, end, watch=display.show)
        else:
            done = replay_range(settings, start, end, stop=stop, watch=display.show)
    _summary(done, time.monotonic() - began, as_json, to_stdout=output != "-")


def _summary(done: ReplayProgress, seconds: float, as_json: bool, *, to_stdout: bool) -> None:
    counts = done.counts
    facts = {
        "windows": done.windows,
        "events": counts.events,
        "points": counts.points,
        "refused": counts.refused,
        "set_aside": counts.reasons,
        "by_follower": done.by_follower,
        "seconds": round(seconds, 3),
    }
    if as_json and to_stdout:
        print_json(facts)
        return
    rate = counts.events / seconds if seconds > 0 else 0.0
    by = ", by the running follower" if done.by_follower else ""
    days = f"{done.windows} {'day' if done.windows == 1 else 'days'}"
    line = (
        f"replayed {days}: {counts.events:,} events gave {counts.points:,} points"
        f" in {seconds:.1f} s ({rate:,.0f} events/s){by}"
    )
    (print_line if to_stdout else say)(line)
    for reason, count in sorted(counts.reasons.items()):
        say(f"  {count:,} events gave no point of their own: {reason}")
    if counts.refused:
        say(f"  {counts.refused:,} points were refused by the target and set aside in the ledger")


class _Display:
    """Progress on stderr: a bar on a terminal, else a line every 10 s."""

    def __init__(self, terminal: bool) -> None:
        self._progress: Progress | None = None
        if terminal:
            self._progress = Progress(
                BarColumn(bar_width=12),
                TextColumn("{task.fields[facts]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task("replaying", total=None, facts="")
        self._began = self._said = time.monotonic()

    def __enter__(self) -> _Display:
        if self._progress:
            self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress:
            self._progress.stop()

    def show(self, progress: ReplayProgress) -> None:
        now = time.monotonic()
        facts = self._facts(progress, now - self._began)
        if self._progress:
            total = progress.events or None
            self._progress.update(self._task, total=total, completed=progress.counts.events, facts=facts)
        elif now - self._said >= _LINE_SECONDS:
            self._said = now
            say(facts)

    @staticmethod
    def _facts(progress: ReplayProgress, seconds: float) -> str:
        counts = progress.counts
        rate = counts.events / seconds if seconds > 0 else 0.0
        text = f"{counts.events:,} events {counts.points:,} points {rate:,.0f}/s"
        if progress.events and rate:
            text += f" {max(0, progress.events - counts.events) / rate:,.0f} s left"
        text += f" {progress.windows_done}/{progress.windows} days"
        if progress.by_follower:
            text += " (by the running follower)"
        return f"{text}; waiting: {progress.problem}" if progress.problem else text


def follow(settings: Settings, parent: int | None) -> None:
    """Follow the log until SIGTERM, SIGINT, or the end of the process `parent`. Raises HomeiqError."""
    stop = _stop_on_signals()
    if parent is not None:
        threading.Thread(target=_watch_parent, args=(parent, stop), daemon=True).start()
    follow_log(settings, stop)


def _watch_parent(parent: int, stop: threading.Event) -> None:
    """A recorder that was killed cannot stop its follower; the follower then ends by itself."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    stop.set()


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def compact(data_dir: Path, as_json: bool) -> None:
    """Seal the tail, by way of the recorder if one runs, and merge small segments. Raises LogError."""
    from ..storage.maintenance import compact as compact_log

    require_log(data_dir)
    if ask(data_dir, "rotate") is None:
        with EventLog(data_dir, purpose="homeiq compact") as log:
            log.rotate()
            sealed, merged = compact_log(data_dir)
    else:
        sealed, merged = compact_log(data_dir)
    if as_json:
        print_json({"sealed": [str(name.path) for name in sealed], "merged": [str(name.path) for name in merged]})
        return
    records = sum(name.last - name.first + 1 for name in sealed)
    print_line(f"sealed {records:,} records into {len(sealed)} segments; merged small segments into {len(merged)}")
