"""Bytes an event: sealed and merged segments, gzip and xz of the same frames, and Home Assistant's own database."""

from __future__ import annotations

import gzip
import lzma
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
from homeiq.clock import from_iso
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, seal
from homeiq.storage.record import Event
from workload import events_of

__all__ = ["recorder_database", "storage_size"]

_PARTS = 8

_SCHEMA = """
CREATE TABLE event_data (data_id INTEGER NOT NULL PRIMARY KEY, hash BIGINT, shared_data TEXT);
CREATE INDEX ix_event_data_hash ON event_data (hash);
CREATE TABLE event_types (event_type_id INTEGER NOT NULL PRIMARY KEY, event_type VARCHAR(64));
CREATE UNIQUE INDEX ix_event_types_event_type ON event_types (event_type);
CREATE TABLE state_attributes (attributes_id INTEGER NOT NULL PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
CREATE INDEX ix_state_attributes_hash ON state_attributes (hash);
CREATE TABLE states_meta (metadata_id INTEGER NOT NULL PRIMARY KEY, entity_id VARCHAR(255));
CREATE UNIQUE INDEX ix_states_meta_entity_id ON states_meta (entity_id);
CREATE TABLE events (event_id INTEGER NOT NULL PRIMARY KEY, event_type CHAR(0), event_data CHAR(0), origin CHAR(0),
    origin_idx SMALLINT, time_fired CHAR(0), time_fired_ts FLOAT, context_id CHAR(0), context_user_id CHAR(0),
    context_parent_id CHAR(0), data_id INTEGER, context_id_bin BLOB, context_user_id_bin BLOB,
    context_parent_id_bin BLOB, event_type_id INTEGER);
CREATE INDEX ix_events_time_fired_ts ON events (time_fired_ts);
CREATE INDEX ix_events_context_id_bin ON events (context_id_bin);
CREATE INDEX ix_events_data_id ON events (data_id);
CREATE INDEX ix_events_event_type_id_time_fired_ts ON events (event_type_id, time_fired_ts);
CREATE TABLE states (state_id INTEGER NOT NULL PRIMARY KEY, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0),
    event_id SMALLINT, last_changed CHAR(0), last_changed_ts FLOAT, last_updated CHAR(0), last_updated_ts FLOAT,
    old_state_id INTEGER, attributes_id INTEGER, context_id CHAR(0), context_user_id CHAR(0), context_parent_id CHAR(0),
    origin_idx SMALLINT, context_id_bin BLOB, context_user_id_bin BLOB, context_parent_id_bin BLOB, metadata_id INTEGER);
CREATE INDEX ix_states_attributes_id ON states (attributes_id);
CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
CREATE INDEX ix_states_context_id_bin ON states (context_id_bin);
CREATE INDEX ix_states_last_updated_ts ON states (last_updated_ts);
CREATE INDEX ix_states_old_state_id ON states (old_state_id);
"""
"""What Home Assistant 2024.3.3 makes on SQLite, without what it has beside events: statistics, runs."""

_CROCKFORD = {letter: value for value, letter in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}


def storage_size(sample: list[bytes]) -> dict[str, Any]:
    """Return bytes an event of all, and how many times smaller a merged segment is than each of the others."""
    events = events_of(sample)
    for event in events:  # it came some milliseconds later: a column of equal times would cost nothing
        event.received_at = event.time + 1_000 + crc32(event.raw.encode()) % 4_000
    with tempfile.TemporaryDirectory() as folder:
        sealed, merged = _segments(events, Path(folder) / "log")
        recorder = recorder_database(events, Path(folder) / "home-assistant_v2.db")
    text = b"\n".join(sample)
    sizes = {
        "sealed": sealed,
        "merged": merged,
        "gzip": len(gzip.compress(text, 6)),
        "xz": len(lzma.compress(text)),
        "recorder": recorder,
    }
    found: dict[str, Any] = {f"size_{name}_bytes_an_event": size / len(events) for name, size in sizes.items()}
    for name in ("recorder", "gzip", "xz"):
        found[f"size_merged_smaller_than_{name}"] = sizes[name] / merged
    return found


