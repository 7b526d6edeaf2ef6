"""The screen of `homeiq status --watch`: lines with what they mean, and a line for where there is no screen. Pure.

Words carry what is said; colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, NamedTuple

from ..clock import SECOND, from_iso
from ..doctor.words import length as length_text
from .live import TargetNow, View
from .status_text import disk_text, gaps_text, last_gap_text
from .tail_text import printable

__all__ = ["Line", "screen_lines", "summary_line"]

_LABEL: Final = 11


class Line(NamedTuple):
    """One line; `mood` is good, bad, dim or nothing."""

    text: str
    mood: str = ""


def screen_lines(view: View, zone: tzinfo | None) -> Iterator[Line]:
    """Yield the lines, what matters most first; times are in `zone`, None: that of this machine."""
    yield from _labelled("homeiq", f"{_clock(view.now, zone)}   {view.data_dir}   q ends", "dim")
    if view.doctor:
        good = view.doctor.startswith("Yes")
        yield from _labelled("doctor", f"{view.doctor}  ({length_text(view.doctor_age or 0)} ago)", _mood(good))
    yield from _recorder(view)
    yield from _sources(view)
    for target in view.targets:
        yield from _target(view, target)
    disk = (view.recorder or {}).get("disk") or (view.heavy or {}).get("disk")
    if disk:
        yield from _labelled("disk", disk_text(disk), "bad" if (disk.get("days_left") or 99) < 7 else "")
    yield from _heavy(view)


def summary_line(view: View) -> str:
    """Return all of it in one line, for where nobody sits at a terminal."""
    recorder = view.recorder
    if recorder is None:
        words = ["the recorder does not run"]
    elif "durable_seq" not in recorder:
        words = [str(recorder.get("problem"))]
    else:
        words = ["ready" if recorder["ready"] else f"not ready: {'; '.join(recorder['reasons'])}"]
        words += [f"record {recorder['durable_seq']:,}", *([] if view.rate is None else [f"{view.rate:,.1f} events/s"])]
    for target in view.targets:
        words.append(f"{target.title}: {_lag(view, target)}, {target.stale:,} windows stale")
    return printable(", ".join(words))


def _recorder(view: View) -> Iterator[Line]:
    recorder = view.recorder
    if recorder is None:
        yield from _labelled("recorder", "does not run: homeiq run starts it", "bad")
        return
    if "durable_seq" not in recorder:
        yield from _labelled("recorder", str(recorder.get("problem")), "bad")
        return
    ready = "ready" if recorder["ready"] else "NOT READY"
    up = length_text(recorder["uptime_seconds"])
    rate = "" if view.rate is None else f"   {view.rate:,.1f} events/s"
    yield from _labelled("recorder", f"{ready}   up {up}{rate}", _mood(recorder["ready"]))
    for reason in recorder["reasons"]:
        yield from _labelled("", reason, "bad")
    dropped = recorder["dropped"]
    text = f"record {recorder['durable_seq']:,} is durable, {recorder['unsynced_records']:,} wait for the disk"
    yield from _labelled("", f"{text}, {dropped:,} dropped", "bad" if dropped else "")


def _sources(view: View) -> Iterator[Line]:
    recorder = view.recorder or {}
    label = "sources"
    for source in recorder.get("sources", ()):
        name, rate = source["name"], view.rates.get(source["name"], 0.0)
        last = recorder.get("last_event", {}).get(name)
        heard = f", last {length_text(last['seconds_since'])} ago" if last else ""
        since = _since(view.now, source.get("since"))
        if source["connected"]:
            words, mood = f"connected{since} {rate:,.1f}/s {source['events']:,} events{heard}", "good"
        else:
            words, mood = f"NOT CONNECTED{since}: {source['reason']}", "bad"
            if not source.get("configured", True):
                words, mood = f"not configured: {source['reason']}", "dim"
        yield from _labelled(label, f"{name:<14} {words}", mood)
        gaps = source.get("gaps") or 0
        if gaps:
            yield from _labelled(
                "", f"{'':<14} {gaps:,} gaps since the start, {length_text(source['gap_seconds'])}", ""
            )
        for warning in source.get("warnings", ()):
            yield from _labelled("", f"{'':<14} {warning}", "bad")
        label = ""


def _target(view: View, target: TargetNow) -> Iterator[Line]:
    yield from _labelled("target", target.title, "")
    facts: Mapping[str, Any] = next(
        (one for one in (view.heavy or {}).get("targets", ()) if one["title"] == target.title), {}
    )
    followed = "followed" if facts.get("followed") else "NOT FOLLOWED"
    mood = _mood(bool(facts.get("followed")) and not target.stale)
    speed = f", {target.rate:,.1f} records/s" if target.rate else ""
    yield from _labelled("", f"{followed}; {_lag(view, target)}{speed}; {target.stale:,} windows stale", mood)
    for done, windows, message in target.requests:
        words = f"a replay is under way: {done:,} of {windows:,} windows" if windows else "a replay waits to begin"
        yield from _labelled("", f"{words}{f'; {message}' if message else ''}", "")
    for reason, count in facts.get("stale", {}).items():
        yield from _labelled("", f"stale: {count:,} windows, since {reason}", "bad")
    if facts.get("dead_letters"):
        yield from _labelled("", f"refused: {facts['dead_letters']:,} points (homeiq dead-letters)", "bad")
    for failing in facts.get("failing", ()):
        words = f"failed: the normalizer {failing['normalizer']} on {failing['count']:,} events (homeiq status)"
        yield from _labelled("", words, "bad")
    if facts.get("problem"):
        yield from _labelled("", str(facts["problem"]), "bad")
    for sentence in facts.get("cannot", ()):
        yield from _labelled("", f"cannot: {sentence}", "dim")


def _heavy(view: View) -> Iterator[Line]:
    facts = view.heavy
    if facts is not None:
        gaps = facts["gaps"]
        yield from _labelled("gaps", gaps_text(gaps), "bad" if gaps["lasting"] else "")
        if gaps["last"]:
            yield from _labelled("", f"the last: {last_gap_text(gaps['last'])}", "")
        for problem in facts["problems"]:
            yield from _labelled("problem", problem, "bad")
        age = length_text(view.heavy_age or 0.0)
        yield from _labelled("", f"gaps, reasons and what targets can't do: as of {age} ago", "dim")
    if view.heavy_problem:
        yield from _labelled("", f"they could not be asked for: {view.heavy_problem}", "bad")
    elif facts is None:
        yield from _labelled("targets", "they are being looked at", "dim")


def _lag(view: View, target: TargetNow) -> str:
    """Return how far the target is behind the log, in records, and about how long that is."""
    if target.position is None:
        return "the ledger cannot be read"
    end = (view.recorder or {}).get("durable_seq")
    if end is None:
        return f"projected up to record {target.position:,}"
    behind = max(0, end - target.position)
    if not behind:
        return "all projected"
    about = f", about {length_text(behind / view.rate)}" if view.rate else ""
    return f"{behind:,} records behind{about}"


def _since(now: int, since: str | None) -> str:
    return "" if since is None else f" {length_text(max(0.0, (now - from_iso(since)) / SECOND))}"


def _clock(now: int, zone: tzinfo | None) -> str:
    return f"{datetime.fromtimestamp(now / 1e6, UTC).astimezone(zone):%H:%M:%S}"


def _mood(good: bool) -> str:
    return "good" if good else "bad"


def _labelled(label: str, text: str, mood: str) -> Iterator[Line]:
    """Yield a text over as many lines as it needs at 80 columns, broken between words."""
    room = 79 - _LABEL
    words = printable(text).split(" ")
    line = words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > room and line.strip():
            yield Line(f"{label:<{_LABEL}}{line}", mood)
            line, label = f"  {word}", ""
        else:
            line = f"{line} {word}"
    yield Line(f"{label:<{_LABEL}}{line}", mood)
