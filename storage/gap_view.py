"""The view `gaps`: what storage.gaps says of the log as it is now. Imports duckdb and pyarrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import duckdb
import pyarrow as pa

from .gaps import NO_SIGN, TOLD, gaps_of
from .reader import records_of
from .record import COLUMNS, HEARTBEAT, Record
from .views import quoted_list

__all__ = ["SCHEMA", "make_gap_view"]

_STAMP: Final = pa.timestamp("us", tz="UTC")

SCHEMA: Final = pa.schema(
    [
        ("source", pa.string()),
        ("start", _STAMP),
        ("end", _STAMP),
        ("seconds", pa.float64()),
        ("reason", pa.string()),
        ("closed_from", _STAMP),
        ("closed_upto", _STAMP),
        ("closed", pa.bool_()),
        ("missing", pa.string()),
    ]
)
"""The view's columns; times in UTC. `seconds` of a gap that lasts still is NULL, as its `end` is."""

_RECORDS: Final = f"""
WITH told AS (
    SELECT * FROM events WHERE event_type IN ({quoted_list(TOLD)})
    UNION
    (SELECT * FROM events WHERE event_type = '{HEARTBEAT}' ORDER BY seq DESC LIMIT 1)
    UNION
    (SELECT * FROM events
        WHERE event_type NOT IN ({quoted_list(sorted(NO_SIGN))}) ORDER BY seq DESC LIMIT 1)
)
SELECT {", ".join(COLUMNS)} FROM told ORDER BY seq
"""
"""Of the heartbeats and of all other records the last one is enough: what ended a gap says itself when it began."""


def make_gap_view(database: duckdb.DuckDBPyConnection, now: int, *, empty: bool) -> None:
    """Make the view `gaps` beside the view `events`, as of `now` (microseconds UTC); `empty`: without rows."""
    gaps = [] if empty else gaps_of(_records(database), now)
    columns: list[list[object]] = [
        [gap.source for gap in gaps],
        [gap.start for gap in gaps],
        [gap.end for gap in gaps],
        [gap.seconds for gap in gaps],
        [gap.reason.value for gap in gaps],
        [gap.closed_from for gap in gaps],
        [gap.closed_upto for gap in gaps],
        [gap.closed for gap in gaps],
        [", ".join(gap.missing) or None for gap in gaps],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    database.register("homeiq_gaps", pa.Table.from_arrays(arrays, schema=SCHEMA))
    database.execute("CREATE OR REPLACE VIEW gaps AS SELECT * FROM homeiq_gaps")


def _records(database: duckdb.DuckDBPyConnection) -> Iterator[Record]:
    yield from records_of(database.sql(_RECORDS).to_arrow_table())
