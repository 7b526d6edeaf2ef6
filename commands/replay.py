"""`homeiq replay`."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..clock import SystemClock
from ..doctor.words import count as count_of
from ..errors import Stopped, UsageError
from ..replayer.normalizers.registry import normalizers_of, problems_of
from ..replayer.replay import Progress as ReplayProgress
from ..replayer.replay import follow as follow_log
from ..replayer.replay import home_zone, replay_to_output
from ..replayer.replay import replay as replay_range
from ..replayer.scope import Scope
from ..settings import Settings
from ..storage.log import require_log
from .proof import left_out_texts, prove
from .publishing import Publisher
from .terminal import Display, print_json, print_line, say, stop_on_signals
from .times import parse_time

__all__ = ["ReplayOptions", "follow", "replay"]

_PARENT_SECONDS = 1.0
_AGAIN = "run it again: what is in the target already is compared, and not written twice"


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What `homeiq replay` was asked for, as it was typed."""

    since: str | None = None
    until: str | None = None
    entity: str = ""
    source: str = ""
    event_type: str = ""
    target: str = ""
    stale: bool = False
    plan: bool = False
    adopt: bool = False
    into: str | None = None
    jobs: int | None = None
    output: str | None = None
    as_json: bool = False

    def scope(self, data_dir: Path) -> Scope:
        """Return it with its times read. Raises UsageError."""
        zone, now = home_zone(data_dir), SystemClock().now()
        start, end = parse_time(self.since, zone, now, "--since"), parse_time(self.until, zone, now, "--until")
        return Scope(start, end, self.stale, self.entity, self.source, self.event_type)


def replay(settings: Settings, options: ReplayOptions) -> None:
    """Replay a range, and say how it goes. Raises HomeiqError."""
    require_log(settings.data_dir)
    scope = options.scope(settings.data_dir)
    stop = stop_on_signals()
    began = time.monotonic()
    if options.jobs is not None:
        settings = settings.model_copy(update={"replay": settings.replay.model_copy(update={"jobs": options.jobs})})
    if options.into is not None:
        settings = _with_bucket(settings, options.into)
    with Display() as display:
        watch = _watch(display, stop)
        if options.output is not None:
            done = replay_to_output(settings, options.output, scope.since, scope.until, watch=watch)
        else:
            done = replay_range(settings, scope, to=options.target, adopt=options.adopt, stop=stop, watch=watch)
    _summary(done, time.monotonic() - began, options.as_json, to_stdout=options.output != "-")
    problems = problems_of(normalizers_of(settings))
    if done.counts.failed:
        where = "homeiq status tells which and why" if options.output is None else "homeiq -v shows a traceback"
        say(f"normalizers failed on {count_of(done.counts.failed, 'event')}, set aside: {where}")
    if options.into is not None:
        prove(settings, Scope(), as_json=False)
        bucket = settings.influxdb.bucket
        say(f"to switch: set influxdb.bucket to {bucket}, or INFLUXDB_BUCKET={bucket}, and restart homeiq")
    if done.counts.failed or problems:
        raise SystemExit(1)  # everything else is done


def _with_bucket(settings: Settings, bucket: str) -> Settings:
    if not settings.influxdb.url:
        raise UsageError("--into names a bucket of InfluxDB, and none is configured", hint="set influxdb.url")
    return settings.model_copy(update={"influxdb": settings.influxdb.model_copy(update={"bucket": bucket})})


def _summary(done: ReplayProgress, seconds: float, as_json: bool, *, to_stdout: bool) -> None:
    counts = done.counts
    facts = {
        "days": done.days,
        "windows": done.windows,
        "events": counts.events,
        "points": counts.points,
        "unchanged": counts.unchanged,
        "removed": counts.removed,
        "refused": counts.refused,
        "frozen": done.frozen,
        "set_aside": counts.reasons,
        "left_out": counts.left_out,
        "by_follower": done.by_follower,
        "seconds": round(seconds, 3),
    }
    if as_json and to_stdout:
        print_json(facts)
        return
    rate = counts.events / seconds if seconds > 0 else 0.0
    by = ", by the running follower" if done.by_follower else ""
    line = (
        f"replayed {count_of(done.days, 'day')}: {count_of(counts.events, 'event')} gave {count_of(counts.points, 'point')}"
        f" in {seconds:.1f} s ({rate:,.0f} events/s){by}"
    )
    (print_line if to_stdout else say)(line)
    if counts.removed:
        say(f"  {counts.removed:,} points were removed that nothing makes any more")
    if done.frozen:
        say(f"  {done.frozen:,} windows are frozen: records of theirs have expired or are lost, and their points stay")
    if counts.stuck:
        say(f"  {counts.stuck:,} points cannot be removed without loss to others: they stay")
    for reason, count in sorted(counts.reasons.items()):
        say(f"  {count_of(count, 'event')} gave no point of their own: {reason}")
    for text in left_out_texts(counts.left_out):
        say(f"  {text}")
    if counts.refused:
        say(f"  {counts.refused:,} points were refused by the target and set aside in the ledger")


def _watch(display: Display, stop: threading.Event) -> Callable[[ReplayProgress], None]:
    """Return what shows how far it is, and ends it where Ctrl-C was pressed."""

    def show(progress: ReplayProgress) -> None:
        counts = progress.counts
        notes = [f"{counts.points:,} points", f"{progress.windows_done:,}/{progress.windows:,} windows"]
        notes += ["by the running follower"] if progress.by_follower else []
        notes += [f"waiting: {progress.problem}"] if progress.problem else []
        share = progress.windows_done / progress.windows if progress.windows else 0.0
        total = progress.events
        display.show("replayed", counts.events, total=total, share=share, unit="events", note=", ".join(notes))
        if stop.is_set() and not progress.by_follower:
            raise Stopped("stopped before the end", hint=_AGAIN)

    return show


def follow(settings: Settings, config: Path | None, target: str, parent: int | None) -> None:
    """Follow the log into one target until SIGTERM, SIGINT, or the end of the process `parent`. Raises HomeiqError.

    Meanwhile what the status page shows of log, ledger and target is published.
    """
    stop = stop_on_signals()
    if parent is not None:
        threading.Thread(target=_watch_parent, args=(parent, stop), daemon=True).start()
    with Publisher(settings, config, target, SystemClock()) as publisher:
        follow_log(settings, stop, to=target, begun=publisher.begin)


def _watch_parent(parent: int, stop: threading.Event) -> None:
    """A recorder that was killed cannot stop its follower; the follower then ends by itself."""
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    stop.set()
