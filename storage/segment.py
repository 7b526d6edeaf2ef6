"""One sealed segment: its Parquet schema, and how it is written, read and validated.

A segment holds consecutive records, one a row. Besides Parquet's own, its footer has the keys

    homeiq.format      version of this format, "1"
    homeiq.first_seq   homeiq.last_seq
    homeiq.log         the ID of the log that it was written for (not in those of homeiq's first days)
    homeiq.digest      SHA-256 (64 hexadecimal digits) of the whole file, footer and all, with a 0 in the place of each of
                       these digits (the last place in the file where they stand)

A segment is valid when its footer opens, it holds exactly last - first + 1 rows with seq first … last, and its digest
is right. This module imports pyarrow: what runs for years imports it only in a short-lived child.
"""

from __future__ import annotations

import errno
import io
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import LogCorrupt, LogError
from .digest import NO_DIGEST, digest_of, format_of
from .manifest import SegmentName
from .record import COLUMNS, FORMAT_VERSION, HOUSEKEEPING, Record, too_new

__all__ = [
    "SCHEMA",
    "table_of",
    "write",
    "open_segment",
    "check_footer",
    "check_whole",
    "check_content",
    "is_foreign",
    "is_valid",
    "lost_in",
    "blocks",
    "groups_of",
    "read_rows",
    "is_written_for_another",
    "row_group",
    "rows_of",
    "times_of",
    "row_groups",
    "tables_in",
]

_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError)
"""What pyarrow raises for a damaged file."""

