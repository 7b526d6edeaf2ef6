"""Where the data comes from: events by source and origin and day; and points in the bucket that we did not write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import urllib3

from ..clock import DAY, SECOND, from_iso
from ..errors import HomeiqError
from ..replayer.targets.influxdb_http import InfluxDBRequests
from ..replayer.targets.influxql import FIRST_TIME, LAST_TIME, counts
from ..settings import TargetSettings
from .case import Case
from .finding import Finding, Result, Section, Table
from .influxdb import measurements_of
from .log_facts import DAYS, LogFacts
from .words import count, moment

__all__ = ["Points", "check", "points_in"]

_QUESTION_SECONDS: Final = 2.5
"""A count looks at all points of a measurement: it may take four times as long; see InfluxDBRequests."""

_FULL_SECONDS: Final = 150.0

_FIRST_SECONDS: Final = 30.0
"""What a source says first after a connection may not be durable yet."""


@dataclass(slots=True)
class Points:
    """Points of a measurement, ours (they have the field `origin`) and others'; of others at least so many."""

    measurement: str
    ours: int = 0
    others: int = 0
    others_last_day: int = 0
    example: str = ""


def check(case: Case) -> Result:
    """Count both; what can't be counted in time is said."""
    facts = case.log()
    findings: list[Finding] = []
    unseen: list[str] = []
    lines: list[tuple[str, str]] = []
    tables: list[Table] = []
    said: dict[str, Any] = {"events": [], "points": {}}
    if facts is not None:
        findings += _events(case, facts)
        tables.append(_table(case, facts))
        said["events"] = [
            {"source": source, "origin": origin, "day": moment(day)[:10], "count": number}
            for (source, origin, day), number in sorted(facts.by_day.items())
        ]
        said["since"] = moment(facts.since)
        if not facts.whole:
            unseen.append(f"events that came before {moment(facts.since)}: too many came since (homeiq sql counts all)")
    for name, settings in case.settings.all_targets().items():
        if settings.kind == "influxdb" and case.limits.quiet:
            unseen.append(f"the points in {settings.bucket} (homeiq doctor counts them)")
        elif settings.kind == "influxdb":
            counted = points_in(case, name, settings)
            found = counted.points
            if counted.problem:
                words = f"points of others in {settings.bucket} ({counted.problem}; homeiq doctor --full waits longer)"
                unseen.append(words)
            said["points"][name] = [_as_json(each) for each in found]
            lines += _lines(found)
            findings += _say_others(name, found)
    return Result(
        tuple(findings),
        (Section("origins", "Where the data comes from", tuple(lines), tuple(tables), said),),
        tuple(unseen),
    )


def _events(case: Case, facts: LogFacts) -> list[Finding]:
    if facts.last_day:
        return [Finding("events-come", "good", f"{count(facts.last_day, 'event')} came in the last 24 h")]
    last = max(facts.last_event.values(), default=None)
    since = f"since {moment(last)}" if last else f"in the last {DAYS} days"
    words = f"no event came {since}"
    sources = (case.recorder() or {}).get("sources", ())
    heard = [from_iso(source["since"]) for source in sources if source["connected"] and source["since"]]
    if any(0 <= case.now - start < _FIRST_SECONDS * SECOND for start in heard):
        return [Finding("no-events", "attention", f"{words}; the recorder has only just connected", ("homeiq doctor",))]
    return [Finding("no-events", "wrong", words, ("homeiq status", "homeiq gaps --since 7d"))]


def _table(case: Case, facts: LogFacts) -> Table:
    days = sorted({day for _, _, day in facts.by_day}, reverse=True)
    groups = sorted({(source, origin) for source, origin, _ in facts.by_day})
    rows = tuple(
        (
            source,
            origin,
            *(f"{facts.by_day[source, origin, day]:,}" if facts.by_day[source, origin, day] else "-" for day in days),
        )
        for source, origin in groups
    )
    columns = ("source", "origin", *(moment(day)[5:10] for day in days))
    return Table("Events by the (UTC) day on which they came", columns, rows)


class Counted(NamedTuple):
    """The measurements that hold anything; `problem` says why some were not counted."""

    points: list[Points]
    problem: str


def points_in(case: Case, name: str, settings: TargetSettings) -> Counted:
    """Count the points in an InfluxDB, once for all checks."""
    return case.once(f"points in {name}", lambda: _points_in(case, name, settings))


def _points_in(case: Case, name: str, settings: TargetSettings) -> Counted:
    seconds = _FULL_SECONDS if case.limits.full else min(_QUESTION_SECONDS, case.limits.request)
    limited = settings.model_copy(update={"timeout": min(seconds, settings.timeout)})
    with urllib3.PoolManager() as pool:
        requests = InfluxDBRequests(limited, pool)
        found: list[Points] = []
        problem = ""
        try:
            for measurement in measurements_of(case, name):
                found.append(_count(requests, measurement, case.now))
        except HomeiqError as error:
            problem = error.message
        return Counted([each for each in found if each.ours or each.others], problem)


def _count(requests: InfluxDBRequests, measurement: str, now: int) -> Points:
    found = Points(measurement)
    for result in requests.query(counts(measurement, FIRST_TIME, LAST_TIME)):
        for series in result.get("series", ()):
            ours, others = _ours_and_others(series)
            found.ours += ours
            found.others += others
            if others and not found.example:
                tags = ", ".join(f"{key}={value}" for key, value in series.get("tags", {}).items() if value)
                found.example = tags or "without tags"
    if found.others:
        for result in requests.query(counts(measurement, (now - DAY) * 1000, LAST_TIME)):
            for series in result.get("series", ()):
                found.others_last_day += _ours_and_others(series)[1]
    return found


def _ours_and_others(series: dict[str, Any]) -> tuple[int, int]:
    """Return of a series how many points have the field `origin`, and how many at least have not."""
    (row,) = series["values"]
    numbers = {name: number or 0 for name, number in zip(series["columns"][1:], row[1:], strict=True)}
    ours = numbers.pop("count_origin", 0)
    # Each of our points has `origin`: a field that more points have is others'. One that fewer have says nothing.
    return ours, max(0, max(numbers.values(), default=0) - ours)


def _lines(found: list[Points]) -> list[tuple[str, str]]:
    lines = []
    for each in found:
        others = f"; {each.others:,} of others, such as {each.example}" if each.others else "; none of others"
        lines.append((each.measurement, f"{count(each.ours, 'point')} of ours{others}"))
    return lines


def _say_others(name: str, found: list[Points]) -> list[Finding]:
    recent = sum(each.others_last_day for each in found)
    total = sum(each.others for each in found)
    where = ", ".join(each.measurement for each in found if each.others)
    if recent:
        words = f"another system writes to {where} too: {count(recent, 'point')} in the last 24 h, {total:,} in all"
        return [Finding("points-of-others-now", "attention", words, _LOOK)]
    if total:
        words = f"{count(total, 'older point')} of another system in {where} stay untouched"
        return [Finding("points-of-others", "good", words)]
    return []


_LOOK: Final = ("homeiq audit --since 1d   # counts them point by point", "# docs/targets.md: a bucket of its own")


def _as_json(each: Points) -> dict[str, Any]:
    return {
        "measurement": each.measurement,
        "ours": each.ours,
        "others_at_least": each.others,
        "others_last_24_h": each.others_last_day,
        "example_of_others": each.example,
    }
