"""Each target: is it there, does it take a point and give it back, is there anything in it, what can it not do?

A real point is written to the measurement `homeiq_doctor`, of which nothing else is kept, and removed again. It needs no
lock: no other point is touched, and what the marker says of the target stays true.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..clock import DAY
from ..errors import HomeiqError, TargetRefused
from ..replayer.marking import MEASUREMENT as MARKER
from ..replayer.normalizers.registry import normalizers_of
from ..replayer.point import Point, Series
from ..replayer.targets.base import Ghost
from ..replayer.targets.influxdb import InfluxDBTarget
from ..settings import InfluxDBSettings, TargetSettings
from ..storage.log import log_folder
from ..storage.points import points_folder
from .case import Case
from .finding import Finding, Result, Section
from .words import length, moment

__all__ = ["PROBE", "check", "measurements_of"]

PROBE: Final = "homeiq_doctor"
"""The measurement that the probe is written to."""

_STATES: Final = "home_assistant_events"


@dataclass(slots=True)
class _Look:
    """What is found out of one target."""

    name: str
    findings: list[Finding] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def find(self, code: str, severity: Any, sentence: str, *remedy: str) -> None:
        self.findings.append(Finding(code, severity, sentence, remedy))

    def say(self, label: str, text: str, **facts: Any) -> None:
        self.lines.append((label, text))
        self.facts |= facts


def check(case: Case) -> Result:
    """Look at all targets, one after the other."""
    looks = [_look(case, name, settings) for name, settings in case.settings.all_targets().items()]
    title = "InfluxDB" if case.settings.influxdb.url else "Where points go"
    lines = [
        (label if len(looks) == 1 else f"{look.name}: {label}", text) for look in looks for label, text in look.lines
    ]
    section = Section("targets", title, tuple(lines), facts={look.name: look.facts for look in looks})
    return Result(tuple(finding for look in looks for finding in look.findings), (section,))


def _look(case: Case, name: str, settings: TargetSettings) -> _Look:
    look = _Look(name)
    look.facts["kind"] = settings.kind
    if settings.kind == "influxdb":
        _look_at_influxdb(case, look, settings)
    else:
        _look_at_files(case, look, settings)
    return look


def _look_at_files(case: Case, look: _Look, settings: TargetSettings) -> None:
    if settings.kind == "embedded":
        place = folder = points_folder(case.data_dir)
        look.say("kind", f"no InfluxDB is set: points are kept in {place}, for homeiq sql", place=str(place))
        present = any(place.glob("*/date=*/*.parquet"))
    else:
        place = settings.path or Path()
        folder = place.parent
        look.say("kind", f"line protocol, written to {place}", place=str(place))
        present = place.is_file() and place.stat().st_size > 0
    writable = _is_writable(folder) and (not place.exists() or os.access(place, os.W_OK))
    look.say("write allowed", "yes" if writable else "no", writable=writable)
    look.say("data", "present" if present else "none yet", present=present)
    if not writable:
        look.find("target-not-writable", "wrong", f"{place} cannot be written", f"ls -ld {place} {place.parent}", "id")
    else:
        look.find("target-writable", "good", f"points can be written to {place}")


def _is_writable(folder: Path) -> bool:
    """Tell whether files can be made in a folder, or the folder itself where it is not there yet."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _look_at_influxdb(case: Case, look: _Look, settings: TargetSettings) -> None:
    limit = min(settings.timeout, case.limits.request)
    target = InfluxDBTarget(_within(settings, limit))
    look.say("address", settings.url, url=settings.url, org=settings.org, bucket=settings.bucket)
    try:
        target.connect(0)
    except TargetRefused as error:
        look.say("reachable", "yes", reachable=True)
        look.say("write allowed", "no", writable=False)
        code = "influxdb-bucket-missing" if "no such" in error.message else "influxdb-refused"
        look.find(code, "wrong", error.message, *_remedy(settings, code))
        return
    except HomeiqError as error:
        look.say("reachable", "no", reachable=False)
        look.find("influxdb-unreachable", "wrong", error.message, f"curl -i {settings.url}/ping", "homeiq doctor")
        return
    else:
        kept = "for ever" if target.retention is None else f"for {length(target.retention / 1e6)}"
        look.say("reachable", f"yes: {target.product}", reachable=True, product=target.product)
        look.say("bucket", f"{settings.bucket}, which keeps points {kept}", retention_microseconds=target.retention)
        for sentence in target.cannot:
            look.find(
                "influxdb-limited", "attention", sentence, "# docs/targets.md says what each kind of server can do"
            )
        look.facts["cannot"] = list(target.cannot)
        if case.limits.quiet or _probe(case, look, target, settings):
            look.find("influxdb-writes", "good", f"{target.product} takes points into bucket {settings.bucket}")
        if target.reads:
            _look_inside(case, look, target)
    finally:
        target.close()


