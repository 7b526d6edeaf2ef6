"""Records on which a normalizer failed: how many of a window, and what was the matter with the first of them.

The record stays in the log, and is set aside; the rest goes on. `homeiq status` shows it, until the window is replayed
without a failure.
"""

from __future__ import annotations

import sqlite3
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from ..clock import DAY
from .normalizers.attributes import carries_credential

__all__ = [
    "SCHEMA",
    "Failure",
    "Failures",
    "Failing",
    "add_failures",
    "read_failures",
    "sentence_in",
    "set_failure",
    "traceback_text",
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS failure (
    target TEXT NOT NULL, normalizer TEXT NOT NULL, start INTEGER NOT NULL, count INTEGER NOT NULL,
    seq INTEGER NOT NULL, traceback TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (target, normalizer, start)
) WITHOUT ROWID;
"""

_LONGEST = 8_000


@dataclass(slots=True)
class Failure:
    """On how many records of a window a normalizer failed, the first of them, and its traceback."""

    count: int
    seq: int
    traceback: str


Failures = dict[tuple[str, int], Failure]
"""By normalizer, and window (the start of a UTC day in microseconds)."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A normalizer that fails: on how many records of how many windows; the record and traceback of the last one seen."""

    normalizer: str
    windows: int
    count: int
    seq: int
    traceback: str
    at: int


def traceback_text() -> str:
    """Return the traceback of the exception that is being handled, without what may carry a credential."""
    lines = traceback.format_exc().splitlines()
    text = "\n".join(
        "(a line is left out: it may carry a credential)" if carries_credential(line) else line for line in lines
    )
    return text if len(text) <= _LONGEST else f"…{text[-_LONGEST:]}"


def sentence_in(text: str) -> str:
    """Return the last line of a traceback, and where it comes from: the file and the line."""
    lines = text.splitlines()
    places = [line.strip() for line in lines if line.startswith("  File ")]
    place = places[-1].removeprefix("File ").rpartition(", in ")[0] if places else ""
    return f"{lines[-1]} ({place})" if place else lines[-1] if lines else ""


def add_failures(database: sqlite3.Connection, target: str, failures: Mapping[tuple[str, int], Failure]) -> None:
    """Count failures on records that came live."""
    database.executemany(
        "INSERT INTO failure VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count,"
        " seq = excluded.seq, traceback = excluded.traceback, at = excluded.at",
        [
            (target, name, start, failure.count, failure.seq, failure.traceback, time.time_ns() // 1000)
            for (name, start), failure in failures.items()
        ],
    )


def set_failure(database: sqlite3.Connection, target: str, key: tuple[str, int], failure: Failure | None) -> None:
    """Enter what a replay of a whole window found."""
    database.execute("DELETE FROM failure WHERE target = ? AND normalizer = ? AND start = ?", (target, *key))
    if failure is not None:
        add_failures(database, target, {key: failure})


def read_failures(
    database: sqlite3.Connection, target: str, since: int | None = None, until: int | None = None
) -> list[Failing]:
    """Return the normalizers that fail on records of windows that overlap [since, until), in the order of their names."""
    rows = database.execute(
        "SELECT normalizer, count(*), sum(count), seq, traceback, max(at) FROM failure WHERE target = ?1"
        " AND (?2 IS NULL OR start > ?2 - ?4) AND (?3 IS NULL OR start < ?3)"
        " GROUP BY normalizer ORDER BY normalizer",  # beside one max(), SQLite takes the other columns from its row
        (target, since, until, DAY),
    )
    return [Failing(*row) for row in rows]
