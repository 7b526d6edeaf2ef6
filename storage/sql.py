"""DuckDB over the files, while the recorder writes. Imports duckdb and pyarrow: load it where it is used.

The views, with their columns and an example each, are in `storage/views.py`; beside them there is one for each `source`
found in the log. Times are TIMESTAMP WITH TIME ZONE, shown in UTC. All exist when nothing was recorded or projected yet.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from ..clock import SystemClock
from ..errors import LogError, UsageError
from . import segment
from .doubled import RANK, find_doubled
from .gap_view import make_gap_view
from .log import log_folder, require_log
from .manifest import Slice
from .measurement_views import make_measurement_views
from .points import points_files
from .record import STATE_TYPES
from .view import LogView
from .views import SOURCE_BODY, VIEWS, View, quoted

__all__ = ["ask", "connect", "make_source_views", "query", "refresh"]

_TRIES = 50

_GONE: Final = ("No such file", "No files found")
"""DuckDB's words for a file that is not there any more."""

_INTERRUPTED: Final = "Query interrupted"

_FROM_STATES: Final = frozenset({"states", "state_history", "attributes"})
"""The views for which doubled states must be found."""

_LISTING: Final = frozenset(
    {"show", "describe", "summarize", "pragma", "information_schema", "duckdb_views", "duckdb_functions", "pg_catalog"}
)
"""Words of a statement that may ask which views there are: then all must be there, those of the sources too."""

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

    With `sql`, the one query it is for: views, gaps, doubled states and sources are there only if it may name them.
    """
    require_log(data_dir)
    database = duckdb.connect()
    try:
        database.execute("SET TimeZone = 'UTC'")
        database.execute("SET parquet_metadata_cache = true")  # segments do not change, and a query reads them twice
        _refresh(database, data_dir, None if sql is None else _words_of(sql))
    except BaseException:
        database.close()
        raise
    return database


def refresh(database: duckdb.DuckDBPyConnection, data_dir: Path, sql: str | None = None) -> None:
    """Make the views of a database anew, over the log as it is now; `sql` as in `connect`. Raises LogError."""
    _refresh(database, data_dir, None if sql is None else _words_behind(database, sql))


def _words_of(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sql.lower()))


def _words_behind(database: duckdb.DuckDBPyConnection, sql: str) -> frozenset[str]:
    """Return the words of a query, and of the views that it may read: somebody may have made one of ours."""
    made = dict(database.execute("SELECT lower(view_name), sql FROM duckdb_views() WHERE NOT internal").fetchall())
    words = _words_of(sql)
    while read := [name for name in made if _words_of(name) <= words]:
        words = words.union(*(_words_of(made.pop(name)) for name in read))
    return words


def _refresh(database: duckdb.DuckDBPyConnection, data_dir: Path, words: frozenset[str] | None) -> None:
    for attempt in range(_TRIES):
        try:
            _make_views(database, data_dir, words)
            return
        except duckdb.Error as error:
            if attempt == _TRIES - 1 or not _is_gone(error):
                raise _unreadable(error) from None


def query(
    data_dir: Path, sql: str, begun: Callable[[duckdb.DuckDBPyConnection], None] = lambda database: None
) -> pa.Table | None:
    """Return the result of a query over the log as it is now; None for a statement that has none.

    `begun` is given the database before it is asked: another thread may look on (`query_progress`).

    Raises UsageError with DuckDB's words for a query that is wrong, LogError for a log that cannot be read.
    """
    with connect(data_dir, sql) as database:
        begun(database)
        return _ask(database, data_dir, sql)


def ask(database: duckdb.DuckDBPyConnection, data_dir: Path, sql: str) -> pa.Table | None:
    """Return the result of a query in a database from `connect`, over the log as it is now; raises as `query` does."""
    refresh(database, data_dir, sql)
    return _ask(database, data_dir, sql)


def _ask(database: duckdb.DuckDBPyConnection, data_dir: Path, sql: str) -> pa.Table | None:
    """Run a query; look up again the files that were superseded meanwhile, and the sources when it names one."""
    sources = False
    for attempt in range(_TRIES):
        try:
            relation = database.sql(sql)
            return None if relation is None else relation.to_arrow_table()
        except duckdb.IOException as error:
            if attempt == _TRIES - 1 or not _is_gone(error):
                raise _unreadable(error) from None
            refresh(database, data_dir, sql)
            sources = False
        except duckdb.CatalogException as error:  # A source, or a wrong name: DuckDB guesses among what is there.
            if sources:
                raise UsageError(str(error).strip()) from None
            refresh(database, data_dir, f"{sql} {min(_LISTING)}")
            sources = True
        except duckdb.Error as error:
            if str(log_folder(data_dir)) in str(error):  # it names the file that it cannot read
                raise _unreadable(error) from None
            raise UsageError(str(error).strip()) from None
        except RuntimeError as error:
            if _INTERRUPTED in str(error):  # what DuckDB makes of Ctrl-C
                raise KeyboardInterrupt from None
            raise
    return None


def _is_gone(error: duckdb.Error) -> bool:
    return any(words in str(error) for words in _GONE)


def _unreadable(error: duckdb.Error) -> LogError:
    reason = str(error).partition("\n")[0]
    return LogError("the log cannot be read", hint=f"{reason}; homeiq verify says where, homeiq mend makes it whole")


def _make_views(database: duckdb.DuckDBPyConnection, data_dir: Path, words: frozenset[str] | None) -> None:
    """Make the views; `words` are those of the one query that they are for, None for any."""
    view = LogView(data_dir)
    database.register("homeiq_tail", view.tail)
    columns = ", ".join(segment.SCHEMA.names)
    whole = [part for part in view.slices if _is_whole(part)]
    scans = {part: _scan(part, columns) for part in view.slices}
    parts = [f"SELECT {columns} FROM homeiq_tail"]
    if whole:
        parts.append(f"SELECT {columns} FROM {_read_parquet([part.segment.path for part in whole])}")
    parts += [scan for part, scan in scans.items() if not _is_whole(part)]
    database.execute(f"CREATE OR REPLACE VIEW events AS {' UNION ALL '.join(parts)}")
    everything = words is None or bool(words & _LISTING)
    named = words or frozenset()
    once = ""
    if everything or named & _FROM_STATES:
        doubled = find_doubled(database, data_dir, view.slices, scans, view.tail)
        without = "ANTI JOIN homeiq_doubled USING (seq)" if doubled else ""
        # One type each: DuckDB tests an equality on the file's dictionary, and a list of types on every row.
        once = " UNION ALL ".join(f"SELECT * FROM events {without} WHERE event_type = '{kind}'" for kind in STATE_TYPES)
    if everything or "gaps" in named:
        make_gap_view(database, SystemClock().now(), empty=words is not None and "gaps" not in words)
    database.execute(f"CREATE OR REPLACE VIEW points AS {_points(data_dir)}")
    make_measurement_views(database, words, everything=everything)
    for made in VIEWS:
        if made.body and (everything or _is_named(made, named)):
            database.execute(made.create.replace("{rank}", RANK).replace("{once}", once))
    if everything:
        for made in VIEWS:
            database.execute(made.describe)
        make_source_views(database)


def _is_named(view: View, words: frozenset[str]) -> bool:
    """Tell whether a query of these words may read a view, by its own name or by that of one that needs it."""
    return view.name in words or any(_is_named(other, words) for other in VIEWS if other.needs == view.name)


def make_source_views(database: duckdb.DuckDBPyConnection) -> list[str]:
    """Make a view for each source found in the log; return their names. A source never hides a view of ours."""
    taken = {view.name for view in VIEWS}
    found = database.sql(
        "SELECT DISTINCT source FROM events WHERE event_type <> 'blank' AND event_type NOT LIKE 'homeiq!_%' ESCAPE '!'"
    )
    names = sorted(name for (name,) in found.fetchall() if name.lower() not in taken)
    for name in names:
        view = '"' + name.replace('"', '""') + '"'
        database.execute(f"CREATE OR REPLACE VIEW {view} AS {SOURCE_BODY.replace('{source}', quoted(name))}")
        comment = (
            f"What the source {name} has sent, but for the recorder's own words. For example: FROM {view} LIMIT 10"
        )
        database.execute(f"COMMENT ON VIEW {view} IS {quoted(comment)}")
    return names


def _scan(part: Slice, columns: str) -> str:
    where = "" if _is_whole(part) else f" WHERE seq BETWEEN {part.first} AND {part.last}"
    return f"SELECT {columns} FROM {_read_parquet([part.segment.path])}{where}"


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
