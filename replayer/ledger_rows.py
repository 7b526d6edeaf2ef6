"""What the ledger holds, table by table, and its rows as values. ledger.py says what they mean. Pure."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MINGLED", "REQUESTS", "SCHEMA", "SEVERAL", "VERSION", "WindowState", "Request", "DeadLetter"]

VERSION = 2

SCHEMA = """
CREATE TABLE IF NOT EXISTS target (
    name TEXT PRIMARY KEY,
    position INTEGER NOT NULL DEFAULT 0,
    counter INTEGER NOT NULL DEFAULT 0,
    was_empty INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS adopted (target TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identity (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measurement (
    target TEXT NOT NULL, normalizer TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (target, normalizer, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS window (
    target TEXT NOT NULL, start INTEGER NOT NULL, normalizer TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('writing', 'done', 'live', 'stale')),
    fingerprint TEXT NOT NULL, log_end INTEGER NOT NULL, reason TEXT NOT NULL DEFAULT '',
    counter INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (target, start, normalizer)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY, target TEXT NOT NULL, scope TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    windows INTEGER NOT NULL DEFAULT 0, windows_done INTEGER NOT NULL DEFAULT 0, days INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0, points INTEGER NOT NULL DEFAULT 0, message TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS dead_letter (
    target TEXT NOT NULL, normalizer TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, line TEXT NOT NULL,
    reason TEXT NOT NULL, fingerprint TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (target, normalizer, seq, time, line)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS away (
    target TEXT NOT NULL, normalizer TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (target, normalizer)
) WITHOUT ROWID;
"""

SEVERAL = "several"
"""The fingerprint of a window into which normalizers with different fingerprints wrote, or that one wrote before another
followed the log: nobody's."""

MINGLED = f"CASE WHEN fingerprint IN ('', :fingerprint) THEN :fingerprint ELSE '{SEVERAL}' END"
"""A window's fingerprint once points of another are added to what is there."""

REQUESTS = "SELECT id, scope, state, windows, windows_done, days, events, points, message FROM request"


@dataclass(frozen=True, slots=True)
class WindowState:
    """A window of a target and a normalizer, and what is known of it."""

    start: int
    normalizer: str
    state: str
    fingerprint: str
    log_end: int
    reason: str
    counter: int


@dataclass(frozen=True, slots=True)
class Request:
    """A replay asked of the running follower; `scope` says of what, as scope.py writes it."""

    id: int
    scope: str
    state: str
    windows: int
    windows_done: int
    days: int
    events: int
    points: int
    message: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A line that the target refused, with the record that it comes from and the target's reason."""

    normalizer: str
    seq: int
    time: int
    line: str
    reason: str
    fingerprint: str
    at: int = 0
