"""Questions about a year of a home: homeiq sql, and the same to Home Assistant's own SQLite database with its indexes."""

from __future__ import annotations

import resource
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
from ha_database import INDEXES, create
from homeiq.clock import DAY, from_iso
from homeiq.storage import segment
from homeiq.storage.log import EventLog, log_folder
from homeiq.storage.maintenance import JOINED_RECORDS, MERGED_RECORDS
from homeiq.storage.manifest import segment_name
from homeiq.storage.sql import ask, connect, query

__all__ = ["make_log", "queries"]

_SENSORS: Final = 200
_START: Final = from_iso("2025-01-01T00:00:00+00:00")
_YEAR: Final = 365 * DAY
_ROUNDS = 5

_EVENTS: Final = """
SELECT seq, make_timestamptz(micros) AS time, make_timestamptz(micros + 2000) AS received_at,
    'home_assistant' AS source, 'live' AS origin, 'state_changed' AS event_type, entity_id, state,
    concat('{{"event_type":"state_changed","data":{{"entity_id":"', entity_id, '","old_state":null,"new_state":{{',
        '"entity_id":"', entity_id, '","state":"', state, '","attributes":{{"state_class":"measurement",',
        '"unit_of_measurement":"°C","device_class":"temperature","friendly_name":"', entity_id, '"}},"last_updated":"',
        make_timestamptz(micros), '","context":{{"id":"', md5(seq::VARCHAR), '","parent_id":null,"user_id":null}}}}}},',
        '"origin":"LOCAL"}}') AS raw
FROM (
    SELECT seq, micros, printf(CASE WHEN n % 4 = 0 THEN 'binary_sensor.s%03d' ELSE 'sensor.s%03d' END, n) AS entity_id,
        CASE WHEN n % 4 = 0 THEN CASE WHEN (seq // {sensors}) % 2 = 0 THEN 'on' ELSE 'off' END
            WHEN hash(seq) % 500 = 0 THEN 'unavailable'
            ELSE printf('%.1f', 15 + n % 10 + 5 * sin(seq / 9000.0) + (hash(seq) % 20) / 10.0) END AS state
    FROM (
        SELECT seq, seq % {sensors} AS n, {start} + seq * {step} + (hash(seq + 7) % {step})::BIGINT AS micros
        FROM range({first}, {last} + 1) AS numbers(seq)
    )
)
ORDER BY time_bucket(INTERVAL 1 MONTH, time), entity_id, time
"""
"""One segment's records, in the order in which compaction leaves them."""

_NUMBER = "state NOT IN ('unavailable', 'unknown')"
_DAY_OF = "date(last_updated_ts, 'unixepoch')"

