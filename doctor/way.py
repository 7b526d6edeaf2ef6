"""The way of the data: how fast and how late at each step, and whether the follower moves."""

from __future__ import annotations

import time
from typing import Any, Final

from ..clock import SECOND
from ..connectors.home_assistant.protocol import SOURCE as HOME_ASSISTANT
from ..replayer.failures import sentence_in
from ..replayer.ledger import Ledger, WindowState
from ..replayer.normalizers.registry import fingerprint, normalizers_of, problems_of
from ..storage.reader import LogReader
from .case import Case
from .finding import Finding, Result, Section, Severity
from .frozen import frozen_starts
from .log_facts import LogFacts
from .projection import Projection, changed_windows, stale_reasons
from .words import count, length

__all__ = ["check"]

_LATE_SECONDS: Final = 60.0
"""A follower that is so late is watched: a healthy one is seconds behind."""

_LOOK_SECONDS: Final = 0.2
_HOUR: Final = 3_600 * SECOND


def check(case: Case) -> Result:
    """Look at each step from the source to the target."""
    facts = case.log()
    if facts is None:
        return Result()
    lines = [_source_step(facts, case.now), _log_step(case, facts)]
    findings: list[Finding] = []
    targets: dict[str, Any] = {}
    for name, once in case.projections.items():
        found = once()
        targets[name], some = _target_step(case, found)
        lines.append((f"log → {name}", targets[name]["words"]))
        findings += some + _windows(case, found) + _refused(found)
    findings += [
        Finding("normalizer-unusable", "attention", words) for words in problems_of(normalizers_of(case.settings))
    ]
    said = {
        "events_last_hour": facts.last_hour,
        "delay_seconds": facts.delay(HOME_ASSISTANT),
        "log_end": facts.end,
        "targets": targets,
    }
    return Result(tuple(findings), (Section("way", "The way of the data", tuple(lines), facts=said),))


def _source_step(facts: LogFacts, now: int) -> tuple[str, str]:
    delay = facts.delay(HOME_ASSISTANT)
    late = f", received {max(0.0, delay) * 1000:,.0f} ms after they happened" if delay is not None else ""
    rate = 60 * facts.per_second(now, facts.last_hour, _HOUR)
    return "sources → recorder", f"{facts.last_hour:,} events in the last hour, {rate:,.1f} a minute{late}"


def _log_step(case: Case, facts: LogFacts) -> tuple[str, str]:
    recorder = case.recorder() or {}
    if "durable_seq" not in recorder:
        return "recorder → log", f"no recorder says anything; the log ends with record {facts.end:,}"
    waiting = recorder["unsynced_records"]
    return "recorder → log", f"record {recorder['durable_seq']:,} is durable, {waiting:,} wait for the disk"


def _target_step(case: Case, found: Projection) -> tuple[dict[str, Any], list[Finding]]:
    """Say how far one target is, and whether it moves."""
    said: dict[str, Any] = {
        "title": found.title,
        "followed": found.followed,
        "position": found.position,
        "behind": found.behind,
        "stale": dict(stale_reasons(found.windows, {})),
        "dead_letters": found.dead_letters,
    }
    age = _oldest_waiting(case, found)
    said["lag_seconds"] = age
    reached = f"record {found.position:,} is projected; "
    late = (
        f"{count(found.behind, 'record')} behind, the oldest for {length(age)}" if age is not None else "nothing waits"
    )
    if not found.followed:
        said["words"] = f"{reached}nobody follows the log; {late}"
        severity: Severity = "wrong" if found.behind else "attention"
        words = f"nobody follows the log into {found.title}: {late}"
        return said, [
            Finding(
                "follower-not-running",
                severity,
                words,
                ("homeiq run   # or, beside homeiq record:", "homeiq replay --follow"),
            )
        ]
    if age is None or age < _LATE_SECONDS:
        said["words"] = reached + late
        return said, [Finding("follower-running", "good", f"the log is followed into {found.title}: {late}")]
    moved, seconds = _watch(case, found)
    rate = moved / seconds if seconds else 0.0
    said |= {"rate": rate, "words": f"{reached}{late}; {rate:,.0f} records/s"}
    if moved:
        left = f", all in about {length(found.behind / rate)}" if rate else ""
        words = f"{found.title} is being caught up: {late}; {rate:,.0f} records/s{left}"
        return said, [Finding("follower-behind", "attention", words)]
    words = f"the follower of {found.title} is stuck at record {found.position:,}: {late}, and it does not move"
    return said, [
        Finding(
            "follower-stuck",
            "wrong",
            words,
            ("homeiq status", "homeiq doctor --json   # look at `targets`: does it take a point?"),
        )
    ]


def _oldest_waiting(case: Case, found: Projection) -> float | None:
    """Return for how many seconds the first record that is not projected has been there; None if there is none."""
    if not found.behind:
        return None
    for records in LogReader(case.data_dir, found.position + 1).read(found.position + 1):
        return max(0.0, (case.now - records[0].received_at) / SECOND)
    return None


def _watch(case: Case, found: Projection) -> tuple[int, float]:
    """Watch the position until it moves, or long enough; return by how many records it did in how many seconds.

    A follower that works at windows of late data moves on too: their states change.
    """
    ledger = Ledger.for_reading(case.data_dir, found.target)
    if ledger is None:
        return 0, case.limits.watch
    began = time.monotonic()
    try:
        before = found.windows
        while True:
            time.sleep(min(_LOOK_SECONDS, case.limits.watch))
            seconds = time.monotonic() - began
            position = ledger.position
            if position > found.position:
                return position - found.position, seconds
            if ledger.windows() != before:
                return 1, seconds
            if seconds >= case.limits.watch:
                return 0, seconds
    finally:
        ledger.close()


def _windows(case: Case, found: Projection) -> list[Finding]:
    """Say what must be made anew; which windows are frozen is asked only where that decides anything."""
    stale = [window for window in found.windows if window.state in ("stale", "writing")]
    changed = _changed(case, found)
    if not stale and not changed:
        return []
    frozen = frozen_starts(case.settings, found)
    findings = []
    remedy = () if found.followed else ("homeiq replay --stale",)
    for reason, number in stale_reasons(stale, frozen).most_common():
        words = f"{count(number, 'day')} of {found.title} must be made anew: {reason or 'a replay is under way'}"
        findings.append(Finding("windows-stale", "attention", words, remedy))
    if number := sum(window.start not in frozen.get(window.normalizer, ()) for window in changed):
        words = f"{count(number, 'day')} of {found.title} are as an older normalizer made them"
        findings.append(Finding("normalizer-changed", "attention", words, ("homeiq replay --stale",)))
    return findings


def _changed(case: Case, found: Projection) -> list[WindowState]:
    """Return the windows that a normalizer has made otherwise than it would now."""
    now = {normalizer.name: fingerprint(normalizer) for normalizer in normalizers_of(case.settings)}
    return changed_windows(found.windows, now)


def _refused(found: Projection) -> list[Finding]:
    findings = []
    if found.dead_letters:
        words = f"{found.title} refused {count(found.dead_letters, 'point')} for good"
        findings.append(
            Finding("points-refused", "attention", words, ("homeiq dead-letters --show", "homeiq dead-letters --retry"))
        )
    for failing in found.failing:
        words = (
            f"the normalizer {failing.normalizer} failed on {count(failing.count, 'event')}, such as record"
            f" {failing.seq:,}: {sentence_in(failing.traceback)}"
        )
        findings.append(
            Finding("normalizer-fails", "attention", words, ("homeiq status --json   # has the traceback",))
        )
    return findings
