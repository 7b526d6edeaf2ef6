"""What was recorded last of each entity and registry, so that a snapshot adds only what is new; and who was listened to.

It is kept in `recorder.sqlite`, a cache that says which seq it reaches. What came after is read from the tails; where the
cache is missing, or ahead of the log, a child process makes it anew from the whole log:

    python -m homeiq.recorder.latest DATA_DIR
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import orjson

from ..storage.log import log_folder, tails_in
from ..storage.record import Event, Record
from ..storage.tail import read_tail
from .listened import Listened
from .recent import Recent

__all__ = ["Latest", "main"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reach (seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS entity (entity_id TEXT PRIMARY KEY, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registry (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS listening (what TEXT NOT NULL);
"""

_SNAPSHOT_ORIGINS = ("snapshot", "simulated")
_log = logging.getLogger(__name__)


class Latest:
    """The time (microseconds UTC) of each entity's latest state, and a digest of each registry's text."""

    def __init__(self) -> None:
        self.entities: dict[str, int] = {}
        self.registries: dict[str, bytes] = {}
        self.listened = Listened()
        self.recent = Recent()

    def is_new(self, event: Event | Record) -> bool:
        """Tell whether a record of this event would say something new, and remember the event as recorded.

        Only what a snapshot brings can say nothing new; all else is always recorded.
        """
        event_type = event.event_type
        self.listened.learn(event)
        if event_type == "state_changed":
            if event.entity_id is not None:
                self.entities[event.entity_id] = event.time
                self.recent.add(event.entity_id, event.time)
            return True
        if event_type == "state" and event.entity_id is not None:
            self.recent.add(event.entity_id, event.time)
        if event.origin not in _SNAPSHOT_ORIGINS:
            if event_type == "state" and event.entity_id is not None:
                self.entities[event.entity_id] = max(event.time, self.entities.get(event.entity_id, event.time))
            return True
        if event_type == "state" and event.entity_id is not None:
            known = self.entities.get(event.entity_id)
            self.entities[event.entity_id] = event.time if known is None else max(known, event.time)
            return known is None or event.time > known
        if event_type.endswith("_registry") or event_type == "config":
            digest = hashlib.blake2b(event.raw.encode(), digest_size=16).digest()
            known_digest = self.registries.get(event_type)
            self.registries[event_type] = digest
            return digest != known_digest
        return True

    def learn(self, records: Iterable[Record]) -> None:
        """Remember what these records say, which must come in order of seq."""
        for record in records:
            self.is_new(record)

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
            for table in ("reach", "entity", "registry", "listening"):
                database.execute(f"DELETE FROM {table}")
            database.execute("INSERT INTO reach VALUES (?)", (seq,))
            database.executemany("INSERT INTO entity VALUES (?, ?)", self.entities.items())
            database.executemany("INSERT INTO registry VALUES (?, ?)", self.registries.items())
            database.execute("INSERT INTO listening VALUES (?)", (orjson.dumps(self.listened.dump()).decode(),))
            database.execute("COMMIT")

    @classmethod
    def load(cls, data_dir: Path, next_seq: int) -> Latest:
        """Return what a log that goes on at `next_seq` says; without pyarrow, unless a child must make the cache anew."""
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
                (listened,) = database.execute("SELECT what FROM listening").fetchone()
                latest.listened = Listened.restored(orjson.loads(listened))
                return latest, int(reach)
        except (sqlite3.Error, TypeError, KeyError, ValueError):
            return cls(), -1


def _make_anew(data_dir: Path) -> None:
    command = [sys.executable, "-m", "homeiq.recorder.latest", str(data_dir)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    if child.returncode:  # a snapshot is then recorded whole: more than needed, nothing lost
        _log.warning("what was recorded last cannot be read from the log: %s", child.stderr.strip())


def main(data_dir: Path) -> None:
    """Make the cache anew from the whole log."""
    from ..storage.reader import LogReader

    latest = Latest()
    reader = LogReader(data_dir)
    for records in reader.read():
        latest.learn(records)
    latest.save(data_dir, reader.next_seq - 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
