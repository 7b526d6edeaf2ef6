"""Home Assistant's own database as it was before homeiq came: a day of the simulated home."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from homeiq.clock import DAY
from homeiq.connectors.simulated import SimulatedHome

from .home import START

__all__ = ["write"]

_SCHEMA = """
CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id TEXT);
CREATE TABLE state_attributes (attributes_id INTEGER PRIMARY KEY, hash INTEGER, shared_attrs TEXT);
CREATE TABLE states (state_id INTEGER PRIMARY KEY, state TEXT, last_changed_ts REAL, last_updated_ts REAL,
  old_state_id INTEGER, attributes_id INTEGER, origin_idx INTEGER, context_id_bin BLOB, context_user_id_bin BLOB,
  context_parent_id_bin BLOB, metadata_id INTEGER);
CREATE TABLE event_types (event_type_id INTEGER PRIMARY KEY, event_type TEXT);
CREATE TABLE event_data (data_id INTEGER PRIMARY KEY, hash INTEGER, shared_data TEXT);
CREATE TABLE events (event_id INTEGER PRIMARY KEY, origin_idx INTEGER, time_fired_ts REAL, data_id INTEGER,
  context_id_bin BLOB, context_user_id_bin BLOB, context_parent_id_bin BLOB, event_type_id INTEGER);
"""


def write(path: Path) -> None:
    """Write it."""
    home = SimulatedHome(2, START - DAY)
    names: dict[str, int] = {}
    with closing(sqlite3.connect(path)) as database:
        database.executescript(_SCHEMA)
        for number, fired in enumerate(home.advance(START), 1):
            data = json.loads(fired.raw)["data"]
            if fired.event_type != "state_changed" or data["new_state"] is None:
                continue
            new = data["new_state"]
            if new["entity_id"] not in names:
                names[new["entity_id"]] = len(names) + 1
                database.execute("INSERT INTO states_meta VALUES (?, ?)", (len(names), new["entity_id"]))
            database.execute("INSERT INTO state_attributes VALUES (?, 0, ?)", (number, json.dumps(new["attributes"])))
            row = (number, new["state"], None, fired.time / 1e6, None, number, 0, names[new["entity_id"]])
            database.execute("INSERT INTO states VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL, ?)", row)
        database.commit()
