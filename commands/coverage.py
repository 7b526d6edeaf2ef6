"""Which sources were listened to, when not and why, and how many events came: kept up minute by minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..clock import DAY, SECOND, to_iso
from ..storage.gaps import MISSING, NO_SIGN, RECORDER, SENTENCES, TOLD, Gap, gaps_of
from ..storage.record import HEARTBEAT, Record
from ..storage.views import quoted_list

__all__ = ["Coverage"]

_HOUR: Final = 3_600 * SECOND
_HOURS: Final = 25 * _HOUR
_DAYS: Final = 366 * DAY
_MOST_GAPS: Final = 5_000
_MOST_TOLD: Final = 50_000
_COUNTS: Final = """
SELECT source, origin, epoch_us(received_at) // {unit} * {unit} AS start, count(*) AS events
FROM events WHERE seq > {seen} AND seq <= {end} AND received_at >= to_timestamp({since})
    AND event_type <> 'blank' AND event_type NOT LIKE 'homeiq!_%' ESCAPE '!'
GROUP BY ALL
"""

_RECORDS: Final = """
SELECT seq, time, received_at, source, origin, event_type, entity_id, state, raw FROM events
WHERE seq > {seen} AND seq <= {end} AND (event_type IN ({told}) OR seq IN ({beat}, {last}))
ORDER BY seq
"""

_ENDS: Final = f"""
SELECT max(seq) AS end, max(seq) FILTER (event_type = '{HEARTBEAT}') AS beat,
    max(seq) FILTER (event_type NOT IN ({quoted_list(sorted(NO_SIGN))})) AS last
FROM events WHERE seq > {{seen}}
"""

Counts = Counter[tuple[str, str, int]]
"""How many events, by source, origin and the start of the hour or day (microseconds UTC) in which they were recorded."""


@dataclass
class Coverage:
    """What is known of a log up to a seq; each look reads only what has come since."""

    data_dir: Path
    seen: int = 0
    hours: Counts = field(default_factory=Counter)
    days: Counts = field(default_factory=Counter)
    told: list[Record] = field(default_factory=list)
    signs: dict[str, Record] = field(default_factory=dict)
    first: dict[str, int] = field(default_factory=dict)
    listened: set[str] = field(default_factory=set)

    def look(self, now: int) -> None:
        """Read what was recorded since the last look; `now` is microseconds UTC. Raises LogError, duckdb.Error."""
        from ..storage.reader import records_of
        from ..storage.sql import connect

        with connect(self.data_dir, "FROM events") as database:
            database.execute("SET threads = 1")  # the others are for those that follow and record
            end, beat, last = database.sql(_ENDS.format(seen=self.seen)).fetchall()[0]
            if end is None:
                return
            span = {"seen": self.seen, "end": end}
            hours = database.sql(_COUNTS.format(**span, unit=_HOUR, since=(now - _HOURS) / SECOND)).fetchall()
            days = database.sql(_COUNTS.format(**span, unit=DAY, since=(now - _DAYS) / SECOND)).fetchall()
            records = database.sql(
                _RECORDS.format(**span, told=quoted_list(TOLD), beat=beat or 0, last=last or 0)
            ).to_arrow_table()
        self._learn(records_of(records))
        for counts, rows in ((self.hours, hours), (self.days, days)):
            for source, origin, start, events in rows:
                counts[source, origin, start] += events
        self._forget(now)
        self.seen = end

    def _learn(self, records: Iterable[Record]) -> None:
        for record in records:
            if record.event_type in TOLD:
                self.told.append(record)
            elif record.event_type == HEARTBEAT:
                self.signs[HEARTBEAT] = record
            self.signs["last"] = record
            if record.event_type in ("homeiq_connected", "homeiq_disconnected", "homeiq_started"):
                self.listened.add(record.source)
            self.first.setdefault(record.source, record.received_at)

    def _forget(self, now: int) -> None:
        del self.told[:-_MOST_TOLD]  # each gap is told from one record alone
        for counts, kept in ((self.hours, _HOURS), (self.days, _DAYS)):
            for key in [key for key in counts if key[2] < now - kept]:
                del counts[key]

    def as_json(self, now: int) -> dict[str, Any]:
        """Return what the page shows: of the last year, as of `now` (microseconds UTC); times in seconds since 1970 UTC."""
        by_seq = {record.seq: record for record in (*self.told, *self.signs.values())}
        records = [by_seq[seq] for seq in sorted(by_seq)]
        found = [gap for gap in gaps_of(records, now) if gap.end is None or gap.end > now - _DAYS]
        shown = found[-_MOST_GAPS:]
        names = sorted(self.listened, key=lambda name: (name != RECORDER, name))
        return {
            "at": to_iso(now),
            "sources": [
                {
                    "name": name,
                    "first": self.first.get(name, now) / SECOND,
                    "gaps": [_plain(gap) for gap in shown if gap.source == name],
                }
                for name in names
            ],
            "left_out": len(found) - len(shown),
            "hours": _rows(self.hours),
            "days": _rows(self.days),
        }


def _rows(counts: Counts) -> list[list[object]]:
    return [[source, origin, start // SECOND, events] for (source, origin, start), events in sorted(counts.items())]


def _plain(gap: Gap) -> dict[str, Any]:
    missing = [MISSING[word] for word in gap.missing if word in MISSING]
    return {
        "start": gap.start / SECOND,
        "end": None if gap.end is None else gap.end / SECOND,
        "seconds": gap.seconds,
        "reason": gap.reason.value,
        "why": SENTENCES[gap.reason],
        "closed": gap.closed,
        "closed_from": None if gap.closed_from is None else gap.closed_from / SECOND,
        "closed_upto": None if gap.closed_upto is None else gap.closed_upto / SECOND,
        "missing": missing,
    }