_NOT_OURS_TO_OPEN = (errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing of the file itself."""

_MICROSECONDS = pa.timestamp("us", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("time", _MICROSECONDS),
        pa.field("received_at", _MICROSECONDS, nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("entity_id", pa.string()),
        pa.field("state", pa.string()),
        pa.field("raw", pa.string()),
    ]
)

ROW_GROUP = 50_000
"""About so many rows are in a row group."""
_ROWS_AT_ONCE = 10_000


def table_of(records: Sequence[Record]) -> pa.Table:
    """Return records as an Arrow table of the log's columns."""
    return pa.table(
        [pa.array([getattr(record, field.name) for record in records], type=field.type) for field in SCHEMA],
        schema=SCHEMA,
    )


def groups_of(table: pa.Table) -> int:
    """Return into how many row groups of like size a table is written."""
    return max(1, round(int(table.num_rows) / ROW_GROUP))


def write(tables: Iterable[pa.Table], first: int, last: int, log: str) -> bytearray:
    """Return the bytes of a segment of the log with this ID, with these rows in the order in which they are given.

    No row group holds rows of two tables.
    """
    sink = io.BytesIO()
    writer = pq.ParquetWriter(
        sink,
        SCHEMA,
        compression="zstd",
        compression_level=9,
        data_page_size=8 << 20,
        use_dictionary=["source", "origin", "event_type", "entity_id", "state"],
        column_encoding={
            "seq": "DELTA_BINARY_PACKED",
            "time": "DELTA_BINARY_PACKED",
            "received_at": "DELTA_BINARY_PACKED",
        },
        write_page_checksum=True,
        store_schema=False,
    )
    for table in tables:
        writer.write_table(table, row_group_size=math.ceil(table.num_rows / groups_of(table)))
    writer.add_key_value_metadata(
        {
            "homeiq.format": str(FORMAT_VERSION),
            "homeiq.first_seq": str(first),
            "homeiq.last_seq": str(last),
            "homeiq.log": log,
            "homeiq.digest": NO_DIGEST.decode(),
        }
    )
    writer.close()
    content = bytearray(sink.getbuffer())
    place = content.rindex(NO_DIGEST)  # the last is that in the footer's keys
    content[place : place + len(NO_DIGEST)] = digest_of(content, NO_DIGEST)
    return content


def open_segment(path: Path) -> pq.ParquetFile:
    """Open a segment for reading, for an hour after it was superseded too.

    Raises FileNotFoundError, LogCorrupt if its footer does not open, or LogError if this user may not read it.
    """
    old = path.with_name(path.name + ".old")
    try:
        return pq.ParquetFile(path if path.exists() else old, page_checksum_verification=True)
    except _UNREADABLE as error:
        if isinstance(error, FileNotFoundError):
            raise
        if isinstance(error, OSError) and error.errno in _NOT_OURS_TO_OPEN:
            reason = os.strerror(error.errno)
            raise LogError(
                f"{path.name} cannot be opened ({reason})", hint="may this user read it?", place=str(path)
            ) from None
        raise LogCorrupt(f"{path.name} is not a readable segment", hint=_mend(error), place=str(path)) from None


def check_footer(name: SegmentName) -> pq.ParquetFile:
    """Open a segment whose footer says what its name says; raises LogCorrupt otherwise. Reads no rows."""
    file = open_segment(name.path)
    try:
        said = file.metadata.metadata or {}
        version = int(said.get(b"homeiq.format", b"0"))
        first, last = int(said.get(b"homeiq.first_seq", b"0")), int(said.get(b"homeiq.last_seq", b"0"))
    except ValueError:
        file.close()
        raise LogCorrupt(f"{name.path.name} has a footer that cannot be read", place=str(name.path)) from None
    if version > FORMAT_VERSION:
        file.close()
        if format_of(name.path.read_bytes()) > FORMAT_VERSION:
            raise too_new(version, str(name.path))
        raise LogCorrupt(f"{name.path.name} has changed since it was written", place=str(name.path))
    if not _has_columns(file):
        file.close()
        raise LogCorrupt(f"{name.path.name} has not the columns of a log", place=str(name.path))
    found = (first, last, file.metadata.num_rows)
    if found != (name.first, name.last, name.last - name.first + 1):
        file.close()
        raise LogCorrupt(f"{name.path.name} holds other records than its name says", place=str(name.path))
    return file


def _has_columns(file: pq.ParquetFile) -> bool:
    try:
        found = file.schema_arrow
        return all(found.field(field.name).type == field.type for field in SCHEMA)
    except _UNREADABLE:
        return False


def _mend(error: BaseException) -> str:
    return f"{_one_line(error)}; homeiq verify says more, and homeiq mend makes the log whole"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def check_whole(name: SegmentName) -> None:
    """Prove a segment valid by its footer, its digest and its seq; raises LogCorrupt or FileNotFoundError."""
    with check_footer(name) as file:
        said = file.metadata.metadata.get(b"homeiq.digest", b"")
        if not said or digest_of(name.path.read_bytes(), said) != said:
            raise LogCorrupt(f"{name.path.name} has changed since it was written", place=str(name.path))
        try:
            numbers = file.read(columns=["seq"])["seq"]
            sequence = numbers.take(pc.sort_indices(numbers))
        except _UNREADABLE as error:
            raise LogCorrupt(f"{name.path.name} cannot be read", hint=_mend(error), place=str(name.path)) from None
        if not sequence.combine_chunks().equals(pa.array(range(name.first, name.last + 1), pa.int64())):
            raise LogCorrupt(f"{name.path.name} does not hold the records that its name says", place=str(name.path))


def is_valid(name: SegmentName) -> bool:
    """Tell whether a segment may speak for its records."""
    try:
        check_whole(name)
        return not is_foreign(name)
    except (LogCorrupt, FileNotFoundError):
        return False


def is_foreign(name: SegmentName) -> bool:
    """Tell whether a segment was written for another log than the one in whose folder it lies; raises as check_footer."""
    with check_footer(name) as file:
        return is_written_for_another(name.path, file.metadata)


def is_written_for_another(path: Path, metadata: pq.FileMetaData) -> bool:
    """Tell whether a footer names another log than the one in whose folder (`log/date=…/`) this path lies."""
    written_for = (metadata.metadata or {}).get(b"homeiq.log", b"")
    try:
        return bool(written_for) and (path.parents[1] / "ID").read_bytes().strip() != written_for
    except OSError:  # a folder that says nothing of itself
        return False


def times_of(group: pq.RowGroupMetaData) -> tuple[int, int] | None:
    """Return the least and the greatest time (microseconds UTC) of a row group, None where the footer does not say so."""
    said = group.column(COLUMNS.index("time")).statistics
    try:
        if said is None or not said.has_min_max:
            return None
        return pa.scalar(said.min, _MICROSECONDS).value, pa.scalar(said.max, _MICROSECONDS).value
    except _UNREADABLE:
        return None


def rows_of(path: Path, group: int) -> int:
    """Return how many rows a row group has, as the footer says; raises as `open_segment`."""
    with open_segment(path) as file:
        return int(file.metadata.row_group(group).num_rows)


def check_content(name: SegmentName, content: bytes, data_dir: Path | None = None) -> None:
    """Prove bytes that were copied to be this segment (of the log of `data_dir`), by footer and digest.

    Raises LogCorrupt, LogTooNew.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            said = file.metadata.metadata or {}
            rows = file.metadata.num_rows
            another = data_dir is not None and is_written_for_another(data_dir / "log" / "date" / "x", file.metadata)
        version = int(said.get(b"homeiq.format", b"0"))
        named = (int(said.get(b"homeiq.first_seq", b"0")), int(said.get(b"homeiq.last_seq", b"0")), rows)
    except _UNREADABLE as error:
        raise LogCorrupt(f"{name.path.name} is not a readable segment", hint=_one_line(error)) from None
    if version > FORMAT_VERSION and format_of(content) > FORMAT_VERSION:
        raise too_new(version, str(name.path))
    digest = said.get(b"homeiq.digest", b"")
    expected = (name.first, name.last, name.last - name.first + 1)
    if named != expected or not digest or digest_of(content, digest) != digest:
        raise LogCorrupt(f"{name.path.name} has changed since it was written")
    if another:
        raise LogCorrupt(f"{name.path.name} was written for another log")


def read_rows(
    name: SegmentName, first: int, last: int, columns: Sequence[str] = COLUMNS, row_groups: Sequence[int] | None = None
) -> Iterator[pa.Table]:
    """Yield rows `first` … `last` as tables of some thousand rows, in the file's own order.

    Raises FileNotFoundError when the segment was superseded meanwhile, LogCorrupt when it cannot be read.
    """
    wanted = list(columns) if "seq" in columns else ["seq", *columns]
    with check_footer(name) as file:
        groups = range(file.num_row_groups) if row_groups is None else row_groups
        batches = file.iter_batches(_ROWS_AT_ONCE, row_groups=list(groups), columns=wanted, use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except _UNREADABLE as error:
                raise LogCorrupt(f"{name.path.name} cannot be read", hint=_mend(error), place=str(name.path)) from None
            if batch is None:
                return
            table = pa.Table.from_batches([batch])
            if first > name.first or last < name.last:
                table = table.filter((pc.field("seq") >= first) & (pc.field("seq") <= last))
            yield table.select(list(columns))


def row_group(path: Path, group: int, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield a row group of a file up to the first page that can't be read, whatever its footer says of the log.

    Raises FileNotFoundError, and LogCorrupt where the file has no such group or columns.
    """
    with open_segment(path) as file:
        if group >= file.num_row_groups or not _has_columns(file):
            raise LogCorrupt(f"{path.name} has no such rows", place=str(path))
        batches = file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=list(columns), use_threads=False)
        while True:
            try:
                batch = next(batches, None)
            except _UNREADABLE:
                return
            if batch is None:
                return
            yield pa.Table.from_batches([batch]).select(list(columns))


