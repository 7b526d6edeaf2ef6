"""`homeiq backfill`: through the running recorder, else by itself."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from ..clock import SystemClock
from ..connectors.home_assistant.client import HomeAssistantConnector
from ..errors import LogError, Stopped, UsageError
from ..recorder.backfill import Backfill, Range
from ..recorder.control import ask
from ..recorder.intake import Intake
from ..recorder.latest import Latest
from ..replayer.replay import home_zone
from ..settings import Settings
from ..storage.gaps import MISSING
from ..storage.log import EventLog, require_log
from .terminal import Display, print_json, print_line, stop_on_signals
from .times import parse_time

__all__ = ["backfill"]

_POLL_SECONDS = 0.5

Watch = Callable[[Mapping[str, Any]], None]


def backfill(settings: Settings, since: str, until: str | None, as_json: bool) -> None:
    """Fetch a range, and say how it goes. Raises HomeiqError; Stopped for Ctrl-C."""
    missing = settings.home_assistant.missing()
    if missing:
        raise UsageError(missing)
    zone, now = home_zone(settings.data_dir), SystemClock().now()
    start, end = parse_time(since, zone, now, "--since"), parse_time(until, zone, now, "--until")
    whole = Range(start or 0, min(end or now, now), start or 0, min(end or now, now))
    if whole.since >= whole.until:
        raise UsageError("--since is not before --until, or lies in the future")
    began = time.monotonic()
    stop = stop_on_signals()
    require_log(settings.data_dir)
    with Display() as display:
        watch = _watch(whole, display)
        if ask(settings.data_dir, "position") is None:
            done = asyncio.run(_alone(settings, whole, stop, watch))
        else:
            done = _through_recorder(settings, whole, stop, watch)
    _summary(done, time.monotonic() - began, as_json)
    if stop.is_set() and not done.get("done"):
        raise Stopped("stopped before the end", hint="run it again; what is recorded already is not recorded twice")
    if not done.get("done") or "no_history" in done.get("missing", ()):
        raise LogError("not all could be fetched", hint=str(done.get("problem") or "look at the recorder's log"))


def _through_recorder(settings: Settings, whole: Range, stop: threading.Event, watch: Watch) -> Mapping[str, Any]:
    """Let the recorder do it, and look on."""
    ask(settings.data_dir, "backfill", since=whole.since, until=whole.until)
    while True:
        progress = ask(settings.data_dir, "backfill_stop" if stop.is_set() else "backfill_progress")
        if progress is None:
            raise LogError("the recorder stopped meanwhile", hint="run it again when the recorder is there")
        if not progress.get("running"):
            return progress
        watch(progress)
        stop.wait(_POLL_SECONDS)


async def _alone(settings: Settings, whole: Range, stop: threading.Event, watch: Watch) -> Mapping[str, Any]:
    """Take the log's lock, connect, and fetch."""
    clock = SystemClock()
    connector = HomeAssistantConnector(settings.home_assistant)
    with EventLog(settings.data_dir, purpose="homeiq backfill") as log:
        latest = Latest.load(settings.data_dir, log.next_seq)
        intake = Intake(log, settings.recording, clock, latest)
        writing = asyncio.create_task(intake.run())
        if (ended := latest.listened.ended(clock.now())) is not None:
            intake.take(ended)
        task = Backfill(connector.name, connector, intake, latest, clock)
        try:
            async with connector.asking():
                fetching = asyncio.create_task(task.fetch_for(whole, settings.data_dir))
                while not fetching.done():
                    if stop.is_set():
                        fetching.cancel()
                    if task.progress is not None:
                        watch(asdict(task.progress))
                    await asyncio.wait({fetching}, timeout=_POLL_SECONDS)
                with contextlib.suppress(asyncio.CancelledError):
                    fetching.result()
        finally:
            intake.close()
            await writing
            latest.save(settings.data_dir, intake.durable_seq)
    return {} if task.progress is None else asdict(task.progress)


def _watch(whole: Range, display: Display) -> Callable[[Mapping[str, Any]], None]:
    """Return what shows how far the recorder, or this process, has come."""

    def show(progress: Mapping[str, Any]) -> None:
        share = (progress.get("upto", 0) - whole.since) / (whole.until - whole.since)
        note = f"{progress.get('questions', 0):,} questions"
        rows = progress.get("rows", 0)
        display.show("recorded", rows, share=min(1.0, max(0.0, share)), unit="new states", note=note)

    return show


def _summary(done: Mapping[str, Any], seconds: float, as_json: bool) -> None:
    if as_json:
        names = ("since", "until", "upto", "rows", "known", "questions", "done", "missing", "problem")
        print_json({**{name: done.get(name) for name in names}, "seconds": round(seconds, 3)})
        return
    rows, known = done.get("rows", 0), done.get("known", 0)
    line = f"recorded {rows:,} states from the history, {known:,} were there already, in {seconds:.1f} s"
    words = [word for word in done.get("missing", ()) if word in MISSING]
    print_line(f"{line}; not to be had: {', '.join(MISSING[word] for word in words)}" if words else line)
