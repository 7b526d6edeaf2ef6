"""`homeiq export`: records of the log, in order of seq, as NDJSON or Parquet."""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..clock import SystemClock
from ..connectors.lines import line_of
from ..errors import LogError, UsageError
from ..replayer.replay import home_zone
from ..storage.log import require_log
from ..storage.reader import LogReader, missing_records
from ..storage.record import BLANKS, Record
from .terminal import Display, long_work, say
from .times import parse_time

__all__ = ["ExportOptions", "export"]


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What is wanted, as it was typed."""

    since: str | None = None
    until: str | None = None
    entity: str = ""
    source: str = ""
    event_type: str = ""
    output: str = "-"
    form: str = "ndjson"


def export(data_dir: Path, options: ExportOptions) -> None:
    """Write the records that are wanted, as many as there are now. Raises HomeiqError.

    A file is whole or not there: it gets its name at the end.
    """
    require_log(data_dir)
    if options.form == "parquet" and options.output == "-" and sys.stdout.isatty():
        raise UsageError("Parquet is nothing for a terminal", hint="name a file with --output")
    count = 0
    again = "run it again" if options.output == "-" else f"{options.output} is as it was before; run it again"
    with long_work(again) as display, _output(options.output) as file:
        lists = _wanted(data_dir, options, display)
        if options.form == "parquet":
            count = _write_parquet(lists, file)
        else:
            for records in lists:
                file.write(b"".join(map(line_of, records)))
                count += len(records)
    if options.output != "-":
        say(f"exported {count:,} records into {options.output}")


def _wanted(data_dir: Path, options: ExportOptions, display: Display) -> Iterator[list[Record]]:
    zone, now = home_zone(data_dir), SystemClock().now()
    start = parse_time(options.since, zone, now, "--since")
    end = parse_time(options.until, zone, now, "--until")
    entity = re.compile(fnmatch.translate(options.entity)) if options.entity else None
    reader = LogReader(data_dir)
    begin, end_seq = reader.next_seq, reader.end()
    quiet = options.output == "-" and sys.stdout.isatty()  # progress would lie among what is read
    for records in reader.read(end_seq):
        if not quiet:
            display.show("read", records[-1].seq - begin + 1, total=end_seq)
        found = [
            record
            for record in records
            if record.event_type not in BLANKS
            and (start is None or record.time >= start)
            and (end is None or record.time < end)
            and (entity is None or (record.entity_id is not None and entity.match(record.entity_id)))
            and (not options.source or record.source == options.source)
            and (not options.event_type or record.event_type == options.event_type)
        ]
        if found:
            yield found
    if reader.missing:
        raise missing_records(reader.missing, data_dir)


def _write_parquet(lists: Iterator[list[Record]], file: IO[bytes]) -> int:
    import pyarrow.parquet as pq

    from ..storage.segment import ROW_GROUP, SCHEMA, table_of

    count = 0
    waiting: list[Record] = []
    with pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True, store_schema=False) as writer:
        for records in lists:
            waiting += records
            count += len(records)
            if len(waiting) >= ROW_GROUP:
                writer.write_table(table_of(waiting[:ROW_GROUP]), row_group_size=ROW_GROUP)
                del waiting[:ROW_GROUP]
        writer.write_table(table_of(waiting), row_group_size=ROW_GROUP)
    return count


@contextmanager
def _output(name: str) -> Iterator[IO[bytes]]:
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            yield file
        beside.replace(path)
    except OSError as error:
        raise LogError(f"{name} cannot be written ({error.strerror})", hint="name another file with --output") from None
    finally:
        with suppress(OSError):
            beside.unlink()