_QUESTIONS: Final[dict[str, tuple[str, str]]] = {
    "count_by_entity": (
        "SELECT entity_id, count(*) AS n FROM states GROUP BY 1 ORDER BY 1",
        "SELECT m.entity_id, count(*) AS n FROM states JOIN states_meta m USING (metadata_id) GROUP BY 1 ORDER BY 1",
    ),
    "daily_mean_of_all": (
        "SELECT entity_id, day, avg(value) AS mean FROM states WHERE value IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
        f"SELECT m.entity_id, {_DAY_OF} AS day, avg(CAST(state AS REAL)) AS mean"
        f" FROM states JOIN states_meta m USING (metadata_id) WHERE m.entity_id LIKE 'sensor.%' AND {_NUMBER}"
        " GROUP BY 1, 2 ORDER BY 1, 2",
    ),
    "time_in_state_by_day": (
        "SELECT entity_id, state, day, sum(seconds) AS seconds FROM state_history"
        " WHERE entity_id LIKE 'binary_sensor.%' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        f"SELECT entity_id, state, {_DAY_OF} AS day, sum(until - last_updated_ts) AS seconds FROM ("
        "SELECT m.entity_id AS entity_id, state, last_updated_ts,"
        " lead(last_updated_ts) OVER (PARTITION BY metadata_id ORDER BY last_updated_ts) AS until"
        " FROM states JOIN states_meta m USING (metadata_id) WHERE m.entity_id LIKE 'binary_sensor.%'"
        ") GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    ),
    "hourly_mean_of_one": (
        "SELECT time_bucket(INTERVAL 1 HOUR, time) AS hour, avg(value) AS mean FROM states"
        " WHERE entity_id = 'sensor.s101' AND value IS NOT NULL GROUP BY 1 ORDER BY 1",
        "SELECT CAST(last_updated_ts / 3600 AS INTEGER) AS hour, avg(CAST(state AS REAL)) AS mean FROM states"
        " WHERE metadata_id = (SELECT metadata_id FROM states_meta WHERE entity_id = 'sensor.s101')"
        f" AND {_NUMBER} GROUP BY 1 ORDER BY 1",
    ),
    "last_state_of_all": (
        "SELECT entity_id, arg_max(state, time) AS state FROM states GROUP BY 1 ORDER BY 1",
        "SELECT m.entity_id, state FROM (SELECT metadata_id, state, max(last_updated_ts) FROM states GROUP BY 1)"
        " JOIN states_meta m USING (metadata_id) ORDER BY 1",
    ),
    "last_day_of_one": (
        "SELECT time, state FROM states WHERE entity_id = 'sensor.s101' AND time >= '2025-12-31' ORDER BY 1",
        "SELECT last_updated_ts, state FROM states WHERE metadata_id = (SELECT metadata_id FROM states_meta"
        " WHERE entity_id = 'sensor.s101') AND last_updated_ts >= unixepoch('2025-12-31') ORDER BY 1",
    ),
}


def queries(folder: Path, count: int) -> dict[str, Any]:
    """Make both, ask both in turn, and return seconds and ratios; the answers must have the same number of rows.

    Both are asked twice: in databases that are open, as in a prompt or a notebook, where ours looks up before each question
    what the log holds by then; and from nothing, which for ours is the start of DuckDB too (`_once_`).
    """
    log, database = folder / "log", folder / "home-assistant.db"
    began = time.monotonic()
    _make(log, database, count)
    results: dict[str, Any] = {"queried_events": count, "making_them_seconds": time.monotonic() - began}
    results["making_them_peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results["queried_log_bytes"] = sum(path.stat().st_size for path in log_folder(log).rglob("*.parquet"))
    results["queried_ha_bytes"] = database.stat().st_size
    began = time.monotonic()
    query(log, "SELECT count(*) FROM states")
    results["query_first_of_all_seconds"] = time.monotonic() - began
    with connect(log, "") as opened, closing(_opened(database)) as his_opened:
        for name, (ours, theirs) in _QUESTIONS.items():
            ways: dict[str, tuple[Callable[[], int], Callable[[], int]]] = {
                "": (partial(_rows_asked, opened, log, ours), partial(_sqlite_rows, his_opened, theirs)),
                "_once": (partial(_rows_queried, log, ours), partial(_sqlite_rows_once, database, theirs)),
            }
            times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
            for _ in range(_ROUNDS):
                for way, (mine, his) in ways.items():
                    my_seconds, our_rows = _timed(mine)
                    his_seconds, their_rows = _timed(his)
                    assert our_rows == their_rows, f"{name}: {our_rows} rows and {their_rows}"
                    times[way].append((my_seconds, his_seconds))
            for way, pairs in times.items():
                results[f"query_{name}{way}_seconds"] = statistics.median(mine for mine, _ in pairs)
                results[f"query_{name}{way}_ha_seconds"] = statistics.median(his for _, his in pairs)
                results[f"query_{name}{way}_ratio"] = statistics.median(his / mine for mine, his in pairs)
    return results


def _timed(ask: Callable[[], int]) -> tuple[float, int]:
    began = time.monotonic()
    rows = ask()
    return time.monotonic() - began, rows


def _rows_asked(database: duckdb.DuckDBPyConnection, log: Path, question: str) -> int:
    return _rows(ask(database, log, question))


def _rows_queried(log: Path, question: str) -> int:
    return _rows(query(log, question))


def _rows(table: pa.Table | None) -> int:
    return table.num_rows if table is not None else -1


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path)
    database.execute("PRAGMA cache_size=-16384")  # as Home Assistant has it
    return database


def _sqlite_rows(database: sqlite3.Connection, question: str) -> int:
    return len(database.execute(question).fetchall())


def _sqlite_rows_once(path: Path, question: str) -> int:
    with closing(_opened(path)) as database:
        return _sqlite_rows(database, question)


def _make(log: Path, path: Path, count: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    database = create(path, indexes=False)
    database.execute("PRAGMA synchronous=OFF")
    numbers: dict[str, int] = {}
    make_log(log, count, lambda block: _insert(database, block, numbers))
    database.executemany("INSERT INTO states_meta VALUES (?, ?)", [(number, name) for name, number in numbers.items()])
    database.execute("INSERT INTO state_attributes VALUES (1, 1, '{}')")
    database.executescript(INDEXES + "PRAGMA wal_checkpoint(TRUNCATE);")
    database.close()


def make_log(log: Path, count: int, also: Callable[[pa.Table], None] = lambda block: None) -> None:
    """Make a log of so many events, in segments as compaction leaves them; its tail is empty. `also` gets each block."""
    EventLog(log).close()  # an empty tail, which is replaced by one after the last segment
    for tail in log_folder(log).glob("tail-*"):
        tail.unlink()
    for blocks, first, last in _segments(count):
        day = blocks[0]["received_at"][0].as_py().date()
        segment_path = log_folder(log) / f"date={day}" / segment_name(first, last, 2)
        segment_path.parent.mkdir(exist_ok=True)
        segment_path.write_bytes(segment.write(blocks, first, last, ""))
        for block in blocks:
            also(block)
        print(f"{last:,} of {count:,} events made", file=sys.stderr)
    (log_folder(log) / f"tail-{count + 1:020}.ndjson").touch()


def _segments(count: int) -> Iterator[tuple[list[pa.Table], int, int]]:
    """Yield the blocks of segments, as compaction joins them."""
    with duckdb.connect() as maker:
        maker.execute("SET TimeZone = 'UTC'")
        for begin in range(1, count + 1, JOINED_RECORDS):
            end = min(begin + JOINED_RECORDS - 1, count)
            blocks = []
            for first in range(begin, end + 1, MERGED_RECORDS):
                last = min(first + MERGED_RECORDS - 1, end)
                text = _EVENTS.format(sensors=_SENSORS, start=_START, step=_YEAR // (count + 1), first=first, last=last)
                blocks.append(maker.sql(text).to_arrow_table().cast(segment.SCHEMA))
            yield blocks, begin, end


def _insert(database: sqlite3.Connection, table: pa.Table, numbers: dict[str, int]) -> None:
    """Insert a segment's states in the order of time, as Home Assistant had."""
    table = table.select(["seq", "time", "entity_id", "state"]).sort_by("seq")
    names = [numbers.setdefault(name, len(numbers) + 1) for name in table["entity_id"].to_pylist()]
    stamps = table["time"].cast(pa.int64()).to_pylist()
    seqs, states = table["seq"].to_pylist(), table["state"].to_pylist()
    rows = (
        (seq, state, time / 1e6, seq - _SENSORS if seq > _SENSORS else None, seq.to_bytes(16, "big"), number)
        for seq, state, time, number in zip(seqs, states, stamps, names, strict=True)
    )
    database.execute("BEGIN")
    database.executemany(
        "INSERT INTO states (state_id, state, last_updated_ts, old_state_id, attributes_id, origin_idx, context_id_bin,"
        " metadata_id) VALUES (?,?,?,?,1,0,?,?)",
        rows,
    )
    database.execute("COMMIT")