def row_groups(name: SegmentName, columns: Sequence[str] = COLUMNS) -> Iterator[pa.Table]:
    """Yield the rows of each row group as one table, in the file's own order; raises as `read_rows`."""
    with check_footer(name) as file:
        count = file.num_row_groups
    for group in range(count):
        yield pa.concat_tables(list(read_rows(name, name.first, name.last, columns, [group])))


def tables_in(content: bytes) -> Iterator[pa.Table]:
    """Yield the rows of each row group of a segment's bytes, which were proved by `check_content`."""
    with pq.ParquetFile(pa.BufferReader(content)) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=list(COLUMNS), use_threads=False)


def lost_in(content: bytes) -> list[int]:
    """Return the seqs of the rows of a segment's bytes that keep the place of a record which a disk has lost.

    Raises LogCorrupt.
    """
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True) as file:
            rows = file.read(columns=["seq", "event_type"])
    except _UNREADABLE as error:
        raise LogCorrupt("it is not a readable segment", hint=_one_line(error)) from None
    seqs: list[int] = rows.filter(pc.equal(rows["event_type"], HOUSEKEEPING + "blank"))["seq"].to_pylist()
    return seqs


def blocks(name: SegmentName, first: int, last: int) -> list[list[int]]:
    """Return the row groups that hold any of `first` … `last`, in order of seq.

    Those whose ranges of seq overlap are in one list: the rows of such a block are in an order of their own, which is that
    of questions. Raises FileNotFoundError, LogCorrupt.
    """
    place = COLUMNS.index("seq")
    with check_footer(name) as file:
        found = [file.metadata.row_group(group).column(place).statistics for group in range(file.num_row_groups)]
    spans = [
        (said.min, said.max, group) if said is not None and said.has_min_max else (name.first, name.last, group)
        for group, said in enumerate(found)
    ]
    made: list[list[int]] = []
    reach = 0
    for low, high, group in sorted(span for span in spans if span[0] <= last and span[1] >= first):
        if made and low <= reach:
            made[-1].append(group)
        else:
            made.append([group])
        reach = max(reach, high)
    return [sorted(groups) for groups in made]
