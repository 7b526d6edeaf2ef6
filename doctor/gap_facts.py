"""Gaps of the last days, and those that wait to be closed: from the newest records and the recorder's own memory.

`homeiq gaps` reads the whole log for all of them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from ..clock import SECOND
from ..recorder.listened import Listened
from ..storage.gaps import RECORDER, TOLD, Gap, gaps_of
from ..storage.reader import records_of
from .case import Case

__all__ = ["OpenGap", "all_gaps", "count_entities", "gaps_known", "known_entities", "longest_gap", "unclosed"]

_ALWAYS: Final = "sun.sun"
"""Home Assistant has it nearly always, and it changes every few minutes."""


class OpenGap(NamedTuple):
    """A gap and its length so far."""

    gap: Gap
    seconds: float


def gaps_known(case: Case) -> list[Gap]:
    """Return the gaps that the newest part of the log tells of, by source and start; one that lasts has no end."""
    facts = case.log()
    return gaps_of(facts.own, case.now) if facts is not None else []


def longest_gap(case: Case) -> OpenGap | None:
    """Return the longest gap of a source known here, or of what waits to be closed; None if there is none."""
    known = all_gaps(case) if case.limits.full else [*gaps_known(case), *unclosed(case)]
    gaps = [gap for gap in known if gap.source != RECORDER]
    return max((OpenGap(gap, _seconds(gap, case.now)) for gap in gaps), key=lambda gap: gap.seconds, default=None)


def all_gaps(case: Case) -> list[Gap]:
    """Return all gaps that the log tells of; it is looked through as a whole."""
    facts = case.log()
    if facts is None:
        return []
    from ..storage.view import LogView

    tables = [table for table in LogView(case.data_dir).scan(event_types=TOLD) if table.num_rows]
    records = sorted((record for table in tables for record in records_of(table)), key=lambda record: record.seq)
    last = records[-1].seq if records else 0
    return gaps_of([*records, *(record for record in facts.own if record.seq > last)], case.now)


def unclosed(case: Case) -> list[Gap]:
    """Return the gaps that have ended and are not closed yet: what the recorder's memory has, and what came since.

    A young log, of which the recorder has not written its memory down yet, says it itself.
    """
    rows = _memory(case.data_dir, "SELECT what, (SELECT max(seq) FROM reach) FROM listening")
    facts = case.log()
    if facts is None or (not rows and facts.looked_at != facts.end):
        return []
    listened, sources, reach = Listened(), set[str](), 0
    if rows:
        try:
            said = orjson.loads(rows[0][0])
            listened, sources, reach = Listened.restored(said), set(said["waiting"]), rows[0][1] or 0
        except (ValueError, KeyError, TypeError):
            return []
    for record in facts.own:
        if record.seq > reach:
            listened.learn(record)
            sources.add(record.source)
    return [gap for source in sorted(sources) for gap in listened.waiting(source)]


def known_entities(data_dir: Path, most: int) -> list[str]:
    """Return some entities that were recorded."""
    rows = _memory(data_dir, f"SELECT entity_id FROM entity ORDER BY time DESC LIMIT {most:d}")
    return [_ALWAYS, *(str(row[0]) for row in rows)]


def count_entities(data_dir: Path) -> int | None:
    """Return how many entities the recorder remembers; None where it has no memory."""
    rows = _memory(data_dir, "SELECT count(*) FROM entity")
    return int(rows[0][0]) if rows else None


def _memory(data_dir: Path, question: str) -> list[Any]:
    """Return rows of the recorder's cache; none where there is none, or another version's."""
    path = (data_dir / "recorder.sqlite").absolute()
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as database:
            return database.execute(question).fetchall()
    except sqlite3.Error:
        return []


def _seconds(gap: Gap, now: int) -> float:
    return gap.seconds if gap.seconds is not None else max(0, now - gap.start) / SECOND
