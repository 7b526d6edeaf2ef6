"""What the embedded target holds, read from the files that count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...clock import DAY
from ...storage.points import valid_parts
from .base import Stored

__all__ = ["held_between", "windows_of"]

_ROWS = 10_000


def windows_of(folder: Path) -> list[int]:
    """Return the starts (microseconds UTC) of all windows that have a folder under `folder`, in order."""
    return sorted({start for path in folder.glob("*/date=*") if (start := _start_of(path)) is not None})


def held_between(folder: Path, measurements: Sequence[str], start: int, end: int) -> Iterator[Stored]:
    """Yield the points of these measurements with times in [start, end) (microseconds UTC); a window at a time.

    Raises OSError.
    """
    if not measurements:
        return
    for window in windows_of(folder):
        if window < end and window + DAY > start:
            date_name = f"date={datetime.fromtimestamp(window // 1_000_000, UTC).date()}"
            for path in sorted(folder.glob(f"*/{date_name}")):
                for table in _tables(path, measurements, start, end):
                    yield from _stored(table)


def _start_of(path: Path) -> int | None:
    try:
        day = date.fromisoformat(path.name.removeprefix("date="))
    except ValueError:
        return None
    return round(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def _tables(folder: Path, measurements: Sequence[str], start: int, end: int) -> list[pa.Table]:
    """Read a window's files; looks again if one of them has just been merged into another."""
    for attempt in range(3):
        try:
            return [_table(part.path, measurements, start, end) for part in valid_parts(folder)]
        except FileNotFoundError:
            if attempt == 2:
                raise
    return []


def _table(path: Path, measurements: Sequence[str], start: int, end: int) -> pa.Table:
    chosen = pc.field("measurement").isin(list(measurements))
    try:
        table = pq.read_table(path, partitioning=None, filters=chosen)
    except pa.ArrowInvalid as error:
        raise OSError(f"{path.name} is broken ({error})") from None
    times = table.column("time").cast(pa.int64())
    table = table.set_column(table.column_names.index("time"), "time", times)
    if times.null_count == len(times):
        return table
    return table.filter(pc.and_(pc.greater_equal(times, start), pc.less(times, end)))


def _stored(table: pa.Table) -> Iterator[Stored]:
    names = [name for name in table.column_names if name not in ("measurement", "time", "fields")]
    for batch in table.to_batches(max_chunksize=_ROWS):
        columns = batch.to_pydict()
        tags = zip(*(columns[name] for name in names), strict=True) if names else [()] * batch.num_rows
        for measurement, at, values, fields in zip(
            columns["measurement"], columns["time"], tags, columns["fields"], strict=True
        ):
            held = {name: value for name, value in zip(names, values, strict=True) if value is not None}
            yield Stored(measurement, held, at * 1000, orjson.loads(fields))
