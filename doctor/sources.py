"""Each source: connected or why not, since when, its last event; and which gaps are not closed."""

from __future__ import annotations

from typing import Any

from ..clock import SECOND, from_iso, to_iso
from ..connectors.home_assistant.protocol import SOURCE as HOME_ASSISTANT
from ..storage.gaps import SENTENCES, Gap
from .case import Case
from .finding import Finding, Result, Section
from .gap_facts import gaps_known, unclosed
from .log_facts import LogFacts
from .words import ago, count, length, moment

__all__ = ["check"]

_NO_ADMIN = "no administrator rights"


def check(case: Case) -> Result:
    """Say what the recorder says of its sources; where none runs, what the log says."""
    facts = case.log()
    if facts is None:
        return Result()
    recorder = case.recorder() or {}
    found = [_of_recorder(source, facts, case.now) for source in recorder.get("sources", ())]
    named = {source["name"] for source in recorder.get("sources", ())}
    others = [_of_log(name, facts, case) for name in sorted(facts.last_event) if name not in named]
    findings = [finding for _, _, some in (*found, *others) for finding in some]
    lines = tuple(line for line, _, _ in (*found, *others))
    said = {said["name"]: said for _, said, _ in (*found, *others)}
    return Result((*findings, *_gaps(case)), (Section("sources", "Each source", lines, facts=said),))


_Found = tuple[tuple[str, str], dict[str, Any], list[Finding]]


def _of_recorder(source: dict[str, Any], facts: LogFacts, now: int) -> _Found:
    """Say what a running recorder knows of a source."""
    name, since = str(source["name"]), source["since"] and from_iso(source["since"])
    last = facts.last_event.get(name)
    lasting = f" for {length((now - since) / SECOND)}" if since else ""
    words = f"connected{lasting}" if source["connected"] else f"not connected{lasting}: {source['reason']}"
    said = {
        "name": name,
        "connected": source["connected"],
        "since": source["since"],
        "reason": source["reason"],
        "last_event": None if last is None else to_iso(last),
        "events_last_hour": facts.last_hour_by_source[name],
        "configured": source.get("configured", True),
    }
    findings = [_finding(name, source, words)]
    for warning in source.get("warnings", ()):
        code = "home-assistant-token-not-admin" if _NO_ADMIN in warning else "source-warning"
        findings.append(Finding(code, "attention", str(warning)))
    hour = count(facts.last_hour_by_source[name], "event")
    return (name, f"{words}; {hour} in the last hour, the last {ago(last, now)}"), said, findings


def _finding(name: str, source: dict[str, Any], words: str) -> Finding:
    title = "Home Assistant" if name == HOME_ASSISTANT else name
    if source["connected"]:
        return Finding("source-connected", "good", f"{title} is {words}")
    if name == HOME_ASSISTANT:
        return Finding("home-assistant-not-connected", "wrong", f"{title} is {words}", ("homeiq gaps --since 1d",))
    if not source.get("configured", True):
        return Finding("source-not-configured", "attention", f"{title}: {source['reason']}")
    if source.get("polled") and not source.get("last_poll"):
        return Finding("source-not-asked-yet", "good", f"{title} was not asked yet")
    return Finding("source-failing", "attention", f"{title} is {words}", ("homeiq status",))


def _of_log(name: str, facts: LogFacts, case: Case) -> _Found:
    """Say what the log alone knows of a source."""
    last = facts.last_event[name]
    open_gap = next((gap for gap in gaps_known(case) if gap.source == name and gap.end is None), None)
    words = f"last event {ago(last, case.now)}"
    if open_gap is not None:
        words = f"not listened to since {moment(open_gap.start)}: {SENTENCES[open_gap.reason]}; {words}"
    said = {
        "name": name,
        "connected": False if open_gap else None,
        "since": to_iso(open_gap.start) if open_gap else None,
        "reason": open_gap.reason.value if open_gap else "",
        "last_event": to_iso(last),
        "events_last_hour": facts.last_hour_by_source[name],
    }
    return (name, words), said, []


def _gaps(case: Case) -> list[Finding]:
    """Say which gaps of Home Assistant have ended and are not closed."""
    gaps: dict[int, Gap] = {gap.start: gap for gap in unclosed(case) if gap.source == HOME_ASSISTANT}
    if not gaps:
        return []
    longest = max(gaps.values(), key=lambda gap: gap.seconds or 0.0)
    words = (
        f"{count(len(gaps), 'gap')} of Home Assistant {'is' if len(gaps) == 1 else 'are'} not closed yet, the longest of"
        f" {length(longest.seconds or 0.0)} from {moment(longest.start)} on"
    )
    since = moment(min(gaps)).replace(" ", "T")
    return [Finding("gaps-not-closed", "attention", words, ("homeiq gaps", f"homeiq backfill --since {since}"))]
