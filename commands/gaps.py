"""`homeiq gaps`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ..clock import SystemClock
from ..connectors.historian import Historian
from ..connectors.registry import connector_class
from ..doctor.words import length as length_text
from ..errors import SettingsError
from ..replayer.replay import home_zone
from ..storage.gaps import MISSING, RECORDER, SENTENCES, GapReason
from ..storage.log import require_log
from ..storage.sql import query
from .tables import print_table
from .terminal import print_json, print_line
from .times import parse_time

__all__ = ["gaps"]

_GAPS = 'SELECT * FROM gaps ORDER BY start, source, "end"'

Row = Mapping[str, Any]


def gaps(data_dir: Path, since: str | None, source: str | None, as_json: bool) -> None:
    """List gaps, and say how many they are and how long. Raises HomeiqError."""
    require_log(data_dir)
    now = SystemClock().now()
    start = parse_time(since, home_zone(data_dir), now, "--since")
    table = query(data_dir, _GAPS)
    rows: list[Row] = [] if table is None else table.to_pylist()
    begin = None if start is None else datetime.fromtimestamp(start / 1e6, UTC)
    rows = [row for row in rows if source in (None, row["source"]) and _lasted(row, begin)]
    totals = [
        _total(name, [row for row in rows if row["source"] == name]) for name in sorted({r["source"] for r in rows})
    ]
    if as_json:
        print_json({"gaps": [_plain(row) for row in rows], "totals": totals})
        return
    _print(rows, datetime.fromtimestamp(now / 1e6, UTC))
    for total in totals:
        print_line(_sentence(total))
    if not rows:
        print_line("no gap is known" if source is None else f"no gap of {source} is known")


def _lasted(row: Row, begin: datetime | None) -> bool:
    return begin is None or row["end"] is None or bool(max(row["start"], row["end"]) >= begin)


def _total(source: str, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "source": source,
        "gaps": len(rows),
        "seconds": round(sum(row["seconds"] or 0.0 for row in rows), 6),
        "closed": sum(1 for row in rows if row["closed"]),
        "partly_closed": sum(1 for row in rows if not row["closed"] and row["closed_from"] is not None),
        "lasting": sum(1 for row in rows if row["end"] is None),
    }


def _sentence(total: Mapping[str, Any]) -> str:
    count = f"{total['gaps']:,} {'gap' if total['gaps'] == 1 else 'gaps'}"
    facts = [f"{total['source']}: {count}, {length_text(total['seconds'])} in all"]
    for key, words in (("closed", "closed"), ("partly_closed", "closed in part"), ("lasting", "still lasts")):
        if total[key]:
            facts.append(f"{total[key]:,} {words}")
    return ", ".join(facts)


def _print(rows: Sequence[Row], now: datetime) -> None:
    import pyarrow as pa

    if rows:
        shown = [_shown(row, now) for row in rows]
        print_table(pa.Table.from_pylist(shown), "table", None)


def _shown(row: Row, now: datetime) -> dict[str, str]:
    end = row["end"]
    seconds = row["seconds"] if end is not None else max(0.0, (now - row["start"]).total_seconds())
    return {
        "source": row["source"],
        "start": _moment(row["start"]),
        "end": "lasts" if end is None else _moment(end),
        "length": length_text(seconds),
        "why": SENTENCES[GapReason(row["reason"])],
        "closed": _closed(row),
    }


def _closed(row: Row) -> str:
    """Return how far a gap was closed, and what can't be had."""
    if not _has_history(row["source"]):
        how = "-"
    elif row["closed"]:
        how = "yes"
    elif row["closed_from"] is not None:
        how = f"{_moment(row['closed_from'])} to {_moment(row['closed_upto'])}"
    else:
        how = "no"
    words = [word for word in (row["missing"] or "").split(", ") if word in MISSING and word != "events"]
    return f"{how}; not: {', '.join(MISSING[word] for word in words)}" if words else how


@cache
def _has_history(source: str) -> bool:
    """Tell whether a source can be asked afterwards; of one that is not known here nobody can say that it can't."""
    if source == RECORDER:
        return False
    try:
        kind = connector_class(source)
    except SettingsError:
        return True
    return kind is None or issubclass(kind, Historian)


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds")[:-6]
