"""Records on their way into the log, put in the order of their times: in a temporary file of SQLite, not in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import LogError
from .record import Event

__all__ = ["Bad", "Spool"]

_ROWS = 5_000

# A page at a time: who takes no more of them leaves no question open.
_FOLLOWING = (
    "SELECT number, time, source, origin, event_type, entity_id, state, raw FROM spooled"
    " WHERE (time, number) > (?, ?) ORDER BY time, number LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Bad:
    """What cannot become a record: where it stood, why, and its text."""

    place: str
    reason: str
    text: str


class Spool:
    """Takes events in any order, and gives them back in the order of their times (and as they came, at one time).

    The file lies where SQLite puts temporary files (SQLITE_TMPDIR), has no name, and is gone with the process.
    """

    def __init__(self) -> None:
        self.count = 0
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute(
            "CREATE TABLE spooled (number INTEGER PRIMARY KEY, time INTEGER, source TEXT, origin TEXT, event_type TEXT,"
            " entity_id TEXT, state TEXT, raw TEXT)"
        )

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def add(self, events: Iterable[Event]) -> None:
        """Take some events; raises LogError if there is no room for the temporary file."""
        rows = [(one.time, one.source, one.origin, one.event_type, one.entity_id, one.state, one.raw) for one in events]
        try:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO spooled VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise _no_room(error) from None
        self.count += len(rows)

    def events(self, now: int) -> Iterator[Event]:
        """Yield all events in the order of their times, as received at `now` (microseconds UTC)."""
        try:
            self._database.execute("CREATE INDEX IF NOT EXISTS by_time ON spooled (time, number)")
            time, number = -(2**63), 0
            while rows := self._database.execute(_FOLLOWING, (time, number, _ROWS)).fetchall():
                for row in rows:
                    yield Event(row[1], now, *row[2:])
                number, time = rows[-1][:2]
        except sqlite3.Error as error:
            raise _no_room(error) from None


def _no_room(error: sqlite3.Error) -> LogError:
    return LogError(
        f"the records could not be put in order in a temporary file ({error})",
        hint="make room in the data folder, or name another folder in SQLITE_TMPDIR",
    )
