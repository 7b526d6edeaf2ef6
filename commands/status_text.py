"""What `homeiq status` knows, in words, once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..doctor.words import count as count_of
from ..doctor.words import length as length_text
from ..doctor.words import size
from ..replayer.failures import sentence_in
from ..storage.gaps import SENTENCES, GapReason

__all__ = ["disk_text", "gaps_text", "last_gap_text", "status_lines"]


def status_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of `homeiq status`."""
    yield from _recorder(facts["recorder"])
    for problem in facts["problems"]:
        yield f"problem    {problem}"
    for target in facts["targets"]:
        yield from _target(target)
    yield f"gaps       {gaps_text(facts['gaps'])}"
    if facts["gaps"]["last"]:
        yield f"  the last: {last_gap_text(facts['gaps']['last'])}"
    yield f"disk       {disk_text(facts['disk'])}"


def gaps_text(gaps: Mapping[str, Any]) -> str:
    """Return how many there are, how long, and how far they were closed."""
    count = gaps["count"]
    if not count:
        return "none is known"
    words = [f"{count_of(count, 'gap')}, {length_text(gaps['seconds'])} in all"]
    for key, said in (("closed", "closed"), ("partly_closed", "closed in part"), ("lasting", "still last")):
        if gaps[key]:
            words.append(f"{gaps[key]:,} {said}")
    return ", ".join(words)


def last_gap_text(gap: Mapping[str, Any]) -> str:
    """Return whose, when, why, and how far it was closed."""
    start = gap["start"][:19].replace("T", " ")
    when = f"since {start}Z" if gap["end"] is None else f"{start}Z, {length_text(gap['seconds'] or 0.0)}"
    closed = "closed" if gap["closed"] else "not closed" if gap["closed_from"] is None else "closed in part"
    return f"{gap['source']} {when}, {closed}: {SENTENCES[GapReason(gap['reason'])]}"


def disk_text(disk: Mapping[str, Any]) -> str:
    """Return what is free, what the log takes, and how long it lasts."""
    words = []
    if disk.get("free_bytes") is not None:
        words.append(f"{size(disk['free_bytes'])} free")
    if disk.get("log_bytes"):
        words.append(f"the log takes {size(disk['log_bytes'])}")
    if disk.get("bytes_per_day"):
        words.append(f"grows by {size(disk['bytes_per_day'])} a day")
    if disk.get("days_left") is not None:
        words.append(f"full in {disk['days_left']:,.0f} days")
    return ", ".join(words) or "not known"


def _recorder(recorder: Mapping[str, Any] | None) -> Iterator[str]:
    if recorder is None:
        yield ("recorder   does not run")
        return
    if problem := recorder.get("problem"):
        yield f"recorder   {problem}"
    if "durable_seq" in recorder:
        yield f"recorder   runs; record {recorder['durable_seq']:,} is durable, {recorder['dropped']:,} were dropped"
        rate = sum(one["count"] for one in recorder["events"]) / max(1.0, recorder["uptime_seconds"])
        yield f"           {rate:,.1f} events/s since its start {length_text(recorder['uptime_seconds'])} ago"
    for source in recorder.get("sources", []):
        since = f" since {source['since'][:19]}Z" if source.get("since") else ""
        words = f"connected{since}" if source["connected"] else f"not connected{since}: {source['reason']}"
        yield f"  {source['name']:<20} {words}; {count_of(source['events'], 'event')}"
        for warning in source.get("warnings", []):
            yield f"  {'':<20} {warning}"


def _target(target: Mapping[str, Any]) -> Iterator[str]:
    words = "followed" if target["followed"] else "nobody follows the log into it"
    yield f"target     {target['title']}: {words}; projected up to record {target['projected_to']:,}"
    if target["behind"]:
        yield f"  not yet projected: {count_of(target['behind'], 'record')}"
    for reason, count in target["stale"].items():
        yield f"  stale: {count_of(count, 'window')}, since {reason}"
    if target["frozen"]:
        yield f"  frozen: {target['frozen']:,} windows, since records of theirs have expired or are lost; their points stay"
    for name, changed in target["changed"].items():
        yield (
            f"  changed: the normalizer {name}; {changed['windows']:,} windows with {changed['events']:,} events are as it"
            " made them before (homeiq replay --stale redoes them)"
        )
    for failing in target["failing"]:
        said = sentence_in(failing["traceback"])
        yield (
            f"  failed: the normalizer {failing['normalizer']} on {count_of(failing['count'], 'event')}, such as record"
            f" {failing['seq']:,}: {said} (homeiq status --json has the traceback)"
        )
    if target["problem"]:
        yield f"  problem: {target['problem']}"
    for sentence in target["cannot"]:
        yield f"  cannot: {sentence}"
    if target["dead_letters"]:
        yield f"  refused: {target['dead_letters']:,} points (homeiq dead-letters)"
