"""Home Assistant's own database, as its recorder of 2024.3 makes and writes it: the tables and indexes that matter here."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
from homeiq.storage.record import Event

__all__ = ["INDEXES", "SCHEMA", "HomeAssistantDatabase", "create"]

SCHEMA = """
CREATE TABLE event_types (event_type_id INTEGER PRIMARY KEY, event_type VARCHAR(64));
CREATE TABLE event_data (data_id INTEGER PRIMARY KEY, hash BIGINT, shared_data TEXT);
CREATE TABLE events (
    event_id INTEGER PRIMARY KEY, event_type CHAR(0), event_data CHAR(0), origin CHAR(0), origin_idx SMALLINT,
    time_fired CHAR(0), time_fired_ts FLOAT, context_id CHAR(0), context_user_id CHAR(0), context_parent_id CHAR(0),
    data_id INTEGER, context_id_bin BLOB, context_user_id_bin BLOB, context_parent_id_bin BLOB, event_type_id INTEGER);
CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id VARCHAR(255));
CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash BIGINT, shared_attrs TEXT);
CREATE TABLE states (
    state_id INTEGER PRIMARY KEY, entity_id CHAR(0), state VARCHAR(255), attributes CHAR(0), event_id SMALLINT,
    last_changed CHAR(0), last_changed_ts FLOAT, last_updated CHAR(0), last_updated_ts FLOAT, old_state_id INTEGER,
    attributes_id INTEGER, context_id CHAR(0), context_user_id CHAR(0), context_parent_id CHAR(0), origin_idx SMALLINT,
    context_id_bin BLOB, context_user_id_bin BLOB, context_parent_id_bin BLOB, metadata_id INTEGER);
"""

INDEXES = """
CREATE UNIQUE INDEX ix_event_types_event_type ON event_types (event_type);
CREATE INDEX ix_event_data_hash ON event_data (hash);
CREATE INDEX ix_events_context_id_bin ON events (context_id_bin);
CREATE INDEX ix_events_data_id ON events (data_id);
CREATE INDEX ix_events_event_type_id_time_fired_ts ON events (event_type_id, time_fired_ts);
CREATE INDEX ix_events_time_fired_ts ON events (time_fired_ts);
CREATE UNIQUE INDEX ix_states_meta_entity_id ON states_meta (entity_id);
CREATE INDEX ix_state_attributes_hash ON state_attributes (hash);
CREATE INDEX ix_states_metadata_id_last_updated_ts ON states (metadata_id, last_updated_ts);
CREATE INDEX ix_states_last_updated_ts ON states (last_updated_ts);
CREATE INDEX ix_states_context_id_bin ON states (context_id_bin);
CREATE INDEX ix_states_attributes_id ON states (attributes_id);
CREATE INDEX ix_states_old_state_id ON states (old_state_id);
"""


def create(path: Path, *, indexes: bool = True) -> sqlite3.Connection:
    """Make an empty database; its connection is set as Home Assistant sets it (WAL, synchronous=NORMAL)."""
    database = sqlite3.connect(path, isolation_level=None)
    for setting in ("journal_mode=WAL", "cache_size=-16384", "synchronous=NORMAL", "foreign_keys=ON"):
        database.execute(f"PRAGMA {setting}")
    database.executescript(SCHEMA + (INDEXES if indexes else ""))
    return database


class HomeAssistantDatabase:
    """Writes events into such a database, a transaction for each call, as the recorder does every 5 s."""

    def __init__(self, path: Path) -> None:
        self.database = create(path)
        self._ids: dict[tuple[str, str], int] = {}
        self._last_state: dict[str, int] = {}

    def write(self, events: Iterable[Event]) -> None:
        """Insert events, and commit."""
        self.database.execute("BEGIN")
        for event in events:
            content = orjson.loads(event.raw)
            context = content["context"]["id"].encode()[:16]
            if event.event_type == "state_changed":
                self._state(event, content["data"], context)
            else:
                self._event(event, content["data"], context)
        self.database.execute("COMMIT")

    def _state(self, event: Event, data: dict[str, Any], context: bytes) -> None:
        state = data["new_state"] or {"attributes": {}, "state": ""}
        entity = event.entity_id or ""
        shared = orjson.dumps(state["attributes"]).decode()
        row = (
            *(state["state"], event.time / 1e6, self._last_state.get(entity)),
            *(self._id("state_attributes", shared), 0, context, self._id("states_meta", entity)),
        )
        cursor = self.database.execute(
            "INSERT INTO states (state, last_updated_ts, old_state_id, attributes_id, origin_idx, context_id_bin,"
            " metadata_id) VALUES (?,?,?,?,?,?,?)",
            row,
        )
        self._last_state[entity] = int(cursor.lastrowid or 0)

    def _event(self, event: Event, data: dict[str, Any], context: bytes) -> None:
        row = (
            *(0, event.time / 1e6, self._id("event_data", orjson.dumps(data).decode()), context),
            self._id("event_types", event.event_type),
        )
        self.database.execute(
            "INSERT INTO events (origin_idx, time_fired_ts, data_id, context_id_bin, event_type_id) VALUES (?,?,?,?,?)",
            row,
        )

    def _id(self, table: str, text: str) -> int:
        """Return the number of a text that rows share, as the recorder's caches do."""
        found = self._ids.get((table, text))
        if found is None:
            statement = {
                "states_meta": "INSERT INTO states_meta (entity_id) VALUES (?)",
                "event_types": "INSERT INTO event_types (event_type) VALUES (?)",
                "event_data": "INSERT INTO event_data (hash, shared_data) VALUES (?, ?)",
                "state_attributes": "INSERT INTO state_attributes (hash, shared_attrs) VALUES (?, ?)",
            }[table]
            values = (zlib.crc32(text.encode()), text) if "hash" in statement else (text,)
            found = self._ids[table, text] = int(self.database.execute(statement, values).lastrowid or 0)
        return found
