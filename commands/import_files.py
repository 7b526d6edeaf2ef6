"""NDJSON and Parquet files → events, as they stand in the file."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ..connectors.lines import checked_event, event_of_line
from ..connectors.pushed import Refused
from ..errors import UsageError
from ..storage.record import BLANKS, Event
from ..storage.spool import Bad

__all__ = ["ndjson_events", "parquet_events"]

_GZIP: Final = b"\x1f\x8b"
_NEEDED: Final = ("time", "source", "origin", "event_type", "entity_id", "state", "raw")


def ndjson_events(name: str, now: int) -> Iterator[tuple[Event | Bad | None, float]]:
    """Yield each event or bad line, and which share of the file was read (0: not known).

    `-` is stdin. Raises UsageError.
    """
    with ExitStack() as open_files:
        path = Path(name)
        size = 0
        if name == "-":
            file = cast(BinaryIO, sys.stdin.buffer)
        else:
            try:
                file = open_files.enter_context(path.open("rb"))
                size = path.stat().st_size
            except OSError as error:
                raise UsageError(f"{name} cannot be read ({error.strerror})", hint="name another file") from None
        packed = name.endswith(".gz") if name == "-" else file.read(2) == _GZIP
        if name != "-":
            file.seek(0)
        lines = cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file
        number = 0
        try:
            for number, line in enumerate(lines, 1):
                share = file.tell() / size if size and number % 100 == 0 else 0.0
                yield _event(line, number, now), share
        except (OSError, EOFError, zlib.error) as error:
            yield Bad(f"line {number + 1}", f"the file cannot be read any further ({error})", ""), 0.0


def _event(line: bytes, number: int, now: int) -> Event | Bad | None:
    line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip(b" \t\r\n")
    if not line:
        return None
    try:
        event = event_of_line(line, now)
    except Refused as refused:
        return Bad(f"line {number}", str(refused), line.decode("utf-8", "backslashreplace"))
    return None if event.event_type in BLANKS else event


def parquet_events(name: str, now: int) -> Iterator[tuple[Event | Bad | None, float]]:
    """Yield each event or bad row, and which share of the file was read. Raises UsageError."""
    try:
        file = pq.ParquetFile(name)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{name} cannot be read as Parquet ({error})", hint="name another file") from None
    with file:
        missing = [column for column in _NEEDED if column not in file.schema_arrow.names]
        if missing:
            raise UsageError(f"{name} has no column {missing[0]}", hint="its columns must be those of the log")
        number, rows = 0, file.metadata.num_rows
        try:
            for batch in file.iter_batches(5_000, columns=list(_NEEDED)):
                table = pa.Table.from_batches([batch])
                times = table["time"]
                if pa.types.is_timestamp(times.type):
                    times = times.cast(pa.timestamp("us", tz=times.type.tz), safe=False)
                values = [column.to_pylist() for column in (times.cast(pa.int64()), *table.columns[1:])]
                for row in zip(*values, strict=True):
                    number += 1
                    yield _row(dict(zip(_NEEDED, row, strict=True)), number, now), number / rows
        except (pa.ArrowException, OSError, ValueError) as error:
            yield Bad(f"row {number + 1}", f"the file cannot be read any further ({error})", ""), 0.0


def _row(columns: dict[str, object], number: int, now: int) -> Event | Bad | None:
    if columns["event_type"] in BLANKS:
        return None
    try:
        return checked_event(columns, now)
    except Refused as refused:
        return Bad(f"row {number}", str(refused), str(columns))
