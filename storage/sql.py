"""DuckDB over the files, while the recorder writes. Imports duckdb and pyarrow: load it where it is used.

Views (times are TIMESTAMP WITH TIME ZONE, shown in UTC; all exist when nothing was recorded or projected yet):

    events   every record: seq, time, received_at, source, origin, event_type, entity_id, state, raw
    states   each state that was recorded: seq, time, entity_id, state, value, attributes (JSON), origin
    gaps     when a source was not heard: source, start, end, seconds, reason, closed_from, closed_upto, closed, missing
    points   the embedded target: measurement, time, each tag a column, fields (JSON)
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from ..clock import SystemClock
from ..errors import LogError, UsageError
from . import segment
from .gap_view import make_gap_view
from .log import require_log
from .manifest import Slice
from .points import points_files
from .view import LogView

__all__ = ["VIEWS", "connect", "query"]

VIEWS: Final = ("events", "states", "gaps", "points")

_TRIES = 50

_GONE: Final = ("No such file", "No files found")
"""DuckDB's words for a file that is not there any more."""

_STATES = r"""
CREATE OR REPLACE VIEW states AS
SELECT seq, time, entity_id, state,
    CASE WHEN regexp_full_match(state, '-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?')
        AND isfinite(TRY_CAST(state AS DOUBLE)) THEN TRY_CAST(state AS DOUBLE) END AS value,
    CASE WHEN json_valid(raw) THEN coalesce(json_extract(raw,
        CASE WHEN event_type = 'state_changed' THEN '$.data.new_state.attributes'
            WHEN json_exists(raw, '$.attributes') THEN '$.attributes' ELSE '$.a' END),
        CASE WHEN source = 'pushed' THEN json_extract(raw, '$.new_state.attributes') END) END AS attributes,
    origin
FROM events WHERE event_type IN ('state_changed', 'state')
"""

_TAGS: Final = (
    "area_id",
    "device_class",
    "device_id",
    "domain",
    "entity_category",
    "entity_id",
    "event_type",
    "integration",
    "time_of_day",
)
"""The tags that the view `points` has as columns even while there are no points."""


def connect(data_dir: Path, sql: str | None = None) -> duckdb.DuckDBPyConnection:
    """Return an in-memory database with the views over the log and the points as they are now; raises LogError.

    With `sql`, the one query it is for: the gaps are looked for only if it names them.
    """
    require_log(data_dir)
    database = duckdb.connect()
    database.execute("SET TimeZone = 'UTC'")
    for attempt in range(_TRIES):
        try:
            _make_views(database, data_dir, gaps=sql is None or "gaps" in sql.lower())
            break
        except duckdb.Error as error:
            if attempt < _TRIES - 1 and _is_gone(error):
                continue
            database.close()
            raise _unreadable(error) from None
    return database


def query(data_dir: Path, sql: str) -> pa.Table | None:
    """Return the result of a query over the log as it is now; None for a statement that has none.

    Files that were superseded while the query ran are looked up again. Raises UsageError with DuckDB's words for a query
    that is wrong, LogError for a log that cannot be read.
    """
    for attempt in range(_TRIES):
        with connect(data_dir, sql) as database:
            try:
                relation = database.sql(sql)
                return None if relation is None else relation.to_arrow_table()
            except duckdb.IOException as error:
                if attempt == _TRIES - 1 or not _is_gone(error):
                    raise _unreadable(error) from None
            except duckdb.Error as error:
                raise UsageError(str(error).strip()) from None
    return None


def _is_gone(error: duckdb.Error) -> bool:
    return any(words in str(error) for words in _GONE)


def _unreadable(error: duckdb.Error) -> LogError:
    return LogError("the log cannot be read", hint=str(error).partition("\n")[0])


def _make_views(database: duckdb.DuckDBPyConnection, data_dir: Path, *, gaps: bool) -> None:
    view = LogView(data_dir)
    database.register("homeiq_tail", view.tail)
    columns = ", ".join(segment.SCHEMA.names)
    whole = [part for part in view.slices if _is_whole(part)]
    parts = [f"SELECT {columns} FROM homeiq_tail"]
    if whole:
        parts.append(f"SELECT {columns} FROM {_read_parquet([part.segment.path for part in whole])}")
    parts += [
        f"SELECT {columns} FROM {_read_parquet([part.segment.path])} WHERE seq BETWEEN {part.first} AND {part.last}"
        for part in view.slices
        if not _is_whole(part)
    ]
    database.execute(f"CREATE OR REPLACE VIEW events AS {' UNION ALL '.join(parts)}")
    database.execute(_STATES)
    make_gap_view(database, SystemClock().now(), used=gaps)
    database.execute(f"CREATE OR REPLACE VIEW points AS {_points(data_dir)}")


def _is_whole(part: Slice) -> bool:
    return (part.first, part.last) == (part.segment.first, part.segment.last)


def _points(data_dir: Path) -> str:
    tags = ", ".join(f"NULL::VARCHAR AS {tag}" for tag in _TAGS)
    none = f"SELECT NULL::VARCHAR AS measurement, NULL::TIMESTAMPTZ AS time, {tags}, NULL::JSON AS fields WHERE false"
    files = points_files(data_dir)
    if not files:
        return none
    some = f"SELECT * REPLACE (fields::JSON AS fields) FROM {_read_parquet(files, union_by_name=True)}"
    return f"{none} UNION ALL BY NAME {some}"


def _read_parquet(paths: list[Path], *, union_by_name: bool = False) -> str:
    names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in paths)
    return f"read_parquet([{names}], hive_partitioning = false, union_by_name = {str(union_by_name).lower()})"
