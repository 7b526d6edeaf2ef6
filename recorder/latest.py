"""What was recorded last: of each entity and registry, so that a snapshot adds only what is new; who was listened to; keys.

It is kept in `recorder.sqlite`, a cache that says which seq it reaches. What came after is read from the tails; where the
cache is missing, or ahead of the log, a child process makes it anew from the whole log:

    python -m homeiq.recorder.latest DATA_DIR            make it anew from the whole log
    python -m homeiq.recorder.latest DATA_DIR advance    add what is in the tails that are sealed next
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson

from ..connectors.home_assistant.protocol import SOURCE
from ..errors import HomeiqError, LogCorrupt
from ..storage.gaps import facts_of
from ..storage.log import log_folder, tails_in
from ..storage.record import LOST, Event, Record
from ..storage.tail import read_tail
from .idempotency import Keys
from .listened import Listened
from .recent import Recent

__all__ = ["Latest", "advance", "main"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reach (seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entity (entity_id TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registry (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT NOT NULL, digest TEXT NOT NULL, received_at INTEGER NOT NULL, count INTEGER NOT NULL, done INTEGER NOT NULL,
    first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS listening (what TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS home (config TEXT NOT NULL);
"""

_HEARD = frozenset({"live", "simulated", "snapshot"})
"""Origins of what Home Assistant said of itself when it was heard: what its state is now."""

_SNAPSHOT_ORIGINS = ("snapshot", "simulated")
_TRIES = 20
_NO_CHOICE = '{"include":{},"exclude":{}}'
_log = logging.getLogger(__name__)


class Latest:
    """The time (microseconds UTC) of each entity's latest state, a digest of each registry's text, and `keys`.

    Nobody who was not listening knows that an entity is gone: it is simply not in the next snapshot. Nothing is invented
    then; its removal is in Home Assistant's history, and so comes with the backfill of the gap, if it can be had at all.
    """

    def __init__(self) -> None:
        self.keys = Keys()
        self.entities: dict[str, int] = {}
        self.registries: dict[str, bytes] = {}
        self.listened = Listened()
        self.recent = Recent()
        self.config = "{}"

    def home_config(self) -> dict[str, Any]:
        """Return Home Assistant's configuration as it was last recorded; empty if it never was, or is no object."""
        try:
            config = orjson.loads(self.config)
        except ValueError:
            return {}
        return config if isinstance(config, dict) else {}

    def is_new(self, event: Event | Record) -> bool:
        """Tell whether a record of this event would say something new.

        Only what a snapshot brings can say nothing new, and the choice of what is recorded; all else is always recorded.
        A state is new if it has another time than the latest one: also an earlier one, from a clock that was put right.
        """
        event_type = event.event_type
        if event_type == "state_changed":
            return True
        if event_type == "homeiq_choice":
            return self._digest_is_new(event)
        if event.origin not in _SNAPSHOT_ORIGINS:
            return True
        if event_type == "state" and event.entity_id is not None:
            return self.entities.get(event.entity_id) != event.time
        if _is_registry(event):
            return self._digest_is_new(event)
        return True

    def remember(self, event: Event | Record) -> None:
        """Know an event as recorded. To be called only for what goes into the log, in the order in which it does."""
        event_type, entity_id = event.event_type, event.entity_id
        self.listened.learn(event)
        if event_type == "state_changed" or event_type == "state":
            if entity_id is None or event.source != SOURCE:
                return
            self.recent.add(entity_id, event.time)
            if event.origin in _HEARD:
                self.entities[entity_id] = event.time
            elif event.origin == "backfill":
                self.entities[entity_id] = max(self.entities.get(entity_id, event.time), event.time)
        elif event_type == LOST and "rows" in facts_of(event.raw):
            # What these said may be lost: whatever the next snapshot brings is new. The names of entities are known still.
            self.registries.clear()
            self.entities = dict.fromkeys(self.entities, 0)
        elif event_type == "homeiq_choice" or _is_registry(event):
            self.registries[event_type] = _digest(event.raw)
            if event_type == "config":
                self.config = event.raw

    def _digest_is_new(self, event: Event | Record) -> bool:
        known = self.registries.get(event.event_type)
        if known is None and event.event_type == "homeiq_choice":
            known = _digest(_NO_CHOICE)
        return known != _digest(event.raw)

    def learn(self, records: Iterable[Record]) -> None:
        """Remember what these records say, which must come in order of seq."""
        for record in records:
            self.remember(record)
            self.keys.learn(record)

    def save(self, data_dir: Path, seq: int) -> None:
        """Keep it for the next start; `seq` is the last record that it knows of. A disk that can't is only said."""
        try:
            self._save(data_dir, seq)
        except sqlite3.Error as error:
            _log.warning("what was recorded last is not kept for the next start, which takes longer then: %s", error)

    def _save(self, data_dir: Path, seq: int) -> None:
        with closing(sqlite3.connect(data_dir / "recorder.sqlite", isolation_level=None)) as database:
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            for table in ("reach", "entity", "registry", "idempotency", "listening", "home"):
                database.execute(f"DELETE FROM {table}")
            database.execute("INSERT INTO reach VALUES (?)", (seq,))
            database.executemany("INSERT INTO entity VALUES (?, ?)", self.entities.items())
            database.executemany("INSERT INTO registry VALUES (?, ?)", self.registries.items())
            database.executemany("INSERT INTO idempotency VALUES (?, ?, ?, ?, ?, ?, ?)", self.keys.rows())
            database.execute("INSERT INTO listening VALUES (?)", (orjson.dumps(self.listened.dump()).decode(),))
            database.execute("INSERT INTO home VALUES (?)", (self.config,))
            database.execute("COMMIT")

    @classmethod
    def load(cls, data_dir: Path, next_seq: int) -> Latest:
        """Return what a log that goes on at `next_seq` says; without pyarrow, unless a child must make the cache anew."""
        for _ in range(_TRIES):
            try:
                return cls._load(data_dir, next_seq)
            except FileNotFoundError:  # a tail was sealed meanwhile, by a child of the process before this one
                continue
        return cls._load(data_dir, next_seq)

    @classmethod
    def _load(cls, data_dir: Path, next_seq: int) -> Latest:
        tails = tails_in(log_folder(data_dir))
        first = tails[0][0] if tails else next_seq
        latest, reach = cls._read(data_dir)
        if reach >= next_seq or reach < first - 1:
            if first > 1:
                _make_anew(data_dir)
                latest, reach = cls._read(data_dir)
            else:
                latest, reach = cls(), 0
        for place, (_, path) in enumerate(tails):
            before = tails[place + 1][0] if place + 1 < len(tails) else None
            records = read_tail(path, before)
            latest.recent.learn(record for record in records if record.seq <= reach)
            latest.learn(record for record in records if record.seq > reach)
        return latest

    @classmethod
    def _read(cls, data_dir: Path) -> tuple[Latest, int]:
        latest = cls()
        try:
            with closing(sqlite3.connect(f"file:{data_dir / 'recorder.sqlite'}?mode=ro", uri=True)) as database:
                (reach,) = database.execute("SELECT seq FROM reach").fetchone()
                latest.entities.update(database.execute("SELECT entity_id, time FROM entity"))
                latest.registries.update(database.execute("SELECT name, digest FROM registry"))
                latest.keys.load(database.execute("SELECT * FROM idempotency ORDER BY rowid"))
                (listened,) = database.execute("SELECT what FROM listening").fetchone()
                latest.listened = Listened.restored(orjson.loads(listened))
                (latest.config,) = database.execute("SELECT config FROM home").fetchone()
                return latest, int(reach)
        except (sqlite3.Error, TypeError, KeyError, ValueError):
            return cls(), -1


