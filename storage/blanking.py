"""Rows that go, as blank rows in their places: what expiring, forgetting and mending share. Imports pyarrow.

A blank row keeps seq, received_at, source and origin; its time is that of its arrival, all else is gone. Rows stay in their
order and row group, so that whoever reads by an older list reads right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from . import segment
from .files import Files
from .maintenance import write_segment
from .manifest import SegmentName
from .reader import list_files
from .record import COLUMNS, GONE, blank
from .vanished import Key

__all__ = ["blank_segment", "blanked", "columns_of_segment", "enter_days", "speaking_segments"]


def blank_segment(
    data_dir: Path, name: SegmentName, mask: Callable[[pa.Table], pa.ChunkedArray], reason: str, files: Files
) -> SegmentName:
    """Write a segment's next generation, in which the rows that the mask names are blank."""

    def rows() -> Iterator[pa.Table]:
        return (blanked(table, mask(table), reason) for table in segment.row_groups(name))

    return write_segment(data_dir, rows, name.first, name.last, name.generation + 1, files)


def blanked(table: pa.Table, gone: pa.ChunkedArray, reason: str) -> pa.Table:
    """Return the rows in their order, those that go as blank rows."""
    text = pa.string()
    new = {
        "time": table["received_at"],
        "event_type": pa.scalar(GONE, text),
        "entity_id": pa.scalar(None, text),
        "state": pa.scalar(None, text),
        "raw": pa.scalar(blank(1, 0, "", reason).raw, text),
    }
    columns = [pc.if_else(gone, new[column], table[column]) if column in new else table[column] for column in COLUMNS]
    return pa.table(columns, schema=segment.SCHEMA)


def enter_days(gone: pa.Table, days: dict[Key, set[int]]) -> None:
    """Enter by kind on which days (microseconds UTC of their beginning) rows lay that go."""
    domain = pc.fill_null(
        pc.list_element(pc.split_pattern(pc.fill_null(gone["entity_id"], ""), ".", max_splits=1), 0), ""
    )
    day = pc.floor_temporal(gone["time"], unit="day").cast(pa.int64())
    kinds = pa.table({"source": gone["source"], "event_type": gone["event_type"], "domain": domain, "day": day})
    for row in kinds.group_by(["source", "event_type", "domain", "day"]).aggregate([]).to_pylist():
        days.setdefault((row["source"], row["event_type"], row["domain"]), set()).add(row["day"])


def columns_of_segment(name: SegmentName, columns: Iterable[str]) -> pa.Table:
    """Return some columns of a whole segment. Raises FileNotFoundError, LogCorrupt."""
    return pa.concat_tables(list(segment.read_rows(name, name.first, name.last, list(columns))))


def speaking_segments(data_dir: Path) -> list[SegmentName]:
    """Return the segments that speak for records, in order."""
    return sorted({part.segment for part in list_files(data_dir).slices})