def _within(settings: TargetSettings, seconds: float) -> InfluxDBSettings:
    """Return the settings of a target with another time limit for each request."""
    return settings.model_copy(update={"timeout": seconds})


def _remedy(settings: TargetSettings, code: str) -> tuple[str, ...]:
    if code == "influxdb-bucket-missing":
        database = settings.bucket.partition("/")[0]
        return (
            f"influx bucket create --org {settings.org} --name {settings.bucket}",
            f"curl -XPOST {settings.url}/query --data-urlencode 'q=CREATE DATABASE \"{database}\"'   # InfluxDB 1.8",
        )
    return (
        f"influx auth create --org {settings.org} --all-access   # then set it as influxdb.token, or INFLUXDB_TOKEN",
        "homeiq doctor",
    )


def _probe(case: Case, look: _Look, target: InfluxDBTarget, settings: TargetSettings) -> bool:
    """Write a point, read it back, and remove it; tell whether it was written."""
    now = case.clock.now()
    # What can't be removed is at least one point a day, whoever asks how often.
    time = (now if target.deletes else now - now % DAY) * 1000
    point = Point(Series(PROBE, {}), {"written": float(now)}, time, 0)
    try:
        target.write([point])
    except HomeiqError as error:
        look.say("write allowed", "no", writable=False)
        remedy = _remedy(settings, "") if isinstance(error, TargetRefused) else (f"curl -i {settings.url}/health",)
        look.find("influxdb-write-refused", "wrong", f"a point is not taken: {error.message}", *remedy)
        return False
    found = not target.reads or any(
        stored.time == time for stored in target.read([PROBE], time // 1000, time // 1000 + 1)
    )
    removed = target.deletes and _remove(target, time)
    words = "a point was written, read back and removed" if target.reads and removed else "a point was written"
    look.say("write allowed", f"yes: {words}" if found else "no", writable=found, probe_removed=removed)
    if not found:
        words = f"InfluxDB said that a point is written, and does not find it in bucket {settings.bucket}"
        look.find("influxdb-write-lost", "wrong", words, f"curl -i {settings.url}/health")
    elif target.deletes and not removed:
        words = f"the point that was written to {PROBE} could not be removed"
        look.find(
            "influxdb-probe-stays",
            "attention",
            words,
            f"influx delete --bucket {settings.bucket} "
            f"--start 1970-01-01T00:00:00Z --stop 2100-01-01T00:00:00Z --predicate '_measurement=\"{PROBE}\"'",
        )
    return found


def _remove(target: InfluxDBTarget, time: int) -> bool:
    try:
        target.delete([Ghost(PROBE, {}, time, time)])
        return not any(True for _ in target.read([PROBE], time // 1000, time // 1000 + 1))
    except HomeiqError:
        return False


def _look_inside(case: Case, look: _Look, target: InfluxDBTarget) -> None:
    """Tell whether there is data, of which log, and when the newest point is of."""
    projection = case.projections[look.name]()
    marker = target.latest(MARKER)
    if marker is not None and marker.fields.get("log_id") not in (None, _log_id(case)):
        words = f"another log has written to {target.title}, so that nothing is written there"
        look.find("influxdb-of-another-log", "wrong", words, "homeiq replay --adopt --since 7d   # takes it over")
    present = target.holds(measurements_of(case, look.name))
    written = any(window.fingerprint for window in projection.windows)
    if written and not present:
        words = f"{target.title} was written to, and holds none of it: it was emptied, or exchanged"
        look.find("influxdb-emptied", "wrong", words, "homeiq run   # notices it, and projects everything anew")
    newest = target.latest(_STATES) if present and case.settings.replay.layout == "homeiq" else None
    since = f"; the newest state is of {moment(newest.time // 1000)}" if newest else ""
    look.say(
        "data",
        f"present{since}" if present else "none yet",
        present=present,
        newest=None if newest is None else newest.time // 1000,
    )


def measurements_of(case: Case, name: str) -> list[str]:
    """Return the measurements that may hold points of ours in a target."""
    made = {each for normalizer in normalizers_of(case.settings) for each in normalizer.measurements}
    return sorted(made.union(case.projections[name]().measurements))


def _log_id(case: Case) -> str | None:
    try:
        return (log_folder(case.data_dir) / "ID").read_text(encoding="ascii").strip()
    except OSError:
        return None
