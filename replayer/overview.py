"""What a ledger tells of one target, counted: for those who look on. Reads beside the process that follows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from ..clock import to_iso
from .failures import read_failures, sentence_in

__all__ = ["failures_of", "ledger_to_read", "progress_of"]

_REASONS: Final = 8
_LETTERS: Final = 5
_LONGEST: Final = 400


@contextmanager
def ledger_to_read(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the ledger of a data folder to read it only; raises sqlite3.Error where there is none."""
    with closing(sqlite3.connect(f"file:{data_dir / 'ledger.sqlite'}?mode=ro", uri=True, timeout=5)) as database:
        yield database


def progress_of(database: sqlite3.Connection, target: str) -> dict[str, Any]:
    """Return how far a target is: position, windows by state, why some are stale, requests under way.

    Raises sqlite3.Error.
    """
    row = database.execute("SELECT position FROM target WHERE name = ?", (target,)).fetchone()
    states = database.execute(
        "SELECT state, count(*) FROM window WHERE target = ? GROUP BY state", (target,)
    ).fetchall()
    stale = database.execute(
        "SELECT reason, count(*), count(DISTINCT start), min(start), max(start) FROM window WHERE target = ?"
        " AND state IN ('stale', 'writing') GROUP BY reason ORDER BY 2 DESC, 1 LIMIT ?",
        (target, _REASONS),
    ).fetchall()
    requests = database.execute(
        "SELECT id, state, windows_done, windows, events, points, message FROM request WHERE target = ?"
        " AND state IN ('waiting', 'running') ORDER BY id",
        (target,),
    ).fetchall()
    return {
        "position": 0 if row is None else row[0],
        "windows": dict(states),
        "stale": [
            {"reason": reason, "windows": count, "days": days, "first": to_iso(first), "last": to_iso(last)}
            for reason, count, days, first, last in stale
        ],
        "requests": [
            dict(zip(("id", "state", "done", "windows", "events", "points", "message"), request, strict=True))
            for request in requests
        ],
    }


def failures_of(database: sqlite3.Connection, target: str) -> dict[str, Any]:
    """Return what a target refused, by reason and the last few of them, which normalizers fail. Raises sqlite3.Error."""
    reasons = database.execute(
        "SELECT reason, count(*) FROM dead_letter WHERE target = ? GROUP BY reason ORDER BY 2 DESC, 1", (target,)
    ).fetchall()
    last = database.execute(
        "SELECT normalizer, seq, time, line, reason, at FROM dead_letter WHERE target = ?"
        " ORDER BY at DESC, seq DESC LIMIT ?",
        (target, _LETTERS),
    ).fetchall()
    return {
        "refused": sum(count for _, count in reasons),
        "reasons": [{"reason": _cut(reason), "points": count} for reason, count in reasons[:_REASONS]],
        "letters": [
            {
                **{"normalizer": normalizer, "seq": seq, "time": to_iso(time), "at": to_iso(at)},
                **{"line": _cut(line), "reason": _cut(reason)},
            }
            for normalizer, seq, time, line, reason, at in last
        ],
        "failing": [
            {
                **{"normalizer": one.normalizer, "windows": one.windows, "events": one.count, "seq": one.seq},
                "sentence": _cut(sentence_in(one.traceback)),
            }
            for one in read_failures(database, target)
        ],
    }


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