def _is_registry(event: Event | Record) -> bool:
    """Tell a registry, or the configuration, from an event that somebody fired and gave such a type."""
    if not event.event_type.endswith("_registry") and event.event_type != "config":
        return False
    return event.source == SOURCE and not _is_fired(event.raw)


def _is_fired(raw: str) -> bool:
    """Tell whether a text is that of an event of the bus, which names its own type; a registry is a list, and no
    configuration does.
    """
    if not raw.lstrip().startswith("{"):
        return False
    try:
        content = orjson.loads(raw)
    except ValueError:
        return False
    return isinstance(content, dict) and "event_type" in content


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _make_anew(data_dir: Path) -> None:
    command = [sys.executable, "-m", "homeiq.recorder.latest", str(data_dir)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:  # a snapshot is then recorded whole: more than needed, nothing lost
        _log.warning("what was recorded last cannot be read from the log: %s", child.stderr.strip())


def main(data_dir: Path) -> None:
    """Make the cache anew from the whole log, as far as it can be read."""
    from ..storage.reader import LogReader, list_files

    latest = Latest()
    reader = LogReader(data_dir)
    while True:
        try:
            for records in reader.read():
                latest.learn(records)
        except LogCorrupt as error:
            damaged = (one.last for one in list_files(data_dir).slices if one.first <= reader.next_seq <= one.last)
            if (last := next(damaged, None)) is None:
                raise
            _log.warning("what was recorded last is known but for %d to %d: %s", reader.next_seq, last, error)
            reader.next_seq = last + 1
            continue
        break
    latest.save(data_dir, reader.next_seq - 1)


def advance(data_dir: Path) -> None:
    """Add to the cache what the tails hold, but for the newest; only where it lacks more than that, read the whole log.

    Called before these tails are sealed, so that no start ever has to read a segment.
    """
    tails = tails_in(log_folder(data_dir))
    if len(tails) < 2:
        return
    first, end = tails[0][0], tails[-1][0]
    latest, reach = Latest._read(data_dir)
    if reach >= end or (reach < first - 1 and first > 1):
        main(data_dir)
        return
    if reach < first - 1:
        latest = Latest()
    for (_, path), (before, _) in pairwise(tails):
        latest.learn(record for record in read_tail(path, before) if record.seq > reach)
    latest.save(data_dir, end - 1)


if __name__ == "__main__":
    os.nice(10)  # never in the way of whoever appends
    try:
        (advance if sys.argv[2:] == ["advance"] else main)(Path(sys.argv[1]))
    except (HomeiqError, OSError) as problem:
        sys.stderr.write(f"{problem}\n")
        raise SystemExit(1) from None