def _segments(events: list[Event], data_dir: Path) -> tuple[int, int]:
    """Return the size of small segments, sealed one by one as they come, and of what they are merged into."""
    part = len(events) // _PARTS + 1
    with EventLog(data_dir) as log:
        for start in range(0, len(events), part):
            log.append(events[start : start + part])
            log.rotate()
            seal(data_dir)
        sealed = _size(data_dir)
        compact(data_dir)
    return sealed, _size(data_dir)


def _size(data_dir: Path) -> int:
    return sum(path.stat().st_size for path in data_dir.glob("log/date=*/*.parquet"))


def recorder_database(events: list[Event], path: Path) -> int:
    """Write the events as Home Assistant's recorder does; return the file's size once it has been vacuumed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(_SCHEMA)
        database.execute("BEGIN")
        _Recorder(database).add_all(events)
        database.execute("COMMIT")
        database.execute("VACUUM")  # kinder than life, in which pages split
    return path.stat().st_size


class _Recorder:
    """Rows as the recorder makes them: names, attributes and data are shared."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._ids: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}

    def add_all(self, events: list[Event]) -> None:
        for event in events:
            content = orjson.loads(event.raw)
            (self._add_state if event.event_type == "state_changed" else self._add_event)(event, content)

    def _add_state(self, event: Event, content: dict[str, Any]) -> None:
        data = content["data"]
        new = data["new_state"]
        entity = data["entity_id"]
        context = _context(content["context"])
        if new is None:
            text, updated, changed, attributes = "", from_iso(content["time_fired"]), None, None
        else:
            text, updated, changed = new["state"], from_iso(new["last_updated"]), from_iso(new["last_changed"])
            attributes = self._shared("state_attributes", "shared_attrs", orjson.dumps(new["attributes"]).decode())
        cursor = self._database.execute(
            "INSERT INTO states (state, last_changed_ts, last_updated_ts, old_state_id, attributes_id, origin_idx,"
            " context_id_bin, context_user_id_bin, context_parent_id_bin, metadata_id) VALUES (?,?,?,?,?,?,?,?,?,?)",
            (
                *(text, None if changed in (None, updated) else (changed or 0) / 1e6, updated / 1e6),
                *(self._last.get(entity), attributes, 0, *context, self._named("states_meta", "entity_id", entity)),
            ),
        )
        self._last[entity] = cursor.lastrowid or 0

    def _add_event(self, event: Event, content: dict[str, Any]) -> None:
        shared = self._shared("event_data", "shared_data", orjson.dumps(content.get("data")).decode())
        self._database.execute(
            "INSERT INTO events (origin_idx, time_fired_ts, data_id, context_id_bin, context_user_id_bin,"
            " context_parent_id_bin, event_type_id) VALUES (?,?,?,?,?,?,?)",
            (
                *(0, event.time / 1e6, shared, *_context(content["context"])),
                self._named("event_types", "event_type", event.event_type),
            ),
        )

    def _named(self, table: str, column: str, name: str) -> int:
        if (table, name) not in self._ids:
            cursor = self._database.execute(f"INSERT INTO {table} ({column}) VALUES (?)", (name,))
            self._ids[table, name] = cursor.lastrowid or 0
        return self._ids[table, name]

    def _shared(self, table: str, column: str, text: str) -> int:
        if (table, text) not in self._ids:
            cursor = self._database.execute(
                f"INSERT INTO {table} (hash, {column}) VALUES (?, ?)", (crc32(text.encode()), text)
            )
            self._ids[table, text] = cursor.lastrowid or 0
        return self._ids[table, text]


def _context(context: dict[str, str | None]) -> tuple[bytes | None, bytes | None, bytes | None]:
    return _ulid(context["id"]), _uuid(context["user_id"]), _ulid(context["parent_id"])


def _ulid(text: str | None) -> bytes | None:
    if not text:
        return None
    number = 0
    for letter in text:
        number = number << 5 | _CROCKFORD[letter]
    return (number & (1 << 128) - 1).to_bytes(16)


def _uuid(text: str | None) -> bytes | None:
    return bytes.fromhex(text) if text else None
