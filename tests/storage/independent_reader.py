"""A reader of the log's format, version 1, written from `docs/log-format.md` alone: it shares no code with homeiq."""

import hashlib
import json
import re
import zlib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

__all__ = ["read"]

_COLUMNS = ("seq", "time", "received_at", "source", "origin", "event_type", "entity_id", "state", "raw")
_SEGMENT = re.compile(r"(\d{20})-(\d{20})\.(\d+)\.parquet")


def read(data_dir: Path) -> list[dict[str, Any]]:
    """Return all records of a log that nobody appends to, in order of seq."""
    found: dict[int, dict[str, Any]] = {}
    segments = []
    for path in (data_dir / "log").glob("date=*/*.parquet"):
        if match := _SEGMENT.fullmatch(path.name):
            first, last, generation = map(int, match.groups())
            if (rows := _rows(path, first, last)) is not None:
                segments.append((generation, last - first, rows))
    for _, _, rows in sorted(segments, key=lambda one: one[:2], reverse=True):
        for row in rows:
            found.setdefault(row["seq"], row)
    tails = sorted((int(path.name[5:25]), path) for path in (data_dir / "log").glob("tail-*.ndjson"))
    for place, (seq, path) in enumerate(tails):
        before = tails[place + 1][0] if place + 1 < len(tails) else None
        for line in path.read_bytes().split(b"\n")[:-1]:
            record = _record(line)
            if record is None or record["seq"] != seq or (before is not None and seq >= before):
                break
            found.setdefault(seq, record)
            seq += 1
    return [found[seq] for seq in sorted(found)]


def _record(line: bytes) -> dict[str, Any] | None:
    body, end = line[:-18], line[-18:]
    if end != b',"crc":"%08x"}' % zlib.crc32(body):
        return None
    record = json.loads(line)
    if record.pop("v", 1) > 1:
        raise ValueError("a later version")
    del record["crc"]
    return record


def _rows(path: Path, first: int, last: int) -> list[dict[str, Any]] | None:
    """Return the rows of a segment, None if it is not valid."""
    try:
        with pq.ParquetFile(path) as file:
            said, table = file.metadata.metadata, file.read()
    except (OSError, ValueError):
        return None
    if int(said[b"homeiq.format"]) > 1:
        raise ValueError("a later version")
    before, digest, after = path.read_bytes().rpartition(said[b"homeiq.digest"])
    whole = hashlib.sha256(before + b"0" * 64 + after).hexdigest().encode() == digest
    for name in ("time", "received_at"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast("int64"))
    rows = table.select(_COLUMNS).to_pylist()
    return rows if whole and sorted(row["seq"] for row in rows) == list(range(first, last + 1)) else None
