"""Which states came twice, live and by backfill say, so that the view `states` counts each once.

Imports duckdb and pyarrow. Two records speak of the same state if entity and time are the same. The greatest wins by
origin, then by raw text: the same one that the replayer believes. To compare ten million records takes seconds, and sealed
segments don't change, so what was found in them is kept in `<data dir>/doubled.parquet`: a cache, made anew where it is
missing. A segment that is new, merged or rewritten is compared again, with what lies at its times; the tail is, each time.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .files import Files
from .manifest import Slice
from .record import ORIGIN_RANK, STATE_TYPES

__all__ = ["RANK", "find_doubled"]

RANK: Final = (
    "CASE origin " + " ".join(f"WHEN '{name}' THEN {rank}" for name, rank in ORIGIN_RANK.items()) + " ELSE 0 END"
)
"""Which copy is believed, as SQL: the greater."""

_FILE: Final = "doubled.parquet"
_SEGMENTS: Final = b"homeiq.segments"
_SCHEMA: Final = pa.schema([("loser", pa.int64()), ("winner", pa.int64())])

_PAIRS: Final = """
WITH contested AS (
    SELECT entity_id, time FROM {all} {among}
    WHERE event_type IN {types} AND entity_id IS NOT NULL GROUP BY ALL HAVING count(*) > 1
), members AS MATERIALIZED (
    SELECT seq, entity_id, time, {rank} AS rank FROM {all} JOIN contested USING (entity_id, time)
    WHERE event_type IN {types}
), tied AS (
    SELECT seq FROM members QUALIFY count(*) OVER (PARTITION BY entity_id, time, rank) > 1
), texts AS MATERIALIZED (
    SELECT seq, raw FROM {all} WHERE seq IN (FROM tied)
), ordered AS (
    SELECT seq, first_value(seq) OVER (
        PARTITION BY entity_id, time ORDER BY rank DESC, raw DESC NULLS LAST, seq) AS winner
    FROM members LEFT JOIN texts USING (seq)
)
SELECT seq AS loser, winner FROM ordered WHERE seq <> winner
"""
"""Texts are read only of copies that came by the same way: `raw` is most of the log."""


def find_doubled(
    database: duckdb.DuckDBPyConnection,
    data_dir: Path,
    slices: Sequence[Slice],
    scans: dict[Slice, str],
    tail: pa.Table,
) -> bool:
    """Find records that another one stands for; tell whether there are any: the table `homeiq_doubled` (seq) has them.

    `events`, and `homeiq_tail` with the rows of `tail`, exist in the database; `scans` selects the log's columns from each
    slice. A cache that cannot
    be written is done without. Raises duckdb.Error.
    """
    pairs, known = _load(data_dir)
    named = {_name(part): part for part in slices}
    kept = [part for name, part in named.items() if name in known]
    fresh = [part for name, part in named.items() if name not in known]
    if fresh or known - named.keys():
        pairs = _within(database, pairs, kept)
        if fresh:
            database.execute(f"CREATE OR REPLACE TEMP VIEW homeiq_sealed AS {_union(scans, slices)}")
            database.execute(f"CREATE OR REPLACE TEMP VIEW homeiq_fresh AS {_union(scans, fresh)}")
            among = "SEMI JOIN homeiq_fresh USING (entity_id, time)" if kept else ""
            pairs = pa.concat_tables([pairs, _pairs(database, "homeiq_sealed", among)])
        _save(data_dir, pairs, named)
    if tail.num_rows:
        pairs = pa.concat_tables([pairs, _pairs(database, *_beside_tail(tail))])
    if not pairs.num_rows:
        return False
    database.register("homeiq_found", pairs.select(["loser"]).rename_columns(["seq"]))
    database.execute("CREATE OR REPLACE TEMP TABLE homeiq_doubled AS SELECT DISTINCT seq FROM homeiq_found")
    database.unregister("homeiq_found")
    return True


def _pairs(database: duckdb.DuckDBPyConnection, source: str, among: str) -> pa.Table:
    text = _PAIRS.format(all=source, among=among, types=STATE_TYPES, rank=RANK)
    return database.sql(text).to_arrow_table().cast(_SCHEMA)


def _beside_tail(tail: pa.Table) -> tuple[str, str]:
    """Return what the tail is to be compared with: bounds of time, written out, let whole row groups be skipped."""
    times = pc.min_max(tail.filter(pc.field("event_type").isin(STATE_TYPES))["time"].cast(pa.int64())).as_py()
    low, high = times["min"] or 0, times["max"] or 0
    beside = f"(FROM events WHERE time BETWEEN make_timestamptz({low}) AND make_timestamptz({high}))"
    return beside, "SEMI JOIN homeiq_tail USING (entity_id, time)"


def _union(scans: dict[Slice, str], slices: Sequence[Slice]) -> str:
    return " UNION ALL ".join(scans[part] for part in slices)


def _name(part: Slice) -> str:
    return f"{part.segment.path.name}:{part.first}-{part.last}"


def _within(database: duckdb.DuckDBPyConnection, pairs: pa.Table, kept: Sequence[Slice]) -> pa.Table:
    """Return the pairs whose both records lie in segments that have not changed."""
    if not (pairs.num_rows and kept):
        return _SCHEMA.empty_table()
    database.register("homeiq_pairs", pairs)
    ranges = {
        what: " OR ".join(f"{what} BETWEEN {part.first} AND {part.last}" for part in kept) for what in _SCHEMA.names
    }
    found = database.sql(f"FROM homeiq_pairs WHERE ({ranges['loser']}) AND ({ranges['winner']})").to_arrow_table()
    database.unregister("homeiq_pairs")
    return found.cast(_SCHEMA)


def _load(data_dir: Path) -> tuple[pa.Table, set[str]]:
    """Return the pairs that were found before, and the names of the segments among which they were looked for."""
    try:
        table = pq.read_table(data_dir / _FILE)
        names = table.schema.metadata[_SEGMENTS].decode().split()
        return table.select(_SCHEMA.names).replace_schema_metadata().cast(_SCHEMA), set(names)
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):  # Missing or damaged: it is made anew.
        return _SCHEMA.empty_table(), set()


def _save(data_dir: Path, pairs: pa.Table, names: dict[str, Slice]) -> None:
    sink = io.BytesIO()
    pq.write_table(pairs.replace_schema_metadata({_SEGMENTS: "\n".join(names).encode()}), sink, compression="zstd")
    with suppress(OSError):
        Files().write_whole(data_dir / _FILE, sink.getvalue())
