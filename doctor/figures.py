"""Figures: events, entities, attributes of an event, points written and refused."""

from __future__ import annotations

from typing import Final

import pyarrow.parquet as pq

from ..storage.points import points_files
from .case import Case
from .finding import Result, Section
from .gap_facts import count_entities
from .origins import points_in
from .words import count

__all__ = ["check"]

_MOST_FILES: Final = 3_000


def check(case: Case) -> Result:
    """Count what can be counted without reading the whole log."""
    facts = case.log()
    if facts is None:
        return Result()
    remembered = count_entities(case.data_dir)
    entities = facts.entities if remembered is None else max(remembered, facts.entities)
    records = facts.end - facts.first_seq + 1
    lines = [
        ("records in the log", f"{records:,}, the recorder's own among them"),
        ("events", f"{facts.last_day:,} in the last 24 h, {facts.last_hour:,} in the last hour"),
        ("entities", f"{entities:,}"),
        ("attributes", "-" if facts.attributes is None else f"{facts.attributes:.1f} in a state, on average"),
    ]
    targets = {}
    for name, once in case.projections.items():
        found = once()
        failed = sum(failing.count for failing in found.failing)
        written = _points(case, name)
        days = len({window.start for window in found.windows if window.fingerprint})
        lines.append(
            (
                f"into {name}",
                f"{found.position:,} records projected, {count(days, 'day')}; {_written(written)},"
                f" {found.dead_letters:,} refused, {failed:,} events failed",
            )
        )
        targets[name] = {
            "projected": found.position,
            "days": days,
            "written": written,
            "refused": found.dead_letters,
            "failed": failed,
        }
    recorder = case.recorder() or {}
    if "dropped" in recorder:
        lines.append(
            (
                "dropped",
                f"{recorder['dropped']:,} since the recorder's start; {recorder['left_out']:,} left out by choice",
            )
        )
    said = {
        "records": records,
        "events_last_24_h": facts.last_day,
        "events_last_hour": facts.last_hour,
        "entities": entities,
        "attributes_per_event": facts.attributes,
        "dropped": recorder.get("dropped"),
        "targets": targets,
    }
    return Result((), (Section("figures", "Figures", tuple(lines), facts=said),))


def _written(points: int | None) -> str:
    return "points could not be counted" if points is None else f"{count(points, 'point')} written"


def _points(case: Case, name: str) -> int | None:
    """Return how many points of ours a target holds; None where that can't be counted in time."""
    settings = case.settings.all_targets()[name]
    if case.limits.quiet:
        return None
    if settings.kind == "influxdb":
        counted = points_in(case, name, settings)
        return None if counted.problem else sum(each.ours for each in counted.points)
    if settings.kind == "embedded":
        files = points_files(case.data_dir)
        try:
            return None if len(files) > _MOST_FILES else sum(pq.read_metadata(path).num_rows for path in files)
        except FileNotFoundError:  # merged meanwhile
            return None
    return None
