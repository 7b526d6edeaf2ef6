"""What `homeiq status` knows: asked of the recorder, read from log and ledgers, and of the targets what they can't do."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from ..clock import DAY, SystemClock, to_iso, window_of
from ..doctor.frozen import frozen_in
from ..doctor.projection import Projection, changed_windows, projection_of, stale_reasons
from ..errors import HomeiqError
from ..recorder.control import facts_of
from ..replayer.ledger import Ledger
from ..replayer.normalizers.registry import fingerprint, normalizers_of, problems_of, with_retired
from ..replayer.replay import open_target
from ..settings import Settings
from ..storage.log import log_folder
from .logs import without_secrets

__all__ = ["disk_facts", "gap_facts", "status_facts", "target_facts"]

_PATIENCE: Final = 5.0
"""Seconds in which the recorder must answer, and a target what it can do."""


def status_facts(settings: Settings) -> dict[str, Any]:
    """Return all of it, as JSON may hold it; times are ISO 8601 in UTC. Raises HomeiqError."""
    recorder = facts_of(settings.data_dir, timeout=_PATIENCE)
    return {
        "at": to_iso(SystemClock().now()),
        "data_dir": str(settings.data_dir),
        "recorder": recorder,
        "targets": [target_facts(settings, name) for name in settings.all_targets()],
        "gaps": gap_facts(settings.data_dir),
        "disk": disk_facts(settings.data_dir, recorder),
        "problems": problems_of(normalizers_of(settings)),
    }


def gap_facts(data_dir: Path) -> dict[str, Any]:
    """Return how many gaps are known, how far they were closed, and the last one; lasting ones count as the latest."""
    from ..storage.sql import query

    table = query(data_dir, 'SELECT * FROM gaps ORDER BY coalesce("end", now()), start')
    rows: list[dict[str, Any]] = [] if table is None else table.to_pylist()
    last = None
    if rows:
        last = {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in rows[-1].items()}
    return {
        "count": len(rows),
        "seconds": round(sum(row["seconds"] or 0.0 for row in rows), 3),
        "closed": sum(1 for row in rows if row["closed"]),
        "partly_closed": sum(1 for row in rows if not row["closed"] and row["closed_from"] is not None),
        "lasting": sum(1 for row in rows if row["end"] is None),
        "last": last,
    }


def disk_facts(data_dir: Path, recorder: dict[str, Any] | None) -> dict[str, Any]:
    """Return the room there is, in bytes; days until it is full only the recorder knows, who sees how the log grows."""
    known = (recorder or {}).get("disk") or {}
    facts = {name: known.get(name) for name in ("free_bytes", "log_bytes", "bytes_per_day", "days_left")}
    with suppress(OSError):
        if facts["free_bytes"] is None:
            system = os.statvfs(data_dir)
            facts["free_bytes"] = system.f_bavail * system.f_frsize
        if facts["log_bytes"] is None:
            facts["log_bytes"] = sum(path.stat().st_size for path in log_folder(data_dir).rglob("*") if path.is_file())
    return facts


def _cannot(settings: Settings, name: str) -> tuple[list[str], str]:
    """Return what a target cannot do, one sentence each, and why that is not known; the one that follows may go on."""
    configured = settings.all_targets()[name]
    if configured.kind != "influxdb":
        target = open_target(settings, name)
        target.close()
        return list(target.cannot), ""
    from ..replayer.targets.influxdb import InfluxDBTarget

    asked = InfluxDBTarget(configured.model_copy(update={"timeout": min(_PATIENCE, configured.timeout)}))
    try:
        asked.connect(0)  # it writes nothing
        return [without_secrets(sentence) for sentence in asked.cannot], ""
    except HomeiqError as error:
        return [], without_secrets(str(error))
    finally:
        asked.close()


def target_facts(settings: Settings, name: str) -> dict[str, Any]:
    """Return how far a target is, what is wrong with it, and what it can't do. Raises LogError, UsageError."""
    found = projection_of(settings, name)
    cannot, problem = _cannot(settings, name)
    frozen, changed = _frozen_and_changed(settings, found)
    return {
        "name": found.target,
        "title": found.title,
        "followed": found.followed,
        "log_end": found.log_end,
        "projected_to": found.position,
        "behind": found.behind,
        "windows": len(found.windows),
        "stale": dict(stale_reasons(found.windows, frozen).most_common()),
        "frozen": sum(len(starts) for starts in frozen.values()),
        "changed": changed,
        "dead_letters": found.dead_letters,
        "failing": [asdict(failing) for failing in found.failing],
        "cannot": cannot,
        "problem": problem,
    }


def _frozen_and_changed(settings: Settings, found: Projection) -> tuple[dict[str, set[int]], dict[str, dict[str, int]]]:
    ledger = Ledger.for_reading(settings.data_dir, found.target)
    if ledger is None:
        return {}, {}
    try:
        frozen = frozen_in(settings, ledger)
        return frozen, _changed(settings, ledger, frozen)
    finally:
        ledger.close()


def _changed(settings: Settings, ledger: Ledger, frozen: dict[str, set[int]]) -> dict[str, dict[str, int]]:
    """Return by normalizer how many windows it has made otherwise than it would now, and how many records they hold."""
    from ..replayer.windows import scan_for
    from ..storage.view import LogView

    found: dict[str, dict[str, int]] = {}
    view: LogView | None = None
    for normalizer in with_retired(normalizers_of(settings), ledger):
        windows = changed_windows(
            ledger.windows(normalizer=normalizer.name), {normalizer.name: fingerprint(normalizer)}
        )
        days = [window.start for window in windows if window.start not in frozen.get(normalizer.name, ())]
        if days:
            view = view or LogView(settings.data_dir)
            tables = scan_for(view, normalizer, ["time"], start=min(days), end=max(days) + DAY)
            wanted = set(days)
            times = (stamp.value for table in tables for stamp in table["time"])
            events = sum(window_of(time) in wanted for time in times)
            found[normalizer.name] = {"windows": len(days), "events": events}
    return found
