"""Bytes an event: sealed and merged segments, gzip and xz of the same frames, and Home Assistant's own database.

And what a segment's form costs: zstd levels, page sizes, bloom filters.
"""

from __future__ import annotations

import gzip
import io
import lzma
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from homeiq.clock import from_iso
from homeiq.storage import segment
from homeiq.storage.log import EventLog
from homeiq.storage.maintenance import compact, in_order, seal
from homeiq.storage.record import Event, Record
from workload import events_of

__all__ = ["form", "recorder_database", "storage_size"]

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
    events = _received(sample)
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


def _received(sample: list[bytes]) -> list[Event]:
    """Return events that came some milliseconds after their time: a column of equal times would cost nothing."""
    events = events_of(sample)
    for event in events:
        event.received_at = event.time + 1_000 + crc32(event.raw.encode()) % 4_000
    return events


_LEVEL: Final = 9
_PAGE: Final = 8 << 20
"""The zstd level and the bytes of a page that segment.write has."""

_BESIDE: Final = 200
"""Bytes by which a segment may differ from what is written here: what its footer says of the log."""

_ROUNDS: Final = 5


def form(sample: list[bytes]) -> dict[str, Any]:
    """Return bytes an event in merged order, and medians of the time to write them relative to that of level 9, in turn."""
    events = _received(sample)
    rows = in_order(
        segment.table_of(
            [
                Record(n, e.time, e.received_at, e.source, e.origin, e.event_type, e.entity_id, e.state, e.raw)
                for n, e in enumerate(events, 1)
            ]
        )
    )
    names = pc.count_distinct(rows["entity_id"]).as_py()
    forms: dict[str, dict[str, Any]] = {
        "level_9": {},
        **{f"level_{level}": {"compression_level": level} for level in (3, 6, 12, 19)},
        "page_1_mib": {"data_page_size": 1 << 20},
        "bloom_filter": {"bloom_filter_options": {"entity_id": {"ndv": names, "fpp": 0.05}}},
    }
    shipped = len(segment.write([rows], 1, len(events), "")) - len(_written(rows))
    assert 0 <= shipped <= _BESIDE, f"segment.write has other options than this: {shipped} bytes more"
    sizes: dict[str, int] = {}
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(_ROUNDS):
        for name, options in forms.items():
            began = time.monotonic()
            sizes[name] = len(_written(rows, **options))
            seconds[name].append(time.monotonic() - began)
    found: dict[str, Any] = {"form_events": len(events), "form_entities": names}
    found["form_level_9_seconds"] = statistics.median(seconds["level_9"])
    for name in forms:
        pairs = zip(seconds[name], seconds["level_9"], strict=True)
        found[f"form_{name}_bytes_an_event"] = sizes[name] / len(events)
        found[f"form_{name}_times_level_9"] = statistics.median(this / usual for this, usual in pairs)
    found["form_bloom_filter_bytes"] = sizes["bloom_filter"] - sizes["level_9"]
    return found


def _written(rows: pa.Table, **other: Any) -> bytes:
    """Return the rows as segment.write writes them, but for options that are other ones, and for the footer's keys."""
    options: dict[str, Any] = {
        "compression": "zstd",
        "compression_level": _LEVEL,
        "data_page_size": _PAGE,
        "use_dictionary": ["source", "origin", "event_type", "entity_id", "state"],
        "column_encoding": dict.fromkeys(("seq", "time", "received_at"), "DELTA_BINARY_PACKED"),
        "write_page_checksum": True,
        "store_schema": False,
    }
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, segment.SCHEMA, **options | other) as writer:
        writer.write_table(rows, row_group_size=-(-rows.num_rows // segment.groups_of(rows)))
    return sink.getvalue()


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
